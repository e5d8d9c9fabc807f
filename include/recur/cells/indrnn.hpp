#pragma once
/// \file
/// The independently recurrent network (S. Li, W. Li, C. Cook, C. Zhu, Y. Gao, "Independently recurrent neural network
/// (IndRNN): building a longer and deeper RNN", 2018): each unit sees its own past alone.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// h_t = f(a_t + w h_<t-1>),  a_t = b + U x_t
///
/// The cell's P, H x 1, is w, one number for each unit; there is no W. Where |w| <= 2^(1/T), the paper's bound, what
/// a unit has heard at most doubles within T steps; it is kept for as long where |w| is close to 1.
template <Activation F = Relu>
struct IndRnnRule {
  /// What Rule asks for; f is the activation.
  ///@{
  enum Block { h, blocks };
  enum Vector { w, vectors };
  static constexpr BlockRange from_input{h, 1}, state{h, 1};
  [[no_unique_address]] F f = {};
  ///@}
  double least = 0;  ///< where initialize() begins: w uniform in least .. most. The paper has most = 2^(1/T), and for
  double most = 1;   ///< a last layer with a long memory least = epsilon^(1/T)

  /// What Rule asks for.
  ///@{
  std::string description() const { return detail::describe_parts("IndRNN", f); }

  void forward(const auto& before, auto& now, const auto& p) const { now[h] = f.value(now[h] + p[w] * before[h]); }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p, auto& d_p) const {
    d_now[h] *= f.slope(now[h]);
    d_p[w] += d_now[h] * before[h];
    d_before[h] += d_now[h] * p[w];
  }
  ///@}
  /// w uniform, as the paper has it. For initialize(). Throws std::invalid_argument unless least <= most.
  void start(auto& cell, auto& rng) const {
    require(least <= most, "initialize: IndRnnRule's least <= most expected, got ", least, " and ", most);
    for (Index i = 0; i < cell.hidden(); ++i)
      cell.P(i, w) = static_cast<typename std::decay_t<decltype(cell)>::Scalar>(uniform(rng, least, most));
  }
};

/// The IndRNN of the paper, with max(a, 0): h_t = f(b + U x_t + w h_<t-1>).
template <class Scalar = float, Activation F = Relu, int Inputs = Dynamic, int Hidden = Dynamic>
using IndRnn = Cell<IndRnnRule<F>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
