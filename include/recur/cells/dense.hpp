#pragma once
/// \file
/// A layer without a past: PyTorch's nn.Linear and an activation. As a cell it has neither a product with h_<t-1> nor a
/// state.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// h_t = f(a_t)
template <Activation F = Tanh>
struct DenseRule {
  /// What Rule asks for.
  ///@{
  enum Block { h, blocks };
  static constexpr BlockRange from_input{h, 1}, state{h, 0};
  [[no_unique_address]] F f = {};

  std::string description() const { return detail::describe_parts("Dense", f); }

  EIGEN_ALWAYS_INLINE void forward(const auto&, auto& now) const { now[h] = f.value(now[h]); }
  void backward(const auto&, const auto& now, auto& d_now, auto&) const { d_now[h] *= f.slope(now[h]); }
  ///@}
};

/// y_t = f(U x_t + b): with Identity PyTorch's nn.Linear, and several in a row a network of dense layers, a head say:
///
///     recur::Sequence net(recur::Lstm<float>(8, 64), recur::Dense<float, recur::Relu>(64, 32),
///                         recur::Readout<float>(32, 1));
///
/// initialize() starts U and b uniform in +-1/sqrt(I), as nn.Linear.
template <class Scalar = float, Activation F = Tanh, int Inputs = Dynamic, int Outputs = Dynamic>
using Dense = Cell<DenseRule<F>, Scalar, Inputs, Outputs>;

}  // namespace recur::inline RECUR_ISA
