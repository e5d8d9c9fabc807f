#pragma once
/// \file
/// Long short-term memory with exponential gates (M. Beck, K. Poeppel, M. Spanring et al., "xLSTM: extended long
/// short-term memory", 2024, sLSTM).

#include "cell.hpp"
#include "more_activations.hpp"

namespace recur::inline RECUR_ISA {

/// z = tanh(a_z),  o = logistic(a_o),  log f = log logistic(a_f),  log i = a_i
/// m_t = max(log f + m_<t-1>, log i),  i' = exp(log i - m_t),  f' = exp(log f + m_<t-1> - m_t)
/// c_t = f' c_<t-1> + i' z,  n_t = f' n_<t-1> + i',  h_t = o c_t / n_t
///
/// m keeps the exponentials in range, and h does not depend on it. From the zero state, known by n = 0, m_t is log i,
/// as in the paper's reference implementation. U, W and b have the rows of i, f, z, o in this order; W is full, one
/// head of the paper's. The state is h, c, n, m.
struct SLstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  static constexpr const char* name = "sLSTM";
  enum Block { i, f, z, o, s, h, c, n, m, blocks };  // i, f: i', f'; s: the slope of log f
  static constexpr BlockRange from_input{i, 4}, from_hidden{i, 4}, state{h, 4};
  static constexpr int forget = f;
  static constexpr BlockRange bound{c, 3};  // c and n are scaled by exp(-m): see ZoneoutRule

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[z] = Tanh().value(now[z]);
    now[o] = Logistic().value(now[o]);
    now[s] = Logistic().value(-now[f]);
    now[f] = before[m] - Softplus().value(-now[f]);  // log f + m_<t-1>
    now[m] = (before[n] == 0).select(now[i], now[f].max(now[i]));
    now[i] = (now[i] - now[m]).exp();
    now[f] = (before[n] == 0).select(0 * now[f], (now[f] - now[m]).exp());
    now[c] = now[f] * before[c] + now[i] * now[z];
    now[n] = now[f] * before[n] + now[i];
    now[h] = now[o] * now[c] / now[n];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[o] = d_now[h] * now[c] / now[n] * Logistic().slope(now[o]);
    d_now[c] += d_now[h] * now[o] / now[n];
    d_now[n] -= d_now[h] * now[h] / now[n];
    d_now[m] -= d_now[c] * now[c] + d_now[n] * now[n];
    d_now[z] = d_now[c] * now[i] * Tanh().slope(now[z]);
    // dL/d(log i) and dL/d(log f), one of which m follows
    const auto follows_i = now[i] == 1;
    d_now[i] = (d_now[c] * now[z] + d_now[n]) * now[i] + follows_i.select(d_now[m], 0 * d_now[m]);
    d_now[f] = (d_now[c] * before[c] + d_now[n] * before[n]) * now[f] + follows_i.select(0 * d_now[m], d_now[m]);
    d_before[c] += d_now[c] * now[f];
    d_before[n] += d_now[n] * now[f];
    d_before[m] += d_now[f];
    d_now[f] *= now[s];
  }
  ///@}
  /// As the paper's reference implementation has it: W = 0, U normal of variance 2 / (5 I), and the biases 0 but those
  /// of the forget gates, 5 - 12 (k / (H - 1))^0.3 for unit k: from long memories to short ones. For initialize().
  void start(auto& cell, auto& rng) const {
    using Scalar = typename std::decay_t<decltype(cell)>::Scalar;
    const Index H = cell.hidden();
    cell.W.setZero();
    cell.b.setZero();
    for (Index k = 0; k < H; ++k)
      cell.b(f * H + k) = static_cast<Scalar>(
          5 - detail::rounded_product(12, std::pow(double(k) / double(std::max<Index>(1, H - 1)), 0.3)));
    const double deviation = std::sqrt(0.4 / static_cast<double>(cell.inputs()));
    for (Index j = 0; j < cell.U.size(); ++j) cell.U(j) = static_cast<Scalar>(deviation * normal(rng));
  }
};

/// The sLSTM of the paper, with one head.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using SLstm = Cell<SLstmRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
