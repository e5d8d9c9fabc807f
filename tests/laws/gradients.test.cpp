// Every gradient of the library, by central differences: activations, losses, readouts, sizes, lengths, batches.
#include "activations.hpp"
#include "catch.hpp"
#include "cells.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

using namespace recur;
using namespace recur_test;

namespace {

/// The smallest distance of a pre-activation from `kinks`, by the textbook loop.
template <class F>
double distance_from_kinks(const Elman<double, F>& cell, const Series<double>& x, const MatrixOf<double>& h_0,
                           const std::vector<double>& kinks) {
  double distance = std::numeric_limits<double>::infinity();
  MatrixOf<double> h = h_0;
  for (Index t = 0; t < x.steps(); ++t) {
    const MatrixOf<double> a = (cell.W * h + cell.U * x[t]).colwise() + cell.b;
    for (const double kink : kinks) distance = std::min(distance, (a.array() - kink).abs().minCoeff());
    h = cell.rule.f.value(a.array()).matrix();
  }
  return distance;
}

struct Sizes {
  Index inputs, hidden, batch, steps;
};
const Sizes all_sizes[] = {{1, 1, 1, 1}, {3, 1, 2, 4},  {2, 5, 1, 40}, {4, 3, 5, 2},
                           {3, 4, 2, 7}, {5, 2, 3, 12}, {1, 6, 4, 3}};

void require_right(const GradientCheck& check, const std::string& what) {
  INFO(what << ": " << check);
  REQUIRE(check.relative_error < 1e-7);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Gradients of every activation, away from its kinks", "[gradients]", Activations) {
  const auto& [f, reference, kinks] = case_of<TestType>();
  for (const auto& [inputs, hidden, batch, steps] : all_sizes) {
    // Away from the kinks: another seed where a pre-activation lies within reach of one.
    unsigned seed = 1;
    for (;; ++seed) {
      REQUIRE(seed < 500);
      std::mt19937 rng(seed);
      const auto cell = randomized(Elman<double, TestType>(inputs, hidden, {.f = f}), rng);
      const auto x = random_series(inputs, batch, steps, rng), target = random_series(hidden, batch, steps, rng);
      const auto initial = random_state(cell, batch, rng), d_final = random_state(cell, batch, rng);
      if (distance_from_kinks(cell, x, initial, kinks) < 4e-3) continue;
      require_right(check_gradient(cell, squared_error, x, target, {.initial = &initial, .d_final = &d_final}),
                    describe(f, ""));
      break;
    }
  }
}

TEST_CASE("Gradients of every loss, readout and mask", "[gradients]") {
  std::mt19937 rng(11);
  for (const auto& [inputs, hidden, batch, steps] : all_sizes)
    for (const bool bias : {false, true}) {
      const auto net =
          randomized(Sequence(Elman<double>(inputs, hidden), Readout<double>(hidden, 3, {.bias = bias})), rng);
      const auto x = random_series(inputs, batch, steps, rng), target = random_series(3, batch, steps, rng);
      Classes classes(batch, steps);
      Mask some(batch, steps);
      for (Index j = 0; j < classes.size(); ++j) {
        classes(j) = static_cast<int>(uniform_below(rng, 3));
        some(j) = uniform(rng) < 0.5;
      }
      some(0) = true;
      for (const Mask& mask : {Mask(), last_step(x), some}) {
        const auto square = [&](const auto& y, const auto& goal, auto& dy) { return squared_error(y, goal, dy, mask); };
        const auto entropy = [&](const auto& y, const auto& goal, auto& dy) {
          return softmax_cross_entropy(y, goal, dy, mask);
        };
        require_right(check_gradient(net, square, x, target), "squared_error");
        require_right(check_gradient(net, entropy, x, classes), "softmax_cross_entropy");
      }
    }
}

TEST_CASE("Gradients of sizes fixed at compile time", "[gradients]") {
  std::mt19937 rng(12);
  const auto net =
      randomized(Sequence<Elman<double, Tanh, 2, 5>, Elman<double, Logistic, 5, 1>, Readout<double, 1, 3>>(), rng);
  const auto x = random_series(2, 3, 6, rng), target = random_series(3, 3, 6, rng);
  const auto initial = random_state(net, 3, rng), d_final = random_state(net, 3, rng);
  require_right(check_gradient(net, squared_error, x, target, {.initial = &initial, .d_final = &d_final}), "fixed");
}

TEST_CASE("Gradients of many layers, each with its states", "[gradients]") {
  std::mt19937 rng(13);
  const auto net =
      randomized(Sequence(Elman<double>(2, 5), Cell<LeakyIntegrator<>, double>(5, 3), Elman<double, Softsign>(3, 4),
                          Cell<GruRule<>, double>(4, 2), Readout<double>(2, 3, {.bias = true})),
                 rng);
  const auto x = random_series(2, 3, 9, rng), target = random_series(3, 3, 9, rng);
  const auto initial = random_state(net, 3, rng), d_final = random_state(net, 3, rng);
  require_right(check_gradient(net, squared_error, x, target, {.initial = &initial, .d_final = &d_final}), "layers");
}

TEST_CASE("Gradients of a user's own rule, with every loss", "[gradients]") {
  std::mt19937 rng(14);
  for (const auto& [inputs, hidden, batch, steps] : all_sizes) {
    const auto net = randomized(
        Sequence(Cell<LeakyIntegrator<Logistic>, double>(inputs, hidden, {.alpha = 0.6}), Readout<double>(hidden, 2)),
        rng);
    const auto x = random_series(inputs, batch, steps, rng), target = random_series(2, batch, steps, rng);
    const Classes classes = Classes::Constant(batch, steps, 1);
    require_right(check_gradient(net, squared_error, x, target), "leaky, squared_error");
    require_right(check_gradient(net, softmax_cross_entropy, x, classes), "leaky, softmax_cross_entropy");
  }
}
