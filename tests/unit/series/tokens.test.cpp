// Tokens are one-hot vectors, without the vectors.
#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

using namespace recur;
using recur_test::identical, recur_test::message_of, recur_test::random_series, recur_test::random_state,
    recur_test::randomized;

namespace {

Eigen::ArrayXXi random_tokens(Index kinds, Index batch, Index steps, std::mt19937& rng) {
  Eigen::ArrayXXi tokens(batch, steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < batch; ++n)
      tokens(n, t) = static_cast<int>(uniform_below(rng, static_cast<std::size_t>(kinds)));
  return tokens;
}

template <class Scalar>
Series<Scalar> one_hot(const Tokens& tokens, Index kinds) {
  Series<Scalar> x(kinds, tokens.batch(), tokens.steps());
  for (Index t = 0; t < tokens.steps(); ++t)
    for (Index n = 0; n < tokens.batch(); ++n) x[t](tokens(n, t), n) = 1;
  return x;
}

template <class Net>
void check_tokens(const Net& net, Index batch, Index steps) {
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(1);
  const Tokens tokens = random_tokens(net.inputs(), batch, steps, rng);
  const auto x = one_hot<Scalar>(tokens, net.inputs());
  const auto dy = random_series<Scalar>(net.outputs(), batch, steps, rng);
  const auto initial = random_state(net, batch, rng);
  auto trace = net.trace();
  auto gradient = zeros_like(net), of_tokens = zeros_like(net);
  auto d_initial = initial, d_initial_of_tokens = initial;

  const Series<Scalar> y(net.forward(x, trace, initial));
  bptt(net, x, trace, dy, gradient, {.d_initial = &d_initial});
  const auto y_of_tokens = net.forward(tokens, trace, initial);
  bptt(net, tokens, trace, dy, of_tokens, {.d_initial = &d_initial_of_tokens});

  const double tolerance = 20 * static_cast<double>(Eigen::NumTraits<Scalar>::epsilon());
  const auto close = [&](const auto& a, const auto& b) {
    return static_cast<double>((a - b).cwiseAbs().maxCoeff()) <=
           tolerance * (1 + static_cast<double>(b.cwiseAbs().maxCoeff()));
  };
  INFO("batch " << batch << ", steps " << steps);
  CHECK(close(y_of_tokens.matrix(), y.matrix()));
  visit(
      [&](const Name& name, const auto& a, const auto& b) {
        INFO(name.str());
        CHECK(close(a, b));
      },
      of_tokens, gradient);
  visit_state([&](const auto& a, const auto& b) { CHECK(close(a, b)); }, d_initial_of_tokens, d_initial);
}

}  // namespace

TEMPLATE_TEST_CASE("Tokens give what one-hot vectors give", "[tokens]", float, double) {
  std::mt19937 rng(2);
  for (const auto& [batch, steps] : {std::array{1, 1}, {1, 150}, {3, 7}, {24, 30}}) {
    check_tokens(randomized(Elman<TestType>(11, 9), rng), batch, steps);
    check_tokens(randomized(Cell<GruRule<>, TestType>(4, 5), rng), batch, steps);
    check_tokens(randomized(Sequence(Elman<TestType>(30, 40), Readout<TestType>(40, 30, {.bias = true})), rng, 0.2),
                 batch, steps);
  }
  check_tokens(randomized(Elman<TestType, Tanh, 4, 8>(), rng), 2, 5);
}

TEST_CASE("The gradient check takes tokens", "[tokens]") {
  std::mt19937 rng(3);
  const auto net = randomized(Sequence(Elman<double>(5, 4), Readout<double>(4, 5)), rng);
  const Tokens x = random_tokens(5, 2, 6, rng);
  const Classes next = random_tokens(5, 2, 6, rng);
  const auto check = check_gradient(net, softmax_cross_entropy, x, next);
  INFO(check);
  CHECK(check.relative_error < 1e-7);
  CHECK(check.entries == parameter_count(net) + 4 * 2);
  const auto in_float = check_gradient(net.cast<float>(), softmax_cross_entropy, x, next);
  CHECK(in_float.relative_error < 1e-7);
}

