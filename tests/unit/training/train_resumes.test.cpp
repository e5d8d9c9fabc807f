// Training that was interrupted, anywhere, goes on to the same bits.
#include "catch.hpp"
#include "compiled_training.hpp"
#include "io/trainings/trainings.hpp"

#include <optional>

using namespace recur_test;

namespace {

bool same(const Progress& a, const Progress& b) {
  const auto same_number = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.epoch == b.epoch && a.epochs == b.epochs && a.batch == b.batch && a.batches == b.batches &&
         a.step == b.step && a.loss == b.loss && a.rate == b.rate && a.gradient_norm == b.gradient_norm &&
         a.epoch_end == b.epoch_end && same_number(a.validation, b.validation) && a.metrics == b.metrics;
}

bool same(const TrainResult& a, const TrainResult& b) {
  return a.losses == b.losses && a.validations == b.validations && a.best_epoch == b.best_epoch &&
         a.stopped == b.stopped && a.metrics == b.metrics;
}

/// Trains once from beginning to end, with a snapshot at each call of the callback; then once from each snapshot, and
/// once stopped by the callback there and called again. All must tell the same, and end with the same parameters.
std::size_t resume_everywhere(const Training& start, const Echo<>& task, TrainOptions options,
                              const Echo<>* held_out = nullptr) {
  const auto whole = start.copy();
  std::vector<std::unique_ptr<Training>> snapshots;
  std::vector<Progress> told;
  // Trains from where `at` is, to the end or until `stop_after` calls; gives what came of it, or what went wrong.
  const auto go_on = [&](Training& at, std::vector<Progress>& tell, std::size_t stop_after, bool keep = false) {
    const std::size_t before = tell.size();
    options.on_progress = [&, before](const Progress& now) {
      tell.push_back(now);
      if (keep) snapshots.push_back(at.copy());
      return tell.size() - before != stop_after;
    };
    try {
      return std::pair(at.train(task, held_out, options), std::string());
    } catch (const std::runtime_error& error) {
      return std::pair(TrainResult(), std::string(error.what()));
    }
  };
  const auto [result, error] = go_on(*whole, told, 0, true);
  for (std::size_t k = 0; k < snapshots.size(); ++k) {
    INFO("interrupted at call " << k << ", epoch " << told[k].epoch << ", batch " << told[k].batch);
    Training& resumed = *snapshots[k];
    std::vector<Progress> again(told.begin(), told.begin() + static_cast<std::ptrdiff_t>(k) + 1);
    const auto [resumed_result, resumed_error] = go_on(resumed, again, 0);
    REQUIRE(resumed_error == error);
    REQUIRE(same(resumed_result, result));
    REQUIRE((resumed.parameters() == whole->parameters()));
    REQUIRE((resumed.engine() == whole->engine()));
    REQUIRE(std::equal(again.begin(), again.end(), told.begin(), told.end(),
                       [](const auto& a, const auto& b) { return same(a, b); }));

    const auto stopped = start.copy();
    std::vector<Progress> before;
    const auto [stopped_result, stopped_error] = go_on(*stopped, before, k + 1);
    if (stopped_error.empty()) {  // else the validation loss of the epoch that was cut short is NaN
      REQUIRE(stopped_result.stopped);
      REQUIRE(stopped_result.losses.size() == static_cast<std::size_t>(told[k].epoch) + 1);
    }
    const auto [second_result, second_error] = go_on(*stopped, before, 0);
    REQUIRE(second_error == error);
    REQUIRE(same(second_result, result));
    REQUIRE((stopped->parameters() == whole->parameters()));
    REQUIRE((stopped->engine() == whole->engine()));
  }
  return snapshots.size();
}

}  // namespace

TEST_CASE("A run goes on from any step to the same bits", "[train]") {
  // Five sequences by two, ten steps by four: the last mini-batch is smaller, and the last window shorter.
  const Echo task(5, 10);
  for (const bool carry : {true, false})
    for (const bool shuffle : {true, false}) {
      const TrainOptions options{
          .epochs = 3, .batch = 2, .shuffle = shuffle, .window = 4, .carry = carry, .clip_norm = 0.3};
      CHECK(resume_everywhere(*dynamic_training(AdamOptions{.rate = 1e-2}), task, options) == 30);
    }
}

TEST_CASE("A run whose steps are of several windows goes on to the same bits", "[train]") {
  // Nine windows an epoch: steps after four, eight, and at the end.
  const Echo task(5, 10), held_out(3, 6, 2);
  for (const bool carry : {true, false}) {
    const TrainOptions options{.epochs = 3, .batch = 2, .window = 4, .carry = carry, .accumulate = 4};
    CHECK(resume_everywhere(*dynamic_training(AdamOptions{.rate = 1e-2}), task, options) == 3 * 4);
    CHECK(resume_everywhere(*fixed_training(SgdOptions{}), task, options, &held_out) == 3 * 4);
  }
}

