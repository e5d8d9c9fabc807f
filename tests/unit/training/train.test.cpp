// The training loop: what it learns, what it reads, in which order, and what it tells.
#define COMPILED_HERE_OR_ELSEWHERE
#include "catch.hpp"
#include "compiled_training.hpp"

using namespace recur_test;

static_assert(DataSource<Recorder, double>);

namespace {

const auto last_step_only = [](const auto& y, const auto& target, auto& dy) {
  return squared_error(y, target, dy, last_step(y));
};

}  // namespace

// ---- It learns -------------------------------------------------------------------------------------------------

TEST_CASE("train learns to say again what was heard two steps ago", "[train]") {
  std::mt19937 rng(42);
  const Echo<float> task(16, 12);
  Sequence net(Elman<float>(1, 8), Readout<float>(8, 1));
  initialize(net, rng);
  Adam adam(net, {.rate = 1e-2});
  const auto result =
      train(net, adam, squared_error, SeriesData(task.heard, task.echo), rng, {.epochs = 600, .batch = 16});
  CHECK(result.losses.size() == 600);
  CHECK(result.losses.front() > 0.2);
  CHECK(result.losses.back() < 0.005);
  CHECK_FALSE(result.stopped);
  CHECK(result.validations.empty());
  CHECK(result.best_epoch == -1);
}

TEST_CASE("train learns from the last step alone, through a loss that is a lambda", "[train]") {
  // What came first, four steps ago; targets at other steps are never looked at.
  std::mt19937 rng(1);
  Series<double> x(1, 40, 5), target(1, 40, 5);
  x.setRandom(rng);
  target.matrix().setConstant(not_a_number);
  target[4] = x[0];
  auto net = net_of(1);
  Adam adam(net, {.rate = 1e-2});
  const auto result = train(net, adam, last_step_only, SeriesData(x, target), rng, {.epochs = 300, .batch = 20});
  CHECK(result.losses.front() > 0.2);
  CHECK(result.losses.back() < 0.01);
}

TEST_CASE("train learns classes", "[train]") {
  // Whether the number before was positive.
  std::mt19937 rng(1);
  Series<double> x(1, 30, 10);
  x.setRandom(rng);
  Classes classes = Classes::Zero(30, 10);
  for (Index t = 1; t < 10; ++t) classes.col(t) = (x[t - 1].transpose().array() > 0).cast<int>();
  auto net = net_of(1, 1, 2);
  Adam adam(net, {.rate = 1e-2});
  const ClassData data(x, classes);
  const auto result = train(net, adam, softmax_cross_entropy, data, rng, {.epochs = 150, .batch = 10});
  CHECK(result.losses.front() > 0.6);  // ln 2 = 0.69
  CHECK(result.losses.back() < 0.1);
  CHECK(evaluate(net, data, softmax_cross_entropy) == Approx(result.losses.back()).epsilon(0.1));
}

// ---- What it reads ---------------------------------------------------------------------------------------------

TEST_CASE("One seed gives the same training, another seed another", "[train]") {
  const Echo task(7, 6);
  const auto run = [&](unsigned seed) {
    std::mt19937 rng(seed);
    auto net = net_of(1);
    Adam adam(net, {.rate = 1e-2});
    const auto result = train(net, adam, squared_error, task.data(), rng, {.epochs = 3, .batch = 2, .window = 4});
    return std::pair(net, result.losses);
  };
  CHECK(same_parameters(run(1).first, run(1).first));
  CHECK(run(1).second == run(1).second);
  CHECK_FALSE(same_parameters(run(1).first, run(2).first));
}

TEST_CASE("Each epoch reads every sequence once, in an order of its own", "[train]") {
  const Recorder data{10, 3};
  const Run run(net_of(1), squared_error, data, {.epochs = 5, .batch = 4});
  REQUIRE(data.reads.size() == 15);
  std::vector<std::vector<Index>> orders;
  for (std::size_t epoch = 0; epoch < 5; ++epoch) {
    auto& order = orders.emplace_back();
    for (std::size_t k = 0; k < 3; ++k) {
      const auto& read = data.reads[3 * epoch + k];
      CHECK(read.sequences.size() == (k < 2 ? 4 : 2));  // the last mini-batch is smaller
      order.insert(order.end(), read.sequences.begin(), read.sequences.end());
    }
    CHECK(std::is_permutation(order.begin(), order.end(), detail::in_order(10).begin()));
    CHECK(std::count(orders.begin(), orders.end(), order) == 1);
  }
}

