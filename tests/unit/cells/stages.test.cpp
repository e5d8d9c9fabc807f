// What is particular to cells whose steps have more stages than two; the rest is in the laws and the papers' oracles.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/io/network.hpp>

#include <sstream>

using namespace recur;
using namespace recur_test;

namespace {

template <class Net>
std::string shapes_of(const Net& net) {
  std::ostringstream text;
  visit([&](const Name& name,
            const auto& block) { text << name.str() << ' ' << block.rows() << 'x' << block.cols() << ' '; },
        net);
  return text.str();
}

}  // namespace

TEST_CASE("Cells have the parameters that their rules ask for", "[cell]") {
  CHECK(shapes_of(LayerNormLstm<float>(3, 5)) == "U 20x3 W 20x5 b 20x1 P 5x10 ");
  CHECK(shapes_of(LayerNormGru<float>(3, 5)) == "U 15x3 W 15x5 b 20x1 P 5x6 ");
  CHECK(shapes_of(SLstm<float>(3, 5)) == "U 20x3 W 20x5 b 20x1 ");
  CHECK(shapes_of(CoupledLstm<float>(3, 5)) == "U 15x3 W 15x5 b 15x1 ");
  CHECK(shapes_of(CtRnn<float>(3, 5)) == "U 5x2 W 5x5 b 5x1 P 5x1 ");
  CHECK(shapes_of(GruD<float>(3, 5)) == "U 15x2 W 15x5 b 20x1 P 5x2 ");
  CHECK(shapes_of(Lru<float>(3, 5)) == "U 10x3 P 5x3 ");
  CHECK(shapes_of(Cell<ZoneoutRule<LstmRule<>>, float>(3, 5)) == "U 20x3 W 20x5 b 20x1 ");

  const Lru<float> lru(3, 5);
  CHECK((lru.hidden() == 5 && lru.outputs() == 10 && lru.state(2).rows() == 10 && lru.record().rows() == 10));
  CHECK(lru.description() == "LRU 3 -> 10");
  CHECK(Lru<float, 3, 5>::outputs_at_compile_time == 10);
  const CtRnn<float> ct_rnn(3, 5);
  CHECK((ct_rnn.inputs() == 3 && ct_rnn.outputs() == 5));
  STATIC_REQUIRE(!CtRnn<float>::takes_tokens);
  CHECK(CtRnn<double, 3, 5>().cast<float>().inputs() == 3);
  // Of each norm, a record keeps 1 / deviation.
  CHECK(LayerNormLstm<float>(3, 5).record().rows() == 16 * 5 + 3);
  CHECK(LayerNormLstm<float, 3, 5>::Record<1>::RowsAtCompileTime == 16 * 5 + 3);
  CHECK(LayerNormLstm<float>(3, 5).description() == "layer-normalised LSTM 1e-05 3 -> 5");
}

TEST_CASE("Norms are of all numbers of a product: scaling all weights changes nothing", "[cell]") {
  std::mt19937 rng(1);
  auto cell = randomized(LayerNormLstm<double>(3, 8), rng);
  cell.rule.epsilon = 1e-12;
  const auto x = random_series(3, 2, 6, rng);
  const auto y = cell.forward(x);
  cell.U *= 2;
  cell.W *= 4;
  CHECK(cell.forward(x).matrix().isApprox(y.matrix(), 1e-9));
  cell.U.topRows(8) *= 2;  // of one gate alone it does
  CHECK_FALSE(cell.forward(x).matrix().isApprox(y.matrix(), 1e-3));
}

