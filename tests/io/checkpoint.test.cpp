// Checkpoints: training goes on from a file to the same bits, and from no file of another kind.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "training.hpp"

#include <recur/io/checkpoint.hpp>
#include <recur/schedule.hpp>

#include <clocale>
#include <locale>

using namespace recur;
using namespace recur_test;

namespace {

using Error = std::runtime_error;

/// Everything that training is made of.
template <class Net, class Optimizer, class Engine = std::mt19937>
struct Whole {
  Net net;
  Optimizer optimizer;
  Engine rng;
  TrainRun<Net> run = {};

  void save(const std::filesystem::path& path, const Metadata& metadata = {}) const {
    save_checkpoint(path, net, optimizer, run, rng, metadata);
  }
  std::vector<std::byte> bytes() const { return detail::checkpoint(net, optimizer, run, rng, {}).bytes(); }
  Metadata load(const auto& path) { return load_checkpoint(path, net, optimizer, run, rng); }
  TrainResult train(const auto& data, const auto* validation, const TrainOptions& options) {
    return recur::train(net, optimizer, squared_error, data, validation, rng, run, options);
  }
};
template <class Net, class Optimizer, class Engine>
Whole(Net, Optimizer, Engine) -> Whole<Net, Optimizer, Engine>;

/// Trains with a checkpoint at each call of the callback, and goes on from each in objects that were something else. What
/// is saved, loaded and saved again must be the same file, and all must come to the same end.
template <class Start>
void through_files(const Start& start, const auto& data, const auto* validation, TrainOptions options) {
  auto whole = start;
  std::vector<std::vector<std::byte>> files;
  options.on_progress = [&](const Progress&) {
    files.push_back(whole.bytes());
    return true;
  };
  const auto result = whole.train(data, validation, options);
  options.on_progress = {};
  CHECK(files.size() > 5);
  for (const auto& file : files) {
    auto other = start;
    other.rng.discard(7);
    recur::visit([](const Name&, auto& block) { block.setConstant(3); }, other.net);
    other.load(Safetensors::parse(file, "file"));
    REQUIRE((other.bytes() == file));
    const auto resumed = other.train(data, validation, options);
    REQUIRE(resumed.losses == result.losses);
    REQUIRE(resumed.validations == result.validations);
    REQUIRE(resumed.best_epoch == result.best_epoch);
    REQUIRE((other.bytes() == whole.bytes()));
  }
}

template <class Scalar>
auto random_net(auto net) {
  std::mt19937 rng(1);
  return randomized(std::move(net), rng, 0.5);
}

}  // namespace

TEMPLATE_TEST_CASE("Training goes on from a file to the same bits, with any optimiser", "[checkpoint]", float, double) {
  const Echo<TestType> task(3, 6);
  const SeriesData<TestType>* none = nullptr;
  TrainOptions options{.epochs = 2, .batch = 2, .window = 4, .clip_norm = 1};
  const auto net = random_net<TestType>(
      Sequence(Elman<TestType>(1, 4), Elman<TestType, Relu>(4, 3), Readout<TestType>(3, 1, {.bias = true})));
  const std::mt19937 rng(3);
  through_files(Whole{net, Sgd(net), rng}, task.data(), none, options);
  through_files(Whole{net, Sgd(net, {.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}), rng},
                task.data(), none, options);
  through_files(Whole{net, RmsProp(net, {.momentum = 0.5}), rng}, task.data(), none, options);
  through_files(Whole{net, Adam(net), rng}, task.data(), none, options);
  options.schedule = [](Index step) { return step_decay(step, 3, 0.1); };
  through_files(Whole{net, AdamW(net, {.rate = 0.1}), rng}, task.data(), none, options);
}

TEMPLATE_TEST_CASE("Training goes on from a file to the same bits, with any network", "[checkpoint]", float, double) {
  const Echo<TestType> task(3, 6), held_out(2, 5, 2);
  const auto data = task.data(), validation = held_out.data();
  const TrainOptions options{.epochs = 3, .batch = 2, .window = 4};
  const auto of = [&](auto zero) {
    const auto net = random_net<TestType>(zero);
    through_files(Whole{net, Adam(net, {.rate = 0.1}), std::mt19937(3)}, data, &validation, options);
  };
  if constexpr (std::is_same_v<TestType, float>) {
    of(Sequence<Elman<float, Tanh, 1, 4>, Readout<float, 4, 1>>());
    of(Readout<float>(1, 1));
  } else {
    of(Elman<double>(1, 1));
    of(Sequence(Cell<LearnedLeak, double>(1, 3), Sequence(Cell<TwoStates, double>(3, 2)), Readout<double>(2, 1)));
  }
}

