// Where training stops, and what the network has then: validation, NaN and infinity, what does not fit.
#include "catch.hpp"
#include "compiled_training.hpp"

#include <recur/layers/bidirectional.hpp>
#include <recur/training/many_to_one.hpp>

using namespace recur_test;

namespace {

/// Down the gradient, then up for one epoch, down again, and from step 20 on up for good.
double down_and_up(Index step) { return step == 8 || step >= 20 ? -0.005 : 0.005; }

const std::string keeps = "; the network keeps the last parameters that gave a finite loss";
std::string not_finite(const char* what, Index epoch, Index batch, const std::string& cause = "") {
  return std::string("train: ") + what + " at epoch " + std::to_string(epoch) + ", batch " + std::to_string(batch) +
         " (both counted from 0)" + cause + keeps;
}

}  // namespace

// ---- Validation ------------------------------------------------------------------------------------------------

TEST_CASE("The parameters that did best on the validation data are kept", "[train]") {
  const Echo task(20, 8), held_out(15, 9, 2);
  const auto data = task.data(), validation = held_out.data();
  const Run run(net_of(1), squared_error, data, &validation,
                {.epochs = 40, .window = 5, .schedule = [](Index step) { return down_and_up(step / 2); }});
  const auto& v = run.result.validations;
  REQUIRE(v.size() == 40);
  CHECK(run.result.losses.size() == 40);
  CHECK_FALSE(run.result.stopped);
  const auto best = std::min_element(v.begin(), v.end()) - v.begin();
  CHECK(run.result.best_epoch == best);
  CHECK(best > 0);
  CHECK(best < 39);
  CHECK(same_parameters(run.net, run.after_epoch(best)));
  CHECK_FALSE(same_parameters(run.net, run.after_epoch(39)));
  CHECK(evaluate(run.net, validation, {.window = 5}, squared_error) == v[static_cast<std::size_t>(best)]);
  for (const Progress& now : run.progress) {
    CHECK(now.epoch_end == !std::isnan(now.validation));
    if (now.epoch_end) CHECK(now.validation == v.at(static_cast<std::size_t>(now.epoch)));
  }
}

TEST_CASE("Patience counts the epochs since the best, and then stops", "[train]") {
  const Echo task(20, 8), held_out(15, 9, 2);
  const auto data = task.data(), validation = held_out.data();
  const auto run = [&](Index patience) {
    return Run(net_of(1), squared_error, data, &validation,
               {.epochs = 40, .patience = patience, .schedule = down_and_up});
  };
  const auto all = run(0);
  const auto& v = all.result.validations;
  REQUIRE(v.size() == 40);
  REQUIRE(all.result.best_epoch == 19);
  REQUIRE(v[8] > v[7]);   // worse for a while, which patience is for
  REQUIRE(v[10] < v[7]);  // then better than ever
  for (const Index patience : {1, 3, 5}) {
    const Index best = patience == 1 ? 7 : 19;
    const auto early = run(patience);
    CHECK(early.result.stopped);
    CHECK(early.result.best_epoch == best);
    CHECK(early.result.validations == std::vector(v.begin(), v.begin() + best + patience + 1));
    CHECK(early.result.losses.size() == early.result.validations.size());
    CHECK(same_parameters(early.net, all.after_epoch(best)));
  }
}

TEST_CASE("Validation data may be of another kind than those it learns from", "[train]") {
  const Recorder data{6, 5};
  const Echo held_out(2, 4);
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(1);
  const auto result = train(net, adam, squared_error, data, held_out.data(), rng, {.epochs = 2});
  CHECK(result.validations.size() == 2);
  CHECK(result.best_epoch >= 0);
}

TEST_CASE("A callback may be a function that is none", "[train]") {
  const Echo task(6, 5);
  const std::function<void(const Progress&)> none;
  const std::function<bool(const Progress&)> also_none;
  for (const ProgressCallback& callback : {ProgressCallback(none), ProgressCallback(also_none)}) {
    auto net = net_of(1);
    Adam adam(net);
    std::mt19937 rng(1);
    CHECK(train(net, adam, squared_error, task.data(), rng, {.epochs = 2, .on_progress = callback}).losses.size() == 2);
  }
}

// ---- NaN and infinity ------------------------------------------------------------------------------------------

