// A readout with the weights of an embedding; what holds for every layer is in the laws.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/io/network.hpp>

using namespace recur;
using namespace recur_test;

namespace {

Tokens random_tokens(int kinds, Index batch, Index steps, std::mt19937& rng) {
  Tokens tokens(batch, steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < batch; ++n) tokens(n, t) = static_cast<int>(uniform_below(rng, static_cast<unsigned>(kinds)));
  return tokens;
}

}  // namespace

TEST_CASE("A TiedReadout is an embedding, layers, and a readout with V = E^T, whose gradients are added",
          "[tied_readout]") {
  std::mt19937 rng(1);
  for (const int padding : {-1, 2}) {
    const auto tied = randomized(TiedReadout(Embedding<double>(7, 4, {.padding = padding}), Lstm<double>(4, 4)), rng);
    Sequence apart(tied.embedding(), tied.body.layer<1>(), Readout<double>(4, 7, {.bias = true}));
    apart.layer<2>().V = tied.embedding().E.transpose();
    apart.layer<2>().c = tied.c;
    CHECK((tied.inputs() == 7 && tied.outputs() == 7));

    const auto x = random_tokens(7, 3, 9, rng);
    const auto dy = random_series(7, 3, 9, rng);
    auto trace = tied.trace();
    auto trace_apart = apart.trace();
    CHECK(tied.forward(x, trace).matrix().isApprox(apart.forward(x, trace_apart).matrix(), 1e-14));
    auto gradient = zeros_like(tied);
    auto expected = zeros_like(apart);
    bptt(tied, x, trace, dy, gradient);
    bptt(apart, x, trace_apart, dy, expected);
    const MatrixOf<double> dE = expected.layer<0>().E + expected.layer<2>().V.transpose();
    CHECK(gradient.embedding().E.isApprox(dE, 1e-13));
    if (padding >= 0) CHECK(expected.layer<0>().E.col(padding).isZero(0));
    CHECK(gradient.embedding().E.col(2).norm() > 0);  // of the padding, too: the readout's part
    CHECK(gradient.body.layer<1>().W.isApprox(expected.layer<1>().W, 1e-13));
    CHECK(gradient.c.isApprox(expected.layer<2>().c, 1e-13));
  }
}

TEST_CASE("A TiedReadout's weights are visited once, saved, cast and streamed", "[tied_readout]") {
  std::mt19937 rng(2);
  auto net = TiedReadout(Embedding<double>(6, 3), Gru<double>(3, 3));
  initialize(net, rng);
  CHECK(net.c.isZero(0));
  CHECK(net.embedding().E.norm() > 0);
  net = randomized(std::move(net), rng);
  CHECK(parameter_count(net) == 6 * 3 + parameter_count(Gru<double>(3, 3)) + 6);
  CHECK(net.description() == "TiedReadout(" + net.body.description() + ")");
  const auto x = random_tokens(6, 1, 8, rng);
  const auto y = net.forward(x);
  Stream stream(net);
  for (Index t = 0; t < 8; ++t)
    CHECK(VectorOf<double>(stream.step(Token{x(0, t)})).isApprox(VectorOf<double>(y[t].col(0)), 1e-14));
  auto loaded = zeros_like(net);
  const Folder folder;
  save(folder / "net.safetensors", net);
  load(folder / "net.safetensors", loaded);
  CHECK(parameters_of(loaded) == parameters_of(net));
  CHECK(net.cast<float>().c == net.c.cast<float>());
  CHECK(net.cast<float>().forward(x).matrix().isApprox(y.matrix().cast<float>(), 1e-5f));
}

TEST_CASE("A TiedReadout learns from tokens, with all columns of its embedding", "[tied_readout]") {
  std::mt19937 rng(3);
  TiedReadout net(Embedding<double>(5, 4), Elman<double>(4, 4));
  net.c.setOnes();
  initialize(net, rng);
  CHECK(net.c.isZero(0));
  const MatrixOf<double> before = net.embedding().E;
  const Tokens x = Eigen::ArrayXXi::Constant(2, 6, 1);  // of kind 1 alone
  const Classes target = Classes::Constant(2, 6, 3);
  Adam adam(net, {.rate = 0.05});
  const auto result = train(net, adam, softmax_cross_entropy, TokenData(x, target), rng, {.epochs = 60, .batch = 2});
  CHECK(result.losses.back() < result.losses.front());
  CHECK(((net.embedding().E - before).colwise().norm().array() > 0).all());
  Series<double> dy;
  CHECK(softmax_cross_entropy(net.forward(x), target, dy) < 0.1);
}

TEST_CASE("A TiedReadout says what does not fit", "[tied_readout]") {
  CHECK(message_of([] { TiedReadout net(Embedding<float>(9, 4), Lstm<float>(4, 5)); }) ==
        "TiedReadout: the last layer's outputs() must be 4 (the embedding's), got 5");
  TiedReadout net(Embedding<float>(9, 4), Lstm<float>(4, 4));
  net.c.resize(3);
  CHECK(message_of([&] { net.forward(Tokens(Eigen::ArrayXXi::Zero(1, 2))); }) ==
        "forward: c.size() must be 9 (outputs()), got 3");
}
