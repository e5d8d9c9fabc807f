#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

using namespace recur;
using namespace recur_test;

namespace {

using TwoLayers = Sequence<Elman<double>, Cell<TwoStates, double>, Readout<double>>;
using Fixed = Sequence<Elman<float, Tanh, 2, 5>, Elman<float, Relu, 5, 3>, Readout<float, 3, 1>>;

TwoLayers two_layers(std::mt19937& rng) {
  return randomized(
      TwoLayers(Elman<double>(3, 5), Cell<TwoStates, double>(5, 4), Readout<double>(4, 2, {.bias = true})), rng);
}

}  // namespace

TEST_CASE("A sequence is its layers, one after the other", "[sequence]") {
  std::mt19937 rng(1);
  const auto net = two_layers(rng);
  const auto x = random_series(3, 2, 6, rng), dy = random_series(2, 2, 6, rng);
  const auto initial = random_state(net, 2, rng), d_final = random_state(net, 2, rng);
  CHECK((net.inputs() == 3 && net.outputs() == 2 && TwoLayers::depth == 3));

  auto trace = net.trace();
  auto gradient = zeros_like(net), expected = gradient;
  Series<double> dx, expected_dx, dg, dh;
  auto d_initial = net.state(2), expected_d_initial = d_initial;
  const auto y = net.forward(x, trace, initial);
  bptt(net, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});

  const auto& [first, second, readout] = net.layers;
  auto first_trace = first.trace();
  auto second_trace = second.trace();
  auto readout_trace = readout.trace();
  const auto g = first.forward(x, first_trace, std::get<0>(initial));
  const auto h = second.forward(g, second_trace, std::get<1>(initial));
  CHECK(identical(y.matrix(), readout.forward(h, readout_trace).matrix()));
  CHECK(net.output(trace).data() == y.data());
  CHECK(identical(trace.workspace().of<0>().records(), first_trace.workspace().records()));
  CHECK(identical(trace.workspace().of<1>().records(), second_trace.workspace().records()));

  bptt(readout, h, readout_trace, dy, expected.layer<2>(), {.dx = &dh});
  bptt(second, g, second_trace, dh, expected.layer<1>(),
       {.d_final = &std::get<1>(d_final), .dx = &dg, .d_initial = &std::get<1>(expected_d_initial)});
  bptt(first, x, first_trace, dg, expected.layer<0>(),
       {.d_final = &std::get<0>(d_final), .dx = &expected_dx, .d_initial = &std::get<0>(expected_d_initial)});
  CHECK(same_parameters(gradient, expected));
  CHECK(identical(dx.matrix(), expected_dx.matrix()));
  CHECK(identical(std::get<0>(d_initial), std::get<0>(expected_d_initial)));
  CHECK(identical(std::get<1>(d_initial), std::get<1>(expected_d_initial)));
}

TEST_CASE("A layer is reached by its number, to read and to write", "[sequence]") {
  Sequence net(Elman<float>(1, 3), Readout<float>(3, 2));
  net.layer<1>().V.setOnes();
  CHECK(std::get<1>(net.layers).V == MatrixOf<float>::Ones(2, 3));
  CHECK(&std::as_const(net).layer<0>() == &std::get<0>(net.layers));
  STATIC_REQUIRE(std::is_same_v<decltype(net), Sequence<Elman<float>, Readout<float>>>);
}

TEST_CASE("The state of a sequence is a tuple of its layers' states", "[sequence]") {
  std::mt19937 rng(2);
  const auto net = two_layers(rng);
  auto state = net.state(3);
  STATIC_REQUIRE(std::is_same_v<decltype(state), std::tuple<MatrixOf<double>, MatrixOf<double>, NoState>>);
  CHECK(std::get<0>(state) == MatrixOf<double>::Zero(5, 3));
  CHECK(std::get<1>(state) == MatrixOf<double>::Zero(8, 3));

  // Cut in two, with the state carried over.
  const auto x = random_series(3, 3, 9, rng);
  auto trace = net.trace(), part = net.trace();
  const auto y = net.forward(x, trace, state);
  net.forward(x.window(0, 4), part, state);
  net.final_state(part, state);
  CHECK(identical(net.forward(x.window(4, 5), part, state).matrix(), y.window(4, 5).matrix()));
  CHECK(identical(std::get<1>(net.final_state(part)), std::get<1>(net.final_state(trace))));
}

