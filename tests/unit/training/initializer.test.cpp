// Where parameters start: limits, moments, orthogonality, and one seed's numbers.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/training/initializer.hpp>
#include <recur/layers/bidirectional.hpp>
#include <recur/layers/stack.hpp>
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>
#include <recur/cells/peephole_lstm.hpp>
#include <recur/cells/lstm.hpp>
#include <recur/cells/gru.hpp>

using namespace recur;
using recur_test::same_parameters;

namespace {

struct Moments {
  double mean, variance, largest;
};
Moments moments(const auto& block) {
  const auto values = block.template cast<double>().array().eval();
  const double mean = values.mean();
  return {mean, (values - mean).square().mean(), values.abs().maxCoeff()};
}

/// Uniform in [-limit, limit): the mean is 0, the variance limit^2 / 3, and the largest of many is close to the limit.
void check_uniform(const auto& block, double limit) {
  const auto [mean, variance, largest] = moments(block);
  const double size = static_cast<double>(block.size());
  CHECK(largest <= limit * (1 + 1e-7));  // rounded to float
  CHECK(largest > limit * (1 - 10 / size));
  CHECK(std::abs(mean) < 4 * limit / std::sqrt(3 * size));
  CHECK(variance == Approx(limit * limit / 3).epsilon(4 / std::sqrt(size)));
}

}  // namespace

TEMPLATE_TEST_CASE("initialize gives every parameter PyTorch's bounds, biases too", "[initializer]", float, double) {
  // 1 / sqrt(H) for cells, whatever their inputs; 1 / sqrt(inputs) for readouts.
  Sequence net(Elman<TestType>(30, 900), Elman<TestType>(900, 400), Readout<TestType>(400, 100, {.bias = true}));
  std::mt19937 rng(1);
  initialize(net, rng);
  const auto& first = net.template layer<0>();
  const auto& second = net.template layer<1>();
  const auto& readout = net.template layer<2>();
  for (const auto& block : {first.U, first.W, MatrixOf<TestType>(first.b)}) check_uniform(block, 1.0 / 30);
  for (const auto& block : {second.U, second.W, MatrixOf<TestType>(second.b)}) check_uniform(block, 1.0 / 20);
  for (const auto& block : {readout.V, MatrixOf<TestType>(readout.c)}) check_uniform(block, 1.0 / 20);
}

TEST_CASE("initialize leaves a readout without bias without one", "[initializer]") {
  Readout<float> readout(5, 3);
  std::mt19937 rng(1);
  initialize(readout, rng);
  CHECK(readout.c.isZero(0));
  CHECK(readout.V.cwiseAbs().minCoeff() > 0);
}

TEST_CASE("One seed gives the same parameters, another seed others", "[initializer]") {
  const auto net_of = [](unsigned seed) {
    std::mt19937 rng(seed);
    Sequence net(Elman<float>(3, 8), Readout<float>(8, 2));
    initialize(net, rng);
    orthogonal(net.layer<0>().W, rng);
    glorot_normal(net.layer<0>().U, rng);
    return net;
  };
  CHECK(same_parameters(net_of(7), net_of(7)));
  CHECK_FALSE(same_parameters(net_of(7), net_of(8)));
}

TEST_CASE("mt19937(1) gives these numbers", "[initializer]") {
  // The engine draws 1791095845, 4282876139, 3093770124 and so on, which the standard fixes. Two of them make a number,
  // and numbers fill a matrix down its columns.
  std::mt19937 rng(1);
  MatrixOf<double> block(2, 2), expected(2, 2);
  uniform_within(block, 1, rng);
  expected << 2 * ((1791095845 + 4282876139 * 0x1p32) / 0x1p64) - 1,
      2 * ((491263 + 550290313 * 0x1p32) / 0x1p64) - 1,  //
      2 * ((3093770124 + 4005303368 * 0x1p32) / 0x1p64) - 1, 2 * ((1298508491 + 4290846341 * 0x1p32) / 0x1p64) - 1;
  CHECK(block == expected);

  rng.seed(1);
  for (const double number : {0.99718480823026556, 0.93255736136816547, 0.128124447772306, 0.99904051546527362})
    CHECK(uniform(rng) == number);
  rng.seed(1);
  for (const double number : {3.1240361574875819, 0.5236479686682648, -0.58433292196352149, -0.4787233562242289})
    CHECK(normal(rng) == Approx(number).epsilon(1e-14));  // the C library's logarithm and cosine

  rng.seed(1);
  Readout<float> readout(4, 2);
  initialize(readout, rng);
  MatrixOf<float> V(2, 4);
  V << 0.497184813f, -0.371875554f, -0.263911009f, -0.112089261f,  //
      0.432557374f, 0.499040514f, -0.103419274f, 0.169746041f;
  CHECK(readout.V == V);
}

