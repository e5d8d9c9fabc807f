#include "activations.hpp"
#include "catch.hpp"
#include "numbers.hpp"

#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

using namespace recur;
using recur_test::identical, recur_test::case_of, recur_test::Activations;

namespace {

template <class Scalar>
using Values = Eigen::Array<Scalar, Dynamic, 1>;

template <class F>
long double reference(long double a) {
  return case_of<F>().reference(a);
}

/// Of every sign and size between 2^-12 and 2^6.
template <class Scalar>
Values<Scalar> arguments(Index count) {
  std::mt19937 rng(1);
  Values<Scalar> a(count);
  for (Scalar& value : a) {
    const auto exponent = static_cast<int>(uniform_below(rng, 19)) - 12;
    value = static_cast<Scalar>(std::ldexp(uniform(rng, -1, 1), exponent));
  }
  return a;
}

// One instance of each activation, whatever is asked of it: each takes the compiler a while.
template <class F, class Scalar>
Values<Scalar> values(const Values<Scalar>& a, const F& f = case_of<F>().f) {
  return f.value(a);
}
template <class F, class Scalar>
Values<Scalar> slopes(const Values<Scalar>& h, const F& f = case_of<F>().f) {
  return f.slope(h);
}
template <class F, class Scalar>
Scalar value_of(Scalar a) {
  return values<F, Scalar>(Values<Scalar>::Constant(1, a))(0);
}
template <class F, class Scalar>
Scalar slope_at(Scalar h) {
  return slopes<F, Scalar>(Values<Scalar>::Constant(1, h))(0);
}

/// h = a / sqrt(1 + a^2), so that h' = (1 - h^2)^(3/2): a user's own, with a constant.
struct Algebraic {
  double scale = 1;
  auto value(const auto& a) const { return scale * a / (1 + a.square()).sqrt(); }
  auto slope(const auto& h) const { return scale * (1 - (h / scale).square()).cube().sqrt(); }
};

/// Of both signs: evenly spaced up to limit, and at 2^k for k from the least to the largest.
template <class Scalar>
Values<Scalar> whole_range(double limit) {
  using Limits = std::numeric_limits<Scalar>;
  constexpr Index count = 20000;
  Values<Scalar> a(4 * count);
  for (Index i = 0; i < count; ++i) {
    const double part = static_cast<double>(i) / count, least = Limits::min_exponent - Limits::digits;
    a(2 * i) = static_cast<Scalar>(limit * part);
    a(2 * i + 1) = static_cast<Scalar>(std::exp2(least + part * (Limits::max_exponent - least)));
  }
  a.tail(2 * count) = -a.head(2 * count);
  return a;
}

/// The largest error of value(a), in units in the last place: of the subnormal numbers too, where the value is one.
template <class F, class Scalar>
long double worst_ulps(const Values<Scalar>& a) {
  using Limits = std::numeric_limits<Scalar>;
  const auto computed = values<F>(a);
  long double worst = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const long double expected = reference<F>(a(i));
    const int exponent =
        expected == 0 ? Limits::min_exponent : std::max(std::ilogb(expected) + 1, Limits::min_exponent);
    const long double error = std::abs(computed(i) - expected) / std::ldexp(1.0L, exponent - Limits::digits);
    if (!(error <= worst)) worst = error;  // NaN is the worst
  }
  return worst;
}

/// slope(value(a)) against central differences of value, away from the kinks.
template <class F>
void check_slopes(const F& f, const std::vector<double>& kinks = {}) {
  constexpr double e = 1e-5;
  Values<double> a = (arguments<double>(2000) / 8).min(8).max(-8);
  for (const double kink : kinks) a = ((a - kink).abs() < 1e-3).select(kink + 0.3, a);
  for (const double kink : kinks) REQUIRE((a - kink).abs().minCoeff() >= 1e-3);
  const Values<double> more = a + e, less = a - e;
  const Values<double> numeric = (values(more, f) - values(less, f)) / (2 * e);
  const auto analytic = slopes(values(a, f), f);
  CHECK((analytic - numeric).abs().maxCoeff() < 1e-9);
  CHECK(analytic.abs().maxCoeff() > 0.2);
}

