// Sequences of unequal lengths in one batch.
#include "catch.hpp"
#include "helpers.hpp"
#include "cells.hpp"
#include "numbers.hpp"

using namespace recur;
using namespace recur_test;

namespace {

template <class State>
void check_close(const State& ours, const State& theirs) {
  visit_state([](const auto& a, const auto& b) { CHECK(((a - b).array().abs() < 1e-12).all()); }, ours, theirs);
}

}  // namespace

TEST_CASE("All sequences may be empty: the state passes through", "[lengths]") {
  std::mt19937 rng(6);
  const auto net =
      randomized(Sequence(Lstm<double>(3, 5), Gru<double>(5, 2), Readout<double>(2, 4, {.bias = true})), rng);
  auto x = random_series(3, 2, 4, rng);
  x.set_lengths({0, 0});
  const auto initial = random_state(net, 2, rng), d_final = random_state(net, 2, rng);
  auto trace = net.trace();
  auto gradient = randomized(net, rng);
  auto d_initial = net.state(2);
  Series<double> dx;
  CHECK(net.forward(x, trace, initial).matrix().isZero(0));
  check_close(net.final_state(trace), initial);
  bptt(net, x, trace, random_series(4, 2, 4, rng), gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  check_close(d_initial, d_final);
  CHECK(dx.matrix().isZero(0));
  CHECK(global_norm(gradient) == 0);
}

TEST_CASE("Series of several chunks, with records that are pages apart and not, have the gradients of their sequences",
          "[lengths]") {
  std::mt19937 rng(4);
  constexpr Index longest = 300;
  for (const Index hidden : {7, 100}) {  // 6 blocks of 100 numbers are more than a page
    const auto net = randomized(Lstm<double>(3, hidden), rng, 0.1);
    const auto x = random_series(3, 2, longest, rng), dy = random_series(hidden, 2, longest, rng);
    /// Of the first `columns` sequences from `first` on, in a batch of so many, of these lengths.
    const auto gradient_of = [&](Index first, Index columns, Index in_batch, const std::vector<Index>& its_lengths) {
      Series<double> some_x(3, in_batch, longest), some_dy(hidden, in_batch, longest);
      for (Index t = 0; t < longest; ++t) {
        some_x[t].leftCols(columns) = x[t].middleCols(first, columns);
        some_dy[t].leftCols(columns) = dy[t].middleCols(first, columns);
      }
      if (!its_lengths.empty()) some_x.set_lengths(its_lengths);
      auto trace = net.trace();
      auto gradient = zeros_like(net);
      net.forward(some_x, trace);
      bptt(net, some_x, trace, some_dy, gradient);
      return gradient;
    };
    INFO("hidden " << hidden);
    const auto equal = gradient_of(0, 2, 2, {}), beside_none = gradient_of(0, 2, 3, {longest, longest, 0});
    CHECK(same_parameters(equal, beside_none));  // a sequence without steps changes no bit
    const auto unequal = gradient_of(0, 2, 2, {170, longest});
    const auto first = gradient_of(0, 1, 1, {170}), second = gradient_of(1, 1, 1, {});
    const MatrixOf<double> sum = first.W + second.W;
    CHECK(sum.norm() > 0);
    CHECK((unequal.W - sum).norm() < 1e-12 * sum.norm());
    CHECK((unequal.U - first.U - second.U).norm() < 1e-12 * second.U.norm());
    CHECK((unequal.b - first.b - second.b).norm() < 1e-12 * second.b.norm());
  }
}

TEST_CASE("A window of a series has what it leaves of the lengths", "[lengths]") {
  Series<float> series(2, 3, 9);
  series.set_lengths({2, 9, 5});
  const auto window = series.window(3, 4);
  CHECK((window.length(0) == 0 && window.length(1) == 4 && window.length(2) == 2));
  CHECK(window.window(1, 2).length(2) == 1);
  CHECK((SeriesView<const float>(series).all_lengths() == 16 && window.all_lengths() == 6));
  CHECK(Series<float>(SeriesView<const float>(window)).lengths() == std::vector<Index>{0, 4, 2});
  CHECK(series.cast<double>().lengths() == series.lengths());
  series.resize(2, 3, 9);
  CHECK(series.lengths().empty());
}

TEST_CASE("Tokens have lengths too", "[lengths]") {
  std::mt19937 rng(7);
  const auto net = randomized(Sequence(Stack<Bidirectional<Lstm<double>>>(3, 3, 2), Elman<double>(6, 4)), rng);
  Tokens tokens(2, 4);
  tokens.matrix() << 2, 1, -7, 99,  //
      0, 2, 1, 1;
  tokens.set_lengths({2, 4});
  Series<double> one_hot(3, 2, 4);
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < tokens.lengths()[std::size_t(n)]; ++t) one_hot[t](tokens(n, t), n) = 1;
  one_hot.set_lengths(tokens.lengths());
  auto trace = net.trace(), other = net.trace();
  const auto y = net.forward(tokens, trace);
  const auto expected = net.forward(one_hot, other);
  CHECK((y.matrix() - expected.matrix()).isZero(1e-14));
  auto gradient = zeros_like(net), expected_gradient = gradient;
  const auto dy = random_series(4, 2, 4, rng);
  bptt(net, tokens, trace, dy, gradient);
  bptt(net, one_hot, other, dy, expected_gradient);
  recur::visit([](const Name&, const auto& a, const auto& b) { CHECK((a - b).isZero(1e-13)); }, gradient,
               expected_gradient);
}

TEST_CASE("Lengths that do not fit are said", "[lengths]") {
  Series<double> x(3, 2, 4);
  CHECK(message_of([&] { x.set_lengths({1}); }) == "set_lengths: lengths must be 2 (one for each sequence), got 1");
  CHECK(message_of([&] { x.set_lengths({1, 5}); }) == "set_lengths: lengths[1] must be in 0 .. 4 (steps), got 5");
  CHECK(message_of([&] { x.set_lengths({-1, 2}); }) == "set_lengths: lengths[0] must be in 0 .. 4 (steps), got -1");
  Tokens tokens(2, 4);
  CHECK(message_of([&] { tokens.set_lengths({3}); }) ==
        "set_lengths: lengths must be 2 (one for each sequence), got 1");
  CHECK(message_of([&] { tokens.set_lengths({3, 5}); }) == "set_lengths: lengths[1] must be in 0 .. 4 (steps), got 5");
  CHECK(message_of([&] { TokensView(tokens).with_lengths(std::vector<Index>{3}); }) ==
        "with_lengths: lengths must be 2 (one for each sequence), got 1");
  const Elman<double> cell(3, 2);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  x.set_lengths({4, 2});
  cell.forward(x, trace);
  x.set_lengths({4, 3});
  CHECK(message_of([&] { bptt(cell, x, trace, Series<double>(2, 2, 4), gradient); }) ==
        "bptt: x.length(1) must be 2 (as forward was given), got 3");
}
