// Checkpoints: training goes on from a file to the same bits, and from no file of another kind.
#include "catch.hpp"
#include "compiled_training.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "io/trainings/trainings.hpp"
#include "io/trainings/whole.hpp"

#include <recur/io/checkpoint.hpp>
#include <recur/training/schedule.hpp>

#include <algorithm>
#include <clocale>
#include <iterator>
#include <locale>

using namespace recur;
using namespace recur_test;

namespace {

using Error = std::runtime_error;

/// Trains with a checkpoint at each call of the callback, and goes on from each in objects that were something else.
/// What is saved, loaded and saved again must be the same file, and all must come to the same end.
void through_files(const Training& start, const Echo<>& task, const Echo<>* held_out, TrainOptions options) {
  const auto whole = start.copy();
  std::vector<std::vector<std::byte>> files;
  options.on_progress = [&](const Progress&) {
    files.push_back(whole->bytes());
    return true;
  };
  const auto result = whole->train(task, held_out, options);
  options.on_progress = {};
  CHECK(files.size() > 5);
  for (const auto& file : files) {
    const auto other = start.copy();
    other->disturb();
    other->load(file);
    REQUIRE((other->bytes() == file));
    const auto resumed = other->train(task, held_out, options);
    REQUIRE(resumed.losses == result.losses);
    REQUIRE(resumed.validations == result.validations);
    REQUIRE(resumed.best_epoch == result.best_epoch);
    REQUIRE((other->bytes() == whole->bytes()));
  }
}

}  // namespace

TEST_CASE("Training goes on from a file to the same bits, with any optimiser", "[checkpoint]") {
  const Echo<> task(3, 6);
  for (const auto& [scalar, training] : {std::pair("float", &fixed_training), std::pair("double", &dynamic_training)}) {
    INFO(scalar);
    TrainOptions options{.epochs = 2, .batch = 2, .window = 4, .clip_norm = 1};
    through_files(*training(SgdOptions()), task, nullptr, options);
    through_files(*training(SgdOptions{.rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}), task,
                  nullptr, options);
    through_files(*training(RmsPropOptions{.momentum = 0.5}), task, nullptr, options);
    through_files(*training(AdamOptions()), task, nullptr, options);
    options.schedule = [](Index step) { return step_decay(step, 3, 0.1); };
    through_files(*training(AdamWOptions{.rate = 0.1}), task, nullptr, options);
  }
}

TEST_CASE("Training goes on from a file to the same bits, with any network", "[checkpoint]") {
  const Echo<> task(3, 6), held_out(2, 5, 2);
  const TrainOptions options{.epochs = 3, .batch = 2, .window = 4};
  through_files(*fixed_training(AdamOptions{.rate = 0.1}), task, &held_out, options);
  through_files(*readout_training({.rate = 0.1}), task, &held_out, options);
  through_files(*elman_training({.rate = 0.1}), task, &held_out, options);
  through_files(*nested_training({.rate = 0.1}), task, &held_out, options);
}

TEST_CASE("Training goes on from a file to the same bits, with any random engine", "[checkpoint]") {
  const Echo<> task(3, 6);
  const TrainOptions options{.epochs = 3, .batch = 2};
  through_files(*training_with(std::mt19937_64(3)), task, nullptr, options);
  through_files(*training_with(std::minstd_rand(3)), task, nullptr, options);
  through_files(*training_with(std::ranlux48(3)), task, nullptr, options);
}