TEST_CASE("NaN in the data stops it, and the last good parameters are kept", "[train]") {
  const TrainOptions options{.epochs = 2, .batch = 1, .shuffle = false};
  for (const bool in_x : {true, false}) {
    Echo task(6, 5);
    (in_x ? task.heard : task.echo)[2](0, 4) = not_a_number;
    const Run run(net_of(1), squared_error, task.data(), options);
    CHECK(run.message ==
          not_finite("the loss is nan", 0, 4,
                     std::string(", where ") + (in_x ? "x" : "the target") +
                         " of sequence 4 is nan in step 2, feature 0" + (in_x ? "" : ", if that counts")));
    REQUIRE(run.nets.size() == 5);  // four steps; the last finite loss was that of the parameters after three
    CHECK(same_parameters(run.net, run.nets[3]));
  }
  Echo task(6, 5);
  task.echo[2](0, 0) = -infinity;
  const Run run(net_of(1), squared_error, task.data(), options);
  CHECK(run.message == not_finite("the loss is inf", 0, 0,
                                  ", where the target of sequence 0 is -inf in step 2, feature 0, if that counts"));
  CHECK(same_parameters(run.net, net_of(1)));  // nothing was done yet
}

TEST_CASE("A loss that is not finite is followed to a number of the data, or to the network", "[train]") {
  // Shuffled, in windows, and with padding, which counts for nothing.
  Echo task(6, 5);
  task.heard[3](0, 4) = not_a_number;
  task.heard[4](0, 1) = not_a_number;
  task.heard.set_lengths({5, 4, 5, 5, 5, 5});
  const Run in_window(net_of(1), squared_error, task.data(), {.epochs = 1, .batch = 6, .window = 2});
  CHECK(in_window.message ==
        not_finite("the loss is nan", 0, 1, ", where x of sequence 4 is nan in step 3, feature 0"));

  // Of the target of a whole sequence there is no step to tell.
  Series<double> once(1, 6, 1);
  once.matrix().setConstant(0.5);
  once[0](0, 3) = not_a_number;
  auto net_of_last = net_of(1);
  Adam adam(net_of_last);
  std::mt19937 rng(1);
  const Echo heard(6, 5);
  CHECK(message_of<std::runtime_error>([&] {
          train(net_of_last, adam, ManyToOne(squared_error), SeriesData(heard.heard, once), rng,
                {.epochs = 1, .batch = 6, .shuffle = false});
        }) == not_finite("the loss is nan", 0, 0, ", where the target of sequence 3 is nan, if that counts"));

  // The network's outputs overflow, of inputs that do not.
  auto net = net_of(1);
  net.layer<0>().b.setConstant(100);
  net.layer<1>().V.setConstant(1e308);
  const Run too_large(net, squared_error, Echo(6, 5).data(), {.epochs = 1, .batch = 6, .shuffle = false});
  CHECK(too_large.message ==
        not_finite("the loss is inf", 0, 0, ", where y of sequence 0 is inf in step 0, feature 0, but x is finite"));
}

TEST_CASE("A rate far too large stops it, and the last good parameters are kept", "[train]") {
  const Echo task(6, 5);
  const Run run(
      net_of(1), squared_error, task.data(),
      {.epochs = 9, .batch = 2, .shuffle = false, .schedule = [](Index step) { return step == 4 ? 1e200 : 1e-2; }});
  CHECK(run.message == not_finite("the loss is inf", 1, 2));
  REQUIRE(run.nets.size() == 6);
  CHECK(same_parameters(run.net, run.nets[4]));
  CHECK_FALSE(same_parameters(run.net, run.nets[5]));
}

TEST_CASE("A gradient that is not finite stops it before the step", "[train]") {
  const Echo task(6, 5);
  int calls = 0;
  const AnyLoss loss = [&](const auto& y, const auto& target, auto& dy) {
    const LossValue value = squared_error(y, target, dy);
    if (++calls == 4) dy[3](0, 1) = -infinity;
    return value;
  };
  const Run run(net_of(1), loss, task.data(), {.epochs = 9, .batch = 2});
  CHECK(run.message.starts_with("train: the norm of the gradient is "));
  CHECK(run.message.ends_with(not_finite("", 1, 0).substr(8)));
  CHECK(run.adam.steps == 3);
  CHECK(same_parameters(run.net, run.nets.at(2)));
}

