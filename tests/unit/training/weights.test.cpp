// Weights of steps and features, missing values, weights of classes, label smoothing: by the equation, by differences,
// and through the data. PyTorch's numbers are in oracles/losses.test.cpp.
#include "catch.hpp"
#include "central_differences.hpp"
#include "helpers.hpp"
#include "losses.hpp"
#include "random_series.hpp"

#include <recur/training/data.hpp>
#include <recur/training/more_losses.hpp>

#include <array>
#include <limits>

using namespace recur;
using recur_test::for_each_loss, recur_test::message_of, recur_test::random_series, recur_test::worst_difference;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("Weighted losses are the weighted means of single numbers, and their dL/dy that of the equation",
          "[weights]") {
  for_each_loss([](const std::string& name, const auto& loss, Index times) {
    for (const Index features : {1, 3}) {
      INFO(name << ", weights of " << features);
      auto y = random_series(3 * times, 2, 4, 1);
      y.set_lengths({4, 2});
      const auto target = random_series(3, 2, 4, 2);
      auto weights = random_series(features, 2, 4, 3);
      weights.matrix() = weights.matrix().cwiseAbs();
      weights[1].col(0).setZero();
      const Weighted weighted{target, weights};
      const auto [value, dy] = loss(y, weighted);
      double sum = 0, counted = 0;
      for (const auto& [n, t] : {std::pair{0, 0}, {0, 2}, {0, 3}, {1, 0}, {1, 1}})
        for (Index i = 0; i < 3; ++i) {
          Series<double> one(times, 1, 1), of(1, 1, 1);
          for (Index k = 0; k < times; ++k) one[0](k, 0) = y[t](k * 3 + i, n);
          of[0](0, 0) = target[t](i, n);
          const double w = weights[t](features == 1 ? 0 : i, n);
          sum += w * loss(one, of).value;
          counted += w / 3;
        }
      CHECK(value.counted == Approx(counted).epsilon(1e-14));
      CHECK(value.mean == Approx(sum / counted).epsilon(1e-13));
      CHECK(worst_difference(y, dy, [&](const auto& moved) { return double(loss(moved, weighted).value); }) < 1e-8);
    }
  });
}

TEST_CASE("Missing values do not count, whatever they hold", "[weights]") {
  for_each_loss([](const std::string& name, const auto& loss, Index times) {
    INFO(name);
    const auto y = random_series(2 * times, 2, 3, 1);
    auto target = random_series(2, 2, 3, 2);
    auto weights = present(target);
    CHECK(weights.matrix() == MatrixOf<double>::Ones(2, 6));
    const auto all = loss(y, target), same = loss(y, Weighted{target, weights});
    CHECK(same.value.mean == Approx(all.value.mean).epsilon(1e-14));
    CHECK(same.value.counted == 6);
    CHECK((same.dy.matrix() - all.dy.matrix()).cwiseAbs().maxCoeff() < 1e-15);

    target[1](0, 1) = target[2](1, 0) = target[0](0, 0) = target[0](1, 0) = not_a_number;
    weights = present(target);
    CHECK(weights.matrix().sum() == 8);
    const auto some = loss(y, Weighted{target, weights});
    CHECK(std::isfinite(some.value.mean));
    CHECK(some.value.counted == 4);
    CHECK(some.dy.matrix().allFinite());
    for (Index k = 0; k < times; ++k) CHECK(some.dy[1](k * 2, 1) == 0);
    CHECK(some.dy[0].col(0).isZero(0));
  });
}

TEST_CASE("Weights of classes and label smoothing: the equation, and dL/dy by differences", "[weights][loss]") {
  auto y = random_series(3, 2, 3, 1);
  y.set_lengths({3, 2});
  Classes classes(2, 3);
  classes << 0, 2, 1, 1, 0, 99;
  const std::vector<double> c{0.5, 2, 0};
  for (const double smoothing : {0.0, 0.3}) {
    const SoftmaxCrossEntropy loss({.class_weights = c, .label_smoothing = smoothing});
    const auto [value, dy] = loss(y, classes);
    double sum = 0, counted = 0;
    for (const auto& [n, t] : {std::pair{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}}) {
      const Eigen::ArrayXd e = y[t].col(n).array().exp(), log_p = (e / e.sum()).log();
      const auto k = static_cast<std::size_t>(classes(n, t));
      sum -= (1 - smoothing) * c[k] * log_p(classes(n, t));
      for (Index i = 0; i < 3; ++i) sum -= smoothing / 3 * c[static_cast<std::size_t>(i)] * log_p(i);
      counted += c[k];
    }
    CHECK(value.counted == counted);
    CHECK(value.mean == Approx(sum / counted).epsilon(1e-14));
    CHECK(worst_difference(y, dy, [&](const auto& moved) { return double(loss(moved, classes).value); }) < 1e-8);
    const Weighted weighted{classes, weights_of<double>(Mask::Constant(2, 3, true))};
    CHECK(loss(y, weighted).value.mean == value.mean);
  }
  const auto plain = softmax_cross_entropy(y, classes);
  const auto ones = SoftmaxCrossEntropy({.class_weights = {1, 1, 1}})(y, classes);
  CHECK(ones.value.mean == Approx(plain.value.mean).epsilon(1e-15));
  CHECK((ones.dy.matrix() - plain.dy.matrix()).cwiseAbs().maxCoeff() < 1e-16);
}