TEMPLATE_TEST_CASE("Glorot's limit and variance are those of the paper", "[initializer]", float, double) {
  MatrixOf<TestType> block(300, 200);
  std::mt19937 rng(2);
  glorot_uniform(block, rng);
  check_uniform(block, std::sqrt(6.0 / 500));
  glorot_uniform(block, rng, 0.25);
  check_uniform(block, 0.25 * std::sqrt(6.0 / 500));

  for (const double gain : {1.0, 3.0}) {
    glorot_normal(block, rng, gain);
    const auto [mean, variance, largest] = moments(block);
    const double deviation = gain * std::sqrt(2.0 / 500);
    CHECK(std::abs(mean) < 4 * deviation / std::sqrt(60000.0));
    CHECK(variance == Approx(deviation * deviation).epsilon(0.03));
    CHECK(largest > 3.5 * deviation);  // no uniform number would be
    const double within = (block.array().abs() < static_cast<TestType>(deviation)).template cast<double>().mean();
    CHECK(within == Approx(0.6827).epsilon(0.02));
  }
}

TEST_CASE("orthogonal gives orthonormal columns, or rows of a wide matrix", "[initializer]") {
  std::mt19937 rng(3);
  for (const double gain : {1.0, std::sqrt(2.0), -0.5})
    for (const auto& [rows, cols] : {std::pair(7, 7), {64, 64}, {50, 8}, {8, 50}, {1, 1}, {1, 9}, {9, 1}}) {
      MatrixOf<double> q(rows, cols);
      orthogonal(q, rng, gain);
      if (rows < cols) q.transposeInPlace();
      const MatrixOf<double> product = q.transpose() * q / (gain * gain);
      INFO(rows << "x" << cols << ", gain " << gain);
      CHECK((product - MatrixOf<double>::Identity(q.cols(), q.cols())).cwiseAbs().maxCoeff() < 1e-12);
    }
}

TEST_CASE("orthogonal in float is as good as float", "[initializer]") {
  std::mt19937 rng(4);
  MatrixOf<float> q(100, 100);
  orthogonal(q, rng);
  CHECK((q.transpose() * q - MatrixOf<float>::Identity(100, 100)).cwiseAbs().maxCoeff() < 1e-6f);
}

TEST_CASE("orthogonal is a random rotation: no direction is preferred", "[initializer]") {
  // Each entry of Q has mean 0 and variance 1 / n.
  std::mt19937 rng(5);
  MatrixOf<double> sum = MatrixOf<double>::Zero(4, 4), squares = sum, q(4, 4);
  const int draws = 4000;
  for (int k = 0; k < draws; ++k) {
    orthogonal(q, rng);
    sum += q;
    squares += q.cwiseAbs2();
  }
  CHECK((sum / draws).cwiseAbs().maxCoeff() < 4 * 0.5 / std::sqrt(draws));
  CHECK((squares.array() / draws - 0.25).abs().maxCoeff() < 0.02);
}

TEST_CASE("identity, constant and zero fill all of a block", "[initializer]") {
  MatrixOf<float> square = MatrixOf<float>::Constant(4, 4, 7), wide = MatrixOf<float>::Constant(2, 5, 7);
  identity(square);
  identity(wide, 0.5);
  CHECK(square == MatrixOf<float>::Identity(4, 4));
  CHECK(wide == 0.5f * MatrixOf<float>::Identity(2, 5));
  constant(wide, -1.5);
  CHECK(wide == MatrixOf<float>::Constant(2, 5, -1.5f));
  zero(wide);
  CHECK(wide == MatrixOf<float>::Zero(2, 5));
}

