#include "activations.hpp"
#include "catch.hpp"
#include "numbers.hpp"

#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace recur;
using recur_test::identical, recur_test::case_of, recur_test::Activations, recur_test::Values, recur_test::arguments;

namespace {

// One instance of each activation, whatever is asked of it: each takes the compiler a while.
template <class F, class Scalar>
Values<Scalar> values(const Values<Scalar>& a) {
  return case_of<F>().f.value(a);
}
template <class F, class Scalar>
Values<Scalar> slopes(const Values<Scalar>& h) {
  return case_of<F>().f.slope(h);
}

/// An activation whose type is not told, so that what is asked of all is compiled once for each scalar type.
template <class Scalar>
struct AnyActivation {
  using Function = std::function<Values<Scalar>(const Values<Scalar>&)>;
  std::string name;
  Function values, slopes;
  long double (*reference)(long double a) = nullptr;
  std::vector<double> kinks = {};

  Scalar value_of(Scalar a) const { return values(Values<Scalar>::Constant(1, a))(0); }
  Scalar slope_at(Scalar h) const { return slopes(Values<Scalar>::Constant(1, h))(0); }
};
/// That of F's case.
template <class F, class Scalar>
AnyActivation<Scalar> any() {
  const auto& [f, reference, kinks] = case_of<F>();
  return {describe(f, ""), values<F, Scalar>, slopes<F, Scalar>, reference, kinks};
}
/// One with other constants.
template <class Scalar, class F>
AnyActivation<Scalar> any_of(const F& f) {
  return {describe(f, ""), [f](const Values<Scalar>& a) -> Values<Scalar> { return f.value(a); },
          [f](const Values<Scalar>& h) -> Values<Scalar> { return f.slope(h); }};
}

template <class Scalar, class... F>
std::vector<AnyActivation<Scalar>> each_of(const std::tuple<F...>*) {
  return {any<F, Scalar>()...};
}
/// All of `activations`.
template <class Scalar>
const std::vector<AnyActivation<Scalar>>& all_activations() {
  static const auto all = each_of<Scalar>(static_cast<const Activations*>(nullptr));
  return all;
}

template <class F, class Scalar>
Scalar value_of(Scalar a) {
  return any<F, Scalar>().value_of(a);
}
template <class F, class Scalar>
Scalar slope_at(Scalar h) {
  return any<F, Scalar>().slope_at(h);
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
template <class Scalar>
long double worst_ulps(const AnyActivation<Scalar>& f, const Values<Scalar>& a) {
  using Limits = std::numeric_limits<Scalar>;
  const auto computed = f.values(a);
  long double worst = 0;
  for (Index i = 0; i < a.size(); ++i) {
    const long double expected = f.reference(a(i));
    const int exponent =
        expected == 0 ? Limits::min_exponent : std::max(std::ilogb(expected) + 1, Limits::min_exponent);
    const long double error = std::abs(computed(i) - expected) / std::ldexp(1.0L, exponent - Limits::digits);
    if (!(error <= worst)) worst = error;  // NaN is the worst
  }
  return worst;
}

/// slope(value(a)) against central differences of value, away from the kinks.
void check_slopes(const AnyActivation<double>& f) {
  constexpr double e = 1e-5;
  Values<double> a = (arguments<double>(2000) / 8).min(8).max(-8);
  for (const double kink : f.kinks) a = ((a - kink).abs() < 1e-3).select(kink + 0.3, a);
  for (const double kink : f.kinks) REQUIRE((a - kink).abs().minCoeff() >= 1e-3);
  const Values<double> more = a + e, less = a - e;
  const Values<double> numeric = (f.values(more) - f.values(less)) / (2 * e);
  const auto analytic = f.slopes(f.values(a));
  CHECK((analytic - numeric).abs().maxCoeff() < 1e-9);
  CHECK(analytic.abs().maxCoeff() > 0.2);
}

}  // namespace

TEMPLATE_TEST_CASE("Values agree with the standard library's in long double", "[activation]", float, double) {
  const auto a = arguments<TestType>(20000);
  for (const auto& f : all_activations<TestType>()) {
    const auto computed = f.values(a);
    long double worst = 0;
    for (Index i = 0; i < a.size(); ++i) {
      const long double expected = f.reference(a(i));
      const long double error = expected == 0 ? std::abs(computed(i)) : std::abs(computed(i) / expected - 1);
      if (!(error <= worst)) worst = error;  // NaN is the worst
    }
    INFO(f.name);
    CHECK(worst <= 5 * static_cast<long double>(std::numeric_limits<TestType>::epsilon()));
  }
}

TEMPLATE_TEST_CASE("Tanh, Logistic, Elu and Softplus are accurate to a few units in the last place", "[activation]",
                   float, double) {
  constexpr bool single = std::is_same_v<TestType, float>;
  for (const double limit : {1.0, 20.0, single ? 110.0 : 750.0}) {
    const auto a = whole_range<TestType>(limit);
    CHECK(worst_ulps(any<Tanh, TestType>(), a) <= 5);
    CHECK(worst_ulps(any<Logistic, TestType>(), a) <= 3);
    CHECK(worst_ulps(any<Elu, TestType>(), a) <= 7);
    CHECK(worst_ulps(any<Softplus, TestType>(), a) <= 5);
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

TEMPLATE_TEST_CASE("Values are right far out, at infinity and at zero, whose sign they keep, and NaN stays NaN",
                   "[activation]", float, double) {
  using Limits = std::numeric_limits<TestType>;
  for (const auto& f : all_activations<TestType>()) {
    INFO(f.name);
    for (const TestType size : {Limits::infinity(), Limits::max(), TestType(1e4), TestType(0)}) {
      for (const TestType a : {size, -size}) {
        const long double exact = f.reference(a);
        const TestType expected = static_cast<TestType>(exact), value = f.value_of(a);
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
    CHECK(std::isnan(f.value_of(Limits::quiet_NaN())));
  }
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

TEST_CASE("Slopes, from the value, are the derivative", "[activation]") {
  for (const auto& f : all_activations<double>()) {
    INFO(f.name);
    check_slopes(f);
  }
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

  const auto leaky = any_of<TestType>(LeakyRelu());
  const TestType value = leaky.value_of(-3);
  CHECK(value == TestType(0.01) * -3);
  CHECK(leaky.slope_at(value) == TestType(0.01));
}

TEMPLATE_TEST_CASE("A value depends neither on where it lies nor on its neighbours", "[activation]", float, double) {
  constexpr auto nan = std::numeric_limits<TestType>::quiet_NaN();
  const auto a = arguments<TestType>(40);
  for (const auto& f : all_activations<TestType>()) {
    INFO(f.name);
    Values<TestType> h(40), slope(40);
    for (Index i = 0; i < 40; ++i) {
      h(i) = f.value_of(a(i));
      slope(i) = f.slope_at(h(i));
    }
    for (Index length = 1; length <= 40; ++length) {
      const Values<TestType> first = a.head(length), h_first = h.head(length), slope_first = slope.head(length);
      REQUIRE(identical(f.values(first), h_first));
      REQUIRE(identical(f.slopes(h_first), slope_first));
      Values<TestType> alone = Values<TestType>::Constant(length, nan);  // among NaN
      for (Index i = 0; i < length; ++i) {
        alone(i) = a(0);
        REQUIRE(identical(f.values(alone)(i), h(0)));
        alone(i) = nan;
      }
    }
  }
}

TEMPLATE_TEST_CASE("The slope of what is clipped is 0 from the limit on", "[activation]", float, double) {
  const auto check = [](const AnyActivation<TestType>& f, const AnyActivation<TestType>& clipped, double limit) {
    const auto a = arguments<TestType>(2000);
    const Values<TestType> inside = (a.abs() < TestType(0.9 * limit)).select(a, TestType(0.5 * limit));
    CHECK(identical(clipped.values(inside), f.values(inside)));
    CHECK(identical(clipped.slopes(clipped.values(inside)), f.slopes(f.values(inside))));
    for (const double beyond : {limit, 1.1 * limit, 1e6}) {
      for (const double sign : {1, -1}) {
        const Values<TestType> h = clipped.values(Values<TestType>::Constant(5, TestType(sign * beyond)));
        CHECK((h == f.values(Values<TestType>::Constant(5, TestType(sign * limit)))).all());
        CHECK((clipped.slopes(h) == 0).all());
      }
    }
  };
  check(any<Tanh, TestType>(), any_of<TestType>(Clipped<Tanh>{.limit = 0.7, .f = {}}), 0.7);
  check(any<Softplus, TestType>(), any_of<TestType>(Clipped<Softplus>{.limit = 1.3, .f = {}}), 1.3);
  check(any_of<TestType>(LeakyRelu()), any_of<TestType>(Clipped<LeakyRelu>{.limit = 3.1, .f = {}}), 3.1);
}

TEST_CASE("Without a limit nothing is clipped", "[activation]") {
  const auto a = arguments<double>(2000);
  const auto clipped = any_of<double>(Clipped<Softsign>());
  const auto h = clipped.values(a);
  CHECK(identical(h, values<Softsign>(a)));
  CHECK(identical(clipped.slopes(h), slopes<Softsign>(h)));
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
  check_slopes(any_of<double>(Algebraic()));
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
