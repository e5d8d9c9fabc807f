// Training by several processes: the same bits as by one, and no process that waits in vain.
#include "../catch.hpp"
#include "all_kinds.hpp"
#include "threads_as_processes.hpp"

#include <recur/training/metrics.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// All that is left of a training by `processes` processes of `threads` threads: the bytes of its checkpoint, which has
/// the network, the optimiser, the run with its losses and validations, and the random engine.
std::vector<std::byte> trained_by(Index processes, int threads, const Training& start, const Echo<>& task,
                                  const Echo<>* held_out, TrainOptions options) {
  std::vector<std::vector<std::byte>> bytes(static_cast<std::size_t>(processes));
  const auto messages = in_processes(
      processes,
      [&](ThreadCommunicator& all) {
        const auto training = start.copy();
        TrainOptions own = options;
        own.processes = all;
        training->train(task, held_out, own);
        bytes[static_cast<std::size_t>(all.rank())] = training->bytes();
      },
      threads);
  for (const auto& each : messages) CHECK(each == "");
  for (const auto& each : bytes) CHECK(each == bytes[0]);
  return bytes[0];
}

void check_all_say(const std::vector<std::string>& messages, const std::string& text) {
  for (const auto& each : messages) CHECK(each == text);
}

void check_law(const Training& start, const Echo<>& task, const TrainOptions& options) {
  const Echo<> held_out(7, 12, 5);
  const auto alone = trained_by(1, 1, start, task, &held_out, options);
  CHECK(alone != start.bytes());
  for (const Index processes : {2, 3, 4})
    CHECK(trained_by(processes, processes % 2 == 0 ? 2 : 1, start, task, &held_out, options) == alone);
}

}  // namespace

TEST_CASE("Any number of processes ends with the same network, optimiser, losses and validation, to the bit",
          "[distributed][laws]") {
  const Echo<> task(13, 12);
  const TrainOptions whole{.epochs = 2, .batch = 7, .clip_norm = 1, .shards = 5};
  const TrainOptions windows{.epochs = 2, .batch = 7, .window = 5, .clip_value = 0.5, .accumulate = 2, .shards = 4};
  for (const auto& [name, training] : trainings_of_all_kinds()) {
    INFO(name);
    check_law(*training, task, whole);
    check_law(*training, task, windows);
  }
  check_law(*bidirectional_training({}), task, whole);
  for (const OptimizerOptions& options : {OptimizerOptions(SgdOptions{.momentum = 0.9}),
                                          OptimizerOptions(RmsPropOptions{}), OptimizerOptions(AdamWOptions{})})
    check_law(*dynamic_training(options), task, windows);
  check_law(*nested_training({}), task, windows);
  check_law(*readout_training({}), task, whole);
}

TEST_CASE("So it does where lengths differ, and some sequences have ended before a window", "[distributed][laws]") {
  Echo<> task(9, 12);
  const std::vector<Index> lengths{12, 3, 0, 7, 12, 1, 5, 9, 2};
  task.heard.set_lengths(lengths);
  int some = 0;
  for (const auto& [name, training] : trainings_of_all_kinds()) {
    if (name != "layers" && name != "Gru") continue;
    ++some;
    INFO(name);
    check_law(*training, task, {.epochs = 2, .batch = 9, .window = 4, .shards = 7});
  }
  CHECK(some == 2);
}

TEST_CASE("So it does with threads", "[distributed][laws][threads]") {
  std::mt19937 rng(1);
  Sequence net(Elman<float>(1, 110), Readout<float>(110, 1));
  initialize(net, rng);
  const Echo<float> task(64, 40);
  const auto by = [&](Index processes, int threads) {
    std::vector<VectorOf<float>> parameters(static_cast<std::size_t>(processes));
    const auto messages = in_processes(
        processes,
        [&](ThreadCommunicator& all) {
          auto own = net;
          Sgd sgd(own, {.rate = 1e-2});
          std::mt19937 engine(2);
          train(own, sgd, squared_error, task.data(), engine,
                {.epochs = 1, .batch = 64, .processes = all, .shards = 4});
          parameters[static_cast<std::size_t>(all.rank())] = parameters_of(own);
        },
        threads);
    for (const auto& each : messages) CHECK(each == "");
    return parameters.back();
  };
  const auto alone = by(1, 1);
  CHECK(by(1, 2) == alone);
  CHECK(by(2, 2) == alone);
  CHECK(by(4, 1) == alone);
}

