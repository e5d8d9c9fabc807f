#pragma once
/// \file
/// Activations: structs of two functions on Eigen arrays.
///
///     value(a)   f(a), from the pre-activation a
///     slope(h)   f'(a), from what the record keeps: h = f(a)
///
/// Those here and in more_activations.hpp compute the same bits for a number in a SIMD packet and alone. So do Eigen's
/// arithmetic functions, but not its exp, log and others: with these, a series equals its steps run singly to rounding.
///
/// Both are pointwise: they take their arrays as `const auto&`, and have no reductions, which would not compile (see
/// rule.hpp).
///
/// A user's own is one more such struct, with members where it has constants (see LeakyRelu), and a name or a
/// description where a file should tell it from others (see describe.hpp). One whose slope is not a function of its
/// value (sin, say) needs a rule that keeps a: see rule.hpp.

#include "../base/describe.hpp"
#include "../kernels/packet_math.hpp"
#include "../base/require.hpp"
#include "pointwise.hpp"

#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

namespace recur::inline RECUR_ISA {

/// What a rule asks of an activation: value(a) and slope(h), pointwise on Eigen arrays.
template <class F>
concept Activation = requires(const F f, const detail::PointwiseArray<double> a) {
  { f.value(a).rows() } -> std::convertible_to<Index>;
  { f.slope(a).rows() } -> std::convertible_to<Index>;
};

namespace detail {

/// A function of one number, computed in SIMD packets everywhere: also where a single number is left over, so that a
/// value does not depend on its neighbours or on where it lies.
template <class Function, class Scalar>
struct InPackets {
  EIGEN_ALWAYS_INLINE Scalar operator()(const Scalar& a) const {
    using namespace Eigen::internal;
    return pfirst(packetOp(pset1<typename packet_traits<Scalar>::type>(a)));
  }
  template <class Packet>
  EIGEN_ALWAYS_INLINE Packet packetOp(const Packet& a) const {
    using namespace Eigen::internal;
    return pselect(pcmp_eq(a, a), Function::packet(a), a);  // NaN stays NaN
  }
};

/// a, cut off at -limit and limit.
template <class Scalar>
struct CutOff {
  Scalar limit;

  EIGEN_ALWAYS_INLINE Scalar operator()(const Scalar& a) const { return a < -limit ? -limit : a > limit ? limit : a; }
  template <class Packet>
  EIGEN_ALWAYS_INLINE Packet packetOp(const Packet& a) const {
    using namespace Eigen::internal;
    const Packet most = pset1<Packet>(limit);
    return pselect(pcmp_eq(a, a), pmin(pmax(a, pnegate(most)), most), a);  // NaN stays NaN
  }
};

/// max(a, 0).
template <class Scalar>
struct CutBelowZero {
  EIGEN_ALWAYS_INLINE Scalar operator()(const Scalar& a) const { return a < 0 ? Scalar(0) : a; }
  template <class Packet>
  EIGEN_ALWAYS_INLINE Packet packetOp(const Packet& a) const {
    using namespace Eigen::internal;
    const Packet zero = pset1<Packet>(Scalar(0));
    return pselect(pcmp_lt(a, zero), zero, a);  // NaN stays NaN
  }
};

/// 1 where h > 0, else 0.
template <class Scalar>
struct IsPositive {
  EIGEN_ALWAYS_INLINE Scalar operator()(const Scalar& h) const { return h > 0 ? Scalar(1) : Scalar(0); }
  template <class Packet>
  EIGEN_ALWAYS_INLINE Packet packetOp(const Packet& h) const {
    using namespace Eigen::internal;
    return pand(pcmp_lt(pset1<Packet>(Scalar(0)), h), pset1<Packet>(Scalar(1)));
  }
};

/// A function of packet_math.hpp on every number of an array; otherwise(a) for numbers that are neither float nor
/// double.
template <class Function>
auto in_packets(const auto& a, auto otherwise) {
  using Scalar = typename std::decay_t<decltype(a)>::Scalar;
  if constexpr (std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>) {
    return a.unaryExpr(InPackets<Function, Scalar>());
  } else {
    return a.unaryExpr([otherwise](Scalar v) -> Scalar { return otherwise(v); });
  }
}

/// exp(a) - 1 where a < 0, else 0, without cancellation near 0.
auto exp_minus_one(const auto& a) {
  return in_packets<ExpMinusOneFunction>(a, [](auto v) { return v < 0 ? std::expm1(v) : decltype(v)(0); });
}

template <class Array>
using PlainArray = typename Array::PlainObject;

}  // namespace detail

/// tanh(a)
struct Tanh {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "tanh";
  auto value(const auto& a) const {
    return detail::in_packets<detail::TanhFunction>(a, [](auto v) { return std::tanh(v); });
  }
  auto slope(const auto& h) const { return 1 - h.square(); }
  ///@}
};

/// 1 / (1 + exp(-a))
struct Logistic {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "logistic";
  auto value(const auto& a) const {
    return detail::in_packets<detail::LogisticFunction>(a, [](auto v) { return 1 / (1 + std::exp(-v)); });
  }
  auto slope(const auto& h) const { return h * (1 - h); }
  ///@}
};

/// max(a, 0); its slope at 0 is 0.
struct Relu {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "relu";
  auto value(const auto& a) const {
    return a.unaryExpr(detail::CutBelowZero<typename std::decay_t<decltype(a)>::Scalar>());
  }
  auto slope(const auto& h) const {
    return h.unaryExpr(detail::IsPositive<typename std::decay_t<decltype(h)>::Scalar>());
  }
  ///@}
};

/// a where a > 0, else negative_slope * a, for 0 < negative_slope < 1; its slope at 0 is negative_slope.
struct LeakyRelu {
  /// Its constant, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double negative_slope = 0.01;
  std::string description() const { return "leaky relu " + describe(negative_slope); }