/// Whether the first Rows values, in arrays of Rows x 1 and Rows x 3, are what is expected.
template <class F, int Rows, class Scalar>
bool same_in_fixed_arrays(const Values<Scalar>& a, const Values<Scalar>& expected) {
  const Eigen::Array<Scalar, Rows, 1> one = a.template head<Rows>(), value = case_of<F>().f.value(one);
  const Eigen::Array<Scalar, Rows, 3> three = one.template replicate<1, 3>(), each = case_of<F>().f.value(three);
  const Values<Scalar> wanted = expected.head(Rows);
  return identical(Values<Scalar>(value), wanted) && identical(Values<Scalar>(each.col(0)), wanted) &&
         identical(Values<Scalar>(each.col(2)), wanted);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Values agree with the standard library's in long double", "[activation]", Activations) {
  const auto check = [](auto scalar) {
    using Scalar = decltype(scalar);
    const auto a = arguments<Scalar>(20000);
    const auto computed = values<TestType>(a);
    long double worst = 0;
    for (Index i = 0; i < a.size(); ++i) {
      const long double expected = reference<TestType>(a(i));
      const long double error = expected == 0 ? std::abs(computed(i)) : std::abs(computed(i) / expected - 1);
      if (!(error <= worst)) worst = error;  // NaN is the worst
    }
    CHECK(worst <= 5 * static_cast<long double>(std::numeric_limits<Scalar>::epsilon()));
  };
  check(float());
  check(double());
}

TEMPLATE_TEST_CASE("Tanh, Logistic, Elu and Softplus are accurate to a few units in the last place", "[activation]",
                   float, double) {
  constexpr bool single = std::is_same_v<TestType, float>;
  for (const double limit : {1.0, 20.0, single ? 110.0 : 750.0}) {
    const auto a = whole_range<TestType>(limit);
    CHECK(worst_ulps<Tanh>(a) <= 5);
    CHECK(worst_ulps<Logistic>(a) <= 3);
    CHECK(worst_ulps<Elu>(a) <= 7);
    CHECK(worst_ulps<Softplus>(a) <= 5);
  }
}

TEMPLATE_TEST_CASE("Tanh is odd to the bit, and tanh(a) is a where a is tiny", "[activation]", float, double) {
  const auto a = whole_range<TestType>(20);
  const Values<TestType> negative = -a, negated = -values<Tanh>(a);
  CHECK(identical(values<Tanh>(negative), negated));
  const Values<TestType> tiny = (a.abs() < std::numeric_limits<TestType>::epsilon() / 4).select(a, TestType(0));
  CHECK(tiny.abs().maxCoeff() > 0);
  CHECK(identical(values<Tanh>(tiny), tiny));
}

TEMPLATE_TEST_CASE("Tanh and Logistic reach the ends of their range and stay there", "[activation]", float, double) {
  constexpr bool single = std::is_same_v<TestType, float>;
  const auto a = whole_range<TestType>(single ? 110 : 750);
  const auto tanh = values<Tanh>(a), logistic = values<Logistic>(a);
  const TestType tanh_end = TestType(single ? 9.2 : 19.6);
  CHECK((tanh.abs() <= 1).all());
  CHECK((logistic >= 0 && logistic <= 1).all());
  const auto all_are = [](const auto& values, const auto& where, TestType value) {
    return (where.select(values, value) == value).all();
  };
  CHECK(all_are(tanh, a >= tanh_end, 1));
  CHECK(all_are(tanh, a <= -tanh_end, -1));
  CHECK(all_are(logistic, a >= (single ? 18 : 38), 1));
  CHECK(all_are(logistic, a <= (single ? -104 : -746), 0));
  CHECK((a >= (single ? -103 : -745)).select(logistic, TestType(1)).minCoeff() > 0);
}

TEMPLATE_LIST_TEST_CASE("Values are right far out, at infinity and at zero, whose sign they keep, and NaN stays NaN",
                        "[activation]", Activations) {
  const auto check = [](auto scalar) {
    using Scalar = decltype(scalar);
    using Limits = std::numeric_limits<Scalar>;
    INFO(describe(case_of<TestType>().f, ""));
    for (const Scalar size : {Limits::infinity(), Limits::max(), Scalar(1e4), Scalar(0)}) {
      for (const Scalar a : {size, -size}) {
        const long double exact = reference<TestType>(a);
        const Scalar expected = static_cast<Scalar>(exact), value = value_of<TestType>(a);
        INFO("at " << a << ": " << value << ", expected " << expected);
        if (std::isnan(expected)) {
          CHECK(std::isnan(value));  // of Softsign at infinity, inf / inf, as in PyTorch
        } else if (expected == exact) {
          CHECK(identical(value, expected));
        } else {
          CHECK(std::abs(value - expected) <= 5 * Limits::epsilon() * std::abs(expected));
        }
      }
    }
    CHECK(std::isnan(value_of<TestType>(Limits::quiet_NaN())));
  };
  check(float());
  check(double());
}

TEMPLATE_TEST_CASE("ThresholdedRelu begins at its threshold", "[activation]", float, double) {
  CHECK(value_of<ThresholdedRelu>(TestType(0.5)) == TestType(0.5));
  CHECK(value_of<ThresholdedRelu>(std::nextafter(TestType(0.5), TestType(0))) == 0);
}

