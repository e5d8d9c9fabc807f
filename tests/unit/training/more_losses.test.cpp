// The losses beside squared_error and softmax_cross_entropy: gradients, edges, and every error. PyTorch's numbers are
// in oracles/losses.test.cpp.
#include "catch.hpp"
#include "central_differences.hpp"
#include "helpers.hpp"
#include "losses.hpp"

#include <recur/training/more_losses.hpp>

#include <limits>

using namespace recur;
using recur_test::for_each_loss, recur_test::message_of, recur_test::worst_difference;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// One number.
Series<double> number(double value) {
  Series<double> one(1, 1, 1);
  one.matrix()(0, 0) = value;
  return one;
}

}  // namespace

TEST_CASE("dL/dy of every loss agrees with central differences, with lengths and masks", "[loss]") {
  for_each_loss([](const std::string& name, const auto& loss, Index times) {
    INFO(name);
    std::mt19937 rng(1);
    Series<double> y(3 * times, 2, 4), target(3, 2, 4);
    y.setRandom(rng);
    target.setRandom(rng);
    y.set_lengths({4, 2});
    Mask mask = Mask::Constant(2, 4, true);
    mask(0, 1) = false;
    const auto [value, dy] = loss(y, target, mask);
    CHECK(value.counted == 5);
    CHECK(worst_difference(y, dy, [&](const auto& moved) { return double(loss(moved, target, mask).value); }) < 1e-8);
  });
}

TEST_CASE("What does not count may hold anything, and what counts makes the loss NaN where it is", "[loss]") {
  for_each_loss([](const std::string& name, const auto& loss, Index times) {
    INFO(name);
    std::mt19937 rng(2);
    Series<double> y(2 * times, 2, 3), target(2, 2, 3);
    y.setRandom(rng);
    target.setRandom(rng);
    const auto [value, dy] = loss(y, target, last_step(y));
    target[0].setConstant(not_a_number);
    y[1].setConstant(not_a_number);
    const auto again = loss(y, target, last_step(y));
    CHECK(again.value.mean == value.mean);
    CHECK(again.dy.matrix() == dy.matrix());
    CHECK(dy.matrix().leftCols(4).isZero(0));
    for (Index i = 0; i < 2; ++i) {
      target[2].setZero();
      target[2](i, 1) = not_a_number;
      CHECK(std::isnan(loss(y, target, last_step(y)).value.mean));
    }
  });
}

TEST_CASE("Logits of +-1e4 give finite and right losses and slopes", "[loss]") {
  for (const double y : {1e4, -1e4})
    for (const double target : {0.0, 1.0, 0.25}) {
      const auto [value, dy] = binary_cross_entropy(number(y), number(target));
      CHECK(value.mean == (y > 0 ? y * (1 - target) : -y * target));
      CHECK(dy.matrix()(0, 0) == (y > 0 ? 1 - target : -target));
    }
  const auto [value, dy] = binary_cross_entropy(number(-40), number(0));
  CHECK(value.mean == Approx(std::exp(-40.0)));
  CHECK(dy.matrix()(0, 0) == Approx(std::exp(-40.0)));
}

TEST_CASE("Slopes at the kinks are those that are documented", "[loss]") {
  CHECK(l1(number(2), number(2)).dy.matrix()(0, 0) == 0);
  CHECK(Quantiles({0.9})(number(2), number(2)).dy.matrix()(0, 0) == 0);
  CHECK(Huber(0.5)(number(1.5), number(1)).dy.matrix()(0, 0) == 0.5);
  CHECK(Huber(0.5)(number(1.5), number(1)).value == 0.125);
}

TEST_CASE("The constant that is least is the quantile, the mean and variance, the rate", "[loss]") {
  Series<double> target(1, 10, 1);
  for (Index n = 0; n < 10; ++n) target[0](0, n) = static_cast<double>(n);  // 0 .. 9
  const auto of_constant = [&](const auto& loss, std::initializer_list<double> values) {
    Series<double> y(static_cast<Index>(values.size()), 10, 1);
    Index i = 0;
    for (const double value : values) y.matrix().row(i++).setConstant(value);
    return VectorOf<double>(loss(y, target).dy.matrix().rowwise().sum());
  };
  CHECK(of_constant(Quantiles({0.2, 0.7}), {1.5, 6.5}).isZero(1e-14));  // 2 and 7 of 10 are below
  CHECK(of_constant(gaussian_nll, {4.5, std::log(8.25)}).isZero(1e-14));
  CHECK(of_constant(poisson_nll, {std::log(4.5)}).isZero(1e-14));
  CHECK(of_constant(l1, {4.5}).isZero(1e-14));
}

TEST_CASE("Losses say what does not fit", "[loss]") {
  const Series<double> y(2, 3, 4), other(3, 3, 4), longer(2, 3, 5);
  CHECK(message_of([&] { binary_cross_entropy(y, other); }) ==
        "binary_cross_entropy: target.features() must be 2 (y.features()), got 3");
  CHECK_THAT(message_of([&] { huber(y, longer); }), Catch::Matchers::StartsWith("huber: target"));
  CHECK(message_of([&] { gaussian_nll(y, y); }) ==
        "gaussian_nll: y.features() must be 4 (2 * target.features()), got 2");
  CHECK(message_of([&] { Quantiles({0.1, 0.5, 0.9})(y, y); }) ==
        "quantiles: y.features() must be 6 (quantiles * target.features()), got 2");
  CHECK(message_of([&] { l1(y, y, Mask::Constant(1, 4, true)); }) ==
        "l1: mask must be 3x4 (batch x steps of y), got 1x4");
  Series<double> target(2, 3, 4);
  CHECK(message_of([&] { poisson_nll(y, target, target); }) ==
        "poisson_nll: dy must be another series than target, got one that lies in the same memory");
  CHECK(message_of([] { Huber(0); }) == "Huber: delta > 0 expected, got 0");
  CHECK(message_of([] { Huber{not_a_number}; }) == "Huber: delta > 0 expected, got nan");
  CHECK(message_of([] { Quantiles({0.5, 1}); }) == "Quantiles: 0 < q < 1 expected, got 1");
  CHECK(message_of([] { Quantiles({}); }) == "Quantiles: at least one expected, got none");
}