TEST_CASE("Metrics, and an optimiser with rates by parts, go through a file", "[checkpoint]") {
  const Folder folder;
  const Echo<> task(3, 6), held_out(2, 6, 2);
  const Validation validation(held_out.data(), mean_absolute_error);
  const auto trained = [&](bool through_a_file) {
    auto net = net_of(1);
    ByParts adam(Adam(net, {.rate = 0.02}), {{"0", 0.5}, {"1.c", 0}});
    std::mt19937 rng(3);
    TrainState<Net> run;
    TrainOptions options{.epochs = 2, .batch = 2, .best_by = 0};
    train(net, adam, squared_error, task.data(), validation, rng, run, options);
    if (through_a_file) {
      save_checkpoint(folder / "run", net, adam, run, rng);
      net = net_of(7);
      adam = ByParts(Adam(net, {.rate = 7}), {{"0", 0.5}, {"1.c", 0}});
      run = {};
      rng.seed(7);
      load_checkpoint(folder / "run", net, adam, run, rng);
    }
    options.epochs = 4;
    const auto result = train(net, adam, squared_error, task.data(), validation, rng, run, options);
    CHECK(result.metrics.size() == 4);
    return std::tuple(parameters_of(net).eval(), result.metrics, result.best_epoch);
  };
  CHECK(trained(true) == trained(false));
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
  whole.run = {.progress = {2, 3, 4, 5, Index(1) << 53, third, -0.0, infinity, true, 1e-310, {third, -2}},
               .order = {2, 0, 1},
               .batch = 6,
               .window = 7,
               .state = {MatrixOf<double>::Random(4, 3), {}},
               .loss_sum = -third,
               .counted = 8,
               .losses = {1, third},
               .validations = {third},
               .metrics = {5, -third},
               .best_validation = -infinity,
               .best_epoch = -1,
               .best_by = 9,
               .best = net_of(2),
               .good = net_of(3),
               .latest = net_of(4)};
  other.load(Safetensors::parse(whole.bytes(), "file"));
  // Whatever is added to a run does not compile here until it is compared, too.
  const auto& [progress, order, batch, window, state, loss_sum, counted, losses, validations, all_metrics,
               best_validation, best_epoch, best_by, best, good, latest] = other.run;
  const auto& [epoch, epochs, done, batches, step, loss, rate, gradient_norm, epoch_end, validation, metrics] =
      progress;
  CHECK(std::tuple(epoch, epochs, done, batches, step) == std::tuple(2, 3, 4, 5, Index(1) << 53));
  CHECK(std::tuple(loss, rate, gradient_norm, epoch_end, validation) == std::tuple(third, 0, infinity, true, 1e-310));
  CHECK(std::signbit(rate));
  CHECK(order == std::vector<Index>{2, 0, 1});
  CHECK(std::tuple(batch, window, loss_sum, counted) == std::tuple(6, 7, -third, 8));
  REQUIRE(std::get<0>(state).cols() == 3);
  CHECK(std::get<0>(state) == std::get<0>(whole.run.state));
  CHECK(losses == std::vector{1, third});
  CHECK(validations == std::vector{third});
  CHECK(metrics == std::vector<double>{third, -2});
  CHECK(all_metrics == std::vector<double>{5, -third});
  CHECK(std::tuple(best_validation, best_epoch, best_by) == std::tuple(-infinity, -1, 9));
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

const std::string no_checkpoint =
    "must have a checkpoint, as save_checkpoint() writes it, got none of its metadata 'recur.optimizer'";

/// What loading into `whole` says; it must not have changed anything.
template <class Any>
std::string refusal(const auto& file, const Any& whole) {
  auto other = whole;
  const std::string message = message_of<Error>([&] { other.load(file); });
  CHECK((other.bytes() == whole.bytes()));
  return message.substr(message.find(": ") + 2);
}

/// A file in which change(tensors, metadata) has changed something.
Safetensors changed(const Safetensors& file, auto&& change) {
  auto tensors = file.tensors();
  auto metadata = file.metadata();
  change(tensors, metadata);
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) writer.add(name, tensor);
  for (const auto& [name, text] : metadata) writer.set_metadata(name, text);
  return Safetensors::parse(writer.bytes(), "file");
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

  auto alone = net;
  CHECK(message_of<Error>([&] { load(path, alone); }) ==
        path.string() + ": must have a network alone, got a checkpoint, which load_checkpoint() reads");
  save(path, net);
  CHECK(refusal(path, stopped_run()) == no_checkpoint);
  CHECK(refusal(folder / "none", stopped_run()) == "cannot be read: there is no such file");
}

