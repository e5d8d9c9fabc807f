// Dropout of recurrent weights; what holds for every layer is in the laws.
#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"

using namespace recur;
using namespace recur_test;

TEST_CASE("DropConnect drops as many of W as p says, anew in each forward, and nothing without training",
          "[drop_connect]") {
  std::mt19937 rng(1);
  const auto lstm = randomized(Lstm<double>(3, 20), rng, 0.2);
  const DropConnect layer(lstm, 0.5);
  CHECK(layer.description() == "DropConnect 0.5 of " + lstm.description());
  const auto x = random_series(3, 4, 6, rng), dy = random_series(20, 4, 6, rng);
  auto trace = layer.trace();
  const Series<double> without(layer.forward(x, trace));
  CHECK(without.matrix() == lstm.forward(x).matrix());
  Stream stream(layer);
  Stream plain(lstm);
  const VectorOf<double> first = x[0].col(0), second = x[1].col(0);
  CHECK(VectorOf<double>(stream.step(first)) == VectorOf<double>(plain.step(first)));
  CHECK(VectorOf<double>(stream.step(second)) == VectorOf<double>(plain.step(second)));

  trace.train(3);
  const Series<double> y(layer.forward(x, trace));
  auto by_hand = lstm;
  by_hand.W = trace.workspace().W.view();
  const double share = static_cast<double>((by_hand.W.array() == 0).count()) / static_cast<double>(lstm.W.size());
  CHECK(share == Approx(0.5).margin(0.04));
  CHECK(((by_hand.W.array() == 0) || (by_hand.W.array() == 2 * lstm.W.array())).all());

  // It is the cell whose W was dropped, whose gradient goes where W was not; and is added to what is there.
  auto by_hand_trace = by_hand.trace();
  CHECK(y.matrix() == by_hand.forward(x, by_hand_trace).matrix());
  auto expected = zeros_like(by_hand);
  Series<double> dx, expected_dx;
  bptt(by_hand, x, by_hand_trace, dy, expected, {.dx = &expected_dx});
  expected.W = (by_hand.W.array() == 0).select(0 * expected.W, 2 * expected.W).eval();
  auto gradient = zeros_like(layer);
  bptt(layer, x, trace, dy, gradient, {.dx = &dx});
  CHECK(parameters_of(gradient).isApprox(parameters_of(expected), 1e-14));
  CHECK(dx.matrix() == expected_dx.matrix());
  bptt(layer, x, trace, dy, gradient, {.accumulate = true});
  CHECK(parameters_of(gradient).isApprox(2 * parameters_of(expected), 1e-14));

  CHECK(trace.bytes() == by_hand_trace.bytes() + 3 * lstm.W.size() * 8);

  CHECK(layer.forward(x, trace).matrix() != y.matrix());  // another mask
  trace.evaluate();
  CHECK(layer.forward(x, trace).matrix() == without.matrix());
  CHECK(message_of([&] { DropConnect(lstm, 1.0); }) == "DropConnect: 0 <= p < 1 expected, got 1");
  CHECK(layer.cast<float>().probability() == 0.5);
}

TEST_CASE("DropConnect takes tokens, and its gradient is that of one-hot vectors", "[drop_connect]") {
  std::mt19937 rng(2);
  const auto layer = randomized(DropConnect(Gru<double>(5, 6), 0.3), rng);
  Tokens tokens(2, 7);
  Series<double> one_hot(5, 2, 7);
  one_hot.setZero();
  for (Index t = 0; t < 7; ++t)
    for (Index n = 0; n < 2; ++n) {
      tokens(n, t) = static_cast<int>(uniform_below(rng, 5));
      one_hot[t](tokens(n, t), n) = 1;
    }
  const auto dy = random_series(6, 2, 7, rng);
  auto trace = layer.trace(), other = layer.trace();
  trace.train(4), other.train(4);
  CHECK(layer.forward(tokens, trace).matrix().isApprox(layer.forward(one_hot, other).matrix(), 1e-14));
  auto gradient = zeros_like(layer), expected = gradient;
  bptt(layer, tokens, trace, dy, gradient);
  bptt(layer, one_hot, other, dy, expected);
  CHECK(parameters_of(gradient).isApprox(parameters_of(expected), 1e-13));
}
