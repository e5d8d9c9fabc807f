#pragma once
/// \file
/// tanh, the logistic function and two that are made of them, of float and of double, one SIMD packet at a time (or one
/// number, where there is no SIMD): for Tanh, Logistic, Elu and Softplus. None branches; the first two
/// divide once, the others twice. A product that goes into a sum is a pmadd, so that packets of every width have the
/// same bits. What becomes of NaN is left to the caller.
///
/// The largest errors in units in the last place, of all floats and of 10^7 doubles, subnormal values included:
///
///                 tanh, float   tanh, double   logistic, float   logistic, double
///     with FMA    4.06          3.9            2.50              2.8
///     without     4.61          4.5            2.63              2.9
///
///                 exp - 1, float   exp - 1, double   softplus, float   softplus, double
///     with FMA    5.57             6.2               4.16              4.1
///     without     5.56             4.7               4.15              4.1

#include "../base/require.hpp"

#include <type_traits>

namespace recur::inline RECUR_ISA::detail {

/// The type of the numbers of a packet.
template <class Packet>
using PacketScalar = typename Eigen::internal::unpacket_traits<Packet>::type;

/// Whether a packet is of floats.
template <class Packet>
inline constexpr bool is_single = std::is_same_v<PacketScalar<Packet>, float>;

/// `value` in all places of a packet.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet constant(double value) {
  return Eigen::internal::pset1<Packet>(static_cast<PacketScalar<Packet>>(value));
}

/// c0 + c1 z + c2 z^2 + ..., by twos: (c0 + c1 z) + z^2 ((c2 + c3 z) + z^2 (...))
template <class Packet>
EIGEN_ALWAYS_INLINE Packet polynomial(const Packet&, const Packet&, double c0) {
  return constant<Packet>(c0);
}
/// The same for two coefficients and more.
template <class Packet, class... More>
EIGEN_ALWAYS_INLINE Packet polynomial(const Packet& z, const Packet& z2, double c0, double c1, More... more) {
  using namespace Eigen::internal;
  const Packet two = pmadd(constant<Packet>(c1), z, constant<Packet>(c0));
  if constexpr (sizeof...(more) == 0) {
    return two;
  } else {
    return pmadd(polynomial(z, z2, static_cast<double>(more)...), z2, two);
  }
}

/// -limit where a is below it, limit where a is above.
template <class Packet>
EIGEN_ALWAYS_INLINE Packet within(double limit, const Packet& a) {
  using namespace Eigen::internal;
  return pmax(constant<Packet>(-limit), pmin(constant<Packet>(limit), a));
}

/// tanh a = 2 p q / (q^2 + p^2), where p / q = tanh(a/2) with
///
///     2 p = a + a z P(z),  2 q = 2 + z Q(z),  z = a^2
///
/// P and Q are fitted to all but the least largest relative error of tanh a (1.2e-8 in float, below 1e-17 in double).
/// By way of a/2 they need half the degree, and their errors vanish as the value approaches 1. From 9.2 (float) or 19.6
/// (double) on the value is that at 9.2 or 19.6, which is 1 to the bit, with FMA and without.
struct TanhFunction {
  template <class Packet>
  static EIGEN_ALWAYS_INLINE Packet packet(const Packet& a) {
    using namespace Eigen::internal;
    constexpr bool single = is_single<Packet>;
    const Packet x = within(single ? 9.2 : 19.6, a), z = pmul(x, x), z2 = pmul(z, z);
    Packet p, q;
    if constexpr (single) {
      p = polynomial(z, z2, 0.02970984637314839495, 0.000112873248018089604);
      q = polynomial(z, z2, 0.2260862596089894426, 0.002399703332909707512, 2.400248436924018428e-6);
    } else {
      p = polynomial(z, z2, 0.0364771397258345326, 0.0003193477333561575934, 9.807891603572687479e-7,
                     1.12274475831926957e-9, 4.026514371207668414e-13, 2.020993130613974479e-17);
      q = polynomial(z, z2, 0.2396209461183356996, 0.003940440976573682712, 0.00001999837855696014512,
                     3.770340016956124738e-8, 2.517987748054444156e-11, 4.111273911645062766e-15);
    }
    p = pmadd(pmul(x, z), p, x);
    q = pmadd(z, q, constant<Packet>(2));
    return within(1, pdiv(pmul(padd(p, p), q), pmadd(q, q, pmul(p, p))));
  }
};

