// What is particular to Parallel and Sum; what holds for every layer is in laws/.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/io/network.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

using namespace recur;
using namespace recur_test;

namespace {

/// Some rows of a series.
Series<double> rows_of(const Series<double>& series, Index first, Index count) {
  Series<double> rows(count, series.batch(), series.steps());
  rows.matrix() = series.matrix().middleRows(first, count);
  return rows;
}

/// Whether two states are the same to the bit.
bool same_states(const auto& a, const auto& b) {
  bool same = true;
  visit_state([&](const auto& p, const auto& q) { same = same && identical(p, q); }, a, b);
  return same;
}

/// Runs each layer of a Parallel or Sum alone, with its part of dL/dy, which is dy_of(dy, layer): gradient and states
/// are the same then, dL/dx is the sum of all theirs, and y is y_of(outputs of all).
void check_against_layers(const auto& net, const Series<double>& x, auto&& y_of, auto&& dy_of, std::mt19937& rng) {
  const auto dy = random_series(net.outputs(), x.batch(), x.steps(), rng);
  const auto initial = random_state(net, x.batch(), rng), d_final = random_state(net, x.batch(), rng);
  auto trace = net.trace();
  auto gradient = zeros_like(net);
  Series<double> dx;
  auto d_initial = net.state(x.batch());
  const Series<double> y(net.forward(x, trace, initial));
  const auto final_state = net.final_state(trace);
  bptt(net, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});

  std::vector<Series<double>> outputs;
  MatrixOf<double> sum_of_dx = MatrixOf<double>::Zero(x.features(), x.matrix().cols());
  detail::for_each_child(
      [&](auto i, const auto& layer, const auto& its_gradient) {
        INFO("layer " << i);
        auto its_trace = layer.trace();
        auto expected = zeros_like(layer);
        Series<double> its_dx;
        auto its_d_initial = layer.state(x.batch());
        outputs.emplace_back(layer.forward(x, its_trace, std::get<i>(initial)));
        bptt(layer, x, its_trace, dy_of(dy, i), expected,
             {.d_final = &std::get<i>(d_final), .dx = &its_dx, .d_initial = &its_d_initial});
        CHECK(same_parameters(its_gradient, expected));
        sum_of_dx += its_dx.matrix();
        CHECK(same_states(std::get<i>(final_state), layer.final_state(its_trace)));
        CHECK(same_states(std::get<i>(d_initial), its_d_initial));
      },
      net, gradient);
  CHECK(identical(y.matrix(), y_of(outputs)));
  CHECK((dx.matrix() - sum_of_dx).isZero(1e-14));
  CHECK(dx.matrix().norm() > 1);
}

}  // namespace

TEST_CASE("Layers in parallel give, stacked, what each gives alone, and have its gradient", "[parallel]") {
  std::mt19937 rng(1);
  const auto net =
      randomized(Parallel(Elman<double>(3, 4), Readout<double>(3, 2, {.bias = true}), Gru<double>(3, 1)), rng);
  CHECK((net.inputs() == 3 && net.outputs() == 7 && net.depth == 3));
  const Index first[] = {0, 4, 6}, count[] = {4, 2, 1};
  const auto y_of = [](const auto& outputs) {
    MatrixOf<double> y(7, outputs[0].matrix().cols());
    y << outputs[0].matrix(), outputs[1].matrix(), outputs[2].matrix();
    return y;
  };
  const auto dy_of = [&](const auto& dy, std::size_t i) { return rows_of(dy, first[i], count[i]); };
  auto x = random_series(3, 2, 300, rng);  // several chunks
  check_against_layers(net, x, y_of, dy_of, rng);
}

TEST_CASE("A sum of layers gives the sum of what each gives alone, in their order, and has its gradient",
          "[parallel]") {
  std::mt19937 rng(2);
  const auto net = randomized(Sum(Elman<double>(3, 4), Readout<double>(3, 4, {.bias = true}), Gru<double>(3, 4)), rng);
  CHECK((net.inputs() == 3 && net.outputs() == 4 && net.depth == 3));
  const auto y_of = [](const auto& outputs) {
    return MatrixOf<double>((outputs[0].matrix() + outputs[1].matrix()) + outputs[2].matrix());
  };
  const auto dy_of = [](const auto& dy, std::size_t) { return dy; };
  const auto x = random_series(3, 2, 300, rng);
  check_against_layers(net, x, y_of, dy_of, rng);
}

TEST_CASE("A sum of an Elman network and a Readout is the equation with D x", "[parallel]") {
  std::mt19937 rng(3);
  const auto net = randomized(Sum(Elman<double>(2, 3), Readout<double>(2, 3)), rng);
  const auto& [elman, readout] = net.layers;
  const auto x = random_series(2, 1, 5, rng);
  const auto y = net.forward(x);
  VectorOf<double> h = VectorOf<double>::Zero(3);
  for (Index t = 0; t < 5; ++t) {
    h = (elman.b + elman.W * h + elman.U * x[t].col(0)).array().tanh();
    CHECK((y[t].col(0) - h - readout.V * x[t].col(0)).isZero(1e-14));
  }
}