TEST_CASE("A checkpoint in which something is wrong is refused", "[checkpoint]") {
  const auto whole = stopped_run();
  const auto file = Safetensors::parse(whole.bytes(), "file");
  const auto after = [&](auto&& change) { return refusal(changed(file, change), whole); };
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
          (each.first == "recur.optimizer" ? no_checkpoint
                                           : "must have the metadata '" + each.first + "', got none of that name"));
  }

  const auto word = [&](const std::string& name, std::uint64_t value) {
    std::vector<std::byte> bytes(8);
    detail::store_little_endian(value, bytes.data());
    return after([&](auto& tensors, auto&) { tensors[name].data = bytes; });
  };
  CHECK(word("run.epoch_end", 2) == "tensor 'run.epoch_end' must have whole numbers from 0 to 1, got 2");
  CHECK(word("run.best_epoch", std::uint64_t(1) << 63) ==
        "tensor 'run.best_epoch' must have whole numbers from -1 to 9007199254740992, got -9223372036854775808");
  CHECK(word("run.best_by", std::uint64_t(-2)) ==
        "tensor 'run.best_by' must have whole numbers from -1 to 9007199254740992, got -2");
  CHECK(word("run.best_epoch", 2) == "tensor 'run.best_epoch' must be at most 'run.epoch', 1, got 2");
  for (const auto& [name, tensor] : file.tensors()) {  // of all the others, none may be negative
    if (tensor.dtype != "I64" || !tensor.shape.empty() || name == "run.best_epoch" || name == "run.best_by") continue;
    const auto range = "tensor '" + name + "' must have whole numbers from 0 to ";
    CHECK(word(name, std::uint64_t(-1)).starts_with(range));
    CHECK(word(name, std::uint64_t(-2)).starts_with(range));
  }
  CHECK(word("optimizer.steps", std::uint64_t(-1)) ==
        "tensor 'optimizer.steps' must have whole numbers from 0 to 9007199254740992, got -1");
  const auto order = [&](const std::vector<std::uint64_t>& numbers) {
    std::vector<std::byte> bytes(8 * numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) detail::store_little_endian(numbers[i], &bytes[8 * i]);
    return after([&](auto& tensors, auto&) { tensors["run.order"] = {"I64", {std::ssize(numbers)}, bytes}; });
  };
  CHECK(order({3, 0, 4, 1, 5}) == "tensor 'run.order' must have each whole number below 5 once, got no 2");
  CHECK(order({0, 1, 1}) == "tensor 'run.order' must have each whole number below 3 once, got no 2");
  CHECK(order({1u << 31}) == "tensor 'run.order' must have each whole number below 1 once, got no 0");
  CHECK(order({0, std::uint64_t(-1)}) ==
        "tensor 'run.order' must have whole numbers from 0 to 9007199254740992, got -1");
  CHECK(after([&](auto& tensors, auto&) {
          static const auto bytes = tensor_bytes(VectorOf<double>::Constant(1, not_a_number));
          tensors["network.1.c"].data = bytes;
        }) == "tensor 'network.1.c' must be finite, got nan at (0, 0)");
  for (const std::string kept : {"best", "good"})
    CHECK(after([&](auto& tensors, auto&) {
            static const auto bytes = tensor_bytes(VectorOf<double>::Constant(1, infinity));
            tensors.at("run." + kept + ".1.c").data = bytes;
          }) == "tensor 'run." + kept + ".1.c' must be finite, got inf at (0, 0)");
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

TEST_CASE("What could not be loaded is not saved", "[checkpoint]") {
  const Folder folder;
  Whole whole{net_of(1), Adam(net_of(1)), std::mt19937(3)};
  whole.optimizer.steps = -1;
  CHECK(message_of([&] { whole.save(folder / "run"); }) ==
        "save_checkpoint: optimizer.steps must have whole numbers from 0 to 9007199254740992, got -1");
  CHECK(folder.count() == 0);
}

// ---- Random engines --------------------------------------------------------------------------------------------

namespace {

/// A small network in training, whose state of the random engine can be changed in its checkpoint.
template <class Engine>
struct WithEngine {
  Whole<Readout<double>, Sgd<Readout<double>>, Engine> whole;
  Safetensors file;

  explicit WithEngine(const Engine& rng)
      : whole{Readout<double>(1, 1), Sgd(Readout<double>(1, 1)), rng}, file(Safetensors::parse(whole.bytes(), "file")) {
  }

