// Training on sequences that end early, and with a Dropout.
#include "catch.hpp"
#include "cells.hpp"
#include "compiled_training.hpp"

#include <recur/io/checkpoint.hpp>

using namespace recur_test;

namespace {

const std::vector<Index> lengths{9, 3, 0, 6, 12, 1};

/// An Echo whose sequences end early, with anything after that.
Echo<double> padded(double padding) {
  Echo<double> echo(6, 12);
  for (Index n = 0; n < 6; ++n)
    for (Index t = lengths[std::size_t(n)]; t < 12; ++t) echo.heard[t](0, n) = echo.echo[t](0, n) = padding;
  echo.heard.set_lengths(lengths);
  return echo;
}

Sequence<Elman<double>, Dropout<double>, Readout<double>> with_dropout(double p) {
  std::mt19937 rng(1);
  Sequence net(Elman<double>(1, 4), Dropout<double>(4, p), Readout<double>(4, 1));
  initialize(net, rng);
  return net;
}

}  // namespace

TEST_CASE("Padding changes no bit of training, in windows or whole", "[train][lengths]") {
  for (const Index window : {0, 4}) {
    const auto trained = [&](double padding) {
      auto net = net_of(1);
      Adam adam(net);
      std::mt19937 rng(2);
      const auto echo = padded(padding);
      const auto result =
          train(net, adam, squared_error, echo.data(), echo.data(), rng, {.epochs = 3, .batch = 2, .window = window});
      return std::pair(net, result.losses);
    };
    const auto [net, losses] = trained(0);
    const auto [same, same_losses] = trained(not_a_number);
    CHECK(same_parameters(net, same));
    CHECK(losses == same_losses);
    CHECK(losses.back() < losses.front());
  }
}

TEST_CASE("evaluate weighs sequences by their lengths, with or without windows", "[train][lengths]") {
  const auto net = net_of(3);
  const auto echo = padded(not_a_number);
  double sum = 0;
  for (Index n = 0; n < 6; ++n) {
    const Index length = lengths[std::size_t(n)];
    if (length == 0) continue;
    Series<double> x(1, 1, length), target(1, 1, length);
    for (Index t = 0; t < length; ++t) {
      x[t] = echo.heard[t].col(n);
      target[t] = echo.echo[t].col(n);
    }
    sum += evaluate(net, SeriesData(x, target), squared_error) * static_cast<double>(length);
  }
  for (const Index window : {0, 1, 5})
    for (const Index batch : {1, 4, 6})
      CHECK(evaluate(net, echo.data(), {.window = window, .batch = batch}, squared_error) ==
            Approx(sum / (9 + 3 + 6 + 12 + 1)).epsilon(1e-12));
}

TEST_CASE("A mean is over what its loss counts, however the data are cut", "[train][lengths]") {
  // One sequence of one step and an error of 1, one of 100 steps without an error.
  Series<double> x(1, 2, 100), target(1, 2, 100);
  target[0](0, 0) = 1;
  x.set_lengths({1, 100});
  Net zero(Elman<double>(1, 4), Readout<double>(4, 1));
  const AnyLoss last = [](const auto& y, const auto& t, auto& dy) { return squared_error(y, t, dy, last_step(y)); };
  for (const Index window : {0, 1, 7, 50})
    for (const Index batch : {1, 2})
      CHECK(evaluate(zero, SeriesData(x, target), {.window = window, .batch = batch}, last) == 0.5);

  // Masks of many kinds, on sequences of unequal lengths and of one.
  const auto net = net_of(3);
  auto echo = padded(not_a_number);
  const AnyLoss by_value = [](const auto& y, const auto& t, auto& dy) {  // a mask that the target tells
    Mask mask(y.batch(), y.steps());
    for (Index n = 0; n < y.batch(); ++n)
      for (Index s = 0; s < y.steps(); ++s) mask(n, s) = t[s](0, n) > 0;
    return squared_error(y, t, dy, mask);
  };
  const auto check = [&](const auto& loss) {
    const double whole = evaluate(net, echo.data(), {.batch = 6}, loss);
    for (const Index window : {0, 1, 4, 5, 12})
      for (const Index batch : {1, 2, 4, 6})
        CHECK(evaluate(net, echo.data(), {.window = window, .batch = batch}, loss) == Approx(whole).epsilon(1e-13));

    // What train() tells of an epoch is the same mean: nothing is learned at a rate of zero.
    for (const Index window : {0, 1, 5})
      for (const Index batch : {1, 4, 6}) {
        auto still = net;
        Sgd sgd(still, {.rate = 0});
        std::mt19937 rng(4);
        const auto result =
            train(still, sgd, loss, echo.data(), echo.data(), rng, {.epochs = 2, .batch = batch, .window = window});
        for (const double mean : result.losses) CHECK(mean == Approx(whole).epsilon(1e-13));
        for (const double mean : result.validations) CHECK(mean == Approx(whole).epsilon(1e-13));
      }
  };
  check(squared_error);
  check(last);
  check(by_value);
  echo = Echo<double>(6, 12);
  check(squared_error);
  check(last);
  check(by_value);
}