TEST_CASE("Layers side by side take tokens where all of them do", "[parallel]") {
  std::mt19937 rng(4);
  STATIC_REQUIRE(
      (Parallel<Elman<float>, Embedding<float>>::takes_tokens && Sum<Bidirectional<Gru<float>>>::takes_tokens));
  STATIC_REQUIRE_FALSE(Parallel<Elman<float>, Readout<float>>::takes_tokens);
  STATIC_REQUIRE_FALSE(Sum<Readout<float>, Elman<float>>::takes_tokens);
  Tokens tokens(2, 5);
  Series<double> one_hot(3, 2, 5);
  for (Index t = 0; t < 5; ++t)
    for (Index n = 0; n < 2; ++n) {
      tokens(n, t) = static_cast<int>((2 * t + n) % 3);
      one_hot[t](tokens(n, t), n) = 1;
    }
  const auto check = [&](const auto& net) {
    const auto dy = random_series(net.outputs(), 2, 5, rng);
    auto trace = net.trace(), other = net.trace();
    auto gradient = zeros_like(net), expected = gradient;
    const auto y = net.forward(tokens, trace), of_one_hot = net.forward(one_hot, other);
    CHECK(y.matrix() == of_one_hot.matrix());
    bptt(net, tokens, trace, dy, gradient);
    bptt(net, one_hot, other, dy, expected);
    visit([](const Name&, const auto& a, const auto& b) { CHECK(a.isApprox(b, 1e-12)); }, gradient, expected);
    if constexpr (std::remove_cvref_t<decltype(net)>::causal) {
      Stream stream(net);
      const auto one = net.forward(Tokens(tokens.matrix().row(0)));
      for (Index t = 0; t < 5; ++t) CHECK(identical(stream.step(Token{tokens(0, t)}), one[t].col(0)));
    }
  };
  check(randomized(Parallel(Elman<double>(3, 4), Sum(Embedding<double>(3, 2), Elman<double>(3, 2))), rng));
  check(randomized(Parallel(Bidirectional<Elman<double>>(3, 4), Elman<double>(3, 2)), rng));
}

TEST_CASE("Layers side by side are reached by their numbers, cast, described, saved and loaded", "[parallel]") {
  std::mt19937 rng(5);
  Parallel net(Elman<double>(2, 3), Sum(Readout<double>(2, 1), Gru<double>(2, 1)));
  initialize(net, rng);
  CHECK(net.layer<0>().W.cwiseAbs().maxCoeff() > 0);
  CHECK(net.layer<1>().layer<0>().V.cwiseAbs().maxCoeff() > 0);
  CHECK(&std::as_const(net).layer<1>() == &std::get<1>(net.layers));
  std::string names;
  visit([&](const Name& name, const auto&) { names += name.str() + " "; }, net);
  CHECK(names == "0.U 0.W 0.b 1.0.V 1.1.U 1.1.W 1.1.b ");
  CHECK(net.description() == "Parallel(Elman tanh 2 -> 3, Sum(Readout 2 -> 1, GRU logistic tanh 2 -> 1))");
  const auto narrow = net.cast<float>();
  STATIC_REQUIRE(std::is_same_v<decltype(narrow), const Parallel<Elman<float>, Sum<Readout<float>, Gru<float>>>>);
  CHECK(narrow.layer<1>().layer<0>().V == net.layer<1>().layer<0>().V.cast<float>());

  auto loaded = zeros_like(net);
  const Folder folder;
  save(folder / "net.safetensors", net);
  load(folder / "net.safetensors", loaded);
  CHECK(same_parameters(loaded, net));
}

TEST_CASE("Layers side by side keep fixed sizes, and stream the bits of forward", "[parallel]") {
  using Both = Parallel<Elman<double, Tanh, 2, 3>, Readout<double, 2, 4>>;
  using Added =
      Sum<Elman<double, Tanh, 7, 3>, Readout<double, 7, 3>, Sequence<Elman<double, Tanh, 7, 3>, Dropout<double, 3>>>;
  STATIC_REQUIRE((Both::inputs_at_compile_time == 2 && Both::outputs_at_compile_time == 7));
  STATIC_REQUIRE((Added::inputs_at_compile_time == 7 && Added::outputs_at_compile_time == 3));
  STATIC_REQUIRE(Parallel<Elman<float>, Lstm<float, 2, 4>>::inputs_at_compile_time == 2);
  STATIC_REQUIRE(Parallel<Elman<float>, Lstm<float, 2, 4>>::outputs_at_compile_time == Dynamic);
  STATIC_REQUIRE(Sum<Elman<float>, Lstm<float, 2, 4>>::outputs_at_compile_time == 4);
  STATIC_REQUIRE((std::is_default_constructible_v<Both> && !std::is_default_constructible_v<Sum<Elman<float>>>));
  STATIC_REQUIRE((Both::causal && !Parallel<Elman<float>, Bidirectional<Elman<float>>>::causal));

  std::mt19937 rng(6);
  const auto net = randomized(Sequence(Both(), Added(Elman<double, Tanh, 7, 3>(), Readout<double, 7, 3>(),
                                                     Sequence(Elman<double, Tanh, 7, 3>(), Dropout<double, 3>(0.5)))),
                              rng);
  const auto x = random_series(2, 1, 20, rng);
  const auto initial = random_state(net, 1, rng);
  auto trace = net.trace();
  const auto y = net.forward(x, trace, initial);
  Stream stream(net);
  stream.reset(initial);
  for (Index t = 0; t < 20; ++t) REQUIRE(identical(stream.step(VectorOf<double, 2>(x[t])), y[t].col(0)));
  CHECK(same_states(stream.state(), net.final_state(trace)));
}

