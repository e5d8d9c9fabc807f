#pragma once
/// \file
/// The gated recurrent unit (K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014), in both
/// common forms.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// Reset after the product, as PyTorch's nn.GRU, cuDNN, Keras (reset_after) and ONNX (linear_before_reset = 1) have it:
///
/// r, z = logistic(a)                        reset gate, update gate
/// n = tanh(b_n + U_n x_t + r q),  q = b_q + W_n h_<t-1>
/// h_t = (1 - z) n + z h_<t-1>
///
/// U has the rows of n, r, z, W those of r, z, q, and b of n, r, z, q.
template <Activation Gate = Logistic, Activation Candidate = Tanh>
struct GruRule {
  /// What Rule asks for.
  ///@{
  enum Block { n, r, z, q, h, blocks };
  static constexpr BlockRange from_input{n, 3}, from_hidden{r, 3}, state{h, 1};
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};

  std::string description() const { return detail::describe_parts("GRU", gate, candidate); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[r] = gate.value(now[r]);
    now[z] = gate.value(now[z]);
    now[n] = candidate.value(now[n] + now[r] * now[q]);
    now[h] = now[n] + now[z] * (before[h] - now[n]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[n] = d_now[h] * (1 - now[z]) * candidate.slope(now[n]);
    d_now[r] = d_now[n] * now[q] * gate.slope(now[r]);
    d_now[z] = d_now[h] * (before[h] - now[n]) * gate.slope(now[z]);
    d_now[q] = d_now[n] * now[r];
    d_before[h] += d_now[h] * now[z];
  }
  ///@}
};

/// Reset before the product, as the paper, Keras (reset_after = False) and ONNX by default have it:
///
/// r, z = logistic(a)
/// n = tanh(b_n + U_n x_t + W_n q),  q = r h_<t-1>
/// h_t = (1 - z) n + z h_<t-1>
///
/// U, W and b have the rows of r, z, n. W_n waits for r: a second product in every step.
template <Activation Gate = Logistic, Activation Candidate = Tanh>
struct GruResetBeforeRule {
  /// What Rule asks for.
  ///@{
  enum Block { r, z, n, q, h, blocks };
  static constexpr BlockRange from_input{r, 3}, from_hidden{r, 2}, state{h, 1};
  static constexpr BlockRange from_halfway{n, 1};
  static constexpr int halfway = q;
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};

  std::string description() const { return detail::describe_parts("GRU reset before", gate, candidate); }

  EIGEN_ALWAYS_INLINE void forward_halfway(const auto& before, auto& now) const {
    now[r] = gate.value(now[r]);
    now[z] = gate.value(now[z]);
    now[q] = now[r] * before[h];
  }
  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[n] = candidate.value(now[n]);
    now[h] = now[n] + now[z] * (before[h] - now[n]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[n] = d_now[h] * (1 - now[z]) * candidate.slope(now[n]);
    d_now[z] = d_now[h] * (before[h] - now[n]) * gate.slope(now[z]);
    d_before[h] += d_now[h] * now[z];
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[r] = d_now[q] * before[h] * gate.slope(now[r]);
    d_before[h] += d_now[q] * now[r];
  }
  ///@}
};

/// PyTorch's nn.GRU, reset after the product.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using Gru = Cell<GruRule<>, Scalar, Inputs, Hidden>;
/// The GRU of the paper, reset before the product.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using GruResetBefore = Cell<GruResetBeforeRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
