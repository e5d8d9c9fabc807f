#pragma once
/// \file
/// The minimal LSTM (L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadegh, "Were RNNs all we needed?", 2024),
/// whose gates and candidate see the inputs alone.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// f, i = logistic(a),  n = g(a_n),  h_t = (f h_<t-1> + i n) / (f + i)
///
/// U and b have the rows of f, i, n; there is no W. g is the identity in the paper's equations. The gates are
/// normalised, so that h neither grows nor fades with the number of steps. Where both are too small for the type of
/// numbers, h_t is n.
template <Activation Candidate = Identity>
struct MinLstmRule {
  /// What Rule asks for; `forget` is the block whose bias forget_bias() sets.
  ///@{
  enum Block { f, i, n, s, h, blocks };  // s: f / (f + i), the share of the past
  static constexpr BlockRange from_input{f, 3}, state{h, 1};
  static constexpr int forget = f;
  [[no_unique_address]] Candidate candidate = {};

  std::string description() const { return detail::describe_parts("minLSTM", candidate); }

  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now) const {
    using Scalar = typename std::decay_t<decltype(now[f])>::Scalar;
    now[f] = Logistic().value(now[f]);
    now[i] = Logistic().value(now[i]);
    now[n] = candidate.value(now[n]);
    now[s] = now[f] / (now[f] + now[i]).max(std::numeric_limits<Scalar>::min());
    now[h] = now[n] + now[s] * (before[h] - now[n]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[n] = d_now[h] * (1 - now[s]) * candidate.slope(now[n]);
    // s is logistic(log f - log i), and the slope of log f is 1 - f: nothing is divided by small numbers.
    d_now[s] = d_now[h] * (before[h] - now[n]) * now[s] * (1 - now[s]);
    d_now[f] = d_now[s] * (1 - now[f]);
    d_now[i] = -d_now[s] * (1 - now[i]);
    d_before[h] += d_now[h] * now[s];
  }
  ///@}
};

/// The minimal LSTM of the paper; `Cell<MinLstmRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using MinLstm = Cell<MinLstmRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