TEST_CASE("A run goes on with any optimiser, schedule and size", "[train]") {
  const Echo task(3, 6);
  TrainOptions options{.epochs = 2, .batch = 2, .window = 4, .clip_value = 0.1};
  CHECK(resume_everywhere(*fixed_training(SgdOptions{.momentum = 0.9, .nesterov = true}), task, options) == 10);
  CHECK(resume_everywhere(*fixed_training(RmsPropOptions{.momentum = 0.5}), task, options) == 10);
  CHECK(resume_everywhere(*fixed_training(AdamWOptions{}), task, options) == 10);
  options.schedule = [](Index step) { return 0.01 / static_cast<double>(step + 1); };
  CHECK(resume_everywhere(*fixed_training(AdamOptions{}), task, options) == 10);
}

TEST_CASE("A run with validation data goes on to the same best parameters, and with the same patience", "[train]") {
  const Echo task(6, 8), held_out(4, 9, 2);
  TrainOptions options{.epochs = 40, .batch = 3, .window = 5, .schedule = [](Index step) {
                         return step / 4 == 5 || step / 4 >= 11 ? -0.005
                                                                : 0.005;  // down the gradient, and up for a while
                       }};
  CHECK(resume_everywhere(*dynamic_training(AdamOptions()), task, options, &held_out) == 200);
  options.patience = 3;
  const std::size_t early = resume_everywhere(*dynamic_training(AdamOptions()), task, options, &held_out);
  CHECK(early > 5 * 3);
  CHECK(early < 200);
}

TEST_CASE("A run that comes to NaN ends with the same parameters from wherever it goes on", "[train]") {
  Echo task(6, 5);
  task.echo[2](0, 4) = not_a_number;
  CHECK(resume_everywhere(*dynamic_training(AdamOptions()), task, {.epochs = 2, .batch = 1, .shuffle = false}) == 4);
  Echo held_out(2, 5);
  held_out.heard[4](0, 1) = not_a_number;
  task = Echo(6, 5);
  CHECK(resume_everywhere(*dynamic_training(AdamOptions()), task, {.epochs = 2, .batch = 2}, &held_out) == 3);
}

TEST_CASE("A run that is over gives its result again, and goes on when there are to be more epochs", "[train]") {
  const Echo task(4, 6), held_out(3, 6, 2);
  const auto data = task.data(), validation = held_out.data();
  const auto run_for = [&](auto... epochs) {
    auto net = net_of(1);
    Adam adam(net);
    std::mt19937 rng(3);
    TrainState<Net> run;
    TrainResult result;
    ((result = train(net, adam, squared_error, data, validation, rng, run, {.epochs = epochs})), ...);
    return std::pair(net, result);
  };
  const auto [net, result] = run_for(6);
  for (const auto& [other, its] : {run_for(6, 6), run_for(2, 6), run_for(1, 2, 3, 6)}) {
    CHECK(same_parameters(other, net));
    CHECK(same(its, result));
  }
}

TEST_CASE("Three calls in a row go on from each other, with validation data or without", "[train]") {
  const Echo task(5, 10), held_out(3, 10, 2);
  const auto data = task.data(), validation = held_out.data();
  auto net = net_of(1);
  Sgd sgd(net, {.rate = 1e-2});
  std::mt19937 rng(3);
  TrainState<Net> run;
  // With validation the network is left as it did best; the next call begins with what the last step left.
  train(net, sgd, squared_error, data, validation, rng, run, {.epochs = 1, .batch = 2});
  REQUIRE(run.latest);
  train(net, sgd, squared_error, data, rng, run, {.epochs = 2, .batch = 2});
  CHECK_FALSE(run.latest);
  const auto second = net;
  sgd.options.rate = 0;
  train(net, sgd, squared_error, data, rng, run, {.epochs = 3, .batch = 2});
  CHECK(same_parameters(net, second));
  CHECK(run.losses.size() == 3);
}

TEST_CASE("Where a run is, is told at every call of the callback", "[train]") {
  const Echo task(5, 10);
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(3);
  TrainState<Net> run;
  TrainOptions options{.epochs = 2, .batch = 2, .window = 4};
  Index calls = 0;
  options.on_progress = [&](const Progress& now) {
    ++calls;
    CHECK(same(run.progress, now));
    CHECK(run.losses.size() == static_cast<std::size_t>(now.epoch + (now.epoch_end ? 1 : 0)));
    CHECK(std::is_permutation(run.order.begin(), run.order.end(), detail::in_order(5).begin()));
    return true;
  };
  train(net, adam, squared_error, task.data(), rng, run, options);
  CHECK(calls == 20);
}

