#pragma once
/// \file
/// The continuous-time recurrent network (K. Funahashi, Y. Nakamura, "Approximation of dynamical systems by continuous
/// time recurrent neural networks", 1993), for steps of any duration.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// tau dh/dt = -h + f(a),  a = b + W h_<t-1> + U x_t,
///
/// of which, f(a) held for the time dt of a step, the solution is
///
/// h_t = e h_<t-1> + (1 - e) f(a_t),  e = exp(-dt / tau)
///
/// The last row of x is dt, the time since the step before, and has no weights: inputs() is that of U, and one more. A
/// time below 0 counts as 0. The cell's P, H x 1, is log(tau), with tau in the units of dt. 1 - e is accurate however
/// short dt is beside tau: audio in seconds, say.
template <Activation F = Tanh>
struct CtRnnRule {
  /// What Rule asks for.
  ///@{
  enum Block { a, dt, g, h, blocks };  // g: e - 1
  enum Vector { log_tau, vectors };
  enum Derived { rate, derived };  // 1 / tau
  static constexpr BlockRange from_input{a, 1}, from_hidden{a, 1}, from_shared{dt, 1}, state{h, 1};
  [[no_unique_address]] F f = {};

  std::string description() const { return detail::describe_parts("CT-RNN", f); }

  EIGEN_ALWAYS_INLINE void derive(const auto& p, auto& q) const { q[rate] = (-p[log_tau]).exp(); }
  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto& q) const {
    now[a] = f.value(now[a]);
    now[g] = detail::exp_minus_one(-now[dt] * q[rate]);
    now[h] = before[h] + now[g] * (before[h] - now[a]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& q, auto& d_q) const {
    // dL/d(log e), which is 0 where dt < 0
    d_now[g] = (now[dt] < 0).select(0 * now[dt], d_now[h] * (before[h] - now[a]) * (1 + now[g]));
    d_q[rate] -= d_now[g] * now[dt];
    d_now[dt] = -d_now[g] * q[rate];
    d_now[a] = -d_now[h] * now[g] * f.slope(now[a]);
    d_before[h] += d_now[h] * (1 + now[g]);
  }
  void backward_derive(const auto&, const auto& q, const auto& d_q, auto& d_p) const {
    d_p[log_tau] -= d_q[rate] * q[rate];
  }
  ///@}
};

/// The continuous-time network with tanh; `Cell<CtRnnRule<...>, Scalar>` takes other activations.
template <class Scalar = float, int Inputs = Dynamic, int Hidden = Dynamic>
using CtRnn = Cell<CtRnnRule<>, Scalar, Inputs, Hidden>;

}  // namespace recur::inline RECUR_ISA
