// Metrics: what they are, what they count, and how evaluate() and train() report them and choose by them.
#include "catch.hpp"
#include "compiled_training.hpp"
#include "random_series.hpp"

using namespace recur_test;

namespace {

/// The share of y within 0.1 of zero: less and less while the network learns.
struct Near {
  static constexpr bool higher_is_better = true;
  LossValue operator()(SeriesView<const double> y, const Series<double>&) const {
    const auto near = y.matrix().array().abs() < 0.1;
    return {near.cast<double>().mean(), static_cast<double>(y.columns())};
  }
};

/// A metric of which nobody can tell what is better; one that never changes; one that counts nothing.
struct Unclear {
  LossValue operator()(SeriesView<const double>, const Series<double>&) const { return {1, 1}; }
};
struct Same : Unclear {
  static constexpr bool higher_is_better = false;
};
struct Nothing : Same {
  LossValue operator()(SeriesView<const double>, const Series<double>&) const { return {0, 0}; }
};

/// What the network of a run gave for a metric after each epoch.
struct Told {
  TrainResult result;
  std::vector<Progress> epochs;
  Net net = net_of(1);
};
Told train_with(const auto& validation, TrainOptions options) {
  const Echo task(6, 8);
  Told told;
  Adam adam(told.net, {.rate = 0.05});
  std::mt19937 rng(3);
  options.epochs = 12;
  options.batch = 3;
  options.window = 5;
  options.on_progress = [&](const Progress& now) {
    if (now.epoch_end) told.epochs.push_back(now);
    CHECK((now.epoch_end || now.metrics.empty()));
  };
  told.result = train(told.net, adam, squared_error, task.data(), validation, rng, options);
  return told;
}

}  // namespace

TEST_CASE("Accuracy is the share of classes that are found, of the steps that count", "[metrics]") {
  Series<double> y(3, 2, 2);
  y[0] << 1, 0,  //
      2, 0,      //
      0, 5;
  y[1] << 0, 9,  //
      0, 9,      //
      1, 9;
  const Classes classes = (Classes(2, 2) << 1, 2, 2, 1).finished();
  CHECK(accuracy(y, classes).mean == 0.75);  // the first of equals
  CHECK(accuracy(y, classes).counted == 4);
  Mask mask = Mask::Constant(2, 2, true);
  mask(1, 1) = false;
  CHECK(accuracy(y, classes, mask).mean == 1);
  y.set_lengths({1, 2});
  CHECK(accuracy(y, classes).mean == Approx(2.0 / 3).epsilon(1e-15));
  Series<double> weights(1, 2, 2);
  weights.matrix() << 1, 1, 7, 2;
  const auto weighted = accuracy(y, Weighted{classes, weights});
  CHECK(weighted.mean == 0.5);
  CHECK(weighted.counted == 4);
  CHECK(message_of([&] { accuracy(y, Classes::Constant(2, 2, 3)); }) ==
        "accuracy: classes(0, 0) must be in 0 .. 2, got 3");
}

TEST_CASE("The mean absolute error is over features, too, and perplexity is exp of the cross-entropy", "[metrics]") {
  const auto y = random_series(3, 2, 4, 1), target = random_series(3, 2, 4, 2);
  CHECK(mean_absolute_error(y, target).mean == Approx((y.matrix() - target.matrix()).cwiseAbs().mean()).epsilon(1e-14));
  CHECK(mean_absolute_error(y, target).counted == 8);
  auto gaps = target;
  gaps[1](0, 0) = not_a_number;
  CHECK(mean_absolute_error(y, Weighted{gaps, present(gaps)}).mean ==
        Approx(((y.matrix() - target.matrix()).cwiseAbs().sum() - std::abs(y[1](0, 0) - target[1](0, 0))) / 23)
            .epsilon(1e-14));
  const Series<double> equal(5, 2, 3);  // logits of zero
  const auto value = perplexity(equal, Classes::Zero(2, 3));
  CHECK(perplexity.of_mean(value.mean) == Approx(5).epsilon(1e-15));
}

