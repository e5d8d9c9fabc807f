#pragma once
/// \file
/// The linear recurrent unit (A. Orvieto, S. L. Smith et al., "Resurrecting recurrent neural networks for long
/// sequences", 2023), whose hidden state is complex.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// lambda = exp(-exp(nu) + i exp(theta))                          of modulus less than 1: nothing explodes
/// h_t = lambda h_<t-1> + exp(gamma) B x_t,  h_0 .. h_T, B complex
///
/// The outputs are the real parts of h_t, then the imaginary ones, 2 H numbers: the paper's y_t = Re(C h_t) + D x_t is
///
///     recur::Sum(recur::Sequence(recur::Lru<float>(I, H), recur::Readout<float>(2 * H, O)),  // V is (Re C, -Im C)
///                recur::Readout<float>(I, O))                                                // D
///
/// U has the rows of Re B, then of Im B; there is neither W nor b. The cell's P, H x 3, is nu, theta, gamma, where
/// initialize() starts them as the paper does: lambda uniform in the ring r_min <= |lambda| <= r_max of phases from 0
/// to max_phase, gamma = log sqrt(1 - |lambda|^2), which keeps h as large as x, and B normal of variance 1 / (2 I).
struct LruRule {
  /// What Rule asks for.
  ///@{
  static constexpr const char* name = "LRU";
  enum Block { re, im, blocks };
  enum Vector { nu, theta, gamma, vectors };
  enum Derived { real, imaginary, scale, derived };  // lambda, exp(gamma)
  static constexpr BlockRange from_input{re, 2}, from_bias{re, 0}, state{re, 2}, h{re, 2};

  EIGEN_ALWAYS_INLINE void derive(const auto& p, auto& q) const {
    q[scale] = (-p[nu].exp()).exp();
    q[real] = q[scale] * p[theta].exp().cos();
    q[imaginary] = q[scale] * p[theta].exp().sin();
    q[scale] = p[gamma].exp();
  }
  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto& q) const {
    const auto h_re = before[re].eval(), h_im = before[im].eval(), q_re = q[real].eval(), q_im = q[imaginary].eval();
    const auto scale_of = q[scale].eval();
    now[re] = scale_of * now[re] + q_re * h_re - q_im * h_im;
    now[im] = scale_of * now[im] + q_re * h_im + q_im * h_re;
  }
  EIGEN_ALWAYS_INLINE void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& q,
                                    auto& d_q) const {
    // Read once, as what is written could be any of it.
    const auto h_re = before[re].eval(), h_im = before[im].eval(), d_re = d_now[re].eval(), d_im = d_now[im].eval();
    const auto q_re = q[real].eval(), q_im = q[imaginary].eval();
    // dL/dgamma: exp(gamma) B x_t is what is not of the past.
    const auto d_scale =
        (d_re * (now[re] - q_re * h_re + q_im * h_im) + d_im * (now[im] - q_re * h_im - q_im * h_re)).eval();
    d_now[re] = d_re * q[scale];
    d_now[im] = d_im * q[scale];
    d_q[real] += d_re * h_re + d_im * h_im;
    d_q[imaginary] += d_im * h_re - d_re * h_im;
    d_q[scale] += d_scale;
    d_before[re] += q_re * d_re + q_im * d_im;
    d_before[im] += q_re * d_im - q_im * d_re;
  }
  void backward_derive(const auto& p, const auto& q, const auto& d_q, auto& d_p) const {
    d_p[nu] -= p[nu].exp() * (d_q[real] * q[real] + d_q[imaginary] * q[imaginary]);
    d_p[theta] += p[theta].exp() * (d_q[imaginary] * q[real] - d_q[real] * q[imaginary]);
    d_p[gamma] += d_q[scale];
  }
  ///@}
  double r_min = 0;                      ///< least modulus of lambda where it starts
  double r_max = 1;                      ///< largest
  double max_phase = 6.283185307179586;  ///< largest phase

  /// For initialize(). Throws std::invalid_argument unless 0 <= r_min < 1, r_min <= r_max <= 1 and max_phase > 0.
  void start(auto& cell, auto& rng) const {
    require(r_min >= 0 && r_min < 1 && r_max >= r_min && r_max <= 1 && max_phase > 0,
            "initialize: LruRule's 0 <= r_min < 1, r_min <= r_max <= 1 and max_phase > 0 expected, got ", r_min, ", ",
            r_max, " and ", max_phase);
    using Scalar = typename std::decay_t<decltype(cell)>::Scalar;
    const auto inner = [&] { return uniform(rng, 1e-6, 1 - 1e-6); };  // neither end: they have no logarithm
    const double least = r_min * r_min, width = r_max * r_max - least;
    for (Index i = 0; i < cell.hidden(); ++i) {
      const double square = least + detail::rounded_product(width, inner());  // |lambda|^2
      cell.P(i, nu) = static_cast<Scalar>(std::log(-0.5 * std::log(square)));
      cell.P(i, theta) = static_cast<Scalar>(std::log(max_phase * inner()));
      cell.P(i, gamma) = static_cast<Scalar>(0.5 * std::log(1 - square));
    }
    const double deviation = std::sqrt(0.5 / static_cast<double>(cell.inputs()));
    for (Index j = 0; j < cell.U.size(); ++j) cell.U(j) = static_cast<Scalar>(deviation * normal(rng));
  }
};

/// The linear recurrent unit of the paper.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using Lru = Cell<LruRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