TEST_CASE("Without shuffling the order is kept, and nothing is drawn", "[train]") {
  const Recorder data{5, 3};
  const Run run(net_of(1), squared_error, data, {.epochs = 2, .batch = 2, .shuffle = false});
  REQUIRE(data.reads.size() == 6);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    CHECK(data.reads[3 * epoch].sequences == std::vector<Index>{0, 1});
    CHECK(data.reads[3 * epoch + 1].sequences == std::vector<Index>{2, 3});
    CHECK(data.reads[3 * epoch + 2].sequences == std::vector<Index>{4});
  }
  CHECK(run.rng == std::mt19937(3));
}

TEST_CASE("Windows follow one another through the same sequences; the last may be shorter", "[train]") {
  const Recorder data{6, 10};
  const Run run(net_of(1), squared_error, data, {.epochs = 1, .batch = 3, .window = 4});
  REQUIRE(data.reads.size() == 6);
  for (std::size_t k = 0; k < 6; ++k) {
    CHECK(data.reads[k].sequences == data.reads[k / 3 * 3].sequences);
    CHECK(data.reads[k].first == std::array{0, 4, 8}[k % 3]);
    CHECK(data.reads[k].steps == std::array{4, 4, 2}[k % 3]);
  }
}

TEST_CASE("train is the loop that one would write by hand, to the bit", "[train]") {
  // Five sequences by two, ten steps by four: the last mini-batch is smaller, and the last window shorter.
  const Echo task(5, 10);
  for (const bool carry : {true, false}) {
    const Run run(net_of(1), squared_error, task.data(),
                  {.epochs = 2, .batch = 2, .shuffle = false, .window = 4, .carry = carry, .clip_norm = 0.3});
    auto net = net_of(1);
    Adam adam(net, {.rate = 1e-2});
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    std::size_t step = 0;
    for (int epoch = 0; epoch < 2; ++epoch)
      for (Index n = 0; n < 5; n += 2) {
        Net::State state{};
        for (Index t = 0; t < 10; t += 4) {
          const Index count = std::min<Index>(2, 5 - n), steps = std::min<Index>(4, 10 - t);
          Series<double> x(1, count, steps), target(1, count, steps);
          for (Index s = 0; s < steps; ++s) {
            x[s] = task.heard[t + s].middleCols(n, count);
            target[s] = task.echo[t + s].middleCols(n, count);
          }
          const auto [loss, dy] = squared_error(net.forward(x, trace, state), target);
          bptt(net, x, trace, dy, gradient);
          clip_norm(gradient, 0.3);
          adam.step(net, gradient);
          if (carry) state = net.final_state(trace);
          ++step;
          REQUIRE(run.progress.at(step - 1 + (step > 9 ? 1 : 0)).loss == loss);  // one more at the end of the epoch
          REQUIRE(same_parameters(run.nets.at(step), net));
        }
      }
    CHECK(step == 18);
    CHECK(same_parameters(run.net, net));
  }
}

TEST_CASE("Zoneout is on in training, without a layer with dropout", "[train]") {
  std::mt19937 rng(6);
  Series<double> x(2, 3, 8), target(1, 3, 8);
  x.setRandom(rng);
  target.setRandom(rng);
  const SeriesData data(x, target);
  for (const double p : {0.0, 0.5}) {
    Sequence net(Cell<ZoneoutRule<ElmanRule<>>, double>(2, 6, {{p}}), Readout<double>(6, 1));
    initialize(net, rng);
    const double before = evaluate(net, data, squared_error);
    Sgd sgd(net, {.rate = 0.1});
    const auto result = train(net, sgd, squared_error, data, rng, {.epochs = 1, .batch = 3});
    CHECK((std::abs(result.losses.at(0) - before) < 1e-12) == (p == 0));
  }
}

