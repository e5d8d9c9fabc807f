#pragma once
/// \file
/// The minimal GRU (L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadegh, "Were RNNs all we needed?", 2024),
/// whose gate and candidate see the inputs alone.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// z = logistic(a_z),  n = f(a_n),  h_t = (1 - z) h_<t-1> + z n
///
/// U and b have the rows of z, n; there is no W. f is the identity in the paper's equations. Mind that z is the share
/// of what is new, and in a GRU of what is old.
template <Activation Gate = Logistic, Activation Candidate = Identity>
struct MinGruRule {
  /// What Rule asks for.
  ///@{
  enum Block { z, n, h, blocks };
  static constexpr BlockRange from_input{z, 2}, state{h, 1};
  [[no_unique_address]] Gate gate = {};
  [[no_unique_address]] Candidate candidate = {};

  std::string description() const { return detail::describe_parts("minGRU", gate, candidate); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    now[z] = gate.value(now[z]);
    now[n] = candidate.value(now[n]);
    now[h] = before[h] + now[z] * (now[n] - before[h]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[z] = d_now[h] * (now[n] - before[h]) * gate.slope(now[z]);
    d_now[n] = d_now[h] * now[z] * candidate.slope(now[n]);
    d_before[h] += d_now[h] * (1 - now[z]);
  }
  ///@}
};

/// The minimal GRU of the paper; `Cell<MinGruRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using MinGru = Cell<MinGruRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
