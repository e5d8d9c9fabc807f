// Layers side by side, and one that is gone around; what holds for every layer is in the laws.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/io/network.hpp>

using namespace recur;
using namespace recur_test;

TEST_CASE("A Residual adds its inputs to what its layer gives", "[residual]") {
  std::mt19937 rng(1);
  const auto gru = randomized(Gru<double>(4, 4), rng);
  const Residual layer(gru);
  const auto x = random_series(4, 3, 6, rng), dy = random_series(4, 3, 6, rng);
  CHECK(layer.forward(x).matrix() == x.matrix() + gru.forward(x).matrix());
  CHECK(layer.description() == "Residual(" + gru.description() + ")");
  std::vector<std::string> names;
  visit([&](const Name& name, const auto&) { names.push_back(name.str()); }, layer);
  CHECK(names == std::vector<std::string>{"inner.U", "inner.W", "inner.b"});

  auto trace = layer.trace();
  auto gradient = zeros_like(layer);
  Series<double> dx, dx_of_gru;
  layer.forward(x, trace);
  bptt(layer, x, trace, dy, gradient, {.dx = &dx});
  auto trace_of_gru = gru.trace();
  auto gradient_of_gru = zeros_like(gru);
  gru.forward(x, trace_of_gru);
  bptt(gru, x, trace_of_gru, dy, gradient_of_gru, {.dx = &dx_of_gru});
  CHECK(parameters_of(gradient) == parameters_of(gradient_of_gru));
  CHECK(dx.matrix().isApprox(dx_of_gru.matrix() + dy.matrix(), 1e-14));
  CHECK(layer.cast<float>().inner.W == gru.cast<float>().W);
}

TEST_CASE("A Residual wants as many outputs as inputs", "[residual]") {
  CHECK(message_of([] { Residual layer(Gru<float>(3, 4)); }) ==
        "Residual: the layer must have as many outputs as inputs (3), got 4");
  Residual layer(Gru<float>(3, 3));
  layer.inner = Gru<float>(3, 4);
  CHECK(message_of([&] { layer.forward(Series<float>(3, 1, 2)); }) ==
        "forward: the layer must have as many outputs as inputs (3), got 4");
  const Residual<Elman<float, Tanh, 4, 4>> fixed;
  CHECK((fixed.inputs() == 4 && decltype(fixed)::outputs_at_compile_time == 4));
}

TEST_CASE("Parallel stacks the outputs of its layers, and Sum adds them", "[parallel]") {
  std::mt19937 rng(2);
  const auto gru = randomized(Gru<double>(3, 4), rng);
  const auto readout = randomized(Readout<double>(3, 4, {.bias = true}), rng);
  const auto x = random_series(3, 2, 5, rng), dy = random_series(4, 2, 5, rng);
  const auto of_gru = gru.forward(x), of_readout = readout.forward(x);
  const Parallel stacked(gru, readout);
  const Sum sum(gru, readout);
  CHECK((stacked.inputs() == 3 && stacked.outputs() == 8 && sum.outputs() == 4));
  const auto y = stacked.forward(x);
  CHECK(y.matrix().topRows(4) == of_gru.matrix());
  CHECK(y.matrix().bottomRows(4) == of_readout.matrix());
  CHECK(sum.forward(x).matrix() == of_gru.matrix() + of_readout.matrix());
  CHECK(stacked.description() == "Parallel(" + gru.description() + ", " + readout.description() + ")");
  CHECK(sum.description() == "Sum(" + gru.description() + ", " + readout.description() + ")");
  CHECK(sum.cast<float>().layer<1>().V == readout.cast<float>().V);
  CHECK(stacked.cast<float>().layer<0>().U == gru.cast<float>().U);

  // Each layer has its part of the gradient, or all of it.
  const auto gradient_of = [&](const auto& net, const Series<double>& d, Series<double>& dx) {
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    net.forward(x, trace);
    bptt(net, x, trace, d, gradient, {.dx = &dx});
    return parameters_of(gradient);
  };
  Series<double> dx, dx_gru, dx_readout, both(8, 2, 5);
  const auto d_gru = gradient_of(gru, dy, dx_gru), d_readout = gradient_of(readout, dy, dx_readout);
  VectorOf<double> d_both(d_gru.size() + d_readout.size());
  d_both << d_gru, d_readout;
  CHECK(gradient_of(sum, dy, dx) == d_both);
  CHECK(dx.matrix().isApprox(dx_gru.matrix() + dx_readout.matrix(), 1e-14));
  both.matrix() << dy.matrix(), 2 * dy.matrix();
  d_both << d_gru, 2 * d_readout;
  CHECK(gradient_of(stacked, both, dx).isApprox(d_both, 1e-14));
  CHECK(dx.matrix().isApprox(dx_gru.matrix() + 2 * dx_readout.matrix(), 1e-14));
}