TEMPLATE_TEST_CASE("Tanh and Logistic stay in their range, close to zero too", "[activation]", float, double) {
  const Values<TestType> steps = Values<TestType>::LinSpaced(20001, TestType(-20), TestType(20));
  const auto tanh = values<Tanh>(steps), logistic = values<Logistic>(steps);
  CHECK((tanh.minCoeff() == -1 && tanh.maxCoeff() == 1));
  CHECK((logistic.minCoeff() > 0 && logistic.maxCoeff() <= 1));
}

TEMPLATE_LIST_TEST_CASE("Slopes, from the value, are the derivative", "[activation]", Activations) {
  check_slopes(case_of<TestType>().f, case_of<TestType>().kinks);
}

TEMPLATE_TEST_CASE("Slopes at the kinks are those that are documented", "[activation]", float, double) {
  CHECK(slope_at<Relu>(TestType(0)) == 0);
  CHECK(slope_at<Relu>(value_of<Relu>(TestType(-3))) == 0);
  CHECK(slope_at<Relu>(std::numeric_limits<TestType>::denorm_min()) == 1);
  CHECK(slope_at<LeakyRelu>(TestType(0)) == TestType(0.25));
  CHECK(slope_at<LeakyRelu>(value_of<LeakyRelu>(TestType(-3))) == TestType(0.25));
  CHECK(slope_at<LeakyRelu>(TestType(2)) == 1);
  CHECK(slope_at<HardTanh>(TestType(1)) == 0);
  CHECK(slope_at<HardTanh>(TestType(-1)) == 0);
  CHECK(slope_at<HardTanh>(TestType(0)) == 1);
  CHECK(slope_at<Softsign>(TestType(0)) == 1);
  CHECK(slope_at<Tanh>(TestType(0)) == 1);
  CHECK(slope_at<Tanh>(TestType(1)) == 0);
  CHECK(slope_at<Logistic>(TestType(0.5)) == TestType(0.25));
  CHECK(slope_at<HardSigmoid>(TestType(0)) == 0);
  CHECK(slope_at<HardSigmoid>(TestType(1)) == 0);
  CHECK(slope_at<HardSigmoid>(TestType(0.5)) == TestType(0.5));
  CHECK(slope_at<Elu>(TestType(0)) == TestType(0.5));
  CHECK(slope_at<Elu>(std::numeric_limits<TestType>::denorm_min()) == 1);
  CHECK(slope_at<Elu>(value_of<Elu>(TestType(-1e4))) == 0);
  CHECK(slope_at<Softplus>(TestType(0)) == 0);
  CHECK(slope_at<Softplus>(TestType(1e4)) == 1);
  CHECK(slope_at<ScaledTanh>(TestType(1.5)) == 0);
  CHECK(slope_at<ScaledTanh>(TestType(0)) == TestType(-0.75 * 1.5));
  CHECK(slope_at<ThresholdedRelu>(TestType(0)) == 0);
  CHECK(slope_at<ThresholdedRelu>(TestType(0.5)) == 1);

  const auto value = values<LeakyRelu, TestType>(Values<TestType>::Constant(1, -3), LeakyRelu());
  CHECK(value(0) == TestType(0.01) * -3);
  CHECK(slopes(value, LeakyRelu())(0) == TestType(0.01));
}

TEMPLATE_LIST_TEST_CASE("A value depends neither on where it lies nor on its neighbours", "[activation]", Activations) {
  const auto check = [](auto scalar) {
    using Scalar = decltype(scalar);
    constexpr auto nan = std::numeric_limits<Scalar>::quiet_NaN();
    const auto a = arguments<Scalar>(40);
    Values<Scalar> h(40), slope(40);
    for (Index i = 0; i < 40; ++i) {
      h(i) = value_of<TestType>(a(i));
      slope(i) = slope_at<TestType>(h(i));
    }
    for (Index length = 1; length <= 40; ++length) {
      const Values<Scalar> first = a.head(length), h_first = h.head(length), slope_first = slope.head(length);
      REQUIRE(identical(values<TestType>(first), h_first));
      REQUIRE(identical(slopes<TestType>(h_first), slope_first));
      Values<Scalar> alone = Values<Scalar>::Constant(length, nan);  // among NaN
      for (Index i = 0; i < length; ++i) {
        alone(i) = a(0);
        REQUIRE(identical(values<TestType>(alone)(i), h(0)));
        alone(i) = nan;
      }
    }
    // Fixed sizes: Eigen computes those in narrower packets.
    if constexpr (std::is_same_v<TestType, Tanh> || std::is_same_v<TestType, Logistic> ||
                  std::is_same_v<TestType, Elu> || std::is_same_v<TestType, Softplus>) {
      const bool same = [&]<int... Rows>(std::integer_sequence<int, Rows...>) {
        return (same_in_fixed_arrays<TestType, Rows>(a, h) && ...);
      }(std::integer_sequence<int, 4, 8, 16>());
      CHECK(same);
    }
  };
  check(float());
  check(double());
}

