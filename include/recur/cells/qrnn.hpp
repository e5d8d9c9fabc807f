#pragma once
/// \file
/// The pooling of the quasi-recurrent network (J. Bradbury, S. Merity, C. Xiong, R. Socher, "Quasi-recurrent neural
/// networks", 2017), whose gates see the inputs alone.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// g = tanh(a_g),  f, o = logistic(a),  c_t = f c_<t-1> + (1 - f) g,  h_t = o c_t
///
/// which is the paper's fo-pooling. U and b have the rows of g, f, o; there is no W, and the state is c alone. The
/// paper's convolution of width k is that of a series whose x_t has the inputs of k steps.
template <Activation Gate = Logistic, Activation Candidate = Tanh>
struct QrnnRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  enum Block { g, f, o, c, h, blocks };
  static constexpr BlockRange from_input{g, 3}, state{c, 1};
  static constexpr int forget = f;
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};

  std::string description() const { return detail::describe_parts("QRNN", gate, candidate); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[g] = candidate.value(now[g]);
    now[f] = gate.value(now[f]);
    now[o] = gate.value(now[o]);
    now[c] = now[g] + now[f] * (before[c] - now[g]);
    now[h] = now[o] * now[c];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[o] = d_now[h] * now[c] * gate.slope(now[o]);
    d_now[c] += d_now[h] * now[o];
    d_now[f] = d_now[c] * (before[c] - now[g]) * gate.slope(now[f]);
    d_now[g] = d_now[c] * (1 - now[f]) * candidate.slope(now[g]);
    d_before[c] += d_now[c] * now[f];
  }
  ///@}
};

/// The quasi-recurrent network with fo-pooling; `Cell<QrnnRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using Qrnn = Cell<QrnnRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
