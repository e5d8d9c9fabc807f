#pragma once
/// \file
/// LSTM whose gates see the cell state (F. A. Gers, J. Schmidhuber, "Recurrent nets that time and count", 2000), ONNX's
/// LSTM with P.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// i = logistic(a_i + p_i c_<t-1>),  f = logistic(a_f + p_f c_<t-1>),  g = tanh(a_g),  c_t = f c_<t-1> + i g,
/// o = logistic(a_o + p_o c_t),  h_t = o tanh(c_t)
///
/// Rows and states as in LstmRule; the cell's P, H x 3, has the columns p_i, p_f, p_o.
template <Activation Gate = Logistic, Activation Candidate = Tanh, Activation Output = Tanh>
struct PeepholeLstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  enum Block { i, f, g, o, s, h, c, blocks };  // s: tanh(c_t)
  enum Vector { p_i, p_f, p_o, vectors };
  static constexpr BlockRange from_input{i, 4}, from_hidden{i, 4}, state{h, 2};
  static constexpr int forget = f;
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};
  [[no_unique_address]] Output output = {};

  std::string description() const { return detail::describe_parts("LSTM with peepholes", gate, candidate, output); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto& p) const {
    now[i] = gate.value(now[i] + p[p_i] * before[c]);
    now[f] = gate.value(now[f] + p[p_f] * before[c]);
    now[g] = candidate.value(now[g]);
    now[c] = now[f] * before[c] + now[i] * now[g];
    now[o] = gate.value(now[o] + p[p_o] * now[c]);
    now[s] = output.value(now[c]);
    now[h] = now[o] * now[s];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p, auto& d_p) const {
    d_now[o] = d_now[h] * now[s] * gate.slope(now[o]);
    d_now[c] += d_now[h] * now[o] * output.slope(now[s]) + d_now[o] * p[p_o];
    d_now[i] = d_now[c] * now[g] * gate.slope(now[i]);
    d_now[f] = d_now[c] * before[c] * gate.slope(now[f]);
    d_now[g] = d_now[c] * now[i] * candidate.slope(now[g]);
    d_p[p_i] += d_now[i] * before[c];
    d_p[p_f] += d_now[f] * before[c];
    d_p[p_o] += d_now[o] * now[c];
    d_before[c] += d_now[c] * now[f] + d_now[i] * p[p_i] + d_now[f] * p[p_f];
  }
  ///@}
};

/// ONNX's LSTM with P; `Cell<PeepholeLstmRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using PeepholeLstm = Cell<PeepholeLstmRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
