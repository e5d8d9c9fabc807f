// The mean, the largest and both ends of a sequence: equations, gradients, edges, errors. The laws have it in networks.
#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"

#include <recur/cells/gru.hpp>
#include <recur/layers/bidirectional.hpp>
#include <recur/layers/pool.hpp>
#include <recur/layers/sequence.hpp>
#include <recur/training/gradient_check.hpp>
#include <recur/training/loss.hpp>

#include <limits>

using namespace recur;
using recur_test::message_of, recur_test::random_series, recur_test::randomized;

TEST_CASE("A Pool has the mean, the largest, and both ends of what has come, at every step", "[pool]") {
  auto x = random_series(4, 2, 5);
  x.set_lengths({3, 5});
  const auto mean = Pool<double>(4, Pooling::mean).forward(x), largest = Pool<double>(4, Pooling::largest).forward(x),
             ends = Pool<double>(4, Pooling::ends).forward(x);
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < SeriesView(std::as_const(x)).length(n); ++t) {
      Eigen::MatrixXd all(4, t + 1);
      for (Index s = 0; s <= t; ++s) all.col(s) = x[s].col(n);
      CHECK((mean[t].col(n) - all.rowwise().mean()).cwiseAbs().maxCoeff() < 1e-15);
      CHECK(largest[t].col(n) == all.rowwise().maxCoeff());
      CHECK(ends[t].col(n).head(2) == x[t].col(n).head(2));
      CHECK(ends[t].col(n).tail(2) == x[0].col(n).tail(2));
    }
}

TEST_CASE("After a bidirectional layer, the ends are both final hidden states", "[pool]") {
  std::mt19937 rng(2);
  const auto both = randomized(Bidirectional(Gru<double>(3, 2), Gru<double>(3, 2)), rng);
  const auto x = random_series(3, 2, 4);
  auto trace = both.trace();
  both.forward(x, trace);
  const auto state = both.final_state(trace);
  const auto y = Sequence(both, Pool<double>(4, Pooling::ends)).forward(x);
  CHECK(y[3].topRows(2) == std::get<0>(state));
  CHECK(y[3].bottomRows(2) == std::get<1>(state));
}

TEST_CASE("A Pool passes the gradient check, from a state and with lengths", "[pool]") {
  for (const Pooling how : {Pooling::mean, Pooling::largest, Pooling::ends}) {
    const Pool<double> pool(4, how);
    auto x = random_series(4, 3, 5);
    x.set_lengths({5, 2, 4});
    MatrixOf<double> initial = random_series(5, 3, 1)[0];
    initial *= 0.9;                      // no ties with x
    initial.bottomRows(1) << 3, 1, 0.5;  // steps that have come
    auto target = x;
    target.matrix() *= -0.5;
    const MatrixOf<double> d_final = random_series(5, 6, 1)[0].rightCols(3);
    const auto check = check_gradient(pool, squared_error, x, target, {.initial = &initial, .d_final = &d_final});
    INFO(pool.description() << ": " << check);
    CHECK(check.entries == 4 * 15 + 5 * 3);
    CHECK(check.relative_error < 1e-8);
  }
}

TEST_CASE("NaN stays in a Pool, and what went before does not hide it", "[pool]") {
  auto x = random_series(2, 1, 4);
  x[1](0, 0) = std::numeric_limits<double>::quiet_NaN();
  for (const Pooling how : {Pooling::mean, Pooling::largest}) {
    const auto y = Pool<double>(2, how).forward(x);
    CHECK_FALSE(std::isnan(y[0](0, 0)));
    for (Index t = 1; t < 4; ++t) CHECK(std::isnan(y[t](0, 0)));
    CHECK(y[3].row(1).allFinite());
  }
}

TEST_CASE("A Pool says what it is, and what does not fit", "[pool]") {
  CHECK(Pool<float>(4, Pooling::mean).description() == "Pool mean 4 -> 4");
  CHECK(Pool<float, 6>(Pooling::largest).description() == "Pool largest 6 -> 6");
  CHECK(Pool<float>(4, Pooling::ends).cast<double>().description() == "Pool ends 4 -> 4");
  CHECK(message_of([] { Pool<float>(0, Pooling::mean); }) == "Pool: features > 0 expected, got 0");
  CHECK(message_of([] { Pool<float>(3, Pooling::ends); }) ==
        "Pool: an even number of features expected for ends, got 3");
  const Pool<double> pool(3, Pooling::mean);
  CHECK(message_of([&] { pool.forward(random_series(2, 1, 1)); }) ==
        "forward: x.features() must be 3 (inputs()), got 2");
  const MatrixOf<double> state = MatrixOf<double>::Zero(3, 1);
  CHECK(message_of([&] { pool.forward(random_series(3, 1, 1), state); }) ==
        "forward: initial must be 4x1 (state_size() x batch), got 3x1");
}