TEST_CASE("NaN in the validation data stops it, and the last good parameters are kept", "[train]") {
  const Echo task(6, 5);
  Echo held_out(2, 5);
  held_out.heard[4](0, 1) = not_a_number;
  const auto data = task.data(), validation = held_out.data();
  const Run run(net_of(1), squared_error, data, &validation, {.epochs = 9, .batch = 2});
  CHECK(run.message == "train: the validation loss is nan at the end of epoch 0 (counted from 0)" + keeps);
  CHECK(same_parameters(run.net, run.nets.at(2)));
}

TEST_CASE("A step that destroys the network stops it, the last one too, and the network before it is kept", "[train]") {
  const Echo task(6, 5);
  const auto check = [&](auto optimizer, const std::string& rate) {
    for (const Index step : {0, 1, 2}) {
      auto net = net_of(1), before = net;
      auto its = optimizer(net);
      const double its_rate = its.options.rate;
      std::mt19937 rng(3);
      const auto message = message_of<std::runtime_error>([&] {
        train(net, its, squared_error, task.data(), rng,
              {.epochs = 1,
               .batch = 2,
               .schedule = [&](Index now) { return now == step ? its_rate : 1e-2; },
               .on_progress = [&](const Progress&) { before = net; }});
      });
      INFO(message);
      CHECK(message.starts_with("train: the step of the optimiser, of rate " + rate + ", made 0."));
      CHECK(message.ends_with(not_finite("", 0, step).substr(8) +
                              ", but the optimiser keeps the moments that this step left"));
      CHECK(same_parameters(net, before));
      CHECK(detail::not_finite_in(net).empty());
    }
  };
  const auto with_rate = [](auto optimizer, double rate) {
    optimizer.options.rate = rate;
    return optimizer;
  };
  check([&](const Net& net) { return with_rate(Adam(net), not_a_number); }, "nan");
  check([&](const Net& net) { return with_rate(Sgd(net), infinity); }, "inf");
}

TEST_CASE("After a step that destroyed the network, training goes on from before it", "[train]") {
  const Echo task(6, 5);
  auto net = net_of(1);
  Sgd sgd(net);
  sgd.options.rate = infinity;
  std::mt19937 rng(3);
  TrainState<Net> run;
  CHECK_THROWS_AS(train(net, sgd, squared_error, task.data(), rng, run, {.epochs = 2, .batch = 2}), std::runtime_error);
  CHECK(same_parameters(net, net_of(1)));
  sgd = Sgd(net, {.rate = 1e-2});
  const auto result = train(net, sgd, squared_error, task.data(), rng, run, {.epochs = 2, .batch = 2});
  CHECK(run.progress.step == 6);
  CHECK(result.losses[1] < result.losses[0]);
}

TEST_CASE("A network that was never initialised, or is not finite, is not trained", "[train]") {
  const Echo task(4, 5);
  Net net(Elman<double>(1, 4), Readout<double>(4, 1, {.bias = true}));
  Adam adam(net);
  std::mt19937 rng(1);
  const auto message = [&] { return message_of([&] { train(net, adam, squared_error, task.data(), rng); }); };
  CHECK(message() ==
        "train: net must be initialised, as by recur::initialize(net, rng), got one whose parameters are all zero");
  net.layer<0>().W(1, 2) = 0.1;
  CHECK(message() == "(nothing was thrown)");
  net.layer<1>().V(0, 3) = infinity;
  CHECK(message() == "train: the parameters of net must be finite, got 1.V inf at (0, 3)");
  net.layer<0>().b(2) = not_a_number;
  CHECK(message() == "train: the parameters of net must be finite, got 0.b nan at (2, 0)");

  Sequence normed(Elman<double>(1, 4), LayerNorm<double>(4), Readout<double>(4, 1));  // whose gain is 1
  Adam of_normed(normed);
  CHECK_THAT(message_of([&] { train(normed, of_normed, squared_error, task.data(), rng); }),
             Catch::Matchers::ContainsSubstring("net must be initialised"));
}

