#include "catch.hpp"
#include "helpers.hpp"

#include <recur/recur.hpp>

using namespace recur;
using recur_test::message_of;

TEST_CASE("A moving average is the sum of what it was given, weighed by the decay", "[moving_average]") {
  std::mt19937 rng(1);
  Sequence net(Elman<double>(2, 3), Readout<double>(3, 1));
  MovingAverage<decltype(net)> average(0.75);
  CHECK(average.decay() == 0.75);
  initialize(net, rng);
  average.update(net);
  CHECK(parameters_of(average.net()) == parameters_of(net));
  VectorOf<double> expected = parameters_of(net);
  for (int step = 0; step < 5; ++step) {
    initialize(net, rng);
    average.update(net);
    expected = 0.75 * expected + 0.25 * parameters_of(net);
    CHECK(parameters_of(average.net()).isApprox(expected, 1e-15));
  }
  MovingAverage<decltype(net)> last(0);
  for (int step = 0; step < 2; ++step) last.update(net);
  CHECK(parameters_of(last.net()) == parameters_of(net));
}

TEST_CASE("A moving average goes along with train, and leaves it as it is", "[moving_average]") {
  std::mt19937 rng(2), same(2);
  Series<double> x(2, 6, 5), target(1, 6, 5);
  x.setRandom(rng);
  target.setRandom(rng);
  same = rng;
  const SeriesData data(x, target);
  const auto trained = [&](std::mt19937& engine, ProgressCallback on_progress) {
    std::mt19937 start(3);
    Sequence net(Elman<double>(2, 3), Readout<double>(3, 1));
    initialize(net, start);
    Adam adam(net, {});
    train(net, adam, squared_error, data, engine, {.epochs = 4, .batch = 2, .on_progress = std::move(on_progress)});
    return net;
  };
  const auto alone = trained(rng, {});
  using Net = std::decay_t<decltype(alone)>;
  MovingAverage<Net> average(0.9);
  int updates = 0;
  Net net(Elman<double>(2, 3), Readout<double>(3, 1));
  std::mt19937 start(3);
  initialize(net, start);
  Adam adam(net, {});
  train(net, adam, squared_error, data, same, {.epochs = 4, .batch = 2, .on_progress = [&](const Progress& now) {
                                                 if (now.epoch_end) return;
                                                 average.update(net);
                                                 ++updates;
                                               }});
  CHECK(updates == 12);
  CHECK(parameters_of(net) == parameters_of(alone));
  CHECK(parameters_of(average.net()) != parameters_of(net));
}

TEST_CASE("A moving average says what does not fit", "[moving_average]") {
  CHECK(message_of([] { MovingAverage<Elman<float>>(1); }) == "MovingAverage: 0 <= decay < 1 expected, got 1");
  MovingAverage<Elman<float>> average(0.5);
  CHECK(message_of([&] { average.net(); }) == "MovingAverage: an update expected before net()");
  average.update(Elman<float>(2, 3));
  CHECK_THAT(message_of([&] { average.update(Elman<float>(2, 4)); }),
             Catch::Matchers::StartsWith("MovingAverage: net"));
}