/// 1 / (1 + exp(-a)), where exp(-a) = 2^n exp(-r), n is whole, |r| <= log(2) / 2, and with z = r^2
///
///     exp(-r) = (q - r p) / (q + r p),  tanh(r/2) = r p / q = r / (2 + z / (6 + z / (10 + ...)))
///
/// the continued fraction of Lambert, 1761, down to its third (float) or sixth term. Dividend and divisor are scaled,
/// so that 2^n does not overflow before the value is zero: subnormal values are accurate too.
struct LogisticFunction {
  template <class Packet>
  static EIGEN_ALWAYS_INLINE Packet packet(const Packet& a) {
    using namespace Eigen::internal;
    constexpr bool single = is_single<Packet>;
    const Packet x = pmin(constant<Packet>(single ? 40 : 746), pmax(constant<Packet>(single ? -105 : -746), a));
    const Packet n = print(pmul(x, constant<Packet>(-1.4426950408889634)));  // rounds, in spite of its name
    const Packet r = pmadd(n, constant<Packet>(single ? -2.12194440054690583e-4 : 1.90821492927058770002e-10),
                           pmadd(n, constant<Packet>(single ? 0.693359375 : 6.93147180369123816490e-1), x));
    const Packet z = pmul(r, r), z2 = pmul(z, z);
    Packet p, q;
    if constexpr (single) {
      p = padd(constant<Packet>(60), z);
      q = polynomial(z, z2, 120, 12);
    } else {
      p = polynomial(z, z2, 332640, 10080, 42);
      q = polynomial(z, z2, 665280, 75600, 840, 1);
    }
    const Packet above = pmul(constant<Packet>(scale<Packet>), pmadd(r, p, q));
    return pdiv(above, pmadd(scaled_power_of_two(n), pmadd(pnegate(r), p, q), above));
  }

 private:
  template <class Packet>
  static constexpr double scale = is_single<Packet> ? 0x1p-64 : 0x1p-512;

  /// 2^n * scale; in float -60 < n < 160, and the bits of 2^m are those of the integer 2^23 (m + 127).
  template <class Packet>
  static Packet scaled_power_of_two(const Packet& n) {
    using namespace Eigen::internal;
    if constexpr (is_single<Packet> && requires { typename unpacket_traits<Packet>::integer_packet; }) {
      using Integers = typename unpacket_traits<Packet>::integer_packet;
      const Packet bits = pmadd(n, constant<Packet>(0x1p23), constant<Packet>(0x1p23 * (127 - 64)));
      return preinterpret<Packet>(pcast<Packet, Integers>(bits));
    } else {
      return pldexp(constant<Packet>(scale<Packet>), n);
    }
  }
};

/// exp(a) - 1 where a < 0, else 0. With t = tanh(a/2) it is 2 t / (1 - t): nothing cancels where t < 0, and the error
/// of t does not grow.
struct ExpMinusOneFunction {
  template <class Packet>
  static EIGEN_ALWAYS_INLINE Packet packet(const Packet& a) {
    using namespace Eigen::internal;
    const Packet t = TanhFunction::packet(pmul(constant<Packet>(0.5), pmin(a, constant<Packet>(0))));
    return pdiv(padd(t, t), psub(constant<Packet>(1), t));
  }
};

/// log(1 + exp(a)) = max(a, 0) - log(1 - p), where p = logistic(-|a|), and
///
///     -log(1 - p) = 2 artanh(d/2) = d + d z P(z),  d = p / (1 - p/2),  z = d^2 <= 4/9
///
/// P is fitted to all but the least largest relative error of the whole (4.5e-9 in float, 1.3e-18 in double).
struct SoftplusFunction {
  template <class Packet>
  static EIGEN_ALWAYS_INLINE Packet packet(const Packet& a) {
    using namespace Eigen::internal;
    const Packet p = LogisticFunction::packet(pnegate(pabs(a)));
    const Packet d = pdiv(p, pmadd(constant<Packet>(-0.5), p, constant<Packet>(1)));
    const Packet z = pmul(d, d), z2 = pmul(z, z);
    Packet fitted;
    if constexpr (is_single<Packet>) {
      fitted = polynomial(z, z2, 0.08333302036097696573, 0.01250672724222121874, 0.002187641042128777255,
                          0.0005471091656858383545);
    } else {
      fitted = polynomial(z, z2, 0.0833333333333328871, 0.01250000000004847488, 0.002232142855321710706,
                          0.0004340278115945456417, 0.00008877804921660686877, 0.00001878240768816438901,
                          4.059180178195912381e-6, 9.235338505625678039e-7, 1.591678798636910197e-7,
                          8.110875299548240938e-8);
    }
    return padd(pmax(a, constant<Packet>(0)), pmadd(pmul(d, z), fitted, d));
  }
};

}  // namespace recur::inline RECUR_ISA::detail
