#pragma once
/// \file
/// The gated recurrent unit with layer normalisation in its steps (J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer
/// normalization", 2016, its supplementary material, equations 23 to 25).

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// r, z = logistic(b + gain_u N(U x_t) + gain_w N(W h_<t-1>))             reset gate, update gate
/// n = tanh(b_n + gain_u N(U_n x_t) + r q),  q = b_q + gain_w N(W_n h_<t-1>)
/// h_t = (1 - z) n + z h_<t-1>
///
/// N brings the numbers of a step, the 2 H of r and z together and the H of n, to mean 0 and variance 1. z and 1 - z
/// are those of nn.GRU, and the other way around in the paper. U has the rows of n, r, z, W those of r, z, q, and b of
/// n, r, z, q. The cell's P, H x 6, is gain_u of n, r, z, then gain_w of r, z, q; initialize() starts them at 1.
struct LayerNormGruRule {
  /// What Rule asks for.
  ///@{
  enum Block { n, r, z, q, u_n, u_r, u_z, w_r, w_z, w_q, h, blocks };
  enum Vector { gain_u_n, gain_u_r, gain_u_z, gain_w_r, gain_w_z, gain_w_q, vectors };
  static constexpr BlockRange from_bias{n, 4}, from_input{u_n, 3}, from_hidden{w_r, 3}, state{h, 1};
  static constexpr std::array norms{BlockRange{u_n, 1}, BlockRange{u_r, 2}, BlockRange{w_r, 2}, BlockRange{w_q, 1}};
  ///@}
  double epsilon = 1e-5;  ///< added to the variance

  /// What Rule asks for.
  ///@{
  std::string description() const { return "layer-normalised GRU " + describe(epsilon); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto& p) const {
    now[r] = Logistic().value(now[r] + p[gain_u_r] * now[u_r] + p[gain_w_r] * now[w_r]);
    now[z] = Logistic().value(now[z] + p[gain_u_z] * now[u_z] + p[gain_w_z] * now[w_z]);
    now[q] += p[gain_w_q] * now[w_q];
    now[n] = Tanh().value(now[n] + p[gain_u_n] * now[u_n] + now[r] * now[q]);
    now[h] = now[n] + now[z] * (before[h] - now[n]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p, auto& d_p) const {
    d_now[n] = d_now[h] * (1 - now[z]) * Tanh().slope(now[n]);
    d_now[r] = d_now[n] * now[q] * Logistic().slope(now[r]);
    d_now[z] = d_now[h] * (before[h] - now[n]) * Logistic().slope(now[z]);
    d_now[q] = d_now[n] * now[r];
    d_before[h] += d_now[h] * now[z];
    for (int k = 0; k < 3; ++k) {
      d_p[gain_u_n + k] += d_now[n + k] * now[u_n + k];
      d_p[gain_w_r + k] += d_now[r + k] * now[w_r + k];
      d_now[u_n + k] = d_now[n + k] * p[gain_u_n + k];
      d_now[w_r + k] = d_now[r + k] * p[gain_w_r + k];
    }
  }
  ///@}
  /// Gains at 1. For initialize().
  void start(auto& cell, auto&) const { cell.P.setOnes(); }
};

/// The layer-normalised GRU of the paper.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using LayerNormGru = Cell<LayerNormGruRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