  std::string state() const { return file.metadata("recur.engine_state"); }
  Safetensors with(const std::string& state) const {
    return changed(file, [&](auto&, auto& metadata) { metadata["recur.engine_state"] = state; });
  }
  /// What loading it with another state says.
  std::string refusal_of(const std::string& state) const { return refusal(with(state), whole); }
};

/// The state with another number at a place, counted from the end where it is negative.
std::string replaced(const std::string& state, std::ptrdiff_t place, const std::string& number) {
  std::istringstream text(state);
  std::vector<std::string> numbers{std::istream_iterator<std::string>(text), {}};
  numbers.at(static_cast<std::size_t>(place < 0 ? std::ssize(numbers) + place : place)) = number;
  std::string joined;
  for (const auto& each : numbers) joined += (joined.empty() ? "" : " ") + each;
  return joined;
}
/// So many times the same number, and then others.
std::string repeated(std::size_t count, const std::string& number, const std::string& rest) {
  std::string state;
  for (std::size_t i = 0; i < count; ++i) state += number + " ";
  return state + rest;
}
std::string out_of_range(std::size_t place, const std::string& range, const std::string& got) {
  return "number " + std::to_string(place) + " of the metadata 'recur.engine_state' must be from " + range + ", got '" +
         got + "'";
}

using Engines = std::tuple<std::default_random_engine, std::minstd_rand0, std::minstd_rand, std::mt19937,
                           std::mt19937_64, std::ranlux24_base, std::ranlux48_base, std::ranlux24, std::ranlux48,
                           std::knuth_b, std::independent_bits_engine<std::ranlux24, 40, std::uint64_t>,
                           std::linear_congruential_engine<std::uint64_t, 6364136223846793005u, 1, 0>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("The standard's random engines go on from a file to the same numbers", "[checkpoint]",
                        Engines) {
  TestType rng(5), other(6);
  WithEngine<TestType> saved(rng);
  for (const unsigned drawn : {0u, 1u, 2u, 8u, 15u, 201u, 100u, 300u, 700u}) {
    rng.discard(drawn);
    saved.whole.rng = rng;
    const auto file = Safetensors::parse(saved.whole.bytes(), "file");
    saved.whole.rng = other;
    saved.whole.load(file);
    TestType loaded = saved.whole.rng, expected = rng;
    REQUIRE(loaded == expected);
    for (int i = 0; i < 1000; ++i) REQUIRE(loaded() == expected());
  }
}

TEST_CASE("A state to which no random engine can come is refused", "[checkpoint]") {
  const std::string none = "must have the state of a random engine in the metadata 'recur.engine_state', got ";
  {
    const WithEngine saved(std::minstd_rand(3));
    const std::string range = "1 to 2147483646";
    for (const std::string state : {"0", "2147483647", "-1", "+1", "1x", "99999999999999999999", ""})
      CHECK(saved.refusal_of(state) == out_of_range(1, range, state));
    for (const std::string state : {"1 ", "1 1", " 1"}) CHECK(saved.refusal_of(state) == none + "'" + state + "'");
    CHECK(saved.refusal_of("01") == none + "'01'");
  }
  {
    const WithEngine saved(std::linear_congruential_engine<std::uint64_t, 6364136223846793005u, 1, 0>(3));
    CHECK(saved.refusal_of("18446744073709551616") ==
          out_of_range(1, "0 to 18446744073709551615", "18446744073709551616"));
  }
  {
    const WithEngine saved(std::mt19937(3));
    CHECK(saved.refusal_of(replaced(saved.state(), 17, "4294967296")) ==
          out_of_range(18, "0 to 4294967295", "4294967296"));
    CHECK(saved.refusal_of("") == none + "''");
    CHECK(saved.refusal_of(saved.state() + " 1").starts_with(none));
#ifdef __GLIBCXX__
    for (const std::string index : {"0", "625", "100000000"})
      CHECK(saved.refusal_of(replaced(saved.state(), -1, index)) == out_of_range(625, "1 to 624", index));
    // All zero, in the bits that the next words depend on.
    CHECK(saved.refusal_of(repeated(624, "0", "624")).starts_with(none));
    CHECK(saved.refusal_of("2147483647 " + repeated(623, "0", "624")).starts_with(none));
#endif
  }
  {
    const WithEngine saved(std::mt19937_64(3));
    CHECK(saved.refusal_of(replaced(saved.state(), 0, "18446744073709551616")) ==
          out_of_range(1, "0 to 18446744073709551615", "18446744073709551616"));
  }
  {
    const WithEngine saved(std::ranlux24_base(3));
    CHECK(saved.refusal_of(replaced(saved.state(), 0, "16777216")) == out_of_range(1, "0 to 16777215", "16777216"));
    CHECK(saved.refusal_of(replaced(saved.state(), 24, "2")) == out_of_range(25, "0 to 1", "2"));
#ifdef __GLIBCXX__
    for (const std::string index : {"24", "100000000", "18446744073709551615"})
      CHECK(saved.refusal_of(replaced(saved.state(), 25, index)) == out_of_range(26, "0 to 23", index));
    CHECK(saved.refusal_of(repeated(24, "0", "0 0")).starts_with(none));
    CHECK(saved.refusal_of(repeated(24, "16777215", "1 5")).starts_with(none));
#endif
  }
  {
    const WithEngine saved(std::ranlux48(3));
    const auto count = static_cast<std::size_t>(1 + std::ranges::count(saved.state(), ' '));
    for (const std::string drawn : {"12", "389", "4294967295"})
      CHECK(saved.refusal_of(replaced(saved.state(), -1, drawn)) == out_of_range(count, "0 to 11", drawn));
    CHECK(saved.refusal_of(replaced(saved.state(), 3, "281474976710656")) ==
          out_of_range(4, "0 to 281474976710655", "281474976710656"));
  }
  {
    const WithEngine saved(std::knuth_b(3));
    const std::string range = "1 to 2147483646";
    for (const std::size_t place : {0u, 1u, 200u, 256u, 257u}) {
      const auto with = [&](const std::string& number) {
        return saved.refusal_of(replaced(saved.state(), static_cast<std::ptrdiff_t>(place), number));
      };
      CHECK(with("0") == out_of_range(place + 1, range, "0"));
      CHECK(with("4294967295") == out_of_range(place + 1, range, "4294967295"));
    }
    CHECK(saved.refusal_of("1 2 3") == none + "'1 2 3'");
  }
  {
    const WithEngine saved(std::independent_bits_engine<std::minstd_rand, 16, std::uint32_t>(3));
    CHECK(saved.refusal_of("0") == out_of_range(1, "1 to 2147483646", "0"));
  }
}

TEMPLATE_LIST_TEST_CASE("Whatever is changed in an engine's state, it is refused or draws numbers as any other",
                        "[checkpoint]", Engines) {
  TestType start(5);
  start.discard(10);
  const WithEngine saved(start);
  std::mt19937 rng(1);
  const auto below = [&](std::size_t count) { return uniform_below(rng, count); };
  int refused = 0, taken = 0;
  for (int round = 0; round < 300; ++round) {
    std::string state = saved.state();
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      // Often near the end, where there are indices.
      const std::size_t end = state.size();
      const std::size_t place = below(2) ? below(end) : end - 1 - below(std::min<std::size_t>(end, 12));
      const char digit = static_cast<char>('0' + below(10));
      switch (below(4)) {
        case 0: state.insert(place, 1, digit); break;
        case 1: state.insert(place, 1 + below(8), digit); break;
        default:
          if (state[place] != ' ') state[place] = digit;
      }
    }
    auto whole = saved.whole;
    try {
      whole.load(saved.with(state));
    } catch (const Error&) {
      ++refused;
      REQUIRE(whole.rng == start);
      continue;
    }
    ++taken;
    const auto first = whole.rng();
    int others = 0;
    for (int i = 0; i < 1000; ++i) {
      const auto number = whole.rng();
      REQUIRE((number >= TestType::min() && number <= TestType::max()));
      others += number != first;
    }
    REQUIRE(others > 900);
  }
  CHECK(taken > 0);
  CHECK((refused > 0 || TestType::max() == std::numeric_limits<std::uint64_t>::max()));
}