TEST_CASE("A step of weight 2 is two steps", "[weights][loss]") {
  const auto y = random_series(3, 1, 2, 1);
  Series<double> twice(3, 1, 3);
  twice.matrix() << y[0], y[1], y[1];
  Series<double> weights(1, 1, 2);
  weights.matrix() << 1, 2;
  const Classes classes = (Classes(1, 2) << 2, 0).finished(), thrice = (Classes(1, 3) << 2, 0, 0).finished();
  const auto by_weight = softmax_cross_entropy(y, Weighted{classes, weights});
  const auto by_steps = softmax_cross_entropy(twice, thrice);
  CHECK(by_weight.value.counted == 3);
  CHECK(by_weight.value.mean == Approx(by_steps.value.mean).epsilon(1e-15));
  CHECK((by_weight.dy[1] - 2 * by_steps.dy[1]).cwiseAbs().maxCoeff() < 1e-16);
}

TEST_CASE("Weights are read with the data: of steps, of sequences, of features", "[weights][data]") {
  const auto x = random_series(2, 3, 4, 1), target = random_series(2, 3, 4, 2);
  const auto read = [&](const auto& data, Index first) {
    Series<double> window;
    typename std::decay_t<decltype(data)>::Target of;
    data.read(std::array<Index, 2>{2, 0}, first, 2, window, of);
    CHECK(window[0].col(0) == x[first].col(2));
    return of;
  };
  const auto of_steps = random_series(1, 3, 4, 3), of_sequences = random_series(1, 3, 1, 4),
             of_features = random_series(2, 3, 4, 5);
  const MatrixOf<double> two_and_zero =
      (MatrixOf<double>(1, 2) << of_sequences[0](0, 2), of_sequences[0](0, 0)).finished();
  const auto a = read(WeightedData(SeriesData(x, target), of_steps), 1);
  CHECK(a.target[1].col(1) == target[2].col(0));
  CHECK(a.weights[1](0, 0) == of_steps[2](0, 2));
  const auto b = read(WeightedData(SeriesData(x, target), of_sequences), 2);
  CHECK(b.weights.steps() == 1);
  CHECK(b.weights[0] == two_and_zero);
  const auto y = random_series(2, 2, 2, 6);
  CHECK(squared_error(y, b).value.mean ==
        Approx((b.weights.matrix() *
                ((y.matrix() - b.target.matrix()).array().square().matrix().colwise().sum().reshaped(2, 2)))
                   .sum() /
               (2 * b.weights.matrix().sum()))
            .epsilon(1e-14));
  const auto c = read(WeightedData(SeriesData(x, target), of_features), 0);
  CHECK(c.weights[0].col(1) == of_features[0].col(0));
  const Classes classes = Classes::Zero(3, 4), once = Classes::Constant(3, 1, 7);
  const auto d = read(WeightedData(ClassData(x, classes), of_sequences), 2);
  CHECK(d.target.cols() == 2);
  CHECK(d.weights[0] == two_and_zero);
  const auto e = read(WeightedData(ClassData(x, once), of_sequences), 2);  // a target for each sequence
  CHECK((e.target == Classes::Constant(2, 1, 7)).all());
  CHECK(e.weights.steps() == 1);
  CHECK(message_of([&] { read(WeightedData(ClassData(x, once), of_steps), 2); }) ==
        "WeightedData: weights of 1 step expected, as the target's, got 4");
}

TEST_CASE("What does not fit in weights is said", "[weights]") {
  const auto y = random_series(3, 2, 2, 1), target = random_series(3, 2, 2, 2);
  const auto with = [&](const Series<double>& weights) {
    return message_of([&] { squared_error(y, Weighted{target, weights}); });
  };
  CHECK(with(random_series(2, 2, 2, 1)) ==
        "squared_error: weights.features() must be 1 or 3 (as of the target), got 2");
  CHECK(with(random_series(1, 2, 3, 1)) ==
        "squared_error: weights must have batch 2 and steps 2 (as y), got batch 2 and steps 3");
  Series<double> weights(1, 2, 2);
  weights[1](0, 1) = -1;
  CHECK(with(weights) == "squared_error: weights must be finite and >= 0, got -1 at step 1 of sequence 1");
  Weighted within{target, Series<double>(3, 2, 2)};
  CHECK(message_of([&] { squared_error(y, within, within.weights); }) ==
        "squared_error: dy must be another series than the weights, got one that lies in the same memory");
  weights[1](0, 1) = not_a_number;
  CHECK(with(weights) == "squared_error: weights must be finite and >= 0, got nan at step 1 of sequence 1");
  const Classes classes = Classes::Zero(2, 2);
  CHECK(message_of([&] { softmax_cross_entropy(y, Weighted{classes, random_series(3, 2, 2, 1)}); }) ==
        "softmax_cross_entropy: weights.features() must be 1, got 3");
  const auto x = random_series(1, 2, 2, 1);
  const auto longer = random_series(1, 2, 5, 1);
  CHECK(message_of([&] { WeightedData(SeriesData(x, target), longer); }) ==
        "WeightedData: weights must be of 2 sequences, and of 2 steps or 1, got 2 and 5");
  CHECK(message_of([] { SoftmaxCrossEntropy({.class_weights = {1, -1}}); }) ==
        "SoftmaxCrossEntropy: finite class_weights >= 0 expected, got -1");
  CHECK(message_of([] { SoftmaxCrossEntropy({.class_weights = {0, 0}}); }) ==
        "SoftmaxCrossEntropy: class_weights must not all be 0");
  CHECK(message_of([] { SoftmaxCrossEntropy({.label_smoothing = 1}); }) ==
        "SoftmaxCrossEntropy: 0 <= label_smoothing < 1 expected, got 1");
  CHECK(message_of([&] { SoftmaxCrossEntropy({.class_weights = {1, 2}})(y, classes); }) ==
        "softmax_cross_entropy: class_weights.size() must be 3 (y.features()), got 2");
}
