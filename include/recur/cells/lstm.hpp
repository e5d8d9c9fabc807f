#pragma once
/// \file
/// Long short-term memory (S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9, 1997; the
/// forget gate by F. A. Gers, J. Schmidhuber, F. Cummins, 2000), PyTorch's nn.LSTM.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// i, f, o = logistic(a),  g = tanh(a)       input gate, forget gate, output gate, candidate
/// c_t = f c_<t-1> + i g,  h_t = o tanh(c_t)
///
/// U, W and b have the rows of i, f, g, o in this order; the state is h, then c. ONNX's `activations` f, g, h are the
/// template's arguments.
template <Activation Gate = Logistic, Activation Candidate = Tanh, Activation Output = Tanh>
struct LstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  enum Block { i, f, g, o, s, h, c, blocks };  // s: tanh(c_t)
  static constexpr BlockRange from_input{i, 4}, from_hidden{i, 4}, state{h, 2};
  static constexpr int forget = f;
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};
  [[no_unique_address]] Output output = {};

  std::string description() const { return detail::describe_parts("LSTM", gate, candidate, output); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[i] = gate.value(now[i]);
    now[f] = gate.value(now[f]);
    now[g] = candidate.value(now[g]);
    now[o] = gate.value(now[o]);
    now[c] = now[f] * before[c] + now[i] * now[g];
    now[s] = output.value(now[c]);
    now[h] = now[o] * now[s];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[o] = d_now[h] * now[s] * gate.slope(now[o]);
    d_now[c] += d_now[h] * now[o] * output.slope(now[s]);
    d_now[i] = d_now[c] * now[g] * gate.slope(now[i]);
    d_now[f] = d_now[c] * before[c] * gate.slope(now[f]);
    d_now[g] = d_now[c] * now[i] * candidate.slope(now[g]);
    d_before[c] += d_now[c] * now[f];
  }
  ///@}
};

/// PyTorch's nn.LSTM; `Cell<LstmRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using Lstm = Cell<LstmRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
