// What is particular to recurrences without a product with the hidden state; the rest is in the laws.
#include "catch.hpp"
#include "cells.hpp"
#include "numbers.hpp"

using namespace recur;
using namespace recur_test;

namespace {

/// Whether outputs and gradients are finite with all biases at `bias`.
template <class Cell>
bool is_finite_with_bias(double bias) {
  std::mt19937 rng(1);
  auto cell = randomized(Cell(2, 19), rng);
  cell.b.setConstant(static_cast<typename Cell::Scalar>(bias));
  const auto x = random_series<typename Cell::Scalar>(2, 3, 5, rng),
             dy = random_series<typename Cell::Scalar>(19, 3, 5, rng);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  const bool finite = detail::all_finite(cell.forward(x, trace, random_state(cell, 3, rng)).matrix());
  bptt(cell, x, trace, dy, gradient);
  visit([](const Name&, auto& g) { g *= 2; }, gradient);
  return finite && detail::not_finite_in(gradient).empty();
}

}  // namespace

TEST_CASE("Gates that are shut or open wide give numbers that are finite, gradients too", "[cell]") {
  for (const double bias : {-1e4, -800.0, -110.0, -95.0, -90.0, -30.0, 30.0, 90.0, 110.0, 1e4}) {
    INFO("bias " << bias);
    CHECK(is_finite_with_bias<MinGru<float>>(bias));
    CHECK(is_finite_with_bias<MinLstm<float>>(bias));
    CHECK(is_finite_with_bias<MinLstm<double>>(bias));
    CHECK(is_finite_with_bias<Qrnn<float>>(bias));
    CHECK(is_finite_with_bias<RgLru<float>>(bias));
    CHECK(is_finite_with_bias<RgLru<double>>(bias));
  }
}

TEST_CASE("A dense layer is f(U x + b), and carries nothing", "[cell]") {
  std::mt19937 rng(1);
  const auto layer = randomized(Dense<double, Relu>(3, 19), rng);
  const auto x = random_series(3, 4, 9, rng), dy = random_series(19, 4, 9, rng);
  auto trace = layer.trace();
  const MatrixOf<double> a = (layer.U * x.matrix()).colwise() + layer.b;
  CHECK(layer.forward(x, trace).matrix().isApprox(a.cwiseMax(0), 1e-14));
  auto gradient = zeros_like(layer);
  Series<double> dx;
  bptt(layer, x, trace, dy, gradient, {.dx = &dx});
  const MatrixOf<double> da = (a.array() > 0).select(dy.matrix(), 0);
  CHECK(gradient.U.isApprox(da * x.matrix().transpose(), 1e-13));
  CHECK(gradient.b.isApprox(da.rowwise().sum(), 1e-13));
  CHECK(dx.matrix().isApprox(layer.U.transpose() * da, 1e-13));
  CHECK(layer.final_state(trace).rows() == 0);
  CHECK(layer.description() == "Dense relu 3 -> 19");
}

TEST_CASE("A dense layer starts as nn.Linear, by its inputs", "[cell][initializer]") {
  std::mt19937 rng(1);
  Dense<double, Identity> layer(4, 900);
  initialize(layer, rng);
  for (const auto& block : {MatrixOf<double>(layer.U), MatrixOf<double>(layer.b)}) {
    CHECK(block.cwiseAbs().maxCoeff() <= 0.5);
    CHECK(block.cwiseAbs().maxCoeff() > 0.49);
  }
}

TEST_CASE("A cell without a product has no W", "[cell]") {
  const MinGru<float> cell(3, 5);
  CHECK((cell.W.size() == 0 && cell.hidden() == 5));
  std::vector<std::string> names;
  visit([&](const Name& name, const auto&) { names.push_back(name.str()); }, cell);
  CHECK(names == std::vector<std::string>{"U", "b"});
  CHECK(parameter_count(IndRnn<float>(3, 5)) == 5 * 3 + 5 + 5);
}