namespace {

/// A user's own engine: its state is no number, and it says itself which are none.
struct Wheel {
  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 9; }
  result_type operator()() { return at = (at + 3) % 10; }
  void discard(unsigned long long count) { at = static_cast<result_type>((at + 3 * (count % 10)) % 10); }
  friend std::ostream& operator<<(std::ostream& out, const Wheel& wheel) { return out << "at " << wheel.at; }
  friend std::istream& operator>>(std::istream& in, Wheel& wheel) {
    std::string word;
    in >> word >> wheel.at;
    if (word != "at" || wheel.at > 9) in.setstate(std::ios::failbit);
    return in;
  }
  result_type at = 0;
};

}  // namespace

TEST_CASE("An engine of the user's own says itself what no state is, within one of the standard's, too",
          "[checkpoint]") {
  const std::string none = "must have the state of a random engine in the metadata 'recur.engine_state', got ";
  Wheel wheel;
  wheel();
  const WithEngine own(wheel);
  CHECK(own.state() == "at 3");
  auto loaded = own.whole;
  loaded.rng.at = 5;
  loaded.load(own.file);
  CHECK(loaded.rng.at == 3);
  for (const std::string state : {"at 10", "of 1", "at", "at 1 2"})
    CHECK(own.refusal_of(state) == none + "'" + state + "'");

  const WithEngine within(std::discard_block_engine<Wheel, 5, 3>{});
  CHECK(within.state() == "at 0 0");
  CHECK(within.refusal_of("at 10 0") == none + "'at 10 0'");
  CHECK(within.refusal_of("at 1 4") == out_of_range(3, "0 to 3", "4"));
}