TEST_CASE("Layers side by side take tokens where all of them do", "[parallel]") {
  std::mt19937 rng(3);
  const auto net = randomized(Parallel(Embedding<double>(6, 3), Gru<double>(6, 4)), rng);
  Tokens tokens(2, 7);
  Series<double> one_hot(6, 2, 7);
  one_hot.setZero();
  for (Index t = 0; t < 7; ++t)
    for (Index n = 0; n < 2; ++n) {
      tokens(n, t) = static_cast<int>(uniform_below(rng, 6));
      one_hot[t](tokens(n, t), n) = 1;
    }
  CHECK(net.forward(tokens).matrix().isApprox(net.forward(one_hot).matrix(), 1e-14));
  Stream stream(net);
  const auto y = net.forward(tokens);
  for (Index t = 0; t < 7; ++t)
    CHECK(VectorOf<double>(stream.step(Token{tokens(0, t)})).isApprox(VectorOf<double>(y[t].col(0)), 1e-14));
  STATIC_REQUIRE(!decltype(Sum(Gru<double>(3, 3), LayerNorm<double>(3)))::takes_tokens);
}

TEST_CASE("Layers side by side say what does not fit", "[parallel]") {
  CHECK(message_of([] { Parallel net(Gru<float>(3, 4), Elman<float>(2, 4)); }) ==
        "Parallel: layer 1 must have 3 inputs (as layer 0), got 2");
  CHECK(message_of([] { Sum net(Gru<float>(3, 4), Elman<float>(3, 5)); }) ==
        "Sum: layer 1 must have 3 inputs and 4 outputs (as layer 0), got 3 and 5");
  Sum net(Gru<float>(3, 4), Elman<float>(3, 4));
  net.layer<1>() = Elman<float>(3, 5);
  CHECK(message_of([&] { net.forward(Series<float>(3, 1, 2)); }) ==
        "forward: layer 1 must have 3 inputs and 4 outputs (as layer 0), got 3 and 5");
  const Parallel<Elman<float, Tanh, 3, 4>, Elman<float, Tanh, 3, 5>> fixed;
  CHECK(decltype(fixed)::outputs_at_compile_time == 9);
}

TEST_CASE("Layers side by side are saved and loaded", "[parallel]") {
  std::mt19937 rng(4);
  const auto make = [] {
    return Residual(Sequence(Parallel(Gru<double>(6, 4), Lru<double>(6, 3)), Readout<double>(10, 6)));
  };
  const auto net = randomized(make(), rng);
  auto loaded = make();
  const Folder folder;
  save(folder / "net.safetensors", net);
  load(folder / "net.safetensors", loaded);
  CHECK(parameters_of(loaded) == parameters_of(net));
  auto sum = Residual(Sequence(Sum(Gru<double>(6, 4), Elman<double>(6, 4)), Readout<double>(4, 6)));
  CHECK_THROWS(load(folder / "net.safetensors", sum));
}