TEST_CASE("Training goes on from a file to the same bits, with any random engine", "[checkpoint]") {
  const Echo<> task(3, 6);
  const SeriesData<double>* none = nullptr;
  const auto net = net_of(1);
  const auto with = [&](auto rng) {
    through_files(Whole{net, Adam(net), rng}, task.data(), none, {.epochs = 3, .batch = 2});
  };
  with(std::mt19937_64(3));
  with(std::minstd_rand(3));
  with(std::ranlux48(3));
}

TEST_CASE("A checkpoint does not depend on the locale", "[checkpoint]") {
  struct Grouped : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    char do_decimal_point() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
  };
  const Folder folder;
  const Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  whole.save(folder / "plain");
  const std::locale before = std::locale::global(std::locale(std::locale(), new Grouped));
  auto other = whole;
  other.rng.seed(4);
  const auto message = message_of<std::exception>([&] {
    whole.save(folder / "grouped");
    other.load(folder / "plain");
  });
  std::locale::global(before);
  CHECK(message == "(nothing was thrown)");
  CHECK((read_file(folder / "grouped") == read_file(folder / "plain")));
  CHECK(other.rng == whole.rng);
}

TEST_CASE("A run that was stopped has its last parameters in the file, besides the best", "[checkpoint]") {
  const Folder folder;
  const Echo<> task(6, 8), held_out(4, 9, 2);
  const auto data = task.data(), validation = held_out.data();
  const Whole start{net_of(1), Adam(net_of(1), {.rate = 0.05}), std::mt19937(3)};
  TrainOptions options{.epochs = 6, .batch = 3, .window = 5};
  auto whole = start;
  const auto result = whole.train(data, &validation, options);
  for (Index stop = 1; stop < 24; ++stop) {
    auto first = start;
    options.on_progress = [&](const Progress& now) { return now.step < stop; };
    REQUIRE(first.train(data, &validation, options).stopped);
    first.save(folder / "run");
    auto second = start;
    second.load(folder / "run");
    CHECK(same_parameters(second.net, first.net));
    options.on_progress = {};
    REQUIRE(second.train(data, &validation, options).losses == result.losses);
    REQUIRE(same_parameters(second.net, whole.net));
    REQUIRE(second.run.latest.has_value());
    REQUIRE(same_parameters(*second.run.latest, *whole.run.latest));
  }
}

TEST_CASE("All of a run is in the file", "[checkpoint]") {
  Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  auto other = whole;
  const double third = 1.0 / 3;
  whole.run = {.progress = {2, 3, 4, 5, Index(1) << 53, third, -0.0, infinity, true, 1e-310},
               .order = {2, 0, 1},
               .batch = 6,
               .window = 7,
               .state = {Matrix<double>::Random(4, 3), {}},
               .loss_sum = -third,
               .columns = 8,
               .losses = {1, third},
               .validations = {third},
               .best_validation = -infinity,
               .best_epoch = -1,
               .best = net_of(2),
               .good = net_of(3),
               .latest = net_of(4)};
  other.load(Safetensors::parse(whole.bytes(), "file"));
  // Whatever is added to a run does not compile here until it is compared, too.
  const auto& [progress, order, batch, window, state, loss_sum, columns, losses, validations, best_validation,
               best_epoch, best, good, latest] = other.run;
  const auto& [epoch, epochs, done, batches, step, loss, rate, gradient_norm, epoch_end, validation] = progress;
  CHECK(std::tuple(epoch, epochs, done, batches, step) == std::tuple(2, 3, 4, 5, Index(1) << 53));
  CHECK(std::tuple(loss, rate, gradient_norm, epoch_end, validation) == std::tuple(third, 0, infinity, true, 1e-310));
  CHECK(std::signbit(rate));
  CHECK(order == std::vector<Index>{2, 0, 1});
  CHECK(std::tuple(batch, window, loss_sum, columns) == std::tuple(6, 7, -third, 8));
  REQUIRE(std::get<0>(state).cols() == 3);
  CHECK(std::get<0>(state) == std::get<0>(whole.run.state));
  CHECK(losses == std::vector{1, third});
  CHECK(validations == std::vector{third});
  CHECK(std::tuple(best_validation, best_epoch) == std::tuple(-infinity, -1));
  CHECK(same_parameters(best.value(), net_of(2)));
  CHECK(same_parameters(good.value(), net_of(3)));
  CHECK(same_parameters(latest.value(), net_of(4)));

  whole.run.progress.validation = not_a_number;
  whole.run.best.reset();
  whole.run.state = {};
  other.load(Safetensors::parse(whole.bytes(), "file"));
  CHECK(std::isnan(other.run.progress.validation));
  CHECK_FALSE(other.run.best.has_value());
  CHECK(std::get<0>(other.run.state).size() == 0);
}