TEST_CASE("A sequence within a sequence is a layer like any other", "[sequence]") {
  std::mt19937 rng(3);
  const auto flat = two_layers(rng);
  const auto& [first, second, readout] = flat.layers;
  const Sequence nested(Sequence(first, second), readout);
  const auto x = random_series(3, 2, 5, rng), dy = random_series(2, 2, 5, rng);
  auto trace = flat.trace();
  auto nested_trace = nested.trace();
  CHECK(identical(nested.forward(x, nested_trace).matrix(), flat.forward(x, trace).matrix()));

  auto gradient = zeros_like(flat);
  auto nested_gradient = zeros_like(nested);
  Series<double> dx, nested_dx;
  bptt(flat, x, trace, dy, gradient, {.dx = &dx});
  bptt(nested, x, nested_trace, dy, nested_gradient, {.dx = &nested_dx});
  CHECK(identical(nested_gradient.layer<0>().layer<0>().W, gradient.layer<0>().W));
  CHECK(identical(nested_gradient.layer<0>().layer<1>().U, gradient.layer<1>().U));
  CHECK(identical(nested_dx.matrix(), dx.matrix()));
  CHECK(identical(std::get<1>(std::get<0>(nested.final_state(nested_trace))), std::get<1>(flat.final_state(trace))));
}

TEST_CASE("A sequence casts, layer by layer, and nested ones stay nested", "[sequence]") {
  std::mt19937 rng(4);
  const auto net = two_layers(rng);
  const auto narrow = net.cast<float>();
  STATIC_REQUIRE(
      std::is_same_v<decltype(narrow), const Sequence<Elman<float>, Cell<TwoStates, float>, Readout<float>>>);
  CHECK(narrow.layer<1>().W == net.layer<1>().W.cast<float>());
  CHECK(narrow.layer<2>().has_bias());

  using Nested = Sequence<Sequence<Elman<double>>>;
  const Nested nested{Sequence<Elman<double>>(Elman<double>(2, 3))};
  STATIC_REQUIRE(std::is_same_v<decltype(nested.cast<float>()), Sequence<Sequence<Elman<float>>>>);
  CHECK(nested.cast<float>().inputs() == 2);
}

TEST_CASE("A fixed-size sequence is one flat object that needs no heap", "[sequence]") {
  constexpr std::size_t parameters = (5 * 2 + 5 * 5 + 5) + (3 * 5 + 3 * 3 + 3) + (1 * 3 + 1);
  STATIC_REQUIRE(sizeof(Fixed) >= parameters * sizeof(float));
  STATIC_REQUIRE(sizeof(Fixed) <= parameters * sizeof(float) + 3 * 64);
  STATIC_REQUIRE(alignof(Fixed) == 64);  // on every processor: cache lines
  STATIC_REQUIRE(std::is_default_constructible_v<Fixed>);
  STATIC_REQUIRE(!std::is_default_constructible_v<TwoLayers>);

  Fixed net;
  CHECK(parameter_count(net) == Index(parameters) - 1);  // no c
  recur::visit([](const Name&, const auto& block) { CHECK(block.isZero(0)); }, net);

  std::mt19937 rng(5);
  net = randomized(net, rng);
  const auto x = random_series<float>(2, 3, 4, rng);
  auto trace = net.trace();
  const auto y = net.forward(x, trace);
  Sequence dynamic(Elman<float>(2, 5), Elman<float, Relu>(5, 3), Readout<float>(3, 1));
  recur::visit([](const Name&, auto& to, const auto& from) { to = from; }, dynamic, net);
  auto dynamic_trace = dynamic.trace();
  CHECK(identical(dynamic.forward(x, dynamic_trace).matrix(), y.matrix()));
}

TEST_CASE("A sequence says which layers do not meet", "[sequence]") {
  CHECK(message_of([] { Sequence(Elman<float>(1, 8), Elman<float>(8, 6), Readout<float>(7, 1)); }) ==
        "Sequence: layer 2 must have 6 inputs (the outputs of layer 1), got 7");
  CHECK(message_of([] { Sequence(Elman<float, Tanh, 1, 8>(), Readout<float>(7, 1)); }) ==
        "Sequence: layer 1 must have 8 inputs (the outputs of layer 0), got 7");
}

