#pragma once
/// \file
/// The real-gated linear recurrent unit (S. De, S. L. Smith et al., "Griffin: mixing gated linear recurrences with
/// local attention for efficient language models", 2024), whose gates see the inputs alone.

#include "cell.hpp"
#include "more_activations.hpp"

namespace recur::inline RECUR_ISA {

/// r, i = logistic(a)                                     recurrence gate, input gate
/// a_t = exp(-power softplus(lambda) r)                   between 0 and 1
/// h_t = a_t h_<t-1> + sqrt(1 - a_t^2) i n,  n = a_n
///
/// U and b have the rows of r, i, n; the cell's P, H x 1, is lambda; there is no W. In the paper n is x_t itself, after
/// the linear layer that is U_n here.
struct RgLruRule {
  /// What Rule asks for.
  ///@{
  enum Block { r, i, n, a, m, h, blocks };  // m: sqrt(1 - a_t^2)
  enum Vector { lambda, vectors };
  enum Derived { slowest, derived };  // log a_t, where r is 1
  static constexpr BlockRange from_input{r, 3}, state{h, 1};
  ///@}
  double power = 8;     ///< the paper's c
  double slow = 0.999;  ///< where initialize() begins: a_t, where r is 1, uniform in fast .. slow
  double fast = 0.9;    ///< the lower end

  /// What Rule asks for.
  ///@{
  std::string description() const { return "RG-LRU " + describe(power); }

  EIGEN_ALWAYS_INLINE void derive(const auto& p, auto& q) const {
    q[slowest] = -scalar(p[lambda], power) * Softplus().value(p[lambda]);
  }
  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto& q) const {
    now[r] = Logistic().value(now[r]);
    now[i] = Logistic().value(now[i]);
    now[a] = detail::exp_minus_one(q[slowest] * now[r]);  // a_t - 1
    now[m] = (-now[a] * (now[a] + 2)).sqrt();             // 1 - a^2, near a = 1 too
    now[a] += 1;
    now[h] = now[a] * before[h] + now[m] * now[i] * now[n];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& q, auto& d_q) const {
    const auto least = scalar(now[m], 1e-18);  // of m: below, r is so small that nothing is left of the quotient
    d_now[n] = d_now[h] * now[m] * now[i];
    d_now[i] = d_now[h] * now[m] * now[n] * Logistic().slope(now[i]);
    // dL/d(log a_t)
    d_now[a] = d_now[h] * now[a] * (before[h] - now[a] * now[i] * now[n] / now[m].max(least));
    d_q[slowest] += d_now[a] * now[r];
    d_now[r] = d_now[a] * q[slowest] * Logistic().slope(now[r]);
    d_before[h] += d_now[h] * now[a];
  }
  void backward_derive(const auto& p, const auto&, const auto& d_q, auto& d_p) const {
    d_p[lambda] -= d_q[slowest] * scalar(p[lambda], power) * Logistic().value(p[lambda]);
  }
  ///@}
  /// As the paper has it: a_t at r = 1 uniform, U normal of variance 1 / I, b = 0. For initialize(). Throws
  /// std::invalid_argument unless 0 < fast <= slow < 1.
  void start(auto& cell, auto& rng) const {
    require(0 < fast && fast <= slow && slow < 1, "initialize: RgLruRule's 0 < fast <= slow < 1 expected, got ", fast,
            " and ", slow);
    using Scalar = typename std::decay_t<decltype(cell)>::Scalar;
    for (Index k = 0; k < cell.hidden(); ++k)  // power softplus(lambda) = -ln a
      cell.P(k, lambda) = static_cast<Scalar>(std::log(std::expm1(-std::log(uniform(rng, fast, slow)) / power)));
    const double deviation = std::sqrt(1 / static_cast<double>(cell.inputs()));
    for (Index j = 0; j < cell.U.size(); ++j) cell.U(j) = static_cast<Scalar>(deviation * normal(rng));
    cell.b.setZero();
  }

 private:
  static auto scalar(const auto& of, double value) {
    return static_cast<typename std::decay_t<decltype(of)>::Scalar>(value);
  }
};

/// The real-gated linear recurrent unit of the paper.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using RgLru = Cell<RgLruRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