TEST_CASE("All options of an optimiser are in the file", "[checkpoint]") {
  const auto net = net_of(1);
  const auto there = [&](auto plain, auto options) {
    Whole whole{net, plain, std::mt19937(3)}, other = whole;
    whole.optimizer.options = options;
    other.load(Safetensors::parse(whole.bytes(), "file"));
    return other.optimizer.options;
  };
  // Whatever is added to the options does not compile here until it is compared, too.
  {
    const auto [rate, momentum, weight_decay, nesterov] = there(Sgd(net), SgdOptions{0.1, 0.2, 0.3, true});
    CHECK(std::tuple(rate, momentum, weight_decay, nesterov) == std::tuple(0.1, 0.2, 0.3, true));
  }
  {
    const auto [rate, decay, epsilon, momentum, weight_decay] =
        there(RmsProp(net), RmsPropOptions{0.1, 0.2, 0.3, 0.4, 0.5});
    CHECK(std::tuple(rate, decay, epsilon, momentum, weight_decay) == std::tuple(0.1, 0.2, 0.3, 0.4, 0.5));
  }
  {
    const auto [rate, beta1, beta2, epsilon, weight_decay] = there(Adam(net), AdamOptions{0.1, 0.2, 0.3, 0.4, 0.5});
    CHECK(std::tuple(rate, beta1, beta2, epsilon, weight_decay) == std::tuple(0.1, 0.2, 0.3, 0.4, 0.5));
  }
  {
    const auto [rate, beta1, beta2, epsilon, weight_decay] = there(AdamW(net), AdamOptions{0.1, 0.2, 0.3, 0.4, 0.5});
    CHECK(std::tuple(rate, beta1, beta2, epsilon, weight_decay) == std::tuple(0.1, 0.2, 0.3, 0.4, 0.5));
  }
}

TEST_CASE("The user's metadata travel with a checkpoint", "[checkpoint]") {
  const Folder folder;
  Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  whole.save(folder / "run", {{"alphabet", "abc"}});
  CHECK(whole.load(folder / "run") == Metadata{{"alphabet", "abc"}});
  CHECK(message_of([&] { whole.save(folder / "run", {{"recur.engine", "x"}}); }) ==
        "save_checkpoint: the metadata must not be called recur.*, got recur.engine");
  CHECK(whole.load(folder / "run") == Metadata{{"alphabet", "abc"}});
}

TEST_CASE("Parameters that are not finite do not take the place of a good checkpoint", "[checkpoint]") {
  const Folder folder;
  Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  whole.save(folder / "run");
  const auto before = read_file(folder / "run");
  whole.net.layer<1>().V(0, 2) = not_a_number;
  CHECK(message_of([&] { whole.save(folder / "run"); }) == "save_checkpoint: 1.V must be finite, got nan at (0, 2)");
  CHECK((read_file(folder / "run") == before));
}

// ---- What does not fit -----------------------------------------------------------------------------------------

namespace {

/// What loading into `whole` says; it must not have changed anything.
template <class Any>
std::string refusal(const auto& file, const Any& whole) {
  auto other = whole;
  const std::string message = message_of<Error>([&] { other.load(file); });
  CHECK((other.bytes() == whole.bytes()));
  return message.substr(message.find(": ") + 2);
}

/// A run that was stopped within its second epoch, in the middle of a series.
auto stopped_run() {
  const Echo<> task(5, 10), held_out(4, 9, 2);
  const auto data = task.data(), validation = held_out.data();
  Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  whole.train(data, &validation,
              {.epochs = 9, .batch = 2, .window = 4, .on_progress = [](const Progress& now) { return now.step < 11; }});
  return whole;
}

}  // namespace

TEST_CASE("A checkpoint of something else says what differs", "[checkpoint]") {
  const Folder folder;
  const auto path = folder / "run";
  const auto net = net_of(1);
  const std::mt19937 rng(3);
  stopped_run().save(path);
  const Net wider = net_of(1, 1, 2);
  CHECK(refusal(path, Whole{wider, Adam(wider), rng}) ==
        "must have the network Sequence(Elman tanh 1 -> 4, Readout 4 -> 2 with bias), got Sequence(Elman tanh 1 -> 4, "
        "Readout 4 -> 1 with bias): layer 1 must be Readout 4 -> 2 with bias, got Readout 4 -> 1 with bias");
  CHECK(refusal(path, Whole{net, AdamW(net), rng}) == "must have the optimizer AdamW, got Adam");
  CHECK(refusal(path, Whole{net, Sgd(net), rng}) == "must have the optimizer Sgd, got Adam");
  const auto of_engine = [&](auto other) {
    const auto message = refusal(path, Whole{net, Adam(net), other});
    CHECK(message.ends_with("numbers to 4294967295, by default 3499211612 first"));
    return message.substr(0, message.find(", got "));
  };
  CHECK(of_engine(std::mt19937_64(3))
            .ends_with("numbers to 18446744073709551615, by default 14514284786278117030 first"));
  CHECK(of_engine(std::minstd_rand(3)) ==
        "must have the engine of 1 words of state and numbers to 2147483646, by default 48271 first");
  CHECK(of_engine(std::minstd_rand0(3)) ==
        "must have the engine of 1 words of state and numbers to 2147483646, by default 16807 first");

  const auto narrow = net.cast<float>();
  CHECK(refusal(path, Whole{narrow, Adam(narrow), rng}) == "tensor 'network.0.U' must be of F32, got F64");
  const Adam for_another(Net(Elman<double>(1, 5), Readout<double>(5, 1, {.bias = true})));
  CHECK(refusal(path, Whole{net, for_another, rng}) ==
        "tensor 'optimizer.first_moment.0.U' must have shape [5, 1] or [5], got [4]");

  save(path, net);
  CHECK(refusal(path, stopped_run()) == "must have the metadata 'recur.optimizer', got none of that name");
  CHECK(refusal(folder / "none", stopped_run()) == "cannot be read: there is no such file");
}