TEST_CASE("Where nothing counts, nothing is learned, and the state goes on", "[train]") {
  const Echo<double> task(4, 12);
  const AnyLoss last = [](const auto& y, const auto& t, auto& dy) { return squared_error(y, t, dy, last_step(y)); };
  auto net = net_of(5), by_hand = net;
  Adam adam(net), its(by_hand);
  std::mt19937 rng(5);
  std::vector<Progress> told;
  const auto result =
      train(net, adam, last, task.data(), rng,
            {.epochs = 2, .batch = 4, .shuffle = false, .window = 5, .on_progress = [&](const Progress& p) {
               told.push_back(p);
             }});
  CHECK(adam.steps == 2);  // of the three windows of each epoch only the last has something
  REQUIRE(told.size() == 4);
  CHECK((told[0].batch == 3 && told[0].batches == 3 && told[0].step == 1 && !told[0].epoch_end && told[1].epoch_end));
  auto trace = by_hand.trace();
  auto gradient = zeros_like(by_hand);
  for (int epoch = 0; epoch < 2; ++epoch) {
    const auto x = task.heard.window(0, 12);
    by_hand.forward(x.window(0, 10), trace);
    const auto state = by_hand.final_state(trace);
    const auto y = by_hand.forward(x.window(10, 2), trace, state);
    const auto [loss, dy] = squared_error(y, task.echo.window(10, 2), last_step(y));
    CHECK(loss == Approx(result.losses[std::size_t(epoch)]).epsilon(1e-13));
    bptt(by_hand, x.window(10, 2), trace, dy, gradient);
    its.step(by_hand, gradient);
  }
  visit([](const Name&, const auto& a, const auto& b) { CHECK((a - b).isZero(1e-13)); }, net, by_hand);

  const AnyLoss never = [](const auto& y, const auto& t, auto& dy) {
    return squared_error(y, t, dy, Mask::Constant(y.batch(), y.steps(), false));
  };
  CHECK(message_of([&] { train(net, adam, never, task.data(), rng); }) ==
        "train: data must have at least one step that counts, got none");
  CHECK(message_of([&] { evaluate(net, task.data(), never); }) ==
        "evaluate: data must have at least one step that counts, got none");
  CHECK(adam.steps == 2);
}

TEST_CASE("Windows in which all sequences are at their ends are no steps", "[train][lengths]") {
  auto echo = padded(not_a_number);
  echo.heard.set_lengths({5, 3, 0, 4, 5, 1});
  auto net = net_of(4);
  Adam adam(net);
  std::mt19937 rng(5);
  Index steps = 0;
  TrainState<Net> run;
  train(net, adam, squared_error, echo.data(), rng, run,
        {.epochs = 2, .batch = 3, .window = 2, .on_progress = [&](const Progress& p) {
           if (!p.epoch_end) ++steps;
           return true;
         }});
  CHECK(steps == run.progress.step);
  CHECK(steps <= 2 * 2 * 3);  // epochs, mini-batches, windows of the longest
  CHECK(steps >= 2 * 2 * 2);
  echo.heard.set_lengths({0, 0, 0, 0, 0, 0});
  CHECK(message_of([&] { train(net, adam, squared_error, echo.data(), rng, {.epochs = 1}); }) ==
        "train: data must have at least one step that counts, got none");
  CHECK(message_of([&] { evaluate(net, echo.data(), squared_error); }) ==
        "evaluate: data must have at least one step that counts, got none");
}

TEST_CASE("Tokens of unequal lengths train as the one-hot vectors do", "[train][lengths]") {
  Tokens tokens(4, 7);
  Classes classes(4, 7);
  for (Index n = 0; n < 4; ++n)
    for (Index t = 0; t < 7; ++t) {
      tokens(n, t) = static_cast<int>((n + t * t) % 3);
      classes(n, t) = static_cast<int>((n + t) % 2);
    }
  tokens.set_lengths({7, 2, 5, 0});
  Series<double> one_hot(3, 4, 7);
  for (Index n = 0; n < 4; ++n)
    for (Index t = 0; t < 7; ++t) one_hot[t](tokens(n, t), n) = 1;
  one_hot.set_lengths(tokens.lengths());
  const auto trained = [&](const auto& data) {
    auto net = net_of(6, 3, 2);
    Adam adam(net);
    std::mt19937 rng(7);
    train(net, adam, softmax_cross_entropy, data, rng, {.epochs = 3, .batch = 2, .window = 3});
    return net;
  };
  const auto a = trained(TokenData(tokens, classes)), b = trained(ClassData(one_hot, classes));
  visit([](const Name&, const auto& p, const auto& q) { CHECK((p - q).isZero(1e-12)); }, a, b);
}