TEST_CASE("So it does with tokens, one class for a sequence and metrics", "[distributed][laws]") {
  constexpr Index kinds = 7, classes = 3, count = 11, length = 9;
  std::mt19937 rng(1);
  Tokens tokens(count, length);
  Classes target(count, 1);
  for (Index n = 0; n < count; ++n) {
    for (Index t = 0; t < length; ++t) tokens(n, t) = static_cast<int>(uniform_below(rng, kinds));
    target(n, 0) = static_cast<int>(uniform_below(rng, classes));
  }
  tokens.set_lengths(std::vector<Index>{9, 4, 1, 9, 7, 9, 2, 5, 9, 3, 8});
  Sequence net(Embedding<double>(kinds, 4), DropConnect(Gru<double>(4, 5), 0.2), Pool<double>(5, Pooling::mean),
               Readout<double>(5, classes));
  initialize(net, rng);
  const TokenData data(tokens, target);
  const Validation validation(data, ManyToOne(accuracy));
  const auto by = [&](Index processes) {
    std::vector<std::pair<VectorOf<double>, TrainResult>> results(static_cast<std::size_t>(processes));
    check_all_say(in_processes(processes,
                               [&](ThreadCommunicator& all) {
                                 auto own = net;
                                 Adam adam(own, {.rate = 1e-2});
                                 std::mt19937 engine(2);
                                 auto& [parameters, result] = results[static_cast<std::size_t>(all.rank())];
                                 result = train(own, adam, ManyToOne(softmax_cross_entropy), data, validation, engine,
                                                {.epochs = 4, .batch = 5, .best_by = 0, .processes = all, .shards = 4});
                                 parameters = parameters_of(own);
                               }),
                  "");
    for (const auto& [parameters, result] : results) {
      CHECK(parameters == results[0].first);
      CHECK((result.losses == results[0].second.losses && result.metrics == results[0].second.metrics));
    }
    return results[0];
  };
  const auto alone = by(1);
  CHECK(alone.first != parameters_of(net));
  for (const Index processes : {2, 3, 4}) {
    const auto [parameters, result] = by(processes);
    CHECK(parameters == alone.first);
    CHECK((result.losses == alone.second.losses && result.validations == alone.second.validations &&
           result.metrics == alone.second.metrics && result.best_epoch == alone.second.best_epoch));
  }
}

TEST_CASE("Shards give the gradient of the whole mini-batch, but for rounding", "[distributed]") {
  const Echo<> task(13, 12);
  const TrainOptions options{.epochs = 3, .batch = 7, .window = 5};
  const auto whole = dynamic_training(AdamOptions{}), shards = whole->copy();
  whole->train(task, nullptr, options);
  TrainOptions in_shards = options;
  in_shards.shards = 4;
  shards->train(task, nullptr, in_shards);
  CHECK((whole->parameters() - shards->parameters()).cwiseAbs().maxCoeff() < 1e-13);
  // Without processes it is what one process computes.
  CHECK(shards->bytes() == trained_by(1, 1, *dynamic_training(AdamOptions{}), task, nullptr, in_shards));
}

TEST_CASE("A run that was stopped goes on by another number of processes, to the same bits", "[distributed][laws]") {
  const Echo<> task(13, 12), held_out(7, 12, 5);
  int some = 0;
  for (const auto& [name, start] : trainings_of_all_kinds()) {
    if (name != "layers" && name.find("Lstm") == std::string::npos) continue;
    ++some;
    INFO(name);
    TrainOptions options{.epochs = 3, .batch = 7, .window = 5, .shards = 5};
    const auto whole = trained_by(1, 1, *start, task, &held_out, options);
    for (const Index until : {1, 4, 6, 11}) {
      TrainOptions first = options;
      first.on_progress = [&](const Progress& now) { return now.step < until; };
      const auto stopped = start->copy();
      stopped->load(trained_by(2, 1, *start, task, &held_out, first));
      first.on_progress = [](const Progress&) {};
      CHECK(trained_by(3, 1, *stopped, task, &held_out, first) == whole);
    }
  }
  CHECK(some == 9);
}

