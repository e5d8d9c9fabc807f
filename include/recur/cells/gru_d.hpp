#pragma once
/// \file
/// The gated recurrent unit whose hidden state decays with the time between steps (Z. Che, S. Purushotham, K. Cho,
/// D. Sontag, Y. Liu, "Recurrent neural networks for multivariate time series with missing values", 2018, GRU-D).

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// k = decay h_<t-1>,  decay = exp(-max(0, w dt + c))
/// r, z = logistic(b + U x_t + W k)                    reset gate, update gate
/// n = tanh(b_n + U_n x_t + r q),  q = b_q + W_n k
/// h_t = (1 - z) n + z k
///
/// The last row of x is dt, the time since the step before, and has no weights: inputs() is that of U, and one more. In
/// the paper, whose GRU resets before the product, each input has a dt of its own; which inputs are missing, and what
/// stands in for them, is for who makes x. U, W and b are those of GruRule; the cell's P, H x 2, is w, c.
struct GruDRule {
  /// What Rule asks for.
  ///@{
  static constexpr const char* name = "GRU-D";
  enum Block { n, r, z, q, k, decay, dt, h, blocks };
  enum Vector { w, c, vectors };
  static constexpr BlockRange from_input{n, 3}, from_halfway{r, 3}, from_shared{dt, 1}, state{h, 1};
  static constexpr int halfway = k;

  EIGEN_ALWAYS_INLINE void forward_halfway(const auto& before, auto& now, const auto& p) const {
    now[decay] = (-(p[w] * now[dt] + p[c]).max(0)).exp();
    now[k] = now[decay] * before[h];
  }
  EIGEN_ALWAYS_INLINE void forward(const auto&, auto& now, const auto&) const {
    now[r] = Logistic().value(now[r]);
    now[z] = Logistic().value(now[z]);
    now[n] = Tanh().value(now[n] + now[r] * now[q]);
    now[h] = now[n] + now[z] * (now[k] - now[n]);
  }
  void backward(const auto&, const auto& now, auto& d_now, auto&, const auto&, auto&) const {
    d_now[n] = d_now[h] * (1 - now[z]) * Tanh().slope(now[n]);
    d_now[r] = d_now[n] * now[q] * Logistic().slope(now[r]);
    d_now[z] = d_now[h] * (now[k] - now[n]) * Logistic().slope(now[z]);
    d_now[q] = d_now[n] * now[r];
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p,
                        auto& d_p) const {
    d_now[k] += d_now[h] * now[z];
    d_before[h] += d_now[k] * now[decay];
    // dL/d(w dt + c), of which nothing is left where it is cut
    d_now[decay] = (now[decay] < 1).select(-d_now[k] * before[h] * now[decay], 0 * now[decay]);
    d_p[w] += d_now[decay] * now[dt];
    d_p[c] += d_now[decay];
    d_now[dt] = d_now[decay] * p[w];
  }
  ///@}
  /// w and c not negative, so that all decays have a gradient. For initialize().
  void start(auto& cell, auto&) const { cell.P = cell.P.cwiseAbs(); }
};

/// The GRU whose hidden state decays with time.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using GruD = Cell<GruDRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
