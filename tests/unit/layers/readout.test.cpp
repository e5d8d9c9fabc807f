#include "catch.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/training/bptt.hpp>
#include <recur/recur.hpp>

using namespace recur;
using namespace recur_test;

namespace {

template <class Layer>
Layer randomized(Layer layer, std::mt19937& rng) {
  using Scalar = typename Layer::Scalar;
  recur::visit([&](const Name&, auto& block) { block = random_matrix<Scalar>(block.rows(), block.cols(), rng); },
               layer);
  return layer;
}

template <class Layer>
void check_forward(const Layer& zero, Index batch, Index steps) {
  using Scalar = typename Layer::Scalar;
  std::mt19937 rng(1);
  const auto layer = randomized(zero, rng);
  Series<Scalar> h(layer.inputs(), batch, steps);
  h.setRandom(rng);
  auto trace = layer.trace();
  const auto y = layer.forward(h, trace);
  const MatrixOf<Scalar> expected = (layer.V * h.matrix()).colwise() + VectorOf<Scalar>(layer.c);
  CHECK((y.features() == layer.outputs() && y.batch() == batch && y.steps() == steps));
  CHECK(y.matrix().isApprox(expected, std::is_same_v<Scalar, float> ? Scalar(1e-5) : Scalar(1e-13)));
  CHECK(layer.output(trace).data() == y.data());
}

}  // namespace

TEST_CASE("A readout is V h, or V h + c", "[readout]") {
  check_forward(Readout<double>(5, 3), 2, 4);
  check_forward(Readout<double>(5, 3, {.bias = true}), 2, 4);
  check_forward(Readout<double>(1, 1, {.bias = true}), 1, 1);
  check_forward(Readout<float>(33, 70, {.bias = true}), 3, 50);
  check_forward(Readout<float, 5, 3>(), 2, 4);
  check_forward(Readout<double, 4, 1>({.bias = true}), 3, 2);
  check_forward(Readout<double, Dynamic, 3>(4, 3, {.bias = true}), 1, 5);
}

TEST_CASE("A readout starts at zero, and c is a parameter where it is asked for", "[readout]") {
  const Readout<float> without(5, 3), with(5, 3, {.bias = true});
  CHECK((without.V == MatrixOf<float>::Zero(3, 5) && without.c == VectorOf<float>::Zero(3)));
  CHECK((!without.has_bias() && with.has_bias()));
  CHECK((parameter_count(without) == 15 && parameter_count(with) == 18));
}

TEST_CASE("A readout casts, with its bias", "[readout]") {
  std::mt19937 rng(2);
  const auto layer = randomized(Readout<double>(5, 3, {.bias = true}), rng);
  const auto narrow = layer.cast<float>();
  CHECK((narrow.has_bias() && narrow.V == layer.V.cast<float>() && narrow.c == layer.c.cast<float>()));
  CHECK(!Readout<double>(5, 3).cast<float>().has_bias());
}

TEST_CASE("A readout's gradient is dy h^T, the sum of dy, and V^T dy", "[readout]") {
  std::mt19937 rng(3);
  for (const bool bias : {false, true}) {
    const auto layer = randomized(Readout<double>(5, 3, {.bias = bias}), rng);
    Series<double> h(5, 2, 4), dy(3, 2, 4), dh;
    h.setRandom(rng);
    dy.setRandom(rng);
    auto trace = layer.trace();
    layer.forward(h, trace);
    auto gradient = randomized(layer, rng);
    bptt(layer, h, trace, dy, gradient, {.dx = &dh});
    CHECK(gradient.V.isApprox(dy.matrix() * h.matrix().transpose(), 1e-14));
    CHECK(dh.matrix().isApprox(layer.V.transpose() * dy.matrix(), 1e-14));
    CHECK((bias ? gradient.c.isApprox(dy.matrix().rowwise().sum(), 1e-14) : gradient.c.isZero(0)));

    auto twice = gradient;
    bptt(layer, h, trace, dy, twice, {.accumulate = true});
    CHECK(twice.V.isApprox(2 * gradient.V, 1e-14));
  }
}

TEST_CASE("A readout gives the same bits for a series as for its steps", "[readout]") {
  std::mt19937 rng(4);
  const auto layer = randomized(Readout<float>(19, 21, {.bias = true}), rng);
  Series<float> h(19, 3, 6);
  h.setRandom(rng);
  auto trace = layer.trace(), single = layer.trace();
  const auto y = layer.forward(h, trace);
  for (Index t = 0; t < 6; ++t) CHECK(identical(layer.forward(h.window(t, 1), single).matrix(), y[t]));
}

TEST_CASE("A readout says what does not fit", "[readout]") {
  CHECK(message_of([] { Readout<float>(0, 3); }) == "Readout: hidden > 0 and outputs > 0 expected, got 0 and 3");
  CHECK(message_of([] { Readout<float>(Index(1) << 40, Index(1) << 40); }) ==
        "Readout: outputs x hidden must be less than 2^59, got 1099511627776 x 1099511627776");
  CHECK(message_of([] { Readout<float, 5, 3>(4, 3); }) == "Readout: hidden must be 5 (fixed by its type), got 4");
  CHECK(message_of([] { Readout<float, 5, 3>(5, 2); }) == "Readout: outputs must be 3 (fixed by its type), got 2");

  Readout<double> layer(5, 3), gradient = layer;
  auto trace = layer.trace();
  const Series<double> h(5, 2, 4), y(3, 2, 4);
  CHECK(message_of([&] { layer.forward(Series<double>(4, 2, 4), trace); }) ==
        "forward: x.features() must be 5 (inputs()), got 4");
  CHECK(message_of([&] { layer.forward(Series<double>(5, 0, 4), trace); }) ==
        "forward: x must have at least one step of one sequence, got features 5, batch 0, steps 4");
  CHECK(message_of([&] { bptt(layer, h, trace, y, gradient); }) ==
        "bptt: the trace must have been through forward, got an empty one");
  Readout<double>(5, 2).forward(h, trace);
  CHECK(message_of([&] { bptt(layer, h, trace, y, gradient); }) ==
        "bptt: the trace's outputs must be 3 (outputs()), got 2");
  layer.forward(h, trace);
  CHECK(message_of([&] { bptt(layer, h.window(1, 3), trace, y, gradient); }) ==
        "bptt: x must have batch 2 and steps 4 (as the trace), got batch 2 and steps 3");
  CHECK(message_of([&] { bptt(layer, h, trace, y.window(1, 3), gradient); }) ==
        "bptt: dy must have batch 2 and steps 4 (as x), got batch 2 and steps 3");
  layer.c.setZero(2);
  CHECK(message_of([&] { layer.forward(h, trace); }) == "forward: V must be O x H and c O, got V 3x5, c 2x1");
}
