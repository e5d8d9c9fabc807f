#pragma once
/// \file
/// Long short-term memory with layer normalisation in its steps (J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer
/// normalization", 2016, its supplementary material, equations 20 to 22).

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// a = b + gain_u N(U x_t) + gain_w N(W h_<t-1>)
/// i, f, o = logistic(a),  g = tanh(a)       input gate, forget gate, output gate, candidate
/// c_t = f c_<t-1> + i g,  h_t = o tanh(gain_c N(c_t) + bias_c)
///
/// N brings the numbers of a step, all 4 H of a product and the H of c_t, to mean 0 and variance 1. U, W and b have the
/// rows of i, f, g, o in this order; b is the sum of the two norms' biases. The cell's P, H x 10, is gain_u of these
/// four, gain_w of them, gain_c and bias_c; initialize() starts gains at 1 and bias_c at 0. The state is h, then c.
struct LayerNormLstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  enum Block { i, f, g, o, u_i, u_f, u_g, u_o, w_i, w_f, w_g, w_o, n, s, h, c, blocks };  // n: N(c_t), s: its tanh
  enum Vector { gain_u, gain_w = gain_u + 4, gain_c = gain_w + 4, bias_c, vectors };
  static constexpr BlockRange from_bias{i, 4}, from_input{u_i, 4}, from_hidden{w_i, 4}, state{h, 2};
  static constexpr std::array norms{from_input, from_hidden, BlockRange{n, 1}};
  static constexpr int forget = f;
  ///@}
  double epsilon = 1e-5;  ///< added to the variance

  /// What Rule asks for.
  ///@{
  std::string description() const { return "layer-normalised LSTM " + describe(epsilon); }

  EIGEN_ALWAYS_INLINE void forward_halfway(const auto& before, auto& now, const auto& p) const {
    for (int k = 0; k < 4; ++k) now[i + k] += p[gain_u + k] * now[u_i + k] + p[gain_w + k] * now[w_i + k];
    now[i] = Logistic().value(now[i]);
    now[f] = Logistic().value(now[f]);
    now[g] = Tanh().value(now[g]);
    now[o] = Logistic().value(now[o]);
    now[n] = now[c] = now[f] * before[c] + now[i] * now[g];
  }
  EIGEN_ALWAYS_INLINE void forward(const auto&, auto& now, const auto& p) const {
    now[s] = Tanh().value(p[gain_c] * now[n] + p[bias_c]);
    now[h] = now[o] * now[s];
  }
  void backward(const auto&, const auto& now, auto& d_now, auto&, const auto& p, auto& d_p) const {
    d_now[o] = d_now[h] * now[s] * Logistic().slope(now[o]);
    d_now[s] = d_now[h] * now[o] * Tanh().slope(now[s]);
    d_p[gain_c] += d_now[s] * now[n];
    d_p[bias_c] += d_now[s];
    d_now[n] = d_now[s] * p[gain_c];
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p,
                        auto& d_p) const {
    d_now[c] += d_now[n];
    d_now[i] = d_now[c] * now[g] * Logistic().slope(now[i]);
    d_now[f] = d_now[c] * before[c] * Logistic().slope(now[f]);
    d_now[g] = d_now[c] * now[i] * Tanh().slope(now[g]);
    d_before[c] += d_now[c] * now[f];
    for (int k = 0; k < 4; ++k) {
      d_p[gain_u + k] += d_now[i + k] * now[u_i + k];
      d_p[gain_w + k] += d_now[i + k] * now[w_i + k];
      d_now[u_i + k] = d_now[i + k] * p[gain_u + k];
      d_now[w_i + k] = d_now[i + k] * p[gain_w + k];
    }
  }
  ///@}
  /// Gains at 1, bias_c at 0. For initialize().
  void start(auto& cell, auto&) const { cell.P.setOnes(), cell.P.col(bias_c).setZero(); }
};

/// The layer-normalised LSTM of the paper.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using LayerNormLstm = Cell<LayerNormLstmRule, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