TEST_CASE("A checkpoint in which something is wrong is refused", "[checkpoint]") {
  const auto whole = stopped_run();
  const auto file = Safetensors::parse(whole.bytes(), "file");
  const auto after = [&](auto&& change) {
    auto tensors = file.tensors();
    auto metadata = file.metadata();
    change(tensors, metadata);
    SafetensorsWriter writer;
    for (const auto& [name, tensor] : tensors) writer.add(name, tensor);
    for (const auto& [name, text] : metadata) writer.set_metadata(name, text);
    return refusal(Safetensors::parse(writer.bytes(), "file"), whole);
  };
  // Every tensor is missed, none may be called otherwise, and none have another shape.
  for (const auto& each : file.tensors()) {
    const std::string& name = each.first;
    const auto missing = after([&](auto& tensors, auto&) { tensors.erase(name); });
    CHECK(missing.starts_with("must have a tensor '" + name + "', got '"));
    const auto more = after([&](auto& tensors, auto&) { tensors[name + "x"] = each.second; });
    CHECK(more == "must have the tensors of the checkpoint and no others, got '" + name + "x' of shape " +
                      text_of_shape(each.second.shape));
    const auto misshapen = after([&](auto& tensors, auto&) {
      auto& shape = tensors[name].shape;
      shape.insert(shape.begin(), 2, 1);
    });
    CHECK(misshapen.starts_with("tensor '" + name + "' must have "));
  }
  for (const auto& each : file.metadata()) {
    CHECK(after([&](auto&, auto& metadata) { metadata.erase(each.first); }) ==
          "must have the metadata '" + each.first + "', got none of that name");
  }

  const auto word = [&](const std::string& name, std::uint64_t value) {
    std::vector<std::byte> bytes(8);
    detail::store_little_endian(value, bytes.data());
    return after([&](auto& tensors, auto&) { tensors[name].data = bytes; });
  };
  CHECK(word("run.epoch_end", 2) == "tensor 'run.epoch_end' must have whole numbers from 0 to 1, got 2");
  CHECK(word("run.step", std::uint64_t(-2)) ==
        "tensor 'run.step' must have whole numbers from -1 to 9007199254740992, got -2");
  CHECK(word("run.best_epoch", std::uint64_t(1) << 63) ==
        "tensor 'run.best_epoch' must have whole numbers from -1 to 9007199254740992, got -9223372036854775808");
  CHECK(after([](auto& tensors, auto&) { tensors["run.step"].dtype = "F64"; }) ==
        "tensor 'run.step' must be of I64, got F64");
  CHECK(after([](auto& tensors, auto&) { tensors["run.loss_sum"].shape = {1}; }) ==
        "tensor 'run.loss_sum' must have 0 dimensions, got shape [1]");
  CHECK(after([](auto& tensors, auto&) { tensors["run.order"].shape = {5, 1}; }) ==
        "tensor 'run.order' must have 1 dimensions, got shape [5, 1]");
  CHECK(after([](auto& tensors, auto&) { tensors["run.state.0"].shape = {2, 4}; }) ==
        "tensor 'run.state.0' must have 4 rows, got shape [2, 4]");
  CHECK(word("run.state", 2) == "tensor 'run.state' must be 1, got 2");
  CHECK(word("run.best", 0) ==
        "must have the tensors of the checkpoint and no others, got 'run.best.0.U' of shape [4]");

  for (const std::string state : {"", "x", "1 2 3", "-1"}) {
    CHECK(after([&](auto&, auto& metadata) { metadata["recur.engine_state"] = state; }) ==
          "must have the state of a random engine in the metadata 'recur.engine_state', got '" + state + "'");
  }
  CHECK(after([&](auto&, auto& metadata) {
          metadata["recur.engine_state"] += " 1";
        }).starts_with("must have the state of a random engine"));
}