TEST_CASE("A stream takes tokens, with the bits of the series", "[tokens]") {
  std::mt19937 rng(4);
  const auto net = randomized(Sequence(Elman<float>(6, 20), Readout<float>(20, 6)), rng, 0.4);
  const Tokens x = random_tokens(6, 1, 12, rng);
  auto trace = net.trace();
  const auto y = net.forward(x, trace);
  Stream stream(net);
  for (Index t = 0; t < 12; ++t) REQUIRE(identical(stream.step(Token{x(0, t)}), y[t]));
  STATIC_REQUIRE(noexcept(stream.step(Token{0})));
}

TEST_CASE("Training takes tokens", "[tokens]") {
  // Each token foretells the next but for the first: 0 1 2 0 1 2 ...
  Tokens x(4, 12);
  Classes next(4, 12);
  for (Index t = 0; t < 12; ++t)
    for (Index n = 0; n < 4; ++n)
      x(n, t) = static_cast<int>((n + t) % 3), next(n, t) = static_cast<int>((n + t + 1) % 3);
  std::mt19937 rng(5);
  Sequence net(Elman<float>(3, 8), Readout<float>(8, 3));
  initialize(net, rng);
  Adam adam(net, {.rate = 3e-2});
  const TokenData data(x, next);
  const auto result = train(net, adam, softmax_cross_entropy, data, data, rng, {.epochs = 60, .batch = 2, .window = 5});
  CHECK(result.losses.front() > 0.8);
  CHECK(evaluate(net, data, {.window = 4}, softmax_cross_entropy) < 0.02);
  const Classes fewer = next.leftCols(11);
  CHECK(message_of([&] { TokenData(x, fewer); }) ==
        "TokenData: classes must be 4x12 (batch x steps of x), or 4x1, got 4x11");
}

TEST_CASE("Tokens in other memory", "[tokens]") {
  std::mt19937 rng(6);
  const auto net = randomized(Elman<double>(3, 4), rng);
  auto trace = net.trace();
  Tokens tokens(2, 3);
  tokens.matrix() << 0, 1, 2, 2, 1, 0;
  const Series<double> y(net.forward(tokens, trace));
  const std::vector<int> rows_of_steps{0, 2, 1, 1, 2, 0};  // row-major (T, N)
  CHECK(identical(net.forward(TokensView(rows_of_steps.data(), 2, 3), trace).matrix(), y.matrix()));
}

TEST_CASE("Tokens that do not fit are an error that names the first", "[tokens]") {
  const Elman<double> cell(3, 4);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  Tokens tokens(2, 5);
  const auto forward = [&] { cell.forward(tokens, trace); };
  tokens(1, 3) = 3;
  CHECK(message_of(forward) == "forward: x(1, 3) must be in 0 .. 2 (inputs() kinds of tokens), got 3");
  tokens(1, 3) = -1;
  CHECK(message_of(forward) == "forward: x(1, 3) must be in 0 .. 2 (inputs() kinds of tokens), got -1");
  tokens(1, 3) = 0;
  forward();
  const Series<double> dy(4, 2, 5);
  Series<double> dx;
  CHECK(message_of([&] { bptt(cell, tokens, trace, dy, gradient, {.dx = &dx}); }) ==
        "bptt: dx must be left out, for x are tokens");
  tokens(0, 1) = 7;
  CHECK(message_of([&] { bptt(cell, tokens, trace, dy, gradient); }) ==
        "bptt: x(0, 1) must be in 0 .. 2 (inputs() kinds of tokens), got 7");
  CHECK(message_of([&] { bptt(cell, Tokens(2, 4), trace, dy, gradient); }) ==
        "bptt: x must have batch 2 and steps 5 (as the trace), got batch 2 and steps 4");
  tokens.resize(2, 0);
  CHECK(message_of(forward) == "forward: x must have at least one step of one sequence, got batch 2, steps 0");
  CHECK(message_of([] { Tokens(2, -1); }) == "Tokens: sizes >= 0 expected, got batch 2, steps -1");
  CHECK((TokensView(nullptr, 0, 2).empty() && TokensView(nullptr, 2, 0).empty() && Tokens(0, 2).batch() == 0));
  CHECK(message_of([] { TokensView(nullptr, -1, 2); }) == "TokensView: sizes >= 0 expected, got batch -1, steps 2");
  constexpr Index large = Index(1) << 40;
  const std::string too_many = "batch x steps must be less than 2^59, got 1099511627776 x 1099511627776";
  CHECK(message_of([] { Tokens(large, large); }) == "Tokens: " + too_many);
  CHECK(message_of([] { TokensView(nullptr, large, large); }) == "TokensView: " + too_many);
}