TEST_CASE("A sequence checks every layer before any of them runs", "[sequence]") {
  std::mt19937 rng(6);
  auto net = two_layers(rng);
  const auto x = random_series(3, 2, 4, rng), dy = random_series(2, 2, 4, rng);
  auto trace = net.trace();
  net.forward(x, trace);
  const MatrixOf<double> records = trace.workspace().of<0>().records();
  const auto unchanged = [&] { return identical(trace.workspace().of<0>().records(), records); };

  CHECK(message_of([&] { net.forward(Series<double>(4, 2, 4), trace); }) ==
        "forward: x.features() must be 3 (inputs()), got 4");
  auto state = net.state(2);
  std::get<1>(state) = MatrixOf<double>::Zero(8, 3);
  CHECK(message_of([&] { net.forward(x, trace, state); }) ==
        "forward: initial must be 8x2 (state_size() x batch), got 8x3");
  const auto U = net.layer<1>().U;
  net.layer<1>().U.setZero(8, 6);
  CHECK(message_of([&] { net.forward(x, trace); }) ==
        "forward: layer 1 must have 5 inputs (the outputs of layer 0), got 6");
  net.layer<1>().U = U;
  CHECK(unchanged());

  auto gradient = randomized(net, rng);
  const auto before = gradient;
  CHECK(message_of([&] { bptt(net, x, trace, dy, gradient, {.d_final = &state}); }) ==
        "bptt: d_final must be 8x2 (state_size() x batch), got 8x3");
  auto other = two_layers(rng).trace();
  CHECK(message_of([&] { net.output(other); }) == "output: the trace must have been through forward, got an empty one");
  CHECK(message_of([&] { net.output_of<0>(other); }) ==
        "output_of: the trace must have been through forward, got an empty one");
  CHECK(message_of([&] { bptt(net, x, other, dy, gradient); }) ==
        "bptt: the trace must have been through forward, got an empty one");
  Sequence(Elman<double>(3, 5), Cell<TwoStates, double>(5, 4), Readout<double>(4, 1)).forward(x, other);
  CHECK(message_of([&] { bptt(net, x, other, dy, gradient); }) ==
        "bptt: the trace's outputs must be 2 (outputs()), got 1");
  auto unbiased = TwoLayers(net.layer<0>(), net.layer<1>(), Readout<double>(4, 2));
  CHECK(message_of([&] { bptt(net, x, trace, dy, unbiased); }) ==
        "bptt: gradient must have the shapes of net, but has 133 parameters, expected 135");
  CHECK(same_parameters(gradient, before));
  CHECK(unchanged());
}

TEST_CASE("What a trace has given is not taken back by it, for it would be overwritten", "[sequence]") {
  const Sequence net(Elman<double>(2, 3), Readout<double>(3, 2));
  const Elman<double> cell(2, 2);
  auto trace = net.trace(), other = net.trace();
  auto cell_trace = cell.trace();
  Series<double> x(2, 2, 4);
  const std::string message = "forward: x must not lie in this trace, as what it gave before does: it is overwritten";
  for (const auto& lengths : {std::vector<Index>(), {4, 2}}) {
    x.set_lengths(lengths);
    CHECK(message_of([&] { net.forward(net.forward(x, trace), trace); }) == message);
    CHECK(message_of([&] { net.forward(net.forward(x, trace).window(3, 1), trace); }) == message);
    CHECK(message_of([&] { cell.forward(cell.forward(x, cell_trace), cell_trace); }) == message);
    CHECK(net.forward(net.forward(x, trace), other).steps() == 4);
    if (lengths.empty()) {  // what a layer within gave
      const Sequence wide(Elman<double>(2, 2), Readout<double>(2, 2));
      auto its = wide.trace();
      wide.forward(x, its);
      CHECK(message_of([&] { wide.forward(wide.output_of<0>(its), its); }) == message);
      CHECK(net.forward(wide.output_of<0>(its), trace).steps() == 4);
    }
  }
}

TEST_CASE("Who only predicts needs no trace", "[sequence]") {
  std::mt19937 rng(8);
  Sequence net(Gru<double>(3, 4), Readout<double>(4, 2));
  initialize(net, rng);
  Series<double> x(3, 2, 5);
  x.setRandom(rng);
  auto initial = net.state(2);
  std::get<0>(initial).setConstant(0.5);
  for (const auto& lengths : {std::vector<Index>(), {5, 2}}) {
    x.set_lengths(lengths);
    auto trace = net.trace();
    const Series<double> y = net.forward(x), continued = net.forward(x, initial);
    CHECK(y.matrix() == net.forward(x, trace).matrix());
    CHECK(y.lengths() == lengths);
    CHECK(continued.matrix() == net.forward(x, trace, initial).matrix());
    CHECK(continued.matrix() != y.matrix());
  }
  Tokens tokens(1, 4);
  tokens.matrix().setConstant(2);
  Series<double> one_hot(3, 1, 4);
  one_hot.matrix().row(2).setOnes();
  CHECK(net.forward(tokens).matrix() == net.forward(one_hot).matrix());
}

TEST_CASE("A sequence of one sequence is a stream, too", "[sequence]") {
  std::mt19937 rng(12);
  const auto x = random_series(2, 1, 6, rng);
  const auto check = [&](const auto& net) {
    const auto y = net.forward(x);
    Stream stream(net);
    for (Index t = 0; t < 6; ++t) CHECK(VectorOf<double>(stream.step(VectorOf<double>(x[t]))) == y[t].col(0));
  };
  using One = Sequence<Elman<double>>;
  using Two = Sequence<Elman<double>, Readout<double>>;
  check(randomized(Sequence<One>(One(Elman<double>(2, 3))), rng));
  check(randomized(Sequence<Two>(Two(Elman<double>(2, 3), Readout<double>(3, 2))), rng));
}
