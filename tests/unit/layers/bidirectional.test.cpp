// What is particular to Bidirectional; what holds for every layer is in laws/.
#include "catch.hpp"
#include "helpers.hpp"
#include "cells.hpp"
#include "numbers.hpp"

using namespace recur;
using namespace recur_test;

TEST_CASE("The halves are two layers, of which one reads from each sequence's end", "[bidirectional]") {
  std::mt19937 rng(1);
  const auto layer = randomized(Bidirectional<Lstm<double>>(3, 2), rng);
  auto x = random_series(3, 2, 5, rng);
  const std::vector<Index> lengths{5, 3};
  Series<double> mirrored(3, 2, 5);
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < lengths[std::size_t(n)]; ++t) mirrored[t].col(n) = x[lengths[std::size_t(n)] - 1 - t].col(n);
  x.set_lengths(lengths);
  mirrored.set_lengths(lengths);

  const auto initial = random_state(layer, 2, rng);
  auto trace = layer.trace();
  auto ahead_trace = layer.ahead.trace(), back_trace = layer.back.trace();
  const auto y = layer.forward(x, trace, initial);
  const auto ahead = layer.ahead.forward(x, ahead_trace, std::get<0>(initial));
  const auto back = layer.back.forward(mirrored, back_trace, std::get<1>(initial));
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < lengths[std::size_t(n)]; ++t) {
      CHECK(identical(y[t].col(n).head(2), ahead[t].col(n)));
      CHECK(identical(y[t].col(n).tail(2), back[lengths[std::size_t(n)] - 1 - t].col(n)));
    }
  CHECK(identical(std::get<1>(layer.final_state(trace)), layer.back.final_state(back_trace)));
}

TEST_CASE("Every output depends on every input", "[bidirectional]") {
  std::mt19937 rng(2);
  const auto layer = randomized(Bidirectional<Gru<double>>(1, 2), rng);
  auto x = random_series(1, 1, 6, rng);
  auto trace = layer.trace();
  const Series<double> y(layer.forward(x, trace));
  x[3](0, 0) += 0.5;
  const auto moved = layer.forward(x, trace);
  for (Index t = 0; t < 6; ++t) CHECK(moved[t] != y[t]);
}

TEST_CASE("Sizes fixed at compile time double", "[bidirectional]") {
  STATIC_REQUIRE(Bidirectional<Lstm<float, 3, 4>>::outputs_at_compile_time == 8);
  const Sequence<Bidirectional<Lstm<float, 3, 4>>, Readout<float, 8, 1>> net;
  STATIC_REQUIRE(!decltype(net)::causal);
  CHECK(net.outputs() == 1);
}

TEST_CASE("A bidirectional layer holds what its halves hold, and in backward's order x, y and their gradients",
          "[bidirectional]") {
  std::mt19937 rng(3);
  const auto layer = randomized(Bidirectional<Lstm<double>>(3, 2), rng);
  const Index columns = 5 * 7, number = sizeof(double);
  const auto besides_halves = [](const auto& trace) {
    const auto& work = trace.workspace();
    CHECK((detail::bytes_of(work.template of<0>()) > 0 && detail::bytes_of(work.template of<1>()) > 0));
    return detail::bytes_of(work) - detail::bytes_of(work.template of<0>()) - detail::bytes_of(work.template of<1>());
  };
  auto trace = layer.trace(), trace_of_tokens = layer.trace();
  auto gradient = zeros_like(layer);
  const auto x = random_series(3, 5, 7, rng), dy = random_series(4, 5, 7, rng);
  Series<double> dx;
  CHECK(detail::bytes_of(trace.workspace()) == 0);
  layer.forward(x, trace);
  CHECK(besides_halves(trace) == number * columns * (3 + 4));  // back's x, and both's y
  bptt(layer, x, trace, dy, gradient);
  CHECK(besides_halves(trace) == number * columns * (3 + 4 + 2));  // back's dy
  bptt(layer, x, trace, dy, gradient, {.dx = &dx});
  CHECK(besides_halves(trace) == number * columns * (3 + 4 + 2 + 3));  // back's dx

  layer.forward(Tokens(5, 7), trace_of_tokens);
  CHECK(besides_halves(trace_of_tokens) == number * columns * 4 + Index(sizeof(int)) * columns);
}

TEST_CASE("What does not fit a bidirectional layer is said", "[bidirectional]") {
  CHECK(message_of([] { Bidirectional(Lstm<float>(3, 4), Lstm<float>(3, 5)); }) ==
        "Bidirectional: back must have 3 inputs and 4 outputs (as ahead), got 3 and 5");
  const Bidirectional<Elman<double>> layer(3, 4);
  auto trace = layer.trace();
  auto gradient = zeros_like(layer);
  const Series<double> x(3, 2, 5), dy(8, 2, 5);
  layer.forward(x, trace);
  CHECK(message_of([&] { bptt(layer, x, trace, dy, gradient, {.window = 2}); }) ==
        "bptt: a window is for networks that go forward in time alone");
  auto state = layer.state(2);
  std::get<1>(state).resize(4, 3);
  CHECK(message_of([&] { layer.forward(x, trace, state); }) ==
        "forward: initial must be 4x2 (state_size() x batch), got 4x3");
}

TEST_CASE("Halves that were given other sizes are an error", "[bidirectional]") {
  Bidirectional<Elman<double>> layer(3, 4);
  auto trace = layer.trace();
  layer.back.U.setZero(4, 5);
  CHECK(message_of([&] { layer.forward(Series<double>(3, 2, 5), trace); }) ==
        "forward: back.inputs() must be 3 (ahead.inputs()), got 5");
  layer.back = Elman<double>(3, 2);
  CHECK(message_of([&] { layer.forward(Series<double>(3, 2, 5), trace); }) ==
        "forward: back.outputs() must be 4 (ahead.outputs()), got 2");
}

TEST_CASE("The gradient is the same for tokens and for the vectors that they stand for, whichever forward was given",
          "[bidirectional]") {
  std::mt19937 rng(6);
  const auto layer = randomized(Bidirectional<Gru<double>>(3, 2), rng);
  Tokens tokens(2, 5);
  Series<double> x(3, 2, 5);
  for (Index t = 0; t < 5; ++t)
    for (Index n = 0; n < 2; ++n) {
      tokens(n, t) = static_cast<int>((2 * t + n) % 3);
      x[t](tokens(n, t), n) = 1;
    }
  const auto dy = random_series(4, 2, 5, rng);
  auto trace = layer.trace(), other = layer.trace();
  auto gradient = zeros_like(layer), of_other = gradient;
  layer.forward(tokens, trace);
  bptt(layer, x, trace, dy, gradient);
  layer.forward(x, other);
  bptt(layer, tokens, other, dy, of_other);
  visit([](const Name&, const auto& a, const auto& b) { CHECK(a.isApprox(b, 1e-12)); }, gradient, of_other);
}