TEST_CASE("Each process reads its own part of every mini-batch", "[distributed]") {
  std::vector<std::vector<Recorder::Read>> reads(3);
  const auto messages = in_processes(3, [&](ThreadCommunicator& all) {
    const Recorder data{12, 4};
    Net net = net_of(1);
    Sgd sgd(net, {.rate = 1e-2});
    std::mt19937 rng(1);
    train(net, sgd, squared_error, data, rng,
          {.epochs = 1, .batch = 6, .shuffle = false, .processes = all, .shards = 3});
    reads[static_cast<std::size_t>(all.rank())] = data.reads;
  });
  for (const auto& each : messages) CHECK(each == "");
  for (Index r = 0; r < 3; ++r) {
    const auto& own = reads[static_cast<std::size_t>(r)];
    REQUIRE(own.size() == 2);
    CHECK(own[0].sequences == std::vector<Index>{2 * r, 2 * r + 1});
    CHECK(own[1].sequences == std::vector<Index>{6 + 2 * r, 6 + 2 * r + 1});
  }
}

TEST_CASE("evaluate() by several processes", "[distributed]") {
  const Echo<> task(13, 12);
  const auto data = task.data();
  const Net net = net_of(1);
  for (const Index window : {0, 5}) {
    const auto alone = evaluate(net, data, {.window = window, .batch = 2}, squared_error, mean_absolute_error);
    for (const Index processes : {2, 3, 9}) {  // of the last two have nothing to do
      std::vector<std::array<double, 2>> results(static_cast<std::size_t>(processes));
      const auto messages = in_processes(processes, [&](ThreadCommunicator& all) {
        results[static_cast<std::size_t>(all.rank())] =
            evaluate(net, data, {.window = window, .batch = 2, .processes = all}, squared_error, mean_absolute_error);
      });
      for (const auto& each : messages) CHECK(each == "");
      for (const auto& each : results) CHECK(each == alone);
    }
  }
}

namespace {

/// Messages of three processes that train; `change` may change what one of them has.
std::vector<std::string> messages_of(const std::function<void(Index rank, TrainOptions&, Recorder&, Net&)>& change) {
  return in_processes(3, [&](ThreadCommunicator& all) {
    Recorder data{12, 4};
    Net net = net_of(1);
    TrainOptions options{.epochs = 2, .batch = 6, .processes = all};
    change(all.rank(), options, data, net);
    Sgd sgd(net, {.rate = 1e-2});
    std::mt19937 rng(1);
    train(net, sgd, squared_error, data, rng, options);
  });
}

}  // namespace

TEST_CASE("Processes that are not to do the same are told so at the start", "[distributed]") {
  const auto differ = [](const std::string& what, const std::string& a, const std::string& b) {
    return "train: " + what + " must be the same in all processes, got " + a + " in process 0 and " + b +
           " in process 2";
  };
  check_all_say(messages_of([](Index r, TrainOptions& o, Recorder&, Net&) { o.epochs = r == 2 ? 5 : 4; }),
                differ("epochs", "4", "5"));
  check_all_say(messages_of([](Index r, TrainOptions& o, Recorder&, Net&) { o.shards = r == 2 ? 8 : 0; }),
                differ("shards", "16", "8"));
  check_all_say(messages_of([](Index r, TrainOptions&, Recorder& data, Net&) { data.n = r == 2 ? 13 : 12; }),
                differ("data.sequences()", "12", "13"));
  check_all_say(messages_of([](Index r, TrainOptions&, Recorder&, Net& net) {
                  if (r == 2)
                    net = Net(Elman<double>(1, 5), Readout<double>(5, 1, {.bias = true})), net.layer<0>().W.setOnes();
                }),
                differ("the network", "Sequence(Elman tanh 1 -> 4, Readout 4 -> 1 with bias)",
                       "Sequence(Elman tanh 1 -> 5, Readout 5 -> 1 with bias)"));
  const auto messages =
      messages_of([](Index r, TrainOptions&, Recorder&, Net& net) { net.layer<0>().W(0, 0) += r == 2; });
  for (const auto& each : messages)
    CHECK(each.starts_with("train: the fingerprint of the parameters must be the same in all processes, got "));
  check_all_say(
      messages_of([](Index, TrainOptions& o, Recorder&, Net&) { o.shards = 2; }),
      "train: process 0 of 3 has failed: train: shards (2) >= the number of processes expected, got 3 processes");
  check_all_say(messages_of([](Index r, TrainOptions&, Recorder& data, Net&) { data.n = r == 1 ? 0 : 12; }),
                "train: process 1 of 3 has failed: train: data must have at least one step of one sequence, got 0 "
                "sequences of 4 steps");
}