TEST_CASE("An IRNN is two lines", "[initializer]") {
  Elman<float, Relu> cell(3, 6);
  std::mt19937 rng(6);
  initialize(cell, rng);
  identity(cell.W);
  zero(cell.b);
  CHECK(cell.W == MatrixOf<float>::Identity(6, 6));
  CHECK(cell.b.isZero(0));
  CHECK_FALSE(cell.U.isZero(0));
}

TEST_CASE("Every initialiser works on a part of a matrix, and touches nothing else", "[initializer]") {
  Elman<double> cell(3, 8);
  std::mt19937 rng(7);
  const auto fill = [&](auto&& initialise) {
    cell.W.setConstant(7);
    initialise(cell.W.topRows(3));
    CHECK((cell.W.bottomRows(5).array() == 7).all());
    CHECK((cell.W.topRows(3).array() != 7).all());
    return MatrixOf<double>(cell.W.topRows(3));
  };
  CHECK(fill([&](auto&& block) { uniform_within(block, 0.1, rng); }).cwiseAbs().maxCoeff() <= 0.1);
  CHECK(fill([&](auto&& block) { glorot_uniform(block, rng); }).cwiseAbs().maxCoeff() <= std::sqrt(6.0 / 11));
  fill([&](auto&& block) { glorot_normal(block, rng); });
  const auto q = fill([&](auto&& block) { orthogonal(block, rng); });
  CHECK((q * q.transpose() - MatrixOf<double>::Identity(3, 3)).cwiseAbs().maxCoeff() < 1e-12);
  CHECK(fill([](auto&& block) { identity(block); }) == MatrixOf<double>::Identity(3, 8));
  CHECK(fill([](auto&& block) { constant(block, 0.1); }) == MatrixOf<double>::Constant(3, 8, 0.1));
  CHECK(fill([](auto&& block) { zero(block); }) == MatrixOf<double>::Zero(3, 8));
}

TEST_CASE("Every initialiser works on a vector, and on sizes fixed at compile time", "[initializer]") {
  std::mt19937 rng(8);
  Elman<float, Tanh, 3, 5> cell;
  glorot_uniform(cell.b, rng);
  CHECK(cell.b.cwiseAbs().maxCoeff() <= 1);  // sqrt(6 / (5 + 1))
  CHECK(cell.b.cwiseAbs().minCoeff() > 0);
  glorot_normal(cell.b.tail(2), rng);
  orthogonal(cell.b, rng);
  CHECK(cell.b.norm() == Approx(1));
  identity(cell.b);
  CHECK(cell.b == VectorOf<float, 5>::Unit(5, 0));
  constant(cell.b.head(2), 3);
  CHECK(cell.b.sum() == 6);
  orthogonal(cell.U, rng);
  CHECK((cell.U.transpose() * cell.U - MatrixOf<float, 3, 3>::Identity()).cwiseAbs().maxCoeff() < 1e-6f);
  orthogonal(cell.W, rng, 2);
  CHECK((cell.W.transpose() * cell.W / 4 - MatrixOf<float, 5, 5>::Identity()).cwiseAbs().maxCoeff() < 1e-6f);
}

TEST_CASE("The forget gates of every LSTM in a network are biased, and nothing else", "[initializer]") {
  Sequence net(Stack<Bidirectional<Lstm<double>>>(2, 3, 2), Gru<double>(6, 4), PeepholeLstm<double>(4, 2),
               Readout<double>(2, 1, {.bias = true}));
  forget_bias(net, 1.5);
  const auto check = [](const auto& cell) {
    const Index H = cell.hidden();
    CHECK((cell.b.segment(H, H).array() == 1.5).all());
    CHECK(cell.b.sum() == 1.5 * double(H));
  };
  for (const auto& each : net.layer<0>().layers) {
    check(each.ahead);
    check(each.back);
  }
  check(net.layer<2>());
  double sum = 0;
  visit([&](const Name&, const auto& block) { sum += block.sum(); }, net);
  CHECK(sum == 1.5 * (4 * 3 + 2));
}