TEST_CASE("A run that does not fit is an error, and changes nothing", "[train]") {
  const Echo task(5, 10), fewer(4, 10), shorter(5, 4);
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(3);
  TrainState<Net> run;
  TrainOptions options{.epochs = 2, .batch = 2, .window = 4};
  options.on_progress = [](const Progress& now) { return now.step < 7; };
  train(net, adam, squared_error, task.data(), rng, run, options);
  const auto stopped = net;
  options.on_progress = [](const Progress&) -> bool { throw std::logic_error("a step was done"); };
  const auto message = [&](const auto& data, Index batch, Index window, const TrainState<Net>& from) {
    auto other = from;
    options.batch = batch;
    options.window = window;
    return message_of([&] { train(net, adam, squared_error, data, rng, other, options); });
  };
  CHECK(message(task.data(), 3, 4, run) ==
        "train: the run is within an epoch of mini-batches of 2 and windows of 4, got 3 and 4");
  CHECK(message(task.data(), 2, 0, run) ==
        "train: the run is within an epoch of mini-batches of 2 and windows of 4, got 2 and 10");
  CHECK(message(fewer.data(), 2, 4, run) == "train: the run is within an epoch of 5 sequences, got data of 4");
  CHECK(message(shorter.data(), 2, 4, run) == "train: the run has done 7 steps in this epoch, of which the data has 3");
  auto wrong = run;
  wrong.order.back() = wrong.order.front();
  CHECK(message(task.data(), 2, 4, wrong) == "train: the run's order must have each of 5 sequences once");
  wrong.progress.epoch_end = true;
  CHECK(message(task.data(), 2, 4, wrong) == "train: the run's order must have each of 5 sequences once");
  wrong = run;
  wrong.progress.batch = -1;
  CHECK(message(task.data(), 2, 4, wrong) == "train: the run has done -1 steps in this epoch, of which the data has 9");
  wrong = run;
  wrong.progress.batch = 8;
  std::get<0>(wrong.state).resize(3, 1);
  CHECK(message(task.data(), 2, 4, wrong) == "forward: initial must be 4x1 (state_size() x batch), got 3x1");
  CHECK(same_parameters(net, stopped));
  CHECK(adam.steps == 7);

  Net other(Elman<double>(1, 5), Readout<double>(5, 1, {.bias = true}));
  initialize(other, rng);
  const auto before = other;
  Adam its(other);
  const std::string of_another = "train: what the run keeps must have the shapes of net, but 0.U is 4x1, expected 5x1";
  CHECK(message_of([&] { train(other, its, squared_error, task.data(), rng, run, {.epochs = 2}); }) == of_another);
  run.good.reset();
  run.best = stopped;
  CHECK(message_of([&] { train(other, its, squared_error, task.data(), rng, run, {.epochs = 2}); }) == of_another);
  run.best.reset();
  run.latest = stopped;
  CHECK(message_of([&] { train(other, its, squared_error, task.data(), rng, run, {.epochs = 2}); }) == of_another);
  CHECK(same_parameters(other, before));
}

namespace {

/// A metric that nothing makes better.
struct Never {
  static constexpr bool higher_is_better = false;
  LossValue operator()(SeriesView<const double>, const Series<double>&) const { return {infinity, 1}; }
};

}  // namespace

TEST_CASE("Patience counts from where there is validation data on", "[train]") {
  const Echo task(4, 6), held_out(3, 6, 2);
  const auto data = task.data(), validation = held_out.data();
  auto net = net_of(1);
  Adam adam(net, {.rate = 0});
  std::mt19937 rng(3);
  TrainState<Net> run;
  train(net, adam, squared_error, data, rng, run, {.epochs = 4});
  auto result = train(net, adam, squared_error, data, validation, rng, run, {.epochs = 6, .patience = 3});
  CHECK_FALSE(result.stopped);
  train(net, adam, squared_error, data, rng, run, {.epochs = 9});  // these do not count
  result = train(net, adam, squared_error, data, validation, rng, run, {.epochs = 20, .patience = 3});
  CHECK(result.best_epoch == 4);
  CHECK(result.validations.size() == 4);  // the first, and three that were no better
  CHECK(result.losses.size() == 11);
  CHECK(result.stopped);

  TrainState<Net> other;
  result = train(net, adam, squared_error, data, Validation(validation, Never()), rng, other,
                 {.epochs = 20, .best_by = 0, .patience = 3});
  CHECK(result.best_epoch == -1);
  CHECK(result.validations.size() == 3);
}