TEST_CASE("Tokens are zero at first, can be written one by one, and are a copy of any array of int", "[tokens]") {
  Tokens tokens(2, 3);
  CHECK((tokens.batch() == 2 && tokens.steps() == 3 && !tokens.empty() && tokens.matrix().isZero(0)));
  CHECK((Tokens().empty() && Tokens(3, 0).empty()));
  tokens(1, 2) = 7;
  CHECK((std::as_const(tokens)(1, 2) == 7 && tokens.data()[5] == 7 && tokens.matrix()(1, 2) == 7));

  Eigen::Matrix<int, 2, 2, Eigen::RowMajor> rows;
  rows << 1, 2, 3, 4;
  tokens = rows;
  CHECK(tokens.matrix() == rows);
  tokens = rows.array() + 1;
  CHECK((tokens.batch() == 2 && tokens.steps() == 2 && tokens(0, 1) == 3));
  tokens = tokens.matrix().leftCols(1);
  CHECK((tokens.batch() == 2 && tokens.steps() == 1 && tokens(1, 0) == 4));
}

TEST_CASE("Tokens that are given other numbers or sizes forget the lengths", "[tokens]") {
  const Eigen::ArrayXXi longer = Eigen::ArrayXXi::Constant(1, 9, 1);
  Tokens tokens(1, 5);
  tokens.set_lengths({2});
  CHECK((tokens.lengths() == std::vector<Index>{2} && TokensView(tokens).length(0) == 2));
  tokens = longer;
  CHECK(tokens.lengths().empty());
  CHECK((!TokensView(tokens).has_lengths() && TokensView(tokens).all_lengths() == 9));

  tokens.set_lengths({2});
  tokens = Eigen::ArrayXXi(longer);  // of the same size
  CHECK(tokens.lengths().empty());
  tokens.set_lengths({2});
  tokens.resize(1, 9);
  CHECK(tokens.lengths().empty());
  tokens.set_lengths({2});
  tokens(0, 1) = 2;
  CHECK(tokens.lengths() == std::vector<Index>{2});
  tokens.set_lengths({});
  CHECK(tokens.lengths().empty());
}

TEST_CASE("Tokens that have been moved from are empty", "[tokens]") {
  Tokens tokens = Eigen::ArrayXXi::Constant(2, 3, 4);
  tokens.set_lengths({3, 1});
  Tokens moved = std::move(tokens), assigned(5, 5);
  CHECK((tokens.empty() && tokens.batch() == 0 && tokens.steps() == 0 && tokens.lengths().empty()));
  assigned = std::move(moved);
  CHECK((moved.empty() && moved.batch() == 0 && moved.steps() == 0 && moved.lengths().empty()));
  CHECK((assigned.batch() == 2 && assigned.steps() == 3 && assigned(1, 2) == 4 && assigned.lengths().at(1) == 1));
}