TEST_CASE("What does not fit side by side is said", "[parallel]") {
  CHECK(message_of([] { Parallel(Elman<float>(3, 4), Gru<float>(3, 5), Lstm<float>(2, 4)); }) ==
        "Parallel: layer 2 must have 3 inputs (as layer 0), got 2");
  CHECK(message_of([] { Sum(Elman<float>(3, 4), Gru<float>(2, 4)); }) ==
        "Sum: layer 1 must have 3 inputs (as layer 0), got 2");
  CHECK(message_of([] { Sum(Elman<float>(3, 4), Gru<float>(3, 5)); }) ==
        "Sum: layer 1 must have 4 outputs (as layer 0), got 5");
  const Series<double> x(3, 2, 5);
  Parallel both(Elman<double>(3, 4), Readout<double>(3, 2));
  auto trace = both.trace();
  both.layer<1>().V.setZero(2, 4);
  CHECK(message_of([&] { both.forward(x, trace); }) == "forward: layer 1 must have 3 inputs (as layer 0), got 4");
  both.layer<1>().V.setZero(3, 3);
  CHECK(message_of([&] { both.forward(x, trace); }) == "forward: V must be O x H and c O, got V 3x3, c 2x1");
  Sum added(Elman<double>(3, 4), Readout<double>(3, 4));
  auto trace_of_sum = added.trace();
  added.layer<1>() = Readout<double>(3, 2);
  CHECK(message_of([&] { added.forward(x, trace_of_sum); }) ==
        "forward: layer 1 must have 4 outputs (as layer 0), got 2");
  auto state = both.state(2);
  both.layer<1>() = Readout<double>(3, 2);
  std::get<0>(state).resize(4, 3);
  CHECK(message_of([&] { both.forward(x, trace, state); }) ==
        "forward: initial must be 4x2 (state_size() x batch), got 4x3");
}

#ifdef _OPENMP
TEST_CASE("Layers side by side and residual ones give the same bits with any number of threads",
          "[parallel][residual]") {
  std::mt19937 rng(7);
  const auto check = [&](const auto& net, Index window) {
    REQUIRE(static_cast<double>(parameter_count(net) * detail::team_columns) >=
            detail::multiply_adds_each);  // else there is but one
    auto x = random_series(net.inputs(), 29, 60, rng);
    std::vector<Index> lengths;
    for (Index n = 0; n < 29; ++n) lengths.push_back(n * 13 % 61);
    x.set_lengths(lengths);
    const auto dy = random_series(net.outputs(), 29, 60, rng);
    std::vector<MatrixOf<double>> outputs, input_gradients;
    std::vector<VectorOf<double>> gradients;
    const int before = omp_get_max_threads();
    for (const int threads : {1, 2, 3}) {
      omp_set_num_threads(threads);
      auto trace = net.trace();
      trace.train(8);
      auto gradient = zeros_like(net);
      Series<double> dx;
      outputs.push_back(net.forward(x, trace).matrix());
      bptt(net, x, trace, dy, gradient, {.dx = &dx, .window = window});
      gradients.push_back(parameters_of(gradient));
      input_gradients.push_back(dx.matrix());
    }
    omp_set_num_threads(before);
    for (std::size_t i : {1u, 2u}) {
      INFO(net.description() << ", window " << window << ", " << i + 1 << " threads");
      CHECK(identical(outputs[i], outputs[0]));
      CHECK(identical(gradients[i], gradients[0]));
      CHECK(identical(input_gradients[i], input_gradients[0]));
    }
  };
  const auto causal = randomized(
      Sequence(Parallel(Gru<double>(90, 50), Readout<double>(90, 30), Dropout<double>(90, 0.3, {.one_mask = true})),
               Sum(Readout<double>(170, 60), Elman<double>(170, 60)), Residual(Gru<double>(60, 60)),
               Residual(Dropout<double>(60, 0.2))),
      rng, 0.1);
  check(causal, 0);
  check(causal, 17);
  check(randomized(Parallel(Elman<double>(90, 40), Residual(Bidirectional<Gru<double>>(90, 45))), rng, 0.1), 0);
}
#endif