TEST_CASE("Window 0 is the whole series, and so is any that is long enough; as for the batch", "[train]") {
  const Echo task(5, 7);
  const auto of = [&](Index window, Index batch) {
    return Run(net_of(1), squared_error, task.data(), {.epochs = 3, .batch = batch, .window = window});
  };
  const auto whole = of(0, 5);
  for (const Index window : {Index(7), Index(8), everything})
    for (const Index batch : {Index(5), Index(6), everything}) {
      const auto other = of(window, batch);
      CHECK(other.result.losses == whole.result.losses);
      CHECK(same_parameters(other.net, whole.net));
      CHECK(other.progress.front().batches == 1);
    }
  CHECK_FALSE(same_parameters(of(6, 5).net, whole.net));
}

TEST_CASE("evaluate is the mean over all columns, each sequence from a zero state", "[train]") {
  const Echo task(5, 7);
  const auto net = net_of(1);
  auto trace = net.trace();
  const double whole = squared_error(net.forward(task.heard, trace), task.echo).value;
  CHECK(evaluate(net, task.data(), squared_error) == whole);
  // The state goes from window to window: how it is cut makes no difference.
  for (const Index window : {Index(1), Index(3), Index(7), everything})
    for (const Index batch : {Index(1), Index(2), everything})
      CHECK(evaluate(net, task.data(), {.window = window, .batch = batch}, squared_error) ==
            Approx(whole).epsilon(1e-13));
}

// ---- What it tells ---------------------------------------------------------------------------------------------

TEST_CASE("The callback sees every step and every end of an epoch", "[train]") {
  const Recorder data{5, 10};
  const Run run(net_of(1), squared_error, data, {.epochs = 2, .batch = 2, .window = 4});
  REQUIRE(run.progress.size() == 20);
  for (Index epoch = 0; epoch < 2; ++epoch) {
    double sum = 0;
    for (Index batch = 0; batch <= 9; ++batch) {
      const auto& now = run.progress[static_cast<std::size_t>(10 * epoch + batch)];
      const bool end = batch == 9;
      CHECK(now.epoch == epoch);
      CHECK(now.epochs == 2);
      CHECK(now.batch == (end ? 9 : batch + 1));
      CHECK(now.batches == 9);
      CHECK(now.step == 9 * epoch + now.batch);
      CHECK(now.rate == 1e-2);
      CHECK(now.gradient_norm > 0);
      CHECK(now.epoch_end == end);
      CHECK(std::isnan(now.validation));
      if (end) {
        CHECK(now.loss == Approx(sum / 50).epsilon(1e-14));
        CHECK(now.loss == run.result.losses.at(static_cast<std::size_t>(epoch)));
      } else {
        sum += now.loss * static_cast<double>((batch < 6 ? 2 : 1) * (batch % 3 < 2 ? 4 : 2));  // its columns
      }
    }
  }
  CHECK(run.adam.steps == 18);
}

TEST_CASE("A callback that gives false stops it there and then", "[train]") {
  const Recorder data{5, 10};
  const Run run(
      net_of(1), squared_error, data,
      {.epochs = 9, .batch = 2, .window = 4, .on_progress = [](const Progress& now) { return now.step < 11; }});
  CHECK(run.result.stopped);
  CHECK(run.adam.steps == 11);
  CHECK(data.reads.size() == 11);  // nothing is read for nothing
  CHECK(same_parameters(run.net, run.nets.at(11)));
  CHECK(run.result.losses.size() == 2);
  CHECK(
      run.progress.back().epoch_end);  // of the epoch that was cut short: the mean of its two steps, of as many columns
  CHECK(run.progress.back().batch == 2);
  CHECK(run.progress.back().loss == Approx((run.progress[10].loss + run.progress[11].loss) / 2).epsilon(1e-14));
}

TEST_CASE("A callback that gives false at the end of an epoch stops it there", "[train]") {
  const Recorder data{4, 3};
  const Run run(net_of(1), squared_error, data, {.epochs = 9, .batch = 2, .on_progress = [](const Progress& now) {
                                                   return !(now.epoch_end && now.epoch == 1);
                                                 }});
  CHECK(run.result.stopped);
  CHECK(run.adam.steps == 4);
  CHECK(run.result.losses.size() == 2);
}