TEST_CASE("What one process throws in training ends all with one message", "[distributed]") {
  struct Broken : Recorder {
    Index rank;
    void read(std::span<const Index> sequences, Index first, Index steps, Series<double>& x, Target& target) const {
      if (rank == 2 && sequences[0] >= 6) throw std::runtime_error("part 2 of the file cannot be read");
      Recorder::read(sequences, first, steps, x, target);
    }
  };
  const auto train_by = [](ThreadCommunicator& all, const auto& data, const auto& loss, TrainOptions options) {
    Net net = net_of(1);
    Sgd sgd(net, {.rate = 1e-2});
    std::mt19937 rng(1);
    options.processes = all;
    train(net, sgd, loss, data, rng, options);
  };
  const TrainOptions options{.epochs = 2, .batch = 6, .shuffle = false};
  check_all_say(
      in_processes(
          3, [&](ThreadCommunicator& all) { train_by(all, Broken{{12, 4}, all.rank()}, squared_error, options); }),
      "train: process 2 of 3 has failed: part 2 of the file cannot be read");
  // A loss that is NaN for one shard.
  const auto bad = [](SeriesView<const double> y, const Series<double>& target, Series<double>& dy) {
    LossValue value = squared_error(y, target, dy);
    if (std::abs(target[0](0, 0) - std::sin(7.0 * 9)) < 1e-12) value.mean = not_a_number;
    return value;
  };
  check_all_say(in_processes(3, [&](ThreadCommunicator& all) { train_by(all, Recorder{12, 4}, bad, options); }),
                "train: the loss is nan at epoch 0, batch 1 (both counted from 0); the network keeps the last "
                "parameters that gave a finite loss");
  // A callback that throws, which the first alone has called.
  TrainOptions calling = options;
  calling.on_progress = [](const Progress& now) {
    if (now.step == 2) throw std::runtime_error("no space left");
  };
  check_all_say(
      in_processes(3, [&](ThreadCommunicator& all) { train_by(all, Recorder{12, 4}, squared_error, calling); }),
      "train: process 0 of 3 has failed: no space left");
}

TEST_CASE("The callback and the schedule are those of the first process, unless all are to report", "[distributed]") {
  for (const bool all_report : {false, true}) {
    std::vector<int> calls(3);
    std::vector<Index> steps(3);
    std::vector<double> rates(3);
    const auto messages = in_processes(3, [&](ThreadCommunicator& all) {
      const auto r = static_cast<std::size_t>(all.rank());
      TrainOptions options{.epochs = 4, .batch = 6, .processes = all, .all_report = all_report};
      options.schedule = [&, r](Index) { return 0.01 * static_cast<double>(r + 1); };
      options.on_progress = [&, r](const Progress& now) {
        ++calls[r];
        return now.step < 3 || (all_report && r != 1);  // one that says so is enough
      };
      Net net = net_of(1);
      Sgd sgd(net, {.rate = 1});
      std::mt19937 rng(1);
      TrainState<Net> run;
      const auto result = train(net, sgd, squared_error, Recorder{12, 4}, rng, run, options);
      if (!result.stopped) throw std::logic_error("not stopped");
      steps[r] = run.progress.step;
      rates[r] = sgd.options.rate;
    });
    check_all_say(messages, "");
    CHECK(steps == std::vector<Index>{3, 3, 3});
    CHECK(rates == std::vector<double>{0.01, 0.01, 0.01});
    CHECK(calls[0] == 5);  // three steps, the epoch that ended, and the one that was cut short
    CHECK(calls[1] == (all_report ? 5 : 0));
  }
}

namespace {

/// Like Sgd, and of a rate of its own in each process; or it throws.
struct OwnSgd {
  struct Options {
    double rate = 1e-2;
  } options;
  double factor;
  bool throws = false;
  void step(Net& net, const Net& gradient) {
    if (throws) throw std::domain_error("");
    visit([&](const Name&, auto& p, const auto& g) { p -= factor * options.rate * g; }, net, gradient);
  }
};
std::vector<std::string> trained_with(const std::function<OwnSgd(Index)>& optimizer, Index stop_at = everything) {
  return in_processes(3, [&](ThreadCommunicator& all) {
    Net net = net_of(1);
    OwnSgd own = optimizer(all.rank());
    std::mt19937 rng(1);
    TrainOptions options{.epochs = 2, .batch = 6, .processes = all};
    options.on_progress = [&](const Progress& now) { return now.step < stop_at; };
    train(net, own, squared_error, Recorder{12, 4}, rng, options);
  });
}

}  // namespace