TEST_CASE("Initialised, gains are 1, and an LRU's lambda lies in its ring", "[initializer]") {
  std::mt19937 rng(2);
  LayerNormLstm<double> lstm(3, 8);
  initialize(lstm, rng);
  CHECK(lstm.P.leftCols(9).isOnes(0));
  CHECK(lstm.P.col(LayerNormLstmRule::bias_c).isZero(0));
  CHECK((lstm.U.cwiseAbs().maxCoeff() <= 1 / std::sqrt(8.0) && lstm.U.norm() > 0));
  LayerNormGru<double> gru(3, 8);
  initialize(gru, rng);
  CHECK(gru.P.isOnes(0));
  forget_bias(lstm, 2);
  CHECK((lstm.b.segment(8, 8).array() == 2).all());
  CHECK((lstm.b.head(8).array() != 2).all());

  LruRule rule;
  rule.r_min = 0.9;
  rule.r_max = 0.99;
  rule.max_phase = 0.5;
  Lru<double> lru(3, 200, rule);
  initialize(lru, rng);
  const auto modulus = (-lru.P.col(LruRule::nu).array().exp()).exp().eval();
  const auto phase = lru.P.col(LruRule::theta).array().exp().eval();
  CHECK((modulus.minCoeff() >= 0.9 && modulus.maxCoeff() <= 0.99));
  CHECK((modulus.minCoeff() < 0.91 && modulus.maxCoeff() > 0.98));
  CHECK((phase.minCoeff() >= 0 && phase.maxCoeff() <= 0.5 && phase.maxCoeff() > 0.45));
  CHECK(lru.P.col(LruRule::gamma).array().exp().square().isApprox(1 - modulus.square(), 1e-12));
  CHECK(lru.U.squaredNorm() / static_cast<double>(lru.U.size()) == Approx(1.0 / 6).epsilon(0.1));

  RgLru<double> rg_lru(3, 200);
  initialize(rg_lru, rng);
  const auto slowest = (-8 * rg_lru.P.array().exp().log1p()).exp().eval();  // exp(-power softplus(lambda))
  CHECK((slowest.minCoeff() >= 0.9 && slowest.minCoeff() < 0.91));
  CHECK((slowest.maxCoeff() <= 0.999 && slowest.maxCoeff() > 0.99));
  CHECK(rg_lru.U.squaredNorm() / static_cast<double>(rg_lru.U.size()) == Approx(1.0 / 3).epsilon(0.1));
  CHECK(rg_lru.b.isZero(0));

  SLstm<double> slstm(5, 100);
  initialize(slstm, rng);
  CHECK(slstm.W.isZero(0));
  CHECK(slstm.b(100) == 5);
  CHECK(slstm.b(199) == -7);
  CHECK(slstm.b(110) == Approx(5 - 12 * std::pow(10.0 / 99, 0.3)).epsilon(1e-14));
  CHECK((slstm.b.head(100).isZero(0) && slstm.b.tail(200).isZero(0)));
  CHECK(slstm.U.squaredNorm() / static_cast<double>(slstm.U.size()) == Approx(0.4 / 5).epsilon(0.15));

  IndRnnRule<> past;
  past.least = 0.5;
  IndRnn<double> indrnn(3, 200, past);
  initialize(indrnn, rng);
  CHECK((indrnn.P.minCoeff() >= 0.5 && indrnn.P.minCoeff() < 0.52 && indrnn.P.maxCoeff() <= 1));
  CHECK(indrnn.P.maxCoeff() > 0.98);
  CHECK((indrnn.U.cwiseAbs().maxCoeff() <= 1 / std::sqrt(3.0) && indrnn.U.maxCoeff() > 0.55));  // of inputs
  MinGru<double> min_gru(4, 64);
  initialize(min_gru, rng);
  CHECK((min_gru.U.maxCoeff() <= 0.5 && min_gru.U.maxCoeff() > 0.48));

  const auto start_of = [&](auto cell) { return message_of([&] { initialize(cell, rng); }); };
  RgLruRule reversed;
  reversed.fast = 1;
  CHECK(start_of(RgLru<double>(1, 1, reversed)) ==
        "initialize: RgLruRule's 0 < fast <= slow < 1 expected, got 1 and 0.999");
  past.least = 2;
  CHECK(start_of(IndRnn<double>(1, 1, past)) == "initialize: IndRnnRule's least <= most expected, got 2 and 1");
}

TEST_CASE("An LRU neither explodes nor forgets its oscillation", "[cell]") {
  Lru<double> lru(1, 1);
  lru.U << 1, 0;
  lru.P << std::log(0.01), std::log(0.3), 0;  // |lambda| = exp(-0.01), 0.3 radians a step
  Series<double> x(1, 1, 50);
  x.matrix().setZero();
  x.matrix()(0, 0) = 1;
  const auto y = lru.forward(x);
  for (Index t = 0; t < 50; ++t) {
    const auto time = static_cast<double>(t);
    CHECK(y[t](0, 0) == Approx(std::exp(-0.01 * time) * std::cos(0.3 * time)).margin(1e-13));
    CHECK(y[t](1, 0) == Approx(std::exp(-0.01 * time) * std::sin(0.3 * time)).margin(1e-13));
  }
}

