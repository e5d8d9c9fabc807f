#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/layers/layer_norm.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// The equation, in plain Eigen.
template <class Layer>
MatrixOf<double> textbook(const Layer& layer, const MatrixOf<double>& x) {
  MatrixOf<double> y(x.rows(), x.cols());
  for (Index j = 0; j < x.cols(); ++j) {
    const Eigen::ArrayXd centred = x.col(j).array() - x.col(j).mean();
    const double variance = centred.square().mean();
    y.col(j) = (centred / std::sqrt(variance + layer.epsilon()) * layer.gain.template cast<double>().array() +
                layer.bias.template cast<double>().array())
                   .matrix();
  }
  return y;
}

}  // namespace

TEST_CASE("A LayerNorm is its equation, for any number of features", "[layer_norm]") {
  std::mt19937 rng(1);
  for (const Index features : {1, 2, 7, 8, 9, 24, 101}) {
    const auto layer = randomized(LayerNorm<double>(features, {.epsilon = 1e-3}), rng);
    const auto x = random_series(features, 3, 5, rng);
    INFO(features << " features");
    CHECK((layer.forward(x).matrix() - textbook(layer, x.matrix())).cwiseAbs().maxCoeff() < 1e-14);
    const auto narrow = layer.cast<float>();
    const auto y = narrow.forward(x.cast<float>());
    CHECK((y.matrix().cast<double>() - textbook(narrow, x.matrix())).cwiseAbs().maxCoeff() < 1e-5);
  }
}

TEST_CASE("A LayerNorm keeps numbers that are large, and far from zero", "[layer_norm]") {
  std::mt19937 rng(2);
  const LayerNorm<double> layer(12);
  auto x = random_series(12, 1, 3, rng);
  const Series<double> y(layer.forward(x));
  x.matrix().array() = 1e3 * x.matrix().array() + 1e6;
  CHECK((layer.forward(x).matrix() - y.matrix()).cwiseAbs().maxCoeff() < 1e-3);  // but for epsilon
  CHECK(std::abs(layer.forward(x).matrix().mean()) < 1e-9);
  x.matrix().setConstant(5);  // no variance at all
  CHECK(layer.forward(x).matrix().isZero(0));
}

TEST_CASE("A LayerNorm passes the gradient check", "[layer_norm]") {
  std::mt19937 rng(3);
  for (const Index features : {1, 5, 19}) {
    const auto layer = randomized(LayerNorm<double>(features), rng);
    const auto x = random_series(features, 3, 4, rng), target = random_series(features, 3, 4, rng);
    const auto check = check_gradient(layer, squared_error, x, target);
    INFO(features << " features: " << check);
    CHECK(check.relative_error < 1e-7);
  }
}

TEST_CASE("A LayerNorm of fixed size gives the bits of one whose size is given at run time", "[layer_norm]") {
  std::mt19937 rng(4);
  const auto fixed = randomized(LayerNorm<float, 21>(), rng);
  LayerNorm<float> layer(21);
  layer.gain = fixed.gain, layer.bias = fixed.bias;
  const auto x = random_series<float>(21, 3, 5, rng);
  CHECK(identical(fixed.forward(x).matrix(), layer.forward(x).matrix()));
}

TEST_CASE("A LayerNorm starts at gain 1 and bias 0, also after initialize", "[layer_norm]") {
  std::mt19937 rng(5);
  LayerNorm<float> layer(4);
  CHECK((layer.gain == VectorOf<float>::Ones(4) && layer.bias == VectorOf<float>::Zero(4)));
  layer = randomized(layer, rng);
  initialize(layer, rng);
  CHECK((layer.gain == VectorOf<float>::Ones(4) && layer.bias == VectorOf<float>::Zero(4)));
  CHECK(layer.description() == "LayerNorm 1e-05 4 -> 4");
}

TEST_CASE("What does not fit a LayerNorm is said", "[layer_norm]") {
  CHECK(message_of([] { LayerNorm<float>(0); }) == "LayerNorm: features > 0 expected, got 0");
  CHECK(message_of([] { LayerNorm<float>(2, {.epsilon = 0}); }) == "LayerNorm: epsilon > 0 expected, got 0");
  LayerNorm<float> layer(3);
  CHECK(message_of([&] { layer.forward(Series<float>(2, 1, 1)); }) ==
        "forward: x.features() must be 3 (inputs()), got 2");
  layer.bias.resize(2);
  CHECK(message_of([&] { layer.forward(Series<float>(3, 1, 1)); }) ==
        "forward: gain and bias must be F numbers each, got 3 and 2");
}
