// What is particular to a Stack; what holds for every layer is in laws/.
#include "catch.hpp"
#include "helpers.hpp"
#include "cells.hpp"
#include "numbers.hpp"

using namespace recur;
using namespace recur_test;

TEST_CASE("A stack is its layers in a row, to the bit", "[stack]") {
  std::mt19937 rng(1);
  const auto stack = randomized(Stack<Lstm<double>>(3, 4, 2), rng);
  const Sequence row(stack.layers[0], stack.layers[1]);
  const auto x = random_series(3, 2, 6, rng), dy = random_series(4, 2, 6, rng);
  const auto initial = random_state(stack, 2, rng);
  auto trace = stack.trace();
  auto row_trace = row.trace();
  const auto y = stack.forward(x, trace, initial);
  CHECK(identical(y.matrix(), row.forward(x, row_trace, {initial[0], initial[1]}).matrix()));
  CHECK(identical(stack.final_state(trace)[1], std::get<1>(row.final_state(row_trace))));

  auto gradient = zeros_like(stack);
  auto row_gradient = zeros_like(row);
  Series<double> dx, row_dx;
  bptt(stack, x, trace, dy, gradient, {.dx = &dx});
  bptt(row, x, row_trace, dy, row_gradient, {.dx = &row_dx});
  CHECK(identical(dx.matrix(), row_dx.matrix()));
  CHECK(same_parameters(gradient.layers[0], row_gradient.layer<0>()));
  CHECK(same_parameters(gradient.layers[1], row_gradient.layer<1>()));
}

TEST_CASE("A stack names its parameters by layer, and has their sizes", "[stack]") {
  const Stack<Bidirectional<Gru<float>>> stack(3, 4, 2);
  CHECK((stack.inputs() == 3 && stack.outputs() == 8 && stack.depth() == 2));
  std::string names;
  visit([&](const Name& name, const auto&) { names += name.str() + " "; }, stack);
  CHECK(names ==
        "0.ahead.U 0.ahead.W 0.ahead.b 0.back.U 0.back.W 0.back.b 1.ahead.U 1.ahead.W 1.ahead.b 1.back.U 1.back.W "
        "1.back.b ");
  CHECK(stack.layers[1].ahead.U.cols() == 8);
  CHECK(parameter_count(stack) == 2 * (12 * 3 + 12 * 4 - 4 * 3 + 4 * 3 + 16) + 2 * (12 * 8 + 12 * 4 + 16));
}

TEMPLATE_TEST_CASE("A stream of a stack gives the bits of forward", "[stack]", float, double) {
  std::mt19937 rng(2);
  const auto net = randomized(Sequence(Stack<Gru<TestType>>(3, 9, 3, {.dropout = 0.5}), Dropout<TestType>(9, 0.5),
                                       Stack<Lstm<TestType>>(9, 5, 2), Readout<TestType>(5, 2)),
                              rng);
  const auto x = random_series<TestType>(3, 1, 20, rng);
  const auto initial = random_state(net, 1, rng);
  auto trace = net.trace();
  const auto y = net.forward(x, trace, initial);
  Stream stream(net);
  stream.reset(initial);
  for (Index t = 0; t < 20; ++t) REQUIRE(identical(stream.step(x[t].col(0)), y[t].col(0)));
  CHECK(identical(std::get<0>(stream.state())[2], std::get<0>(net.final_state(trace))[2]));
  CHECK(identical(std::get<2>(stream.state())[1], std::get<2>(net.final_state(trace))[1]));
  stream.reset();
  CHECK(identical(stream.step(x[0].col(0)), net.forward(x.window(0, 1), trace)[0].col(0)));
}

TEST_CASE("A stack in another type computes the same to rounding", "[stack]") {
  std::mt19937 rng(3);
  const auto net = randomized(Stack<Bidirectional<Lstm<float>>>(2, 3, 2, {.dropout = 0.25}), rng);
  const auto wider = net.cast<double>();
  CHECK(wider.dropout() == 0.25);
  const auto x = random_series<float>(2, 2, 5, rng);
  auto trace = net.trace();
  auto wider_trace = wider.trace();
  const auto y = net.forward(x, trace);
  CHECK((y.cast<double>().matrix() - wider.forward(x.cast<double>(), wider_trace).matrix()).isZero(1e-6));
}

