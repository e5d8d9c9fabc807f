#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/layers/embedding.hpp>
#include <recur/layers/layer_norm.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

using namespace recur;
using namespace recur_test;

namespace {

Tokens random_tokens(int kinds, Index batch, Index steps, std::mt19937& rng) {
  Tokens tokens(batch, steps);
  for (int& token : tokens.matrix().reshaped()) token = static_cast<int>(rng() % static_cast<unsigned>(kinds));
  return tokens;
}
Series<double> one_hot(const Tokens& tokens, Index kinds) {
  Series<double> x(kinds, tokens.batch(), tokens.steps());
  for (Index t = 0; t < tokens.steps(); ++t)
    for (Index n = 0; n < tokens.batch(); ++n) x[t](tokens.matrix()(n, t), n) = 1;
  return x;
}
auto network(EmbeddingOptions options = {}) {
  std::mt19937 rng(1);
  Sequence net(Embedding<double>(9, 4, options), Gru<double>(4, 5), Readout<double>(5, 3));
  initialize(net, rng);
  return net;
}

}  // namespace

TEST_CASE("An Embedding looks up the columns of its tokens, and a series of one-hot vectors is the same",
          "[embedding]") {
  std::mt19937 rng(2);
  const auto layer = randomized(Embedding<double>(9, 4), rng);
  auto tokens = random_tokens(9, 3, 6, rng);
  const auto y = layer.forward(tokens);
  for (Index t = 0; t < 6; ++t)
    for (Index n = 0; n < 3; ++n) REQUIRE(y[t].col(n) == layer.E.col(tokens.matrix()(n, t)));
  CHECK(layer.forward(one_hot(tokens, 9)).matrix() == y.matrix());

  const auto net = network();
  tokens.set_lengths({6, 2, 4});
  auto x = one_hot(tokens, 9);
  x.set_lengths({6, 2, 4});
  auto trace = net.trace();
  auto of_tokens = zeros_like(net), of_series = of_tokens;
  const auto dy = random_series(3, 3, 6, rng);
  const Series<double> y_tokens(net.forward(tokens, trace));
  bptt(net, tokens, trace, dy, of_tokens);
  CHECK(net.forward(x, trace).matrix().isApprox(y_tokens.matrix(), 1e-14));
  bptt(net, x, trace, dy, of_series);
  visit([](const Name&, const auto& a, const auto& b) { CHECK(a.isApprox(b, 1e-13)); }, of_tokens, of_series);
}

TEST_CASE("The gradient of an Embedding is that of finite differences, of tokens too", "[embedding]") {
  std::mt19937 rng(3);
  const auto net = network();
  const auto tokens = random_tokens(9, 3, 6, rng);
  const auto check = check_gradient(net, squared_error, tokens, random_series(3, 3, 6, rng));
  INFO(check);
  CHECK(check.relative_error < 1e-7);
}

TEST_CASE("The gradient of an Embedding leaves out the padding alone, whichever kind it is", "[embedding]") {
  std::mt19937 rng(5);
  const auto tokens = random_tokens(9, 3, 6, rng);
  const auto x = one_hot(tokens, 9), dy = random_series(5, 3, 6, rng);
  const MatrixOf<double> whole = dy.matrix() * x.matrix().transpose();
  for (const int padding : {-1, 0, 4, 8}) {
    const Embedding<double> layer(9, 5, {.padding = padding});
    auto trace = layer.trace();
    auto of_tokens = layer, of_series = layer;
    layer.forward(tokens, trace);
    bptt(layer, tokens, trace, dy, of_tokens);
    layer.forward(x, trace);
    bptt(layer, x, trace, dy, of_series);
    auto expected = whole;
    if (padding >= 0) expected.col(padding).setZero();
    CHECK(of_tokens.E.isApprox(expected, 1e-13));
    CHECK(of_series.E.isApprox(expected, 1e-13));
  }
  const Embedding<double, 9, 1> of_one_feature;
  const auto d = random_series(1, 3, 6, rng);
  auto trace = of_one_feature.trace();
  auto gradient = of_one_feature;
  of_one_feature.forward(tokens, trace);
  bptt(of_one_feature, tokens, trace, d, gradient);
  CHECK(gradient.E.isApprox(d.matrix() * x.matrix().transpose(), 1e-13));
}

