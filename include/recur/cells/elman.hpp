#pragma once
/// \file
/// The Elman network (J. L. Elman, "Finding structure in time", Cognitive Science 14, 1990), PyTorch's nn.RNN.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// a_t = b + W h_<t-1> + U x_t,  h_t = f(a_t). The record is h alone: f'(a) follows from f(a).
template <Activation F = Tanh>
struct ElmanRule {
  /// What Rule asks for; f is the activation.
  ///@{
  enum Block { h, blocks };
  static constexpr BlockRange from_input{h, 1};
  static constexpr BlockRange from_hidden{h, 1};
  static constexpr BlockRange state{h, 1};
  [[no_unique_address]] F f = {};
  std::string description() const { return "Elman " + describe(f, "with an activation of its own"); }
  ///@}

  /// h_t = f(a_t)
  void forward(const auto&, auto& now) const { now[h] = f.value(now[h]); }
  /// dL/da_t = dL/dh_t f'(a_t)
  void backward(const auto&, const auto& now, auto& d_now, auto&) const { d_now[h] *= f.slope(now[h]); }
};

/// The Elman network, PyTorch's nn.RNN: h_t = f(b + W h_<t-1> + U x_t).
template <class Scalar = float, Activation F = Tanh, int Inputs = Dynamic, int Hidden = Dynamic>
using Elman = Cell<ElmanRule<F>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
