// What is particular to Residual; what holds for every layer is in laws/.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/io/network.hpp>

using namespace recur;
using namespace recur_test;

TEST_CASE("A residual layer adds x to what its inner layer gives, to the bit", "[residual]") {
  std::mt19937 rng(1);
  const auto lstm = randomized(Lstm<double>(4, 4), rng);
  const Residual layer(lstm);
  CHECK((layer.inputs() == 4 && layer.outputs() == 4));
  auto x = random_series(4, 3, 6, rng);
  const auto dy = random_series(4, 3, 6, rng);
  const auto initial = random_state(layer, 3, rng);
  for (const auto& lengths : {std::vector<Index>(), {4, 0, 6}}) {
    x.set_lengths(lengths);
    auto trace = layer.trace();
    auto lstm_trace = lstm.trace();
    const auto y = layer.forward(x, trace, initial), of_lstm = lstm.forward(x, lstm_trace, std::get<0>(initial));
    for (Index n = 0; n < 3; ++n)
      for (Index t = 0; t < SeriesView<const double>(x).length(n); ++t)
        CHECK(identical(y[t].col(n), (x[t].col(n) + of_lstm[t].col(n)).eval()));
    CHECK(identical(std::get<0>(layer.final_state(trace)), lstm.final_state(lstm_trace)));

    auto gradient = zeros_like(layer);
    auto lstm_gradient = zeros_like(lstm);
    Series<double> dx, lstm_dx;
    auto d_initial = layer.state(3);
    auto lstm_d_initial = lstm.state(3);
    bptt(layer, x, trace, dy, gradient, {.dx = &dx, .d_initial = &d_initial});
    bptt(lstm, x, lstm_trace, dy, lstm_gradient, {.dx = &lstm_dx, .d_initial = &lstm_d_initial});
    CHECK(same_parameters(gradient.inner, lstm_gradient));
    CHECK(identical(std::get<0>(d_initial), lstm_d_initial));
    for (Index n = 0; n < 3; ++n)
      for (Index t = 0; t < SeriesView<const double>(x).length(n); ++t)
        CHECK((dx[t].col(n) - lstm_dx[t].col(n) - dy[t].col(n)).isZero(1e-14));
  }
}

TEST_CASE("Around a layer that gives x, y is 2 x and the gradient 2 dL/dy", "[residual]") {
  std::mt19937 rng(2);
  const Residual layer(Dropout<double>(3, 0.5));
  const auto x = random_series(3, 2, 5, rng), dy = random_series(3, 2, 5, rng);
  auto trace = layer.trace();
  auto gradient = zeros_like(layer);
  Series<double> dx;
  CHECK(identical(layer.forward(x, trace).matrix(), (2 * x.matrix()).eval()));
  bptt(layer, x, trace, dy, gradient, {.dx = &dx});
  CHECK(identical(dx.matrix(), (2 * dy.matrix()).eval()));
}

TEST_CASE("A residual layer has its inner layer's parameters, by its name, and says what it is", "[residual]") {
  std::mt19937 rng(3);
  Residual layer(Gru<double>(4, 4));
  initialize(layer, rng);
  CHECK(layer.inner.W.cwiseAbs().maxCoeff() > 0);
  std::string names;
  visit([&](const Name& name, const auto&) { names += name.str() + " "; }, layer);
  CHECK(names == "inner.U inner.W inner.b ");
  CHECK(parameter_count(layer) == parameter_count(layer.inner));
  CHECK(layer.description() == "Residual(GRU logistic tanh 4 -> 4)");
  const auto narrow = layer.cast<float>();
  STATIC_REQUIRE(std::is_same_v<decltype(narrow), const Residual<Gru<float>>>);
  CHECK(narrow.inner.U == layer.inner.U.cast<float>());

  auto loaded = zeros_like(layer);
  const Folder folder;
  save(folder / "net.safetensors", layer);
  load(folder / "net.safetensors", loaded);
  CHECK(same_parameters(loaded, layer));
}

TEST_CASE("A residual layer has its inner layer's fixed sizes, and streams the bits of forward", "[residual]") {
  using Fixed = Residual<Elman<float, Tanh, 4, 4>>;
  STATIC_REQUIRE((Fixed::inputs_at_compile_time == 4 && Fixed::outputs_at_compile_time == 4 && Fixed::causal));
  STATIC_REQUIRE(Residual<Elman<float, Tanh, Dynamic, 4>>::inputs_at_compile_time == 4);
  STATIC_REQUIRE(Residual<Elman<float, Tanh, 4, Dynamic>>::outputs_at_compile_time == 4);
  STATIC_REQUIRE(Residual<Elman<float>>::inputs_at_compile_time == Dynamic);
  STATIC_REQUIRE((std::is_default_constructible_v<Fixed> && !std::is_default_constructible_v<Residual<Elman<float>>>));
  STATIC_REQUIRE((!Residual<Elman<float>>::takes_tokens && !Residual<Bidirectional<Elman<float>>>::causal));

  std::mt19937 rng(4);
  const auto check = [&](const auto& net) {
    const auto x = random_series<float>(4, 1, 20, rng);
    const auto y = net.forward(x);
    Stream stream(net);
    for (Index t = 0; t < 20; ++t) REQUIRE(identical(stream.step(VectorOf<float, 4>(x[t])), y[t].col(0)));
    stream.reset();
    CHECK(identical(stream.step(VectorOf<float, 4>(x[0])), y[0].col(0)));
  };
  check(randomized(Fixed(), rng));
  check(randomized(Sequence<Fixed, Residual<Sequence<Lstm<float, 4, 3>, Readout<float, 3, 4>>>>(), rng));
  check(randomized(Stack<Residual<Lstm<float>>>(4, 4, 3), rng));
}

TEST_CASE("What a residual layer cannot go past is said", "[residual]") {
  CHECK(message_of([] { Residual(Lstm<float>(8, 5)); }) ==
        "Residual: the layer must have as many outputs as inputs (8), got 5");
  CHECK(message_of([] { Residual<Gru<float>>(3, 4); }) ==
        "Residual: the layer must have as many outputs as inputs (3), got 4");
  CHECK(message_of([] { Residual<Gru<float>>(0, 4); }) == "Cell: inputs > 0 and hidden > 0 expected, got 0 and 4");
  Residual layer(Readout<double>(3, 3));
  auto trace = layer.trace();
  layer.inner = Readout<double>(3, 2);
  CHECK(message_of([&] { layer.forward(Series<double>(3, 2, 5), trace); }) ==
        "forward: the layer must have as many outputs as inputs (3), got 2");
  layer.inner.c.resize(1);
  CHECK(message_of([&] { layer.forward(Series<double>(3, 2, 5), trace); }) ==
        "forward: V must be O x H and c O, got V 2x3, c 1x1");
}
