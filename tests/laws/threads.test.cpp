// No bit depends on how many threads there are: what holds for every network there is and will be.
#ifdef _OPENMP
#include "../catch.hpp"
#include "../cells.hpp"
#include "../numbers.hpp"
#include "networks.hpp"

#include <recur/layers/trace.hpp>

#include <omp.h>

using namespace recur;
using namespace recur_test;

namespace {

/// Everything that forward and bptt give, with so many threads, and a trace that keeps so much.
States results(AnyNetwork& net, SeriesView<const double> x, int threads, const TraceOptions& kept = {}) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  std::mt19937 rng(1);
  net.use_trace(kept);
  net.train(11);
  const auto initial = net.random_state(x.batch(), rng), d_final = net.random_state(x.batch(), rng);
  const auto dy = random_series(net.outputs(), x.batch(), x.steps(), rng);
  Series<double> dx;
  States d_initial, all{net.forward(x, initial).matrix()};
  net.bptt(x, dy, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  all.push_back(dx.matrix());
  for (const auto& [name, block] : net.gradient()) all.push_back(block);
  all.insert(all.end(), d_initial.begin(), d_initial.end());
  for (const auto& state : net.final_state()) all.push_back(state);
  omp_set_num_threads(before);
  return all;
}

void check_threads(AnyNetwork& net, SeriesView<const double> x) {
  const double multiply_adds =
      static_cast<double>(size(net.parameters()) * std::min(x.columns(), detail::team_columns));
  REQUIRE(multiply_adds >= detail::multiply_adds_each);  // else there is but one
  const auto one = results(net, x, 1);
  for (const int threads : {2, 3}) {
    const auto more = results(net, x, threads);
    REQUIRE(more.size() == one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      INFO(threads << " threads, result " << i);
      CHECK(identical(more[i], one[i]));
    }
  }
}

}  // namespace

TEST_CASE("No bit depends on the number of threads", "[team][laws]") {
  for (const auto& [name, make] : all_cells())
    for (const Index batch : {16, 27, 40}) {
      std::mt19937 rng(2);
      INFO(name << ", batch " << batch);
      const auto net = make(85, 101);
      net->randomize(rng, 0.2);
      check_threads(*net, random_series(net->inputs(), batch, 17, rng));
    }
}

TEST_CASE("Nor does any where a trace keeps some of the steps", "[team][segments][laws]") {
  constexpr Index batch = 23, steps = 60;
  std::vector<Index> lengths(static_cast<std::size_t>(batch), steps);
  for (std::size_t n = 0; n < lengths.size(); n += 2) lengths[n] = static_cast<Index>(2 * n);
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(3);
    const auto net = make(85, 101);
    net->randomize(rng, 0.2);
    auto x = random_series(net->inputs(), batch, steps, rng);
    for (const bool unequal : {false, true}) {
      if (unequal) x.set_lengths(lengths);
      INFO(name << (unequal ? ", unequal lengths" : ""));
      const auto one = results(*net, x, 1);
      for (const int threads : {2, 3}) {
        CHECK(same(results(*net, x, threads, {.every = 20}), one));
        CHECK(net->segments() >= 2);
      }
    }
  }
}
#endif
