// What is particular to Dropout; what holds for every layer is in laws/.
#include "catch.hpp"
#include "helpers.hpp"
#include "cells.hpp"
#include "numbers.hpp"

#include <cmath>

using namespace recur;
using namespace recur_test;

namespace {

Series<double> ones(Index features, Index batch, Index steps) {
  Series<double> x(features, batch, steps);
  x.matrix().setOnes();
  return x;
}

}  // namespace

TEST_CASE("Nothing is left out but in training", "[dropout]") {
  std::mt19937 rng(1);
  const Dropout<double> layer(5, 0.5);
  const auto x = random_series(5, 3, 4, rng);
  auto trace = layer.trace();
  CHECK(identical(layer.forward(x, trace).matrix(), x.matrix()));
  trace.train(1);
  CHECK_FALSE(identical(layer.forward(x, trace).matrix(), x.matrix()));
  trace.evaluate();
  CHECK(identical(layer.forward(x, trace).matrix(), x.matrix()));
  trace.train(1);
  CHECK(identical(Dropout<double>(5, 0).forward(x, trace).matrix(), x.matrix()));
  Stream stream(layer);
  CHECK(identical(stream.step(x[0].col(0)), x[0].col(0)));
}

TEST_CASE("As many are left out as p says, and the others scaled so that the mean stays", "[dropout]") {
  for (const double p : {0.1, 0.5, 0.8}) {
    const Dropout<double> layer(50, p);
    auto trace = layer.trace();
    trace.train(7);
    const auto y = layer.forward(ones(50, 20, 100), trace);
    const auto count = static_cast<double>(y.matrix().size());
    const auto left_out = static_cast<double>((y.matrix().array() == 0).count());
    const double deviation = std::sqrt(count * p * (1 - p));
    INFO("p " << p << ": " << left_out << " of " << count);
    CHECK(std::abs(left_out - count * p) < 4 * deviation);
    const bool scaled = ((y.matrix().array() == 0) || (y.matrix().array() == 1 / (1 - p))).all();
    CHECK(scaled);
    // Neither features nor steps nor sequences lie: each row and column has about as many.
    const auto dropped = (y.matrix().array() == 0).cast<double>();
    CHECK((dropped.rowwise().mean() - p).abs().maxCoeff() < 5 * std::sqrt(p * (1 - p) / 2000));
    CHECK((dropped.colwise().mean() - p).abs().maxCoeff() < 5 * std::sqrt(p * (1 - p) / 50));
  }
}

TEST_CASE("A seed says what is left out, and each forward and each layer leaves out something else", "[dropout]") {
  const Sequence net(Dropout<double>(40, 0.5), Dropout<double>(40, 0.5));
  const auto x = ones(40, 2, 10);
  auto trace = net.trace(), other = net.trace();
  trace.train(3);
  other.train(3);
  const Series<double> y(net.forward(x, trace)), first(net.output_of<0>(trace));
  CHECK(identical(net.forward(x, other).matrix(), y.matrix()));
  CHECK(std::abs((y.matrix().array() == 4).cast<double>().mean() - 0.25) < 0.1);  // not the same in both
  CHECK_FALSE(identical(net.forward(x, trace).matrix(), y.matrix()));
  trace.train(4);
  CHECK_FALSE(identical(net.forward(x, trace).matrix(), y.matrix()));
  trace.train(3);
  CHECK(identical(net.forward(x, trace).matrix(), y.matrix()));
}

TEST_CASE("Neighbouring seeds have nothing in common", "[dropout]") {
  const Dropout<double> half(8, 0.5);
  Series<double> ones(8, 1, 6);
  ones.matrix().setOnes();
  const auto with_seed = [&](std::uint64_t seed) {
    auto trace = half.trace();
    trace.train(seed);
    return Series<double>(half.forward(ones, trace));
  };
  const auto first = with_seed(1), second = with_seed(2);
  for (Index t = 0; t < 6; ++t)
    for (Index u = 0; u < 6; ++u) CHECK(MatrixOf<double>(first[t]) != MatrixOf<double>(second[u]));
}

TEST_CASE("What is left out does not depend on the other sequences of the batch", "[dropout]") {
  const Dropout<double> layer(10, 0.5);
  auto trace = layer.trace();
  trace.train(5);
  const Series<double> together(layer.forward(ones(10, 4, 6), trace));
  auto x = ones(10, 4, 6);
  x.set_lengths({3, 6, 0, 5});
  trace.train(5);
  const auto padded = layer.forward(x, trace);
  for (Index n = 0; n < 4; ++n)
    for (Index t = 0; t < x.lengths()[std::size_t(n)]; ++t) CHECK(identical(padded[t].col(n), together[t].col(n)));
}

TEST_CASE("What does not fit a Dropout is said", "[dropout]") {
  CHECK(message_of([] { Dropout<float>(0, 0.5); }) == "Dropout: features > 0 expected, got 0");
  CHECK(message_of([] { Dropout<float>(3, -0.1); }) == "Dropout: 0 <= p < 1 expected, got -0.1");
  CHECK(message_of([] { Dropout<float>(3, 1); }) == "Dropout: 0 <= p < 1 expected, got 1");
  CHECK(message_of([] { Dropout<float>(3, std::nan("")); }).starts_with("Dropout: 0 <= p < 1 expected, got "));
}

TEST_CASE("One mask is for all steps of a sequence, another for each sequence, and in each forward", "[dropout]") {
  const Dropout<double> dropout(50, 0.5, {.one_mask = true});
  CHECK(dropout.description() == "Dropout 0.5 one mask 50 -> 50");
  CHECK(dropout.cast<float>().one_mask());
  CHECK(Stack<Gru<float>>(2, 3, 2, {.dropout = 0.5, .one_mask = true})
            .description()
            .rfind("Stack with dropout 0.5 one mask(", 0) == 0);
  Series<double> ones(50, 3, 4);
  ones.matrix().setOnes();
  auto trace = dropout.trace();
  trace.train(7);
  const Series<double> y(dropout.forward(ones, trace)), again(dropout.forward(ones, trace));
  for (Index t = 1; t < 4; ++t) CHECK(y[t] == y[0]);
  CHECK(y[0].col(0) != y[0].col(1));
  CHECK(y[0].col(1) != y[0].col(2));
  CHECK(y.matrix() != again.matrix());
  CHECK(((y.matrix().array() == 0) || (y.matrix().array() == 2)).all());
  const auto dropped = (y[0].array() == 0).count();
  CHECK((dropped > 50 && dropped < 100));  // of 150
}