TEST_CASE("evaluate gives the loss and metrics, however the data are cut", "[metrics][evaluate]") {
  Echo task(5, 7);
  const auto net = net_of(2);
  const auto y = net.forward(task.heard);
  const auto half = [](const auto& y_, const auto& target) { return squared_error(y_, target, last_step(y_)); };
  for (const Index window : {0, 3})
    for (const Index batch : {2, 32}) {
      const auto [loss, near, error, last, same] =
          evaluate(net, task.data(), {.window = window, .batch = batch}, squared_error, Near(), mean_absolute_error,
                   half, squared_error);
      CHECK(loss == Approx(squared_error(y, task.echo).value.mean).epsilon(1e-13));
      CHECK(same == loss);
      CHECK(near == Approx(Near()(y, task.echo).mean).epsilon(1e-13));
      CHECK(error == Approx(mean_absolute_error(y, task.echo).mean).epsilon(1e-13));
      CHECK(last == Approx(squared_error(y, task.echo, last_step(y)).value.mean).epsilon(1e-13));
    }
  const auto [loss, nothing] =
      evaluate(net, task.data(), squared_error, [](const auto&, const auto&) { return LossValue{3, 0}; });
  CHECK(std::isnan(nothing));
  CHECK(loss > 0);
}

TEST_CASE("Metrics that are not means are made of the mean over all data", "[metrics][evaluate]") {
  const auto net = net_of(1, 2, 3);
  const auto x = random_series(2, 5, 4, 1);
  Classes classes = Classes::Zero(5, 4);
  classes.col(2).setConstant(2);
  const ClassData data(x, classes);
  const auto [loss, among, share] = evaluate(net, data, {.batch = 2}, softmax_cross_entropy, perplexity, accuracy);
  CHECK(among == Approx(std::exp(loss)).epsilon(1e-13));
  CHECK(share == Approx(accuracy(net.forward(x), classes).mean).epsilon(1e-13));
}

TEST_CASE("train reports metrics of the validation data, and chooses by any of them", "[metrics][train]") {
  const Echo held_out(4, 9, 2);
  const Validation validation(held_out.data(), mean_absolute_error, Near());
  const auto by_loss = train_with(held_out.data(), {}), by_error = train_with(validation, {.best_by = 0}),
             by_near = train_with(validation, {.best_by = 1});
  CHECK(by_loss.result.metrics == std::vector<std::vector<double>>(12));
  CHECK(by_error.result.validations == by_loss.result.validations);
  CHECK(by_error.result.metrics == by_near.result.metrics);
  const auto& metrics = by_error.result.metrics;
  REQUIRE(metrics.size() == 12);
  std::size_t least = 0, most = 0;
  for (std::size_t k = 0; k < 12; ++k) {
    REQUIRE(metrics[k].size() == 2);
    CHECK(by_error.epochs[k].metrics == metrics[k]);
    if (metrics[k][0] < metrics[least][0]) least = k;
    if (metrics[k][1] > metrics[most][1]) most = k;
  }
  CHECK(by_error.result.best_epoch == static_cast<Index>(least));
  CHECK(by_near.result.best_epoch == static_cast<Index>(most));
  CHECK(least != most);
  const auto [loss, error, near] =
      evaluate(by_near.net, held_out.data(), {.window = 5, .batch = 3}, squared_error, mean_absolute_error, Near());
  CHECK(near == metrics[most][1]);
  CHECK(error == metrics[most][0]);
  CHECK(loss == by_near.result.validations[most]);
}

TEST_CASE("Patience is with what chooses", "[metrics][train]") {
  const Echo held_out(4, 9, 2);
  const auto told = train_with(Validation(held_out.data(), Same()), {.best_by = 0, .patience = 3});
  CHECK(told.result.best_epoch == 0);
  CHECK(told.result.validations.size() == 4);
  CHECK(told.result.stopped);
}

TEST_CASE("best_by beyond the metrics is an error", "[metrics][train]") {
  const Echo held_out(4, 9, 2);
  const auto with = [&](const auto& validation, Index best_by) {
    return message_of([&] { train_with(validation, {.best_by = best_by}); });
  };
  CHECK(with(Validation(held_out.data(), Near()), 1) ==
        "train: best_by must be -1, for the loss, or one of 1 metrics of recur::Validation(data, metrics ...), from 0 "
        "on, got 1");
  CHECK(with(held_out.data(), 0) ==
        "train: best_by must be -1, for the loss, or one of 0 metrics of recur::Validation(data, metrics ...), from 0 "
        "on, got 0");
  CHECK(with(Validation(held_out.data(), Near()), -2) ==
        "train: best_by must be -1, for the loss, or one of 1 metrics of recur::Validation(data, metrics ...), from 0 "
        "on, got -2");
  CHECK(with(Validation(held_out.data(), Near(), Unclear()), 1) ==
        "train: best_by is metric 1, which does not say what is better: a static constexpr bool higher_is_better "
        "expected");
  CHECK(with(Validation(held_out.data(), squared_error), 0) == "(nothing was thrown)");  // a loss does
  CHECK(
      message_of<std::runtime_error>([&] { train_with(Validation(held_out.data(), Nothing()), {.best_by = 0}); }) ==
      "train: metric 0 of the validation data, which says what is best, is nan at the end of epoch 0 (counted from 0); "
      "the network keeps the last parameters that gave a finite loss");
}