TEST_CASE("A stack holds what its layers hold, what is dropped out between them, and two gradients", "[stack]") {
  std::mt19937 rng(4);
  const Index columns = 5 * 7, number = sizeof(double);
  const auto x = random_series(3, 5, 7, rng), dy = random_series(4, 5, 7, rng);
  const auto besides_layers = [](const auto& trace) {
    Index bytes = detail::bytes_of(trace.workspace());
    for (Index l = 0; l < 3; ++l) {
      CHECK(detail::bytes_of(trace.workspace().layer(l)) > 0);
      bytes -= detail::bytes_of(trace.workspace().layer(l));
    }
    return bytes;
  };
  const auto check = [&](double dropout, Index dropped, Index dropped_in_training) {
    const auto stack = randomized(Stack<Lstm<double>>(3, 4, 3, {.dropout = dropout}), rng);
    auto trace = stack.trace();
    auto gradient = zeros_like(stack);
    CHECK(detail::bytes_of(trace.workspace()) == 0);
    stack.forward(x, trace);
    CHECK(besides_layers(trace) == number * columns * dropped);
    trace.train(1);
    stack.forward(x, trace);
    CHECK(besides_layers(trace) == number * columns * dropped_in_training);
    bptt(stack, x, trace, dy, gradient);
    CHECK(besides_layers(trace) == number * columns * (dropped_in_training + 2 * 4));
  };
  check(0, 0, 0);
  check(0.5, 2 * 4, 2 * (4 + 4));  // y of two dropouts; and their factors
}

TEST_CASE("What does not fit a stack is said", "[stack]") {
  CHECK(message_of([] { Stack<Lstm<float>>(3, 4, 0); }) == "Stack: count > 0 expected, got 0");
  CHECK(message_of([] { Stack<Lstm<float>>(0, 4, 1); }) == "Cell: inputs > 0 and hidden > 0 expected, got 0 and 4");
  CHECK(message_of([] { Stack<Lstm<float>>(3, 4, 1, {.dropout = 1}); }) == "Dropout: 0 <= p < 1 expected, got 1");
  CHECK(message_of([] { Stack<Lstm<float>>({Lstm<float>(3, 4), Lstm<float>(5, 4)}); }) ==
        "Stack: layer 1 must have 4 inputs and 4 outputs, got 5 and 4");
  CHECK(message_of([] { Stack<Lstm<float>>(std::vector<Lstm<float>>()); }) ==
        "Stack: at least one layer expected, got none");
  const Stack<Elman<double>> two(3, 4, 2), three(3, 4, 3);
  auto trace = two.trace();
  auto gradient = zeros_like(three);
  const Series<double> x(3, 2, 5), dy(4, 2, 5);
  CHECK(message_of([&] { two.forward(x, trace, three.state(2)); }) ==
        "forward: initial must have 2 states (one for each layer), got 3");
  auto state = two.state(2);
  state[1].resize(4, 3);
  CHECK(message_of([&] { two.forward(x, trace, state); }) ==
        "forward: initial must be 4x2 (state_size() x batch), got 4x3");
  CHECK(message_of([&] { two.forward(Series<double>(2, 2, 5), trace); }) ==
        "forward: x.features() must be 3 (inputs()), got 2");
}

TEST_CASE("Layers of a stack that were given other sizes are an error", "[stack]") {
  Stack<Elman<double>> net(4, 3, 3, {.dropout = 0.5});
  auto trace = net.trace();
  const Series<double> x(4, 2, 5);
  const auto message = [&](const Stack<Elman<double>>& changed) {
    return message_of([&] { changed.forward(x, trace); });
  };
  CHECK(message(net) == "(nothing was thrown)");
  auto changed = net;
  changed.layers[1] = Elman<double>(2, 3);
  CHECK(message(changed) == "forward: layer 1 must have 3 inputs (the outputs of layer 0), got 2");
  changed.layers[1] = Elman<double>(3, 5), changed.layers[2] = Elman<double>(5, 3);
  CHECK(message(changed) == "forward: layer 1 must have 3 outputs, as the first, got 5");
  changed.layers = Stack<Elman<double>>(4, 6, 2).layers;
  CHECK(message(changed) == "forward: dropout must be of 6 features, as the layers, got 3");
}

TEST_CASE("Stacks of other depths are told apart wherever they meet", "[stack]") {
  const Stack<Elman<double>> two(3, 4, 2), three(3, 4, 3);
  const Series<double> x(3, 2, 5), dy(4, 2, 5);
  auto trace = two.trace();
  two.forward(x, trace);
  auto gradient = zeros_like(three);
  CHECK(message_of([&] { bptt(two, x, trace, dy, gradient); }) ==
        "bptt: gradient must have the shapes of net, but has 104 parameters, expected 68");
  auto network = three;
  Adam adam(two);
  CHECK(message_of([&] { adam.step(network, gradient); }) ==
        "Adam::step: net must have the shapes of the network that the optimiser was made for, but has 104 parameters, "
        "expected 68");
  Stream stream(two);
  CHECK(message_of([&] { stream.reset({VectorOf<double>::Zero(4)}); }) ==
        "reset: state must have 2 states (one for each layer), got 1");
}