TEST_CASE("The schedule sets the rate of every step", "[train]") {
  const Recorder data{4, 3};
  const Run run(net_of(1), squared_error, data, {.epochs = 2, .batch = 1, .schedule = [](Index step) {
                                                   return step == 3 ? 0 : 0.01 / static_cast<double>(step + 1);
                                                 }});
  for (const Progress& now : run.progress)
    if (!now.epoch_end) CHECK(now.rate == (now.step == 4 ? 0 : 0.01 / static_cast<double>(now.step)));
  CHECK(same_parameters(run.nets.at(3), run.nets.at(4)));
  CHECK_FALSE(same_parameters(run.nets.at(4), run.nets.at(5)));
  CHECK(run.adam.options.rate == 0.01 / 8);
}

TEST_CASE("Clipping acts on the step and not on the norm that is told", "[train]") {
  const Echo task(4, 5);
  const auto step = [&](double norm, double value) {
    auto net = net_of(1);
    std::mt19937 rng(1);
    Sgd sgd(net, {.rate = 1});
    double told = 0;
    train(net, sgd, squared_error, task.data(), rng,
          {.epochs = 1, .clip_norm = norm, .clip_value = value, .on_progress = [&](const Progress& now) {
             told = now.gradient_norm;
             return true;
           }});
    auto change = net_of(1);
    recur::visit([](const Name&, auto& p, const auto& q) { p -= q; }, change, net);
    return std::pair(change, told);
  };
  const auto [gradient, norm] = step(0, 0);
  CHECK(global_norm(gradient) == Approx(norm).epsilon(1e-12));
  REQUIRE(norm > 0.01);

  const auto [by_norm, told] = step(0.01, 0);
  CHECK(told == norm);
  CHECK(global_norm(by_norm) == Approx(0.01 * norm / (norm + 1e-6)).epsilon(1e-10));

  auto cut = gradient;
  clip_value(cut, 0.01);
  const auto by_value = step(0, 0.01).first;
  recur::visit([](const Name&, const auto& p, const auto& q) { CHECK(p.isApprox(q, 1e-12)); }, cut, by_value);

  clip_norm(cut, 0.005);  // both: first the entries, then the norm
  const auto by_both = step(0.005, 0.01).first;
  recur::visit([](const Name&, const auto& p, const auto& q) { CHECK(p.isApprox(q, 1e-12)); }, cut, by_both);
}

// ---- Steps of several mini-batches -------------------------------------------------------------------------------

TEST_CASE("Steps of k mini-batches are those of one that is k times as large, with unequal lengths too", "[train]") {
  Echo task(7, 6);
  task.heard.set_lengths({6, 1, 4, 4, 2, 6, 5});
  const auto start = net_of(1);
  const Run large(start, squared_error, task.data(), {.epochs = 4, .batch = 6});
  const Run small(start, squared_error, task.data(), {.epochs = 4, .batch = 2, .accumulate = 3});
  REQUIRE(large.nets.size() == small.nets.size());
  CHECK(small.nets.size() == 1 + 4 * 2);
  for (std::size_t k = 0; k < large.nets.size(); ++k)
    CHECK((parameters_of(large.nets[k]) - parameters_of(small.nets[k])).cwiseAbs().maxCoeff() < 1e-13);
  for (std::size_t k = 0; k < large.progress.size(); ++k) {
    CHECK(small.progress[k].loss == Approx(large.progress[k].loss).epsilon(1e-13));
    CHECK(small.progress[k].gradient_norm == Approx(large.progress[k].gradient_norm).epsilon(1e-13));
    CHECK(small.progress[k].step == large.progress[k].step);
  }
  std::vector<Index> batches;  // done
  for (const Progress& now : small.progress) batches.push_back(now.batch);
  CHECK(std::vector<Index>(batches.begin(), batches.begin() + 3) == std::vector<Index>{3, 4, 4});
  CHECK(message_of([&] { Run(start, squared_error, task.data(), {.accumulate = 0}); }) ==
        "train: accumulate > 0 expected, got 0");
}
