#pragma once
/// \file
/// Long short-term memory whose forget gate is what the input gate leaves (K. Greff, R. K. Srivastava, J. Koutnik,
/// B. R. Steunebrink, J. Schmidhuber, "LSTM: a search space odyssey", 2015, CIFG), ONNX's input_forget.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// i, o = logistic(a),  g = tanh(a)          input gate, output gate, candidate
/// c_t = (1 - i) c_<t-1> + i g,  h_t = o tanh(c_t)
///
/// U, W and b have the rows of i, g, o in this order; the state is h, then c.
template <Activation Gate = Logistic, Activation Candidate = Tanh, Activation Output = Tanh>
struct CoupledLstmRule {
  /// What Rule asks for.
  ///@{
  enum Block { i, g, o, s, h, c, blocks };  // s: tanh(c_t)
  static constexpr BlockRange from_input{i, 3}, from_hidden{i, 3}, state{h, 2};
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};
  [[no_unique_address]] Output output = {};

  std::string description() const { return detail::describe_parts("coupled LSTM", gate, candidate, output); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[i] = gate.value(now[i]);
    now[g] = candidate.value(now[g]);
    now[o] = gate.value(now[o]);
    now[c] = before[c] + now[i] * (now[g] - before[c]);
    now[s] = output.value(now[c]);
    now[h] = now[o] * now[s];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[o] = d_now[h] * now[s] * gate.slope(now[o]);
    d_now[c] += d_now[h] * now[o] * output.slope(now[s]);
    d_now[i] = d_now[c] * (now[g] - before[c]) * gate.slope(now[i]);
    d_now[g] = d_now[c] * now[i] * candidate.slope(now[g]);
    d_before[c] += d_now[c] * (1 - now[i]);
  }
  ///@}
};

/// The LSTM with coupled gates; `Cell<CoupledLstmRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using CoupledLstm = Cell<CoupledLstmRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