  auto value(const auto& a) const { return (a > 0).select(a, below(a) * a); }
  auto slope(const auto& h) const {
    const auto m = below(h);
    return (h > 0).template cast<std::decay_t<decltype(m)>>() * (1 - m) + m;
  }
  ///@}

 private:
  auto below(const auto& a) const { return static_cast<typename std::decay_t<decltype(a)>::Scalar>(negative_slope); }
};

/// a
struct Identity {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "identity";
  auto value(const auto& a) const { return 1 * a; }
  auto slope(const auto& h) const { return detail::PlainArray<std::decay_t<decltype(h)>>::Ones(h.rows(), h.cols()); }
  ///@}
};

/// a / (1 + |a|)
struct Softsign {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "softsign";
  auto value(const auto& a) const { return a / (1 + a.abs()); }
  auto slope(const auto& h) const { return (1 - h.abs()).square(); }
  ///@}
};

/// a, cut off at -1 and 1; its slope there is 0.
struct HardTanh {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "hard tanh";
  auto value(const auto& a) const {
    return a.unaryExpr([](auto v) { return v < -1 ? decltype(v)(-1) : v > 1 ? decltype(v)(1) : v; });  // NaN stays NaN
  }
  auto slope(const auto& h) const { return (h.abs() < 1).template cast<typename std::decay_t<decltype(h)>::Scalar>(); }
  ///@}
};

/// f(a), with a cut off at -limit and limit beforehand, for f that rise all the way: ONNX's `clip`. Its slope beyond is
/// 0. There h is f(limit) or f(-limit) to the bit, and so tells. Without a limit it is f.
template <Activation F>
struct Clipped {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double limit = std::numeric_limits<double>::infinity();
  [[no_unique_address]] F f = {};

  std::string description() const { return "clipped " + describe(limit) + " " + describe(f, "own"); }

  auto value(const auto& a) const {
    using Scalar = typename std::decay_t<decltype(a)>::Scalar;
    return f.value(a.unaryExpr(detail::CutOff<Scalar>{static_cast<Scalar>(limit)}));
  }
  auto slope(const auto& h) const {
    using Array = detail::PlainArray<std::decay_t<decltype(h)>>;
    using Scalar = typename Array::Scalar;
    const auto at = [&](double a) { return f.value(Eigen::Array<Scalar, 1, 1>(static_cast<Scalar>(a))).eval()(0); };
    // An end that is NaN, as that of Softsign at infinity, is none.
    return (h <= at(-limit) || h >= at(limit)).select(Array::Zero(h.rows(), h.cols()), f.slope(h));
  }
  ///@}
};

}  // namespace recur::inline RECUR_ISA

namespace Eigen::internal {
template <class Function, class Scalar>
struct functor_traits<recur::detail::InPackets<Function, Scalar>> {
  enum { Cost = 10 * NumTraits<Scalar>::MulCost, PacketAccess = packet_traits<Scalar>::Vectorizable };
};
template <class Scalar>
struct functor_traits<recur::detail::CutBelowZero<Scalar>> {
  enum { Cost = 2 * NumTraits<Scalar>::AddCost, PacketAccess = packet_traits<Scalar>::Vectorizable };
};
template <class Scalar>
struct functor_traits<recur::detail::IsPositive<Scalar>> {
  enum { Cost = 2 * NumTraits<Scalar>::AddCost, PacketAccess = packet_traits<Scalar>::Vectorizable };
};
template <class Scalar>
struct functor_traits<recur::detail::CutOff<Scalar>> {
  enum { Cost = 4 * NumTraits<Scalar>::AddCost, PacketAccess = packet_traits<Scalar>::Vectorizable };
};
}  // namespace Eigen::internal