TEST_CASE("A CT-RNN's state decays with the time that has gone by, however it is divided into steps", "[cell]") {
  CtRnn<double> cell(2, 3);
  cell.b.setConstant(0.5);  // without inputs and W what h decays to is tanh(0.5)
  cell.P.setConstant(std::log(2.0));
  const auto after = [&](std::vector<double> times) {
    Series<double> x(2, 1, std::ssize(times));
    x.matrix().setZero();
    for (Index t = 0; t < x.steps(); ++t) x[t](1, 0) = times[static_cast<std::size_t>(t)];
    auto trace = cell.trace();
    cell.forward(x, trace);
    return cell.final_state(trace)(0, 0);
  };
  CHECK(after({3}) == Approx(std::tanh(0.5) * (1 - std::exp(-1.5))));
  CHECK(after({1, 0.5, 1.5}) == Approx(after({3})));
  CHECK(after({0, 3}) == Approx(after({3})));
  CHECK(after({3, -1}) == after({3}));
}

TEST_CASE("However short a CT-RNN's steps are beside its time constant, none is lost to rounding", "[cell]") {
  CtRnn<float> cell(2, 1);
  cell.b.setConstant(100);                      // tanh of it is 1
  for (const double dt : {1e-3, 1e-6, 1e-9}) {  // tau is 1
    Series<float> x(2, 1, 100);
    x.matrix().row(0).setZero();
    x.matrix().row(1).setConstant(static_cast<float>(dt));
    auto trace = cell.trace();
    cell.forward(x, trace);
    CHECK(cell.final_state(trace)(0, 0) == Approx(-std::expm1(-100 * dt)).epsilon(2e-5));
  }
}

TEST_CASE("initialize() gives all of a GRU-D's decays a gradient", "[cell]") {
  std::mt19937 rng(3);
  GruD<float> cell(3, 50);
  initialize(cell, rng);
  CHECK(cell.P.minCoeff() > 0);
  CHECK(cell.P.maxCoeff() < 1 / std::sqrt(50.f));
}

TEST_CASE("A GRU-D's hidden state decays by w dt + c, and by nothing where that is negative", "[cell]") {
  std::mt19937 rng(3);
  auto cell = randomized(GruD<double>(3, 4), rng);
  Gru<double> gru(2, 4);
  gru.U = cell.U, gru.W = cell.W, gru.b = cell.b;
  const auto x = random_series(2, 2, 1, rng);
  Series<double> timed(3, 2, 1);
  timed.matrix() << x.matrix(), Eigen::RowVector2d(0.7, 0.7);
  const auto h = random_state(cell, 2, rng);
  cell.P.col(GruDRule::w).setConstant(2);
  cell.P.col(GruDRule::c).setConstant(-0.4);
  CHECK(cell.forward(timed, h).matrix().isApprox(gru.forward(x, MatrixOf<double>(std::exp(-1.0) * h)).matrix(), 1e-14));
  cell.P.col(GruDRule::w).setConstant(-1);
  CHECK(cell.forward(timed, h).matrix().isApprox(gru.forward(x, h).matrix(), 1e-14));
}

TEST_CASE("sLSTM's gates may be as large as they like", "[cell]") {
  for (const double size : {1e3, -1e3}) {
    SLstm<double> cell(1, 2);
    cell.U.topRows(4).setConstant(size);  // input and forget gates
    cell.U.bottomRows(4).setConstant(1);
    Series<double> x(1, 1, 20), dx;
    x.matrix().setOnes();
    x.matrix()(0, 7) = -1;
    auto trace = cell.trace();
    auto gradient = zeros_like(cell);
    const auto y = cell.forward(x, trace);
    CHECK(y.matrix().allFinite());
    CHECK(y[0](0, 0) == Approx(std::tanh(1) / (1 + std::exp(-1))));  // o z, of one step alone
    bptt(cell, x, trace, Series<double>(y), gradient, {.dx = &dx});
    CHECK((parameters_of(gradient).allFinite() && dx.matrix().allFinite()));
  }
}