TEST_CASE("Metrics that do not fit the validation data are found before the first step", "[metrics][train]") {
  const Echo task(4, 6);
  auto net = net_of(1);
  const auto start = net;
  Adam adam(net);
  std::mt19937 rng(1);
  const auto wants_three = [](const auto& y, const auto&) {
    require(y.features() == 3, "y must have 3 features");
    return LossValue{0, 1};
  };
  CHECK(message_of([&] { train(net, adam, squared_error, task.data(), Validation(task.data(), wants_three), rng); }) ==
        "train: with the validation data, y must have 3 features");
  CHECK(same_parameters(net, start));
}

TEST_CASE("A pointer to no validation is none, whatever its metrics would be", "[metrics][train]") {
  const Echo task(4, 6);
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(1);
  const Validation<SeriesData<double>, Quantiles>* const none = nullptr;
  const auto result = train(net, adam, squared_error, task.data(), none, rng, {.epochs = 2});
  CHECK(result.validations.empty());
  CHECK(result.metrics.empty());
}

TEST_CASE("A run with metrics goes on to the same bits from any epoch, and says where others are given",
          "[metrics][train]") {
  const Echo task(6, 8), held_out(4, 9, 2);
  const Validation validation(held_out.data(), mean_absolute_error, Near());
  const TrainOptions options{.epochs = 5, .batch = 3, .best_by = 1};
  auto whole = net_of(1);
  Adam adam(whole);
  std::mt19937 rng(3);
  const auto result = train(whole, adam, squared_error, task.data(), validation, rng, options);
  REQUIRE(result.metrics.size() == 5);
  for (Index epochs = 1; epochs < 5; ++epochs) {
    auto net = net_of(1);
    Adam again(net);
    std::mt19937 again_rng(3);
    TrainState<Net> run;
    TrainOptions some = options;
    some.epochs = epochs;
    train(net, again, squared_error, task.data(), validation, again_rng, run, some);
    auto other = run;
    const auto resumed = train(net, again, squared_error, task.data(), validation, again_rng, run, options);
    CHECK(resumed.metrics == result.metrics);
    CHECK(resumed.best_epoch == result.best_epoch);
    CHECK(same_parameters(net, whole));
    const auto held_out_data = held_out.data();
    CHECK(message_of([&] {
            train(net, again, squared_error, task.data(), held_out_data, again_rng, other, {});
          }).find("train: the run has ") == 0);
    some.best_by = 0;
    CHECK(message_of([&] { train(net, again, squared_error, task.data(), validation, again_rng, other, some); }) ==
          "train: the run has chosen the best by best_by = 1, got 0");
    // Without validation data it may go on, too.
    const auto without = train(net, again, squared_error, task.data(), again_rng, other, {.epochs = 5, .batch = 3});
    CHECK(without.losses.size() == 5);
    CHECK(without.metrics.size() == static_cast<std::size_t>(epochs));
  }
}

TEST_CASE("Data with weights train as if sequences were there as often as they weigh", "[weights][train]") {
  const Echo task(3, 6);
  Series<double> weights(1, 3, 1), heard(1, 5, 6), echo(1, 5, 6);
  weights.matrix() << 1, 3, 1;
  for (Index t = 0; t < 6; ++t)
    for (const auto& [n, of] : {std::pair{0, 0}, {1, 1}, {2, 1}, {3, 1}, {4, 2}}) {
      heard[t](0, n) = task.heard[t](0, of);
      echo[t](0, n) = task.echo[t](0, of);
    }
  const auto trained = [](const auto& data) {
    auto net = net_of(1);
    Adam adam(net, {.rate = 0.01});
    std::mt19937 rng(1);
    const auto result = train(net, adam, squared_error, data, rng, {.epochs = 20, .window = 4});
    CHECK(evaluate(net, data, {.window = 3, .batch = 2}, squared_error) ==
          Approx(evaluate(net, data, squared_error)).epsilon(1e-13));
    return std::pair(parameters_of(net), result.losses.back());
  };
  const auto by_weight = trained(WeightedData(task.data(), weights)), by_number = trained(SeriesData(heard, echo));
  CHECK((by_weight.first - by_number.first).cwiseAbs().maxCoeff() < 1e-10);
  CHECK(by_weight.second == Approx(by_number.second).epsilon(1e-10));
}
