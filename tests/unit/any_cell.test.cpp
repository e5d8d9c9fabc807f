// What is particular to AnyCell; what holds for every layer is in laws/.
#include "catch.hpp"
#include "helpers.hpp"
#include "cells.hpp"
#include "numbers.hpp"

#include <recur/any_cell.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// The same cell behind AnyCell: bits of everything that a layer has to do.
template <class Cell>
void check_same_bits(Cell cell) {
  INFO(cell.description());
  std::mt19937 rng(7), one_seed(3), same_seed(3);
  AnyCell<float> any(cell);
  CHECK(any.description() == cell.description());
  CHECK((any.inputs() == cell.inputs() && any.hidden() == cell.hidden() && any.outputs() == cell.outputs()));

  initialize(cell, one_seed);
  initialize(any, same_seed);
  CHECK(one_seed() == same_seed());
  const auto blocks = [](auto& net) {
    std::string all;
    visit(
        [&](const Name& name, auto& block) {
          all += name.str() + " " + std::to_string(block.rows()) + "x" + std::to_string(block.cols()) + " ";
        },
        net);
    return all;
  };
  CHECK(blocks(any) == blocks(cell));
  CHECK(identical(parameters_of(any), parameters_of(cell)));

  const auto x = random_series<float>(cell.inputs(), 3, 9, rng), dy = random_series<float>(cell.outputs(), 3, 9, rng);
  Tokens tokens(3, 9);
  for (Index n = 0; n < 3; ++n)
    for (Index t = 0; t < 9; ++t) tokens(n, t) = static_cast<int>((3 * n + t) % cell.inputs());
  const auto run = [&](const auto& net, const auto& of, const auto& initial) {
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    MatrixOf<float> d_initial;
    const Series<float> y(net.forward(of, trace, initial));
    bptt(net, of, trace, dy, gradient, {.d_initial = &d_initial});
    return std::tuple(Eigen::MatrixXf(y.matrix()), net.final_state(trace), d_initial, parameters_of(gradient));
  };
  const MatrixOf<float> initial = random_state(cell, 3, rng);
  const auto compare = [&](const auto& of) {
    const auto [y, state, d_initial, gradient] = run(cell, of, initial);
    const auto [any_y, any_state, any_d_initial, any_gradient] = run(any, of, initial);
    CHECK(identical(y, any_y));
    CHECK(identical(state, any_state));
    CHECK(identical(d_initial, any_d_initial));
    CHECK(identical(gradient, any_gradient));
  };
  compare(x);
  if constexpr (Cell::takes_tokens) compare(tokens);

  Stream stream(cell);
  Stream<AnyCell<float>> any_stream(any);
  stream.reset(initial.col(0));
  any_stream.reset(initial.col(0));
  for (Index t = 0; t < 9; ++t) CHECK(identical(stream.step(x[t].col(0)), any_stream.step(x[t].col(0))));
  if constexpr (Cell::takes_tokens) CHECK(identical(stream.step(Token{1}), any_stream.step(Token{1})));
  CHECK(identical(stream.state(), any_stream.state()));
}

}  // namespace

TEST_CASE("AnyCell computes what its cell does, to the bit", "[any_cell]") {
  check_same_bits(Elman<float>(5, 4));
  check_same_bits(PeepholeLstm<float>(5, 4));      // whose P has three columns
  check_same_bits(IndRnn<float>(5, 4));            // whose P is a vector, and which has no W
  check_same_bits(ProjectedLstm<float>(5, 6, 4));  // which has an R
  check_same_bits(Lru<float>(5, 4));               // whose outputs are two blocks
  check_same_bits(LayerNormGru<float>(5, 4));
  check_same_bits(SLstm<float>(5, 4));
  check_same_bits(RgLru<float>(5, 4));
  check_same_bits(Dense<float>(5, 4));  // which has no state
}

TEST_CASE("A copy of AnyCell has a cell of its own, which can be asked for by its type", "[any_cell]") {
  AnyCell<double> first(Lstm<double>(2, 3)), copy(first);
  REQUIRE(first.get_if<Lstm<double>>());
  first.get_if<Lstm<double>>()->W(1, 2) = 5;
  CHECK(copy.get_if<Lstm<double>>()->W(1, 2) == 0);
  copy = first;
  CHECK(std::as_const(copy).get_if<Lstm<double>>()->W(1, 2) == 5);
  CHECK(copy.get_if<Gru<double>>() == nullptr);
  copy = AnyCell<double>(Gru<double>(2, 3));
  CHECK(copy.get_if<Gru<double>>());
  CHECK(copy.description() == Gru<double>(2, 3).description());
}

TEST_CASE("A forget bias is set in cells behind AnyCell, too", "[any_cell]") {
  std::vector<AnyCell<double>> layers;
  layers.push_back(Lstm<double>(2, 3));
  layers.push_back(Gru<double>(3, 3));
  Stack<AnyCell<double>> any(layers);
  forget_bias(any, 2);
  Lstm<double> lstm(2, 3);
  forget_bias(lstm, 2);
  CHECK(identical(any.layers[0].get_if<Lstm<double>>()->b, lstm.b));
  CHECK(any.layers[1].get_if<Gru<double>>()->b.isZero());
}

