// Sequences of unequal lengths in one batch: what holds for every network there is and will be.
#include "../catch.hpp"
#include "../cells.hpp"
#include "../numbers.hpp"
#include "networks.hpp"

using namespace recur;
using namespace recur_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const std::vector<Index> lengths{2, 7, 0, 1, 7, 4};
constexpr Index batch = 6, steps = 9;

Series<double> padded(Index features, double padding, std::mt19937& rng) {
  auto series = random_series(features, batch, steps, rng);
  series.set_lengths(lengths);
  for (Index n = 0; n < batch; ++n)
    for (Index t = lengths[std::size_t(n)]; t < steps; ++t) series[t].col(n).setConstant(padding);
  return series;
}
/// One sequence, without its padding.
Series<double> single(const Series<double>& series, Index n) {
  Series<double> result(series.features(), 1, lengths[std::size_t(n)]);
  for (Index t = 0; t < result.steps(); ++t) result[t] = series[t].col(n);
  return result;
}
States column(const States& states, Index n) {
  States columns;
  for (const auto& state : states) columns.push_back(state.col(n));
  return columns;
}
bool zero_in_padding(SeriesView<const double> y) {
  bool zero = true;
  for (Index n = 0; n < batch; ++n)
    for (Index t = lengths[std::size_t(n)]; t < steps; ++t) zero = zero && y[t].col(n).isZero(0);
  return zero;
}

}  // namespace

TEST_CASE("A padded batch equals its sequences run singly, forward and backward", "[lengths][laws]") {
  for (const auto& [name, net] : all_networks()) {
    std::mt19937 rng(1);
    net->randomize(rng);
    const auto singly = net->copy();
    const auto x = padded(net->inputs(), not_a_number, rng), dy = padded(net->outputs(), not_a_number, rng);
    const auto initial = net->random_state(batch, rng), d_final = net->random_state(batch, rng);
    // Truncated, too: where stretches begin and end does not depend on who else is in the batch.
    std::vector<std::pair<Index, Index>> windows{{0, 0}};
    if (net->causal()) windows.insert(windows.end(), {{3, 0}, {4, 3}, {5, 1}, {6, 4}});
    for (const auto& [window, stride] : windows) {
      INFO(name << ", window " << window << ", stride " << stride);
      Series<double> dx;
      States d_initial;
      const Series<double> y(net->forward(x, initial));
      CHECK(y.lengths() == lengths);
      CHECK(zero_in_padding(y));
      net->bptt(x, dy, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial, .window = window, .stride = stride});
      CHECK(zero_in_padding(dx));
      const auto final = net->final_state();

      singly->set_gradient(0);
      for (Index n = 0; n < batch; ++n) {
        INFO("sequence " << n);
        const auto length = lengths[std::size_t(n)];
        const auto initial_n = column(initial, n), d_final_n = column(d_final, n);
        if (length == 0) {
          CHECK(difference(column(final, n), initial_n) < 1e-12);
          CHECK(difference(column(d_initial, n), d_final_n) < 1e-12);
          continue;
        }
        const auto x_n = single(x, n), dy_n = single(dy, n);
        const Series<double> y_n(singly->forward(x_n, initial_n));
        Series<double> dx_n;
        States d_initial_n;
        singly->bptt(x_n, dy_n,
                     {.d_final = &d_final_n,
                      .dx = &dx_n,
                      .d_initial = &d_initial_n,
                      .accumulate = true,
                      .window = window,
                      .stride = stride});
        for (Index t = 0; t < length; ++t) {
          CHECK((y[t].col(n) - y_n[t]).isZero(1e-13));
          CHECK((dx[t].col(n) - dx_n[t]).isZero(1e-12));
        }
        CHECK(difference(column(final, n), singly->final_state()) < 1e-12);
        CHECK(difference(column(d_initial, n), d_initial_n) < 1e-12);
      }
      CHECK(difference(net->gradient(), singly->gradient()) < 1e-11);
    }
  }
}

TEST_CASE("What padding holds changes no bit", "[lengths][laws]") {
  for (const auto& [name, net] : all_networks()) {
    std::mt19937 rng(2);
    net->randomize(rng);
    const auto run = [&tested = *net](double padding) {
      std::mt19937 same_numbers(3);
      const auto x = padded(tested.inputs(), padding, same_numbers),
                 target = padded(tested.outputs(), padding, same_numbers);
      tested.train(5);
      Series<double> dx, dy;
      const double loss = squared_error(tested.forward(x), target, dy);
      tested.bptt(x, dy, {.dx = &dx});
      return std::tuple(loss, tested.gradient(), dx);
    };
    const auto [loss, gradient, dx] = run(0);
    const auto [loss_nan, gradient_nan, dx_nan] = run(not_a_number);
    INFO(name);
    CHECK(identical(loss, loss_nan));
    CHECK(same(gradient, gradient_nan));
    CHECK(norm(gradient) > 0);
    CHECK(identical(dx.matrix(), dx_nan.matrix()));
  }
}

TEST_CASE("Equal lengths that are given change nothing but the order of sums", "[lengths][laws]") {
  for (const auto& [name, net] : all_networks()) {
    std::mt19937 rng(4);
    net->randomize(rng);
    auto x = random_series(net->inputs(), 3, 5, rng);
    const Series<double> y(net->forward(x));
    x.set_lengths({5, 5, 5});
    INFO(name);
    CHECK((net->forward(x).matrix() - y.matrix()).isZero(1e-14));
  }
}

TEST_CASE("The gradient check passes with lengths, and with a Dropout in training", "[lengths][laws]") {
  for (const auto& [name, net] : all_networks()) {
    std::mt19937 rng(6);  // no m of an SLstm is where its maximum changes
    net->randomize(rng);
    const auto x = padded(net->inputs(), 0.5, rng), target = padded(net->outputs(), not_a_number, rng);
    const auto initial = net->random_state(batch, rng), d_final = net->random_state(batch, rng);
    const auto check = net->check_gradient(x, target, initial, d_final, 7);
    INFO(name << ": " << check);
    CHECK(check.relative_error < 1e-7);
    CHECK(check.entries == size(net->parameters()) + x.matrix().size() + size(initial));
  }
}