TEST_CASE("The padding of an Embedding starts at zero and stays there", "[embedding]") {
  std::mt19937 rng(4);
  auto net = network({.padding = 6});
  auto& layer = net.layer<0>();
  CHECK(layer.E.col(6).isZero(0));
  CHECK(layer.E.col(5).cwiseAbs().minCoeff() > 0);
  const auto tokens = random_tokens(9, 4, 20, rng);
  REQUIRE((tokens.matrix().array() == 6).any());
  auto trace = net.trace();
  auto gradient = zeros_like(net), plain = gradient;
  const auto dy = random_series(3, 4, 20, rng);
  net.forward(tokens, trace);
  bptt(net, tokens, trace, dy, gradient);
  CHECK(gradient.layer<0>().E.col(6).isZero(0));
  CHECK(gradient.layer<0>().E.col(5).norm() > 0);
  const auto x = one_hot(tokens, 9);
  net.forward(x, trace);
  bptt(net, x, trace, dy, plain);
  CHECK(plain.layer<0>().E.col(6).isZero(0));
  CHECK(plain.layer<0>().E.isApprox(gradient.layer<0>().E, 1e-13));
}

#ifdef _OPENMP
TEST_CASE("No bit of an Embedding or a LayerNorm depends on the number of threads", "[embedding][layer_norm][team]") {
  std::mt19937 rng(8);
  const Sequence net(randomized(Embedding<double>(90, 101, {.padding = 7}), rng),
                     randomized(LayerNorm<double>(101), rng), randomized(Elman<double>(101, 93), rng, 0.1),
                     randomized(LayerNorm<double>(93), rng));
  auto tokens = random_tokens(90, 29, 40, rng);
  std::vector<Index> lengths;
  for (Index n = 0; n < 29; ++n) lengths.push_back(n * 13 % 41);
  tokens.set_lengths(lengths);
  auto x = random_series(90, 29, 40, rng);
  const auto dy = random_series(93, 29, 40, rng);
  std::vector<VectorOf<double>> gradients;
  std::vector<MatrixOf<double>> outputs;
  const auto run = [&](const auto& input) {
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    outputs.push_back(net.forward(input, trace).matrix());
    bptt(net, input, trace, dy, gradient);
    gradients.push_back(parameters_of(gradient));
  };
  const int before = omp_get_max_threads();
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    run(tokens);
    run(x);
  }
  omp_set_num_threads(before);
  for (std::size_t i = 2; i < 6; ++i) {
    CHECK(identical(outputs[i], outputs[i % 2]));
    CHECK(identical(gradients[i], gradients[i % 2]));
  }
}
#endif

TEST_CASE("A stream takes tokens through an Embedding", "[embedding]") {
  std::mt19937 rng(7);
  const auto net = network();
  const auto tokens = random_tokens(9, 1, 8, rng);
  const auto y = net.forward(tokens);
  Stream stream(net);
  for (Index t = 0; t < 8; ++t) REQUIRE(VectorOf<double>(stream.step(Token{tokens.matrix()(0, t)})) == y[t].col(0));
}

TEST_CASE("What does not fit an Embedding is said", "[embedding]") {
  CHECK(message_of([] { Embedding<float>(0, 2); }) == "Embedding: kinds > 0 and features > 0 expected, got 0 and 2");
  CHECK(message_of([] { Embedding<float>(3, 2, {.padding = 3}); }) ==
        "Embedding: padding < kinds expected, got 3 of 3");
  const Embedding<float> layer(3, 2);
  Tokens tokens(1, 2);
  tokens.matrix() << 0, 3;
  CHECK(message_of([&] { layer.forward(tokens); }) ==
        "forward: x(0, 1) must be in 0 .. 2 (inputs() kinds of tokens), got 3");
  CHECK(layer.description() == "Embedding 3 -> 2");
  Embedding<float> padded(3, 2, {.padding = 2});
  padded.E.resize(2, 2);
  CHECK(message_of([&] { padded.forward(Series<float>(2, 1, 1)); }) ==
        "forward: E must have a column for the padding, 2, got 2x2");
  CHECK(Embedding<float>(3, 2, {.padding = 1}).cast<double>().description() == "Embedding 3 -> 2 padding 1");
}