TEST_CASE("An optimiser that is another in one of the processes is found out", "[distributed]") {
  const auto all_begin = [](const std::vector<std::string>& messages, const std::string& text) {
    for (const auto& each : messages) CHECK(each.substr(0, text.size()) == text);
  };
  all_begin(trained_with([](Index r) { return OwnSgd{{r == 1 ? 1e-3 : 1e-2}, 1}; }),
            "train: the optimiser's rate must be the same in all processes, got 0.01 in process 0 and 0.001");
  // Of what nobody can see it is what comes of it; where the run is stopped within the epoch, too.
  for (const Index stop_at : {everything, Index(1)})
    all_begin(trained_with([](Index r) { return OwnSgd{{}, r == 1 ? 2.0 : 1.0}; }, stop_at),
              "train: the fingerprint of the parameters in epoch 0 must be the same in all processes, got ");
  all_begin(trained_with([](Index r) { return OwnSgd{{}, r == 1 ? not_a_number : 1.0}; }),
            "train: the step of the optimiser, of rate 0.01, made ");
  check_all_say(trained_with([](Index r) { return OwnSgd{{}, 1, r == 1}; }),
                "train: process 1 of 3 has failed: an exception without a message");
}

TEST_CASE("An order of the sequences that is another in one of the processes is found out", "[distributed]") {
  struct Engine {  // one that cannot be written
    std::mt19937 of;
    using result_type = std::mt19937::result_type;
    static constexpr result_type min() { return std::mt19937::min(); }
    static constexpr result_type max() { return std::mt19937::max(); }
    result_type operator()() { return of(); }
  };
  const auto messages = in_processes(2, [&](ThreadCommunicator& all) {
    Net net = net_of(1);
    Sgd sgd(net, {.rate = 1e-2});
    Engine rng{std::mt19937(static_cast<unsigned>(all.rank()))};
    train(net, sgd, squared_error, Recorder{12, 4}, rng, {.epochs = 2, .batch = 6, .processes = all});
  });
  for (const auto& each : messages)
    CHECK(
        each.starts_with("train: the fingerprint of the order of the sequences, which comes from the random engine, "
                         "in epoch 0 must be the same in all processes"));
}

TEST_CASE("A rate that the callback of the first process changes counts for all", "[distributed]") {
  const auto parameters_by = [](Index processes) {
    std::vector<VectorOf<double>> parameters(static_cast<std::size_t>(processes));
    check_all_say(in_processes(processes,
                               [&](ThreadCommunicator& all) {
                                 Net net = net_of(1);
                                 Sgd sgd(net, {.rate = 1e-2});
                                 std::mt19937 rng(1);
                                 TrainOptions options{.epochs = 2, .batch = 6, .processes = all};
                                 options.on_progress = [&](const Progress& now) {
                                   if (!now.epoch_end) sgd.options.rate *= 0.5;
                                 };
                                 train(net, sgd, squared_error, Recorder{12, 4}, rng, options);
                                 parameters[static_cast<std::size_t>(all.rank())] = parameters_of(net);
                               }),
                  "");
    for (const auto& each : parameters) CHECK(each == parameters[0]);
    return parameters[0];
  };
  CHECK(parameters_by(3) == parameters_by(1));
}

TEST_CASE("A run that begins to carry its state within a mini-batch does so in shards, too", "[distributed]") {
  const Echo<> task(12, 12);
  TrainOptions options{.epochs = 1, .batch = 6, .shuffle = false, .window = 4, .carry = false};
  const auto go_on = [&](const Training& start, Index shards) {
    const auto training = start.copy();
    TrainOptions own = options;
    own.shards = shards;
    own.on_progress = [](const Progress& now) { return now.step < 1; };
    training->train(task, nullptr, own);
    own.carry = true;
    own.on_progress = [](const Progress&) {};
    training->train(task, nullptr, own);
    return training->parameters();
  };
  CHECK(
      (go_on(*dynamic_training(AdamOptions{}), 4) - go_on(*dynamic_training(AdamOptions{}), 0)).cwiseAbs().maxCoeff() <
      1e-13);
}

TEST_CASE("evaluate() by several processes tells all of what one of them cannot do", "[distributed]") {
  const auto messages_with = [](Index n, Index batch) {
    return in_processes(2, [&](ThreadCommunicator& all) {
      const Recorder data{all.rank() == 1 ? static_cast<int>(n) : 12, 4};
      evaluate(net_of(1), data, {.batch = batch, .processes = all}, squared_error);
    });
  };
  check_all_say(
      messages_with(0, 4),
      "evaluate: process 1 of 2 has failed: evaluate: data must have at least one step of one sequence, got 0 "
      "sequences of 4 steps");
  check_all_say(messages_with(12, 0), "evaluate: process 0 of 2 has failed: evaluate: batch > 0 expected, got 0");
}