TEST_CASE("Windows are for networks that go forward in time alone", "[train]") {
  const Echo<double> task(4, 6);
  Sequence net(Bidirectional<Elman<double>>(1, 2), Readout<double>(4, 1));
  std::mt19937 rng(1);
  initialize(net, rng);
  Adam adam(net);
  const auto trained = [&](Index window) {
    return message_of([&] { train(net, adam, squared_error, task.data(), rng, {.epochs = 1, .window = window}); });
  };
  const auto evaluated = [&](Index window) {
    return message_of([&] { evaluate(net, task.data(), {.window = window}, squared_error); });
  };
  const std::string why =
      ": a window of 4 of 6 steps is for networks that go forward in time alone, this one has a bidirectional layer";
  CHECK(trained(4) == "train" + why);
  CHECK(evaluated(4) == "evaluate" + why);
  for (const Index window : {0, 6, 10}) {
    CHECK(trained(window) == "(nothing was thrown)");
    CHECK(evaluated(window) == "(nothing was thrown)");
  }
}

TEST_CASE("Validation data are tried before the first step, in a window of their own", "[train]") {
  const Recorder data{4, 10}, validation{3, 5};
  for (const Index window : {0, 4, 7}) {
    validation.reads.clear();
    auto net = net_of(1);
    Adam adam(net);
    std::mt19937 rng(1);
    Index first = 0;
    train(net, adam, squared_error, data, validation, rng,
          {.epochs = 1, .batch = 2, .window = window, .on_progress = [&](const Progress& now) {
             if (now.step == 1 && !now.epoch_end) first = std::ssize(validation.reads);
           }});
    CHECK(first == 1);
    CHECK(validation.reads[0].sequences == std::vector<Index>{0, 1});
    CHECK(validation.reads[0].first == 0);
    CHECK(validation.reads[0].steps == (window == 4 ? 4 : 5));
  }
}

// ---- What does not fit -----------------------------------------------------------------------------------------

TEST_CASE("What does not fit is an error before the first step, and changes nothing", "[train]") {
  const Echo task(4, 5);
  const auto data = task.data();
  const Series<double> pairs(2, 4, 5), no_steps(1, 4, 0), no_sequences(1, 0, 5);
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(1);
  const auto message = [&](const auto& from, const auto& validation, TrainOptions options = {}) {
    options.on_progress = [](const Progress&) -> bool { throw std::logic_error("a step was done"); };
    return message_of([&] { train(net, adam, squared_error, from, validation, rng, options); });
  };
  const SeriesData<double>* none = nullptr;

  CHECK(message(SeriesData(no_sequences, no_sequences), none) ==
        "train: data must have at least one step of one sequence, got 0 sequences of 5 steps");
  CHECK(message(SeriesData(no_steps, no_steps), none) ==
        "train: data must have at least one step of one sequence, got 4 sequences of 0 steps");
  CHECK(message(data, SeriesData(no_sequences, no_sequences)) ==
        "train: validation must have at least one step of one sequence, got 0 sequences of 5 steps");

  CHECK(message(data, none, {.epochs = 0}) == "train: epochs > 0 expected, got 0");
  CHECK(message(data, none, {.batch = 0}) == "train: batch > 0 expected, got 0");
  CHECK(message(data, none, {.window = -1}) == "train: window >= 0 expected, got -1");
  CHECK(message(data, none, {.clip_norm = -1}) == "train: clip_norm >= 0 and clip_value >= 0 expected, got -1 and 0");
  CHECK(message(data, none, {.clip_value = -0.5}) ==
        "train: clip_norm >= 0 and clip_value >= 0 expected, got 0 and -0.5");
  CHECK(message(data, none, {.clip_norm = not_a_number}) ==
        "train: clip_norm >= 0 and clip_value >= 0 expected, got nan and 0");
  CHECK(message(data, none, {.patience = -1}) == "train: patience >= 0 expected, got -1");
  CHECK(message(data, none, {.patience = 3}) == "train: patience needs validation data");

  const std::string inputs = "forward: x.features() must be 1 (inputs()), got 2",
                    outputs = "squared_error: target.features() must be 1 (y.features()), got 2";
  CHECK(message(SeriesData(pairs, task.echo), none) == inputs);
  CHECK(message(SeriesData(task.heard, pairs), none) == outputs);
  CHECK(message(data, SeriesData(pairs, task.echo)) == "train: with the validation data, " + inputs);
  CHECK(message(data, SeriesData(task.heard, pairs)) == "train: with the validation data, " + outputs);

  CHECK(same_parameters(net, net_of(1)));
  CHECK(adam.steps == 0);
  CHECK(global_norm(adam.first_moment) == 0);

  Adam other(Net(Elman<double>(1, 5), Readout<double>(5, 1)));
  CHECK(message_of([&] { train(net, other, squared_error, data, rng); }) ==
        "Adam::step: net must have the shapes of the network that the optimiser was made for, but 0.U is 4x1, "
        "expected 5x1");
  CHECK(same_parameters(net, net_of(1)));
}