TEST_CASE("The last step of tokens, too, is that of the whole sequence, in windows or not", "[train][lengths]") {
  Tokens tokens(3, 7);
  Classes classes = Classes::Zero(3, 7);
  for (Index n = 0; n < 3; ++n)
    for (Index t = 0; t < 7; ++t) tokens(n, t) = static_cast<int>((n + t * t) % 3);
  const auto last = [](const auto& y, const auto& k, auto& dy) {
    return softmax_cross_entropy(y, k, dy, last_step(y));
  };
  const auto net = net_of(6, 3, 2);
  for (const auto& lengths_of : {std::vector<Index>(), {7, 2, 5}}) {
    tokens.set_lengths(lengths_of);
    const double whole = evaluate(net, TokenData(tokens, classes), {.batch = 3}, last);
    for (const Index window : {1, 3, 5})
      CHECK(evaluate(net, TokenData(tokens, classes), {.window = window, .batch = 2}, last) ==
            Approx(whole).epsilon(1e-13));
  }
}

TEST_CASE("The last step of each sequence is that before its end", "[loss][lengths]") {
  Series<double> y(1, 3, 4);
  y.set_lengths({4, 0, 2});
  const Mask mask = last_step(y);
  CHECK((mask.count() == 2 && mask(0, 3) && mask(2, 1)));
}

TEST_CASE("A Dropout leaves out in training, something else in each step, and nothing in evaluate", "[train]") {
  const Echo<double> echo(8, 10);
  const auto trained = [&](double p, unsigned seed) {
    auto net = with_dropout(p);
    Adam adam(net);
    std::mt19937 rng(seed);
    const auto result = train(net, adam, squared_error, echo.data(), echo.data(), rng, {.epochs = 4, .batch = 4});
    CHECK(result.validations[std::size_t(result.best_epoch)] ==
          evaluate(net, echo.data(), {.batch = 4}, squared_error));
    return std::pair(net, result.losses);
  };
  const auto [net, losses] = trained(0.5, 1);
  CHECK(trained(0.5, 1).second == losses);
  CHECK(trained(0.5, 2).second != losses);
  CHECK(trained(0, 1).second != losses);

  // A rate of zero: the parameters stay, and still each step has a loss of its own.
  auto still = with_dropout(0.5);
  Sgd sgd(still, {.rate = 0});
  std::mt19937 rng(3);
  std::vector<double> seen;
  train(still, sgd, squared_error, echo.data(), rng, {.epochs = 3, .batch = 8, .on_progress = [&](const Progress& p) {
                                                        if (!p.epoch_end) seen.push_back(p.loss);
                                                        return true;
                                                      }});
  CHECK((seen[0] != seen[1] && seen[1] != seen[2]));
}

TEST_CASE("A Dropout leaves out other units in every step, of the same sequences in the same order", "[train]") {
  const Echo<double> echo(8, 10);
  auto still = with_dropout(0.5);
  Sgd sgd(still, {.rate = 0});
  std::mt19937 rng(3);
  std::vector<double> seen;
  train(still, sgd, squared_error, echo.data(), rng,
        {.epochs = 4, .batch = 8, .shuffle = false, .on_progress = [&](const Progress& p) {
           if (!p.epoch_end) seen.push_back(p.loss);
         }});
  REQUIRE(seen.size() == 4);
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = 0; b < a; ++b) CHECK(seen[a] != seen[b]);
}

TEST_CASE("Training with lengths and a Dropout goes on from a checkpoint with the same bits", "[train][lengths]") {
  const auto echo = padded(0);
  const TrainOptions options{.epochs = 3, .batch = 2, .window = 4};
  auto whole = with_dropout(0.4), first = whole, second = whole;
  using DropNet = decltype(whole);
  Adam whole_adam(whole), first_adam(first), second_adam(second);
  std::mt19937 whole_rng(1), first_rng(1), second_rng(99);
  train(whole, whole_adam, squared_error, echo.data(), whole_rng, options);

  TrainState<DropNet> run, resumed;
  auto stopping = options;
  stopping.on_progress = [](const Progress& p) { return p.step < 5; };
  train(first, first_adam, squared_error, echo.data(), first_rng, run, stopping);
  const auto file = detail::checkpoint(first, first_adam, run, first_rng, {});
  load_checkpoint(Safetensors::parse(file.bytes(), "checkpoint"), second, second_adam, resumed, second_rng);
  train(second, second_adam, squared_error, echo.data(), second_rng, resumed, options);
  CHECK(same_parameters(second, whole));
}
