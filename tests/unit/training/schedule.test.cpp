// Learning rates against PyTorch's, their ends, and their errors.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/io/safetensors.hpp>
#include <recur/training/schedule.hpp>

using namespace recur;
using recur_test::message_of;

namespace {

/// The largest difference of rate(0), rate(1) ... from those that PyTorch had.
double worst_difference(const char* name, auto&& rate) {
  const auto oracle = Safetensors::read(RECUR_TEST_ORACLES "/optimizers/optimizers.safetensors");
  const auto expected = oracle.values<double>(name);
  REQUIRE(expected.size() == 20);
  double worst = 0;
  for (std::size_t step = 0; step < 20; ++step)
    worst = std::max(worst, std::abs(rate(static_cast<Index>(step)) - expected[step]));
  return worst;
}

}  // namespace

TEST_CASE("step_decay is PyTorch's StepLR", "[schedule]") {
  CHECK(worst_difference("step_lr", [](Index step) { return step_decay(step, 6, 0.1, 0.5); }) < 1e-15);
}

TEST_CASE("cosine is PyTorch's CosineAnnealingLR", "[schedule]") {
  CHECK(worst_difference("cosine_lr", [](Index step) { return cosine(step, 19, 0.1, 0.001); }) < 1e-15);
}

TEST_CASE("warm_up is a linear ramp, as PyTorch's LambdaLR computes it", "[schedule]") {
  CHECK(worst_difference("warmup_lr", [](Index step) { return warm_up(step, 8, 0.1); }) < 1e-15);
}

TEST_CASE("Every schedule starts and ends where it says", "[schedule]") {
  CHECK(constant_rate(0, 0.3) == 0.3);
  CHECK(constant_rate(1'000'000, 0.3) == 0.3);

  CHECK(step_decay(0, 10, 0.3) == 0.3);
  CHECK(step_decay(9, 10, 0.3) == 0.3);
  CHECK(step_decay(10, 10, 0.3) == Approx(0.03).epsilon(1e-15));
  CHECK(step_decay(29, 10, 0.3, 0.5) == 0.075);

  CHECK(cosine(0, 10, 0.3, 0.1) == 0.3);
  CHECK(cosine(5, 10, 0.3, 0.1) == Approx(0.2).epsilon(1e-15));
  CHECK(cosine(10, 10, 0.3, 0.1) == 0.1);
  CHECK(cosine(11, 10, 0.3, 0.1) == 0.1);  // not up again
  CHECK(cosine(1'000'000, 10, 0.3) == 0);

  CHECK(warm_up(0, 4, 0.3) == 0.075);
  CHECK(warm_up(2, 4, 0.3) == Approx(0.225).epsilon(1e-15));
  CHECK(warm_up(3, 4, 0.3) == 0.3);
  CHECK(warm_up(1'000'000, 4, 0.3) == 0.3);
  CHECK(warm_up(0, 1, 0.3) == 0.3);
}

TEST_CASE("Schedules go into one another", "[schedule]") {
  CHECK(warm_up(1, 4, cosine(1, 10, 0.3)) == 0.5 * cosine(1, 10, 0.3));
  CHECK(warm_up(7, 4, cosine(7, 10, 0.3)) == cosine(7, 10, 0.3));
}

TEST_CASE("A schedule of no steps is an error", "[schedule]") {
  CHECK(message_of([] { step_decay(1, 0, 0.1); }) == "step_decay: every > 0 expected, got 0");
  CHECK(message_of([] { cosine(1, -2, 0.1); }) == "cosine: steps > 0 expected, got -2");
  CHECK(message_of([] { warm_up(1, 0, 0.1); }) == "warm_up: steps > 0 expected, got 0");
}