TEST_CASE("A loss that does not return over how much it is, is an error in the first step", "[train]") {
  const Echo task(4, 5);
  for (const double counted : {-1.0, infinity, not_a_number}) {
    auto net = net_of(1);
    Adam adam(net);
    std::mt19937 rng(3);
    const AnyLoss loss = [&](const auto& y, const auto& target, auto& dy) {
      return LossValue{squared_error(y, target, dy).mean, counted};
    };
    CHECK(message_of([&] { train(net, adam, loss, task.data(), rng); }) ==
          "train: the loss must return over how much it is, a finite number >= 0, got " + describe(counted));
    CHECK(same_parameters(net, net_of(1)));
    CHECK(message_of([&] { evaluate(net, task.data(), loss); }) ==
          "evaluate: a loss or metric must return over how much it is, a finite number >= 0, got " + describe(counted));
  }
}

TEST_CASE("Data that give another x than they are asked for are an error", "[train]") {
  struct Other : Recorder {
    Index more_sequences, more_steps;
    void read(std::span<const Index> sequences, Index, Index steps, Series<double>& x, Target& target) const {
      x.resize(1, std::ssize(sequences) + more_sequences, steps + more_steps);
      x.matrix().setZero();
      target = x;
    }
  };
  auto net = net_of(1);
  Adam adam(net);
  std::mt19937 rng(3);
  const auto message = [&](Index more_sequences, Index more_steps) {
    const Other data{{4, 5}, more_sequences, more_steps};
    const auto of_train = message_of([&] { train(net, adam, squared_error, data, rng); });
    CHECK(message_of([&] { evaluate(net, data, squared_error); }) == of_train);
    return of_train;
  };
  const std::string asked = "data.read must give x of 4 sequences and 5 steps, which it was asked for, got ";
  CHECK(message(1, 0) == asked + "5 and 5");
  CHECK(message(-1, 0) == asked + "3 and 5");
  CHECK(message(0, -1) == asked + "4 and 4");
  CHECK(same_parameters(net, net_of(1)));
}

TEST_CASE("evaluate names what it cannot do", "[train]") {
  const Echo task(4, 5);
  const auto net = net_of(1);
  const Series<double> no_steps(1, 4, 0), pairs(2, 4, 5);
  CHECK(message_of([&] { evaluate(net, SeriesData(no_steps, no_steps), squared_error); }) ==
        "evaluate: data must have at least one step of one sequence, got 4 sequences of 0 steps");
  CHECK(message_of([&] { evaluate(net, task.data(), {.window = -2}, squared_error); }) ==
        "evaluate: window >= 0 expected, got -2");
  CHECK(message_of([&] { evaluate(net, task.data(), {.batch = 0}, squared_error); }) ==
        "evaluate: batch > 0 expected, got 0");
  CHECK(message_of([&] { evaluate(net, SeriesData(pairs, task.echo), squared_error); }) ==
        "forward: x.features() must be 1 (inputs()), got 2");
}

TEST_CASE("A class out of range is an error that names its place in the mini-batch", "[train]") {
  const Echo task(4, 5);
  Classes classes = Classes::Zero(4, 5);
  classes(1, 3) = 2;
  auto net = net_of(1, 1, 2);
  Adam adam(net);
  std::mt19937 rng(1);
  CHECK(message_of([&] {
          train(net, adam, softmax_cross_entropy, ClassData(task.heard, classes), rng, {.shuffle = false});
        }) == "softmax_cross_entropy: classes(1, 3) must be in 0 .. 1, got 2");
  CHECK(same_parameters(net, net_of(1, 1, 2)));
}
