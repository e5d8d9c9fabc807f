#pragma once
/// \file
/// Long short-term memory whose hidden state is a projection of fewer numbers (H. Sak, A. Senior, F. Beaufays, "Long
/// short-term memory recurrent neural network architectures for large scale acoustic modeling", 2014), PyTorch's
/// nn.LSTM(inputs, hidden, proj_size=outputs).

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// i, f, o = logistic(a),  g = tanh(a)       input gate, forget gate, output gate, candidate
/// c_t = f c_<t-1> + i g,  q_t = o tanh(c_t),  h_t = R q_t
///
/// U, W and b have the rows of i, f, g, o in this order; the state is h, P numbers, then c, H numbers.
struct ProjectedLstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  static constexpr const char* name = "projected LSTM";
  enum Block { c, i, f, g, o, s, q, blocks };  // s: tanh(c_t)
  static constexpr BlockRange from_input{i, 4}, from_hidden{i, 4}, state{c, 1};
  static constexpr int forget = f, projected = q;

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[i] = Logistic().value(now[i]);
    now[f] = Logistic().value(now[f]);
    now[g] = Tanh().value(now[g]);
    now[o] = Logistic().value(now[o]);
    now[c] = now[f] * before[c] + now[i] * now[g];
    now[s] = Tanh().value(now[c]);
    now[q] = now[o] * now[s];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[o] = d_now[q] * now[s] * Logistic().slope(now[o]);
    d_now[c] += d_now[q] * now[o] * Tanh().slope(now[s]);
    d_now[i] = d_now[c] * now[g] * Logistic().slope(now[i]);
    d_now[f] = d_now[c] * before[c] * Logistic().slope(now[f]);
    d_now[g] = d_now[c] * now[i] * Tanh().slope(now[g]);
    d_before[c] += d_now[c] * now[f];
  }
  ///@}
};

/// PyTorch's nn.LSTM with proj_size: `ProjectedLstm<float>(inputs, hidden, outputs)`, of which the outputs, and h, are
/// fewer than the hidden units, as a rule.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic, int Outputs = Dynamic>
using ProjectedLstm = Cell<ProjectedLstmRule, Scalar, Inputs, Hidden, Outputs>;

}  // namespace recur::inline RECUR_ISA
