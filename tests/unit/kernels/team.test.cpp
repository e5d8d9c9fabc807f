// Threads: every thing is somebody's, and no bit depends on how many there are.
#include "catch.hpp"
#include "cells.hpp"
#include "numbers.hpp"

#include <recur/kernels/team.hpp>

#include <vector>

using namespace recur;
using recur_test::identical, recur_test::random_series, recur_test::random_state, recur_test::randomized;

TEST_CASE("The shares of a team are everything, each once, in whole grains", "[team]") {
  for (const Index size : {1, 2, 3, 5})
    for (const Index all : {0, 1, 7, 16, 24, 100})
      for (const Index grain : {1, 4, 16}) {
        Index next = 0;
        for (Index member = 0; member < size; ++member) {
          const auto share = detail::Team{size, member}.share(all, grain);
          CHECK(share.first == next);
          CHECK(share.count >= 0);
          CHECK((share.first % grain == 0 || share.count == 0));
          next = share.first + share.count;
        }
        CHECK(next == all);
      }
}

TEST_CASE("A team is as large as the work is worth", "[team]") {
  const auto size_for = [](Index batch, double work) {
    std::vector<Index> sizes(16);
    const Index size = detail::team_size(batch, [&] { return work; });
    detail::in_team(size, [&](const detail::Team& team) {
      sizes[static_cast<std::size_t>(team.member)] = team.size;
      team.barrier();
    });
    return sizes[0] == size ? size : -1;
  };
  CHECK(size_for(1, 1e9) == 1);
  CHECK(size_for(64, 1e3) == 1);
#ifdef _OPENMP
  const int before = omp_get_max_threads();
  omp_set_num_threads(3);
  CHECK(size_for(64, 1e9) == 3);
  CHECK(size_for(17, 1e9) == 2);
  omp_set_num_threads(1);
  CHECK(size_for(64, 1e9) == 1);
  omp_set_num_threads(2);
  Index inside = 0;
#pragma omp parallel num_threads(2)
  {
    const Index size = size_for(64, 1e9);  // a program with threads of its own keeps them
#pragma omp critical
    inside += size;
  }
  CHECK(inside == 2);
  omp_set_num_threads(before);
#else
  CHECK(size_for(64, 1e9) == 1);
#endif
}

#ifdef _OPENMP

namespace {

/// Everything that forward and bptt give, with so many threads.
template <class Net, class X>
std::vector<MatrixOf<double>> results(const Net& net, const X& x, int threads) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(1);
  auto trace = net.trace();
  trace.train(11);
  auto gradient = zeros_like(net);
  auto initial = random_state(net, x.batch(), rng), d_final = random_state(net, x.batch(), rng), d_initial = initial;
  const auto dy = random_series<Scalar>(net.outputs(), x.batch(), x.steps(), rng);
  Series<Scalar> dx;
  std::vector<MatrixOf<double>> all;
  all.push_back(net.forward(x, trace, initial).matrix().template cast<double>());
  if constexpr (std::is_same_v<X, TokensView>) {
    bptt(net, x, trace, dy, gradient, {.d_final = &d_final, .d_initial = &d_initial});
  } else {
    bptt(net, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
    all.push_back(dx.matrix().template cast<double>());
  }
  visit([&](const Name&, const auto& block) { all.push_back(block.template cast<double>()); }, gradient);
  visit_state([&](const auto& block) { all.push_back(block.template cast<double>()); }, d_initial);
  net.final_state(trace, initial);
  visit_state([&](const auto& block) { all.push_back(block.template cast<double>()); }, initial);
  omp_set_num_threads(before);
  return all;
}

template <class Net, class X>
void check_threads(const Net& net, const X& x) {
  const Index columns = std::min(x.all_lengths(), detail::team_columns);
  REQUIRE(static_cast<double>(parameter_count(net) * columns) >= detail::multiply_adds_each);  // else there is but one
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

TEMPLATE_TEST_CASE("No bit of a network of layers depends on the number of threads", "[team]", float, double) {
  std::mt19937 rng(3);
  const auto net = randomized(Sequence(Elman<TestType>(9, 70), Readout<TestType>(70, 18, {.bias = true}),
                                       Elman<TestType>(18, 41), Readout<TestType>(41, 1, {.bias = true})),
                              rng, 0.2);
  const auto x = random_series<TestType>(9, 29, 40, rng);
  check_threads(net, SeriesView<const TestType>(x));
  Tokens tokens(29, 40);
  for (Index j = 0; j < 29 * 40; ++j) tokens.data()[j] = static_cast<int>(j * 7 % 9);
  check_threads(net, TokensView(tokens));
}

TEMPLATE_TEST_CASE("No bit depends on the number of threads where sequences end early, go both ways or are dropped out",
                   "[team]", float, double) {
  std::mt19937 rng(4);
  const auto net = randomized(Sequence(Stack<Bidirectional<Lstm<TestType>>>(9, 30, 2, {.dropout = 0.3}),
                                       Dropout<TestType>(60, 0.2), GruResetBefore<TestType>(60, 41)),
                              rng, 0.2);
  auto x = random_series<TestType>(9, 29, 60, rng);  // several chunks, also where sequences end
  check_threads(net, SeriesView<const TestType>(x));
  std::vector<Index> lengths;
  for (Index n = 0; n < 29; ++n) lengths.push_back(n * 13 % 61);
  x.set_lengths(lengths);
  check_threads(net, SeriesView<const TestType>(x));
  Tokens tokens(29, 60);
  for (Index j = 0; j < 29 * 60; ++j) tokens.data()[j] = static_cast<int>(j * 7 % 9);
  tokens.set_lengths(lengths);
  check_threads(net, TokensView(tokens));
}

TEST_CASE("What is between two layers is kept until all have read it, where the first of them has no weights",
          "[team]") {
  std::mt19937 rng(5);
  const auto net = randomized(Sequence(Dropout<double>(90, 0.4), Readout<double>(90, 100)), rng, 0.2);
  auto x = random_series(90, 37, 46, rng);
  std::vector<Index> lengths;
  for (Index n = 0; n < 37; ++n) lengths.push_back(n * 13 % 47);
  x.set_lengths(lengths);  // so that a column is another member's in another chunk
  for (int i = 0; i < 5; ++i) check_threads(net, SeriesView<const double>(x));
}

TEST_CASE("Members have about as many steps each, where sequences end early", "[team]") {
  Series<double> x(1, 40, 100);
  std::vector<Index> lengths;
  for (Index n = 0; n < 40; ++n) lengths.push_back(n * 100 / 40);
  x.set_lengths(lengths);
  BatchLayout steps;
  steps.assign(SeriesView<const double>(x));
  for (const Index size : {1, 2, 3, 4}) {
    Index next = 0;
    for (Index member = 0; member < size; ++member) {
      const auto share = detail::share_of_sequences({size, member}, steps);
      CHECK(share.first == next);
      Index its = 0;
      for (Index k = share.first; k < share.first + share.count; ++k) its += steps.length(k);
      INFO(member << " of " << size << " has " << its << " of " << steps.columns());
      CHECK(std::abs(double(its) / double(steps.columns()) - 1 / double(size)) < 0.12);
      next = share.first + share.count;
    }
    CHECK(next == 40);
  }
}

#endif