TEST_CASE("Training through AnyCell ends with the bits of training the cell, zoneout and tokens included",
          "[any_cell]") {
  using Zoned = Cell<ZoneoutRule<LstmRule<>>, float>;
  Tokens x(3, 9);
  Classes next(3, 9);
  for (Index n = 0; n < 3; ++n)
    for (Index t = 0; t < 9; ++t) x(n, t) = static_cast<int>((n + t * t) % 5), next(n, t) = static_cast<int>(n * t % 5);
  const auto trained = [&](auto net) {
    std::mt19937 rng(3);
    initialize(net, rng);
    AdamW adam(net, {});
    train(net, adam, softmax_cross_entropy, TokenData(x, next), rng, {.epochs = 5, .batch = 2});
    return std::pair(Eigen::VectorXf(parameters_of(net)), rng());
  };
  const Zoned cell(5, 5, ZoneoutRule<LstmRule<>>({0.3, 0.2}));
  const auto [plain, plain_draw] = trained(cell);
  const auto [any, any_draw] = trained(AnyCell<float>(cell));
  CHECK(identical(plain, any));
  CHECK(plain_draw == any_draw);
  CHECK(!identical(plain, trained(AnyCell<float>(Lstm<float>(5, 5))).first));
}

TEST_CASE("What train() says of parameters that are all zero holds for AnyCell", "[any_cell]") {
  const Series<float> x(2, 1, 4), target(3, 1, 4);
  std::mt19937 rng(1);
  const auto run = [&](auto net) {
    Sgd sgd(net, {});
    train(net, sgd, squared_error, SeriesData(x, target), rng, {.epochs = 1});
  };
  CHECK_THROWS_WITH(run(AnyCell<float>(Gru<float>(2, 3))), Catch::Matchers::ContainsSubstring("must be initialised"));
  Sequence with_zero_readout(AnyCell<float>(Gru<float>(2, 3)), Readout<float>(3, 3));
  initialize(with_zero_readout.layer<0>(), rng);
  CHECK_NOTHROW(run(with_zero_readout));
}

TEST_CASE("AnyCell allocates nothing after the first call, nor do optimisers", "[any_cell]") {
  std::mt19937 rng(1);
  Sequence net(AnyCell<float>(Gru<float>(3, 5)), AnyCell<float>(PeepholeLstm<float>(5, 4)));
  initialize(net, rng);
  auto trace = net.trace();
  auto gradient = zeros_like(net), copy = net;
  Adam adam(net);
  const auto x = random_series<float>(3, 2, 7, rng), dy = random_series<float>(4, 2, 7, rng);
  const auto step = [&] {
    net.forward(x, trace);
    bptt(net, x, trace, dy, gradient);
    clip_norm(gradient, 1);
    adam.step(net, gradient);
    copy = net;
  };
  step();
  Eigen::internal::set_is_malloc_allowed(false);
  step();
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(same_parameters(net, copy));
}

TEST_CASE("A trace or a stream of another cell is refused, though its records have as many rows", "[any_cell]") {
  AnyCell<double> net(Gru<double>(2, 3));
  const Series<double> x(2, 1, 4), dy(3, 1, 4);
  auto trace = net.trace();
  net.forward(x, trace);
  Stream<AnyCell<double>> stream(net);
  net = AnyCell<double>(Qrnn<double>(2, 3));
  auto gradient = zeros_like(net);
  CHECK_THROWS_WITH(bptt(net, x, trace, dy, gradient),
                    "bptt: the trace must be of this network, got one of another cell");
  CHECK_THROWS_WITH(stream.state(), "state: the network has another cell than when the stream was made");
  net.forward(x, trace);
  CHECK_NOTHROW(bptt(net, x, trace, dy, gradient));
}

TEST_CASE("AnyCell says what does not fit", "[any_cell]") {
  const AnyCell<double> lstm(Lstm<double>(2, 3)), gru(Gru<double>(2, 3));
  auto gradient = zeros_like(gru);
  auto trace = lstm.trace();
  const Series<double> x(2, 1, 4), dy(3, 1, 4);
  lstm.forward(x, trace);
  CHECK_THROWS_WITH(
      bptt(lstm, x, trace, dy, gradient),
      "AnyCell: cells of one kind expected, got GRU logistic tanh 2 -> 3 and LSTM logistic tanh tanh 2 -> 3");
  AnyCell<double> changed(lstm);
  const auto* const found = changed.get_if<Lstm<double>>();
  changed = lstm;  // of the same type: where it lies is as it was
  CHECK(changed.get_if<Lstm<double>>() == found);
  AnyCell<double> moved(std::move(changed));
  CHECK_THROWS_WITH(changed.forward(x, trace), "AnyCell: a cell expected, got what has been moved from");
  std::mt19937 rng(1);
  CHECK_THROWS_WITH(initialize(changed, rng), "AnyCell: a cell expected, got what has been moved from");
  CHECK_THROWS_WITH(forget_bias(changed), "AnyCell: a cell expected, got what has been moved from");
  CHECK_THROWS_WITH(changed.state(1), "AnyCell: a cell expected, got what has been moved from");
  changed = std::move(moved);
  changed.get_if<Lstm<double>>()->W.resize(12, 2);
  CHECK_THROWS_WITH(changed.forward(x, trace), Catch::Matchers::ContainsSubstring("U must be 4 H x I, W 4 H x H"));
}
