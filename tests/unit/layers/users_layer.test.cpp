// A layer that a user wrote has everything that the library's layers have.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "numbers.hpp"
#include "difference.hpp"
#include "square.hpp"

#include <recur/io/network.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

using namespace recur;
using namespace recur_test;

namespace {

auto difference_net() {
  return Sequence(Lstm<double>(3, 5), Difference(Gru<double>(5, 5)),
                  Difference(Sequence(Elman<double>(5, 4), Readout<double>(4, 5))), Readout<double>(5, 2));
}

}  // namespace

TEST_CASE("A user's layer computes what its equation says", "[users_layer]") {
  std::mt19937 rng(1);
  const auto gru = randomized(Gru<double>(4, 4), rng);
  const Difference layer(gru);
  const auto x = random_series(4, 3, 6, rng);
  const auto y = layer.forward(x), of_gru = gru.forward(x);
  CHECK(y.matrix() == of_gru.matrix() - x.matrix());
  CHECK(layer.description() == "Difference(" + gru.description() + ")");
  CHECK(parameter_count(layer) == parameter_count(gru));
  std::vector<std::string> names;
  visit([&](const Name& name, const auto&) { names.push_back(name.str()); }, layer);
  CHECK(names == std::vector<std::string>{"0.U", "0.W", "0.b"});
}

TEST_CASE("A user's layer passes the gradient check, with lengths and windows too", "[users_layer]") {
  std::mt19937 rng(2);
  const auto net = randomized(difference_net(), rng);
  auto x = random_series(3, 4, 9, rng), target = random_series(2, 4, 9, rng);
  const auto initial = random_state(net, 4, rng), d_final = random_state(net, 4, rng);
  for (const bool end_early : {false, true}) {
    if (end_early) {
      x.set_lengths({9, 0, 4, 7});
      target.set_lengths({9, 0, 4, 7});
    }
    const auto check = check_gradient(net, squared_error, x, target, {.initial = &initial, .d_final = &d_final});
    INFO(check);
    CHECK(check.relative_error < 1e-7);
  }
  auto trace = net.trace();
  auto plain = zeros_like(net), windows = plain;
  const auto dy = random_series(2, 4, 9, rng);
  net.forward(x, trace);
  bptt(net, x, trace, dy, plain);
  bptt(net, x, trace, dy, windows, {.window = 9, .stride = 3});
  visit([](const Name&, const auto& a, const auto& b) { CHECK(a.isApprox(b, 1e-12)); }, plain, windows);
}

TEST_CASE("A user's layer gives the same bits step by step, from a file, and with any number of threads",
          "[users_layer]") {
  std::mt19937 rng(3);
  const auto net = randomized(difference_net(), rng);
  const auto x = random_series(3, 1, 20, rng);
  const auto y = net.forward(x);
  Stream stream(net);
  for (Index t = 0; t < 20; ++t) REQUIRE(VectorOf<double>(stream.step(VectorOf<double>(x[t]))) == y[t].col(0));
  stream.reset();
  CHECK(VectorOf<double>(stream.step(VectorOf<double>(x[0]))) == y[0].col(0));

  auto loaded = zeros_like(net);
  const Folder folder;
  save(folder / "net.safetensors", net);
  load(folder / "net.safetensors", loaded);
  CHECK(loaded.forward(x).matrix() == y.matrix());

  auto wide =
      randomized(Sequence(Difference(Lstm<double>(90, 90)), Difference(Stack<Gru<double>>(90, 90, 2))), rng, 0.1);
  auto many = random_series(90, 29, 40, rng);
  std::vector<Index> lengths;
  for (Index n = 0; n < 29; ++n) lengths.push_back(n * 13 % 41);
  many.set_lengths(lengths);
  const auto dy = random_series(90, 29, 40, rng);
  std::vector<MatrixOf<double>> outputs;
  std::vector<VectorOf<double>> gradients;
  for (const int threads : {1, 2, 3}) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    static_cast<void>(threads);
#endif
    auto trace = wide.trace();
    auto gradient = zeros_like(wide);
    Series<double> dx;
    outputs.push_back(wide.forward(many, trace).matrix());
    bptt(wide, many, trace, dy, gradient, {.dx = &dx});
    gradients.push_back(parameters_of(gradient));
    outputs.push_back(dx.matrix());
  }
  CHECK((outputs[0] == outputs[2] && outputs[0] == outputs[4]));
  CHECK((outputs[1] == outputs[3] && outputs[1] == outputs[5]));
  CHECK((gradients[0] == gradients[1] && gradients[0] == gradients[2]));
}

TEST_CASE("A user's layer without a state is four functions of columns", "[users_layer]") {
  std::mt19937 rng(4);
  Sequence net(Lstm<double>(3, 5), Square(5), Readout<double>(5, 2));
  net = randomized(std::move(net), rng);
  auto x = random_series(3, 4, 9, rng), target = random_series(2, 4, 9, rng);
  auto trace = net.trace();
  const auto h = net.layer<0>().forward(x);
  net.forward(x, trace);
  const MatrixOf<double> squares = net.layer<1>().scale.asDiagonal() * h.matrix().cwiseAbs2();
  CHECK(net.layer<1>().forward(h).matrix() == squares);
  for (const bool end_early : {false, true}) {
    if (end_early) x.set_lengths({9, 0, 4, 7}), target.set_lengths({9, 0, 4, 7});
    CHECK(check_gradient(net, squared_error, x, target).relative_error < 1e-7);
  }
  const auto one = random_series(3, 1, 9, rng), y = net.forward(one);
  Stream stream(net);
  for (Index t = 0; t < 9; ++t) CHECK(VectorOf<double>(stream.step(VectorOf<double>(one[t]))) == y[t].col(0));
  CHECK_THAT(message_of([&] { Square(4).forward(h); }), Catch::Matchers::ContainsSubstring("x.features()"));
}