TEST_CASE("Zoneout keeps as many as its probability says, and their mean without training", "[zoneout]") {
  std::mt19937 rng(4);
  const auto plain = randomized(Lstm<double>(3, 40), rng);
  using Zoned = Cell<ZoneoutRule<LstmRule<>>, double>;
  Zoned cell(3, 40, {{0.3, 0.5}});
  cell.U = plain.U, cell.W = plain.W, cell.b = plain.b;
  CHECK(cell.description() == "zoneout 0.3 0.5 of LSTM logistic tanh tanh 3 -> 40");
  const auto x = random_series(3, 6, 1, rng);
  const auto initial = random_state(plain, 6, rng);
  auto trace = plain.trace();
  plain.forward(x, trace, initial);
  const auto next = plain.final_state(trace);

  auto zoned = cell.trace();
  cell.forward(x, zoned, initial);
  const auto mean = cell.final_state(zoned);
  CHECK(mean.topRows(40).isApprox(0.3 * initial.topRows(40) + 0.7 * next.topRows(40), 1e-14));
  CHECK(mean.bottomRows(40).isApprox(0.5 * initial.bottomRows(40) + 0.5 * next.bottomRows(40), 1e-14));

  zoned.train(5);
  cell.forward(x, zoned, initial);
  const auto some = cell.final_state(zoned);
  cell.forward(x, zoned, initial);
  CHECK(cell.final_state(zoned) != some);  // another mask in each forward
  const Eigen::ArrayXXd kept = (some.array() == initial.array()).cast<double>();
  CHECK(((some.array() == initial.array()) || ((some - next).array().abs() < 1e-14)).all());
  CHECK(kept.topRows(40).mean() == Approx(0.3).margin(0.1));
  CHECK(kept.bottomRows(40).mean() == Approx(0.5).margin(0.1));
  CHECK((kept.topRows(40) - kept.bottomRows(40)).abs().sum() > 0);  // each state has its own mask

  cell.rule.probabilities = {0, 0};
  CHECK(cell.forward(x, initial).matrix() == plain.forward(x, initial).matrix());
  CHECK(message_of([] { ZoneoutRule<LstmRule<>>({0.3, 1}); }) == "ZoneoutRule: 0 <= p < 1 expected, got 1");
  CHECK(message_of([] { ZoneoutRule<SLstmRule>({0.3, 0, 0, 0}); }) == "(nothing was thrown)");
  CHECK(message_of([] { ZoneoutRule<SLstmRule>({0.3, 0, 0.1, 0}); }) ==
        "ZoneoutRule: p of state 2 must be 0, for the rule's states are bound together there, got 0.1");
  cell.rule.probabilities = {0.3, -1};
  CHECK(message_of([&] { cell.forward(x, zoned, initial); }) ==
        "forward: the rule's probability 1 must be >= 0 and < 1, got -1");
}

TEST_CASE("Cells of more stages say what does not fit", "[cell]") {
  LayerNormGru<float> flat(3, 4);
  flat.rule.epsilon = 0;
  CHECK(message_of([&] { flat.forward(Series<float>(3, 1, 2)); }) == "forward: the rule's epsilon must be > 0, got 0");
  CHECK(message_of([] { CtRnn<float>(1, 4); }) ==
        "Cell: inputs > 1 expected (the last of them have no weights), got 1");
  CHECK(message_of([] { Lru<float>(1, Index(1) << 62); }) ==
        "Cell: blocks x hidden must be less than 2^59, got 2 x 4611686018427387904");
  LayerNormLstm<float> cell(3, 4);
  auto before = cell.record(2), now = before;
  MatrixOf<float> short_record = before.topRows(64);
  CHECK(message_of([&] { cell.step(MatrixOf<float>(3, 2), short_record, now); }) ==
        "step: before.rows() must be 67 (blocks * hidden() + norms), got 64");
  Lru<float> lru(3, 4);
  lru.U.resize(7, 3);
  CHECK(message_of([&] { lru.forward(Series<float>(3, 1, 2)); }) ==
        "forward: U must be 2 H x I, W 0 H x 2 H, b 0 H, got U 7x3, W 0x8, b 0x1");
}

TEST_CASE("Cells of more stages are saved, and not loaded into others", "[io]") {
  std::mt19937 rng(5);
  const Folder folder;
  const auto net = randomized(Sequence(LayerNormLstm<double>(3, 4), Lru<double>(4, 2)), rng);
  save(folder / "net.safetensors", net);
  auto loaded = zeros_like(net);
  load(folder / "net.safetensors", loaded);
  CHECK(parameters_of(loaded) == parameters_of(net));
  LayerNormLstmRule other;
  other.epsilon = 1e-3;
  auto wrong = Sequence(LayerNormLstm<double>(3, 4, other), Lru<double>(4, 2));
  CHECK_THROWS(load(folder / "net.safetensors", wrong));
}