TEMPLATE_TEST_CASE("Tanh, Logistic, Elu and Softplus have the same bits at every address", "[activation]", float,
                   double) {
  constexpr Index most = 40, offsets = 17;
  const auto check = [&](const auto& f) {
    using F = std::decay_t<decltype(f)>;
    const auto a = arguments<TestType>(most + offsets);
    Values<TestType> expected(a.size());
    for (Index i = 0; i < a.size(); ++i) expected(i) = value_of<F>(a(i));
    bool same = true;
    for (Index offset = 0; offset < offsets; ++offset) {
      for (Index length = 1; length <= most; ++length) {
        Values<TestType> h = Values<TestType>::Zero(a.size()), wanted = h;
        h.segment(offset, length) = f.value(a.segment(offset, length));
        wanted.segment(offset, length) = expected.segment(offset, length);
        same = same && identical(h, wanted);
      }
    }
    CHECK(same);
  };
  check(Tanh());
  check(Logistic());
  check(case_of<Elu>().f);
  check(Softplus());
}

TEMPLATE_TEST_CASE("The slope of what is clipped is 0 from the limit on", "[activation]", float, double) {
  const auto check = [](const auto& f, double limit) {
    using F = std::decay_t<decltype(f)>;
    const Clipped<F> clipped{.limit = limit, .f = f};
    const auto a = arguments<TestType>(2000);
    const Values<TestType> inside = (a.abs() < TestType(0.9 * limit)).select(a, TestType(0.5 * limit));
    CHECK(identical(values(inside, clipped), values(inside, f)));
    CHECK(identical(slopes(values(inside, clipped), clipped), slopes(values(inside, f), f)));
    for (const double beyond : {limit, 1.1 * limit, 1e6}) {
      for (const double sign : {1, -1}) {
        const Values<TestType> h =
            values(Values<TestType>(Values<TestType>::Constant(5, TestType(sign * beyond))), clipped);
        CHECK((h == values(Values<TestType>(Values<TestType>::Constant(5, TestType(sign * limit))), f)).all());
        CHECK((slopes(h, clipped) == 0).all());
      }
    }
  };
  check(Tanh(), 0.7);
  check(Softplus(), 1.3);
  check(LeakyRelu(), 3.1);
}

TEST_CASE("Without a limit nothing is clipped", "[activation]") {
  const auto a = arguments<double>(2000);
  const auto h = values(a, Clipped<Softsign>());
  CHECK(identical(h, values(a, Softsign())));
  CHECK(identical(slopes(h, Clipped<Softsign>()), slopes(h, Softsign())));
}

TEST_CASE("Activations with constants tell them all", "[activation]") {
  CHECK(describe(HardSigmoid(), "") == "hard sigmoid 0.2 0.5");
  CHECK(describe(Elu(), "") == "elu 1");
  CHECK(describe(Softplus(), "") == "softplus");
  CHECK(describe(AffineFunction{2, -1}, "") == "affine 2 -1");
  CHECK(describe(ScaledTanh{1.25, 0.75}, "") == "scaled tanh 1.25 0.75");
  CHECK(describe(ThresholdedRelu(), "") == "thresholded relu 1");
  CHECK(describe(Clipped<Elu>{.limit = 3, .f = {0.5}}, "") == "clipped 3 elu 0.5");
}

TEST_CASE("A user's own activation works in a cell", "[activation]") {
  check_slopes(Algebraic());
  Elman<double, Algebraic> cell(2, 3, {.f = {.scale = 0.5}});
  std::mt19937 rng(3);
  cell.U = recur_test::random_matrix<double>(3, 2, rng);
  cell.W = recur_test::random_matrix<double>(3, 3, rng);
  cell.b = recur_test::random_matrix<double>(3, 1, rng);
  Series<double> x(2, 1, 2);
  x.setRandom(rng);
  auto trace = cell.trace();
  const auto h = cell.forward(x, trace);
  Eigen::Vector3d state = Eigen::Vector3d::Zero();
  for (Index t = 0; t < 2; ++t) {
    const Eigen::Array3d a = cell.b + cell.W * state + cell.U * x[t];
    state = 0.5 * a / (1 + a * a).sqrt();
    CHECK(h[t].isApprox(state, 1e-14));
  }
}
