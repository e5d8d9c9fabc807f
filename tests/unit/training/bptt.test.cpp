// The gradient against numbers written out by hand, and bptt's options and errors.
#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"

using namespace recur;
using namespace recur_test;

TEST_CASE("Three steps of two linear units, worked out by hand", "[bptt]") {
  // a_t = b + W h_<t-1> + U x_t, h_t = a_t, L = sum over t of h_t(0) + 2 h_t(1): dL/dh_t from outside is (1, 2).
  Elman<double, Identity> cell(1, 2);
  cell.U << 1, -1;
  cell.W << 0.5, -0.25,  //
      1, 0.5;
  cell.b << 0.5, 0.25;
  Series<double> x(1, 1, 3);
  x.matrix() << 1, 2, -1;

  // h_0 = (2, -4):
  //   h_1 = (0.5 + 1 + 1 + 1,          0.25 + 2 - 2 - 1)         = (3.5, -0.75)
  //   h_2 = (0.5 + 1.75 + 0.1875 + 2,  0.25 + 3.5 - 0.375 - 2)   = (4.4375, 1.375)
  //   h_3 = (0.5 + 2.21875 - 0.34375 - 1, 0.25 + 4.4375 + 0.6875 + 1) = (1.375, 6.375)
  MatrixOf<double> h_0(2, 1);
  h_0 << 2, -4;
  auto trace = cell.trace();
  const auto h = cell.forward(x, trace, h_0);
  MatrixOf<double> expected(2, 3);
  expected << 3.5, 4.4375, 1.375,  //
      -0.75, 1.375, 6.375;
  CHECK(h.matrix() == expected);

  // d_3 = (1, 2)
  // d_2 = (1, 2) + W^T d_3 = (1 + 0.5 + 2,     2 - 0.25 + 1)     = (3.5, 2.75)
  // d_1 = (1, 2) + W^T d_2 = (1 + 1.75 + 2.75, 2 - 0.875 + 1.375) = (5.5, 2.5)
  // dL/dh_0 =      W^T d_1 = (2.75 + 2.5,      -1.375 + 1.25)     = (5.25, -0.125)
  Series<double> dy(2, 1, 3), dx;
  dy.matrix() << 1, 1, 1,  //
      2, 2, 2;
  auto gradient = zeros_like(cell);
  MatrixOf<double> d_initial;
  bptt(cell, x, trace, dy, gradient, {.dx = &dx, .d_initial = &d_initial});
  // dW = d_1 h_0^T + d_2 h_1^T + d_3 h_2^T:
  //   (0, 0): 11 + 12.25 + 4.4375       (0, 1): -22 - 2.625 + 1.375
  //   (1, 0): 5 + 9.625 + 8.875         (1, 1): -10 - 2.0625 + 2.75
  MatrixOf<double> dW(2, 2);
  dW << 27.6875, -23.25,  //
      23.5, -9.3125;
  CHECK(gradient.W == dW);
  // dU = d_1 - ... = d_1 x_1 + d_2 x_2 + d_3 x_3 = (5.5 + 7 - 1, 2.5 + 5.5 - 2)
  CHECK(gradient.U == Eigen::Vector2d(11.5, 6));
  CHECK(gradient.b == Eigen::Vector2d(10, 7.25));
  // dL/dx_t = U^T d_t = d_t(0) - d_t(1)
  CHECK(dx.matrix() == Eigen::RowVector3d(3, 0.75, -1));
  CHECK(d_initial == Eigen::Vector2d(5.25, -0.125));
}

TEST_CASE("Three steps of one tanh unit, worked out by hand", "[bptt]") {
  // u = 0.5, w = -0.75, b = 0.25, x = (1, -2, 0.5), h_0 = 0, y_t = 2 h_t, L = mean of (y_t - target_t)^2,
  // targets (0, 1, -1):
  //   a = 0.25 + 0.5,  0.25 - 0.75 h_1 - 1,  0.25 - 0.75 h_2 + 0.25
  //     = 0.75         -1.2263617142904655   1.1311405728631907
  //   h = tanh(a)
  //     = 0.6351489523872873, -0.8415207638175877, 0.811409259676003
  //   dL/dy_t = 2/3 (2 h_t - target_t)
  //     = 0.8468652698497164, -1.7886943517567835, 1.7485456795680039
  //   d_3 = 2 dL/dy_3 (1 - h_3^2)                  = 1.1946589112046702
  //   d_2 = (2 dL/dy_2 - 0.75 d_3) (1 - h_2^2)     = -1.30552460536918
  //   d_1 = (2 dL/dy_1 - 0.75 d_2) (1 - h_1^2)     = 1.594598691981366
  Sequence net(Elman<double>(1, 1), Readout<double>(1, 1));
  net.layer<0>().U << 0.5;
  net.layer<0>().W << -0.75;
  net.layer<0>().b << 0.25;
  net.layer<1>().V << 2;
  Series<double> x(1, 1, 3), target(1, 1, 3);
  x.matrix() << 1, -2, 0.5;
  target.matrix() << 0, 1, -1;
  auto trace = net.trace();
  const auto [loss, dy] = squared_error(net.forward(x, trace), target);
  auto gradient = zeros_like(net);
  bptt(net, x, trace, dy, gradient);
  CHECK(loss == Approx(5.230515197115139).epsilon(1e-14));
  CHECK(gradient.layer<0>().W(0) == Approx(-1.8345328648745032).epsilon(1e-14));  // d_2 h_1 + d_3 h_2
  CHECK(gradient.layer<0>().U(0) == Approx(4.80297735832206).epsilon(1e-14));     // d_1 - 2 d_2 + 0.5 d_3
  CHECK(gradient.layer<0>().b(0) == Approx(1.483732997816856).epsilon(1e-14));    // d_1 + d_2 + d_3
  CHECK(gradient.layer<1>().V(0) == Approx(3.4618951814527454).epsilon(1e-14));   // sum of dL/dy_t h_t
}

TEST_CASE("The gradient is overwritten, or added to where that is asked for", "[bptt]") {
  std::mt19937 rng(1);
  const auto net = randomized(Sequence(Elman<double>(3, 4), Readout<double>(4, 2, {.bias = true})), rng);
  const auto x = random_series(3, 2, 5, rng), dy = random_series(2, 2, 5, rng);
  auto trace = net.trace();
  net.forward(x, trace);
  auto once = randomized(net, rng), twice = once;
  bptt(net, x, trace, dy, once);
  bptt(net, x, trace, dy, twice);
  bptt(net, x, trace, dy, twice, {.accumulate = true});
  recur::visit(
      [](const Name& name, const auto& one, const auto& two) {
        INFO(name.str());
        CHECK(two.isApprox(2 * one, 1e-13));
      },
      once, twice);
}

TEST_CASE("A loss on the final state alone needs no dy", "[bptt]") {
  std::mt19937 rng(2);
  const auto net = randomized(Sequence(Elman<double>(3, 4), Readout<double>(4, 2)), rng);
  const auto x = random_series(3, 2, 5, rng);
  const auto d_final = random_state(net, 2, rng);
  auto trace = net.trace();
  net.forward(x, trace);
  auto without = zeros_like(net), with_zero = without;
  Series<double> dx, dx_with_zero;
  bptt(net, x, trace, {}, without, {.d_final = &d_final, .dx = &dx});
  bptt(net, x, trace, Series<double>(2, 2, 5), with_zero, {.d_final = &d_final, .dx = &dx_with_zero});
  CHECK(without.layer<0>().W == with_zero.layer<0>().W);
  CHECK(without.layer<1>().V.isZero(0));
  CHECK(without.layer<0>().W.norm() > 0);
  CHECK(dx.matrix() == dx_with_zero.matrix());
}

TEST_CASE("What is written must not be what is read", "[bptt]") {
  std::mt19937 rng(2);
  const auto net = randomized(Lstm<double>(3, 3), rng);
  auto series = random_series(3, 2, 9, rng);
  const auto x = series.window(1, 4), dy = series.window(5, 4);
  auto state = random_state(net, 2, rng);
  auto trace = net.trace();
  net.forward(x, trace);
  auto gradient = zeros_like(net);
  const auto other = random_series(3, 2, 4, rng);
  const auto message = [&](SeriesView<const double> d, BpttOptions<Lstm<double>> options) {
    return message_of([&] { bptt(net, x, trace, d, gradient, options); });
  };
  CHECK(message(other, {.dx = &series}) == "bptt: dx and x must be two series, got one");
  net.forward(other, trace);
  CHECK(message_of([&] { bptt(net, other, trace, dy, gradient, {.dx = &series}); }) ==
        "bptt: dx and dy must be two series, got one");
  CHECK(message_of([&] { bptt(net, other, trace, dy, gradient, {.d_final = &state, .d_initial = &state}); }) ==
        "bptt: d_initial and d_final must be two states, got one");
}

namespace {
struct Derived : Lstm<double> {  // a cell of a user's
  using Lstm<double>::Lstm;
};
}  // namespace

TEST_CASE("A layer may be derived from", "[bptt]") {
  std::mt19937 rng(3);
  Derived net(3, 4);
  initialize(net, rng);
  const auto x = random_series(3, 2, 5, rng), target = random_series(4, 2, 5, rng);
  const auto check = check_gradient(net, squared_error, x, target);
  INFO(check);
  CHECK(check.relative_error < 1e-8);
}

TEST_CASE("Every gradient that is not asked for is left out, and the others stay the same", "[bptt]") {
  std::mt19937 rng(3);
  const auto cell = randomized(Elman<double>(3, 4), rng);
  const auto x = random_series(3, 2, 400, rng), dy = random_series(4, 2, 400, rng);  // more than one chunk of steps
  auto trace = cell.trace();
  cell.forward(x, trace);
  auto all = zeros_like(cell), few = all;
  Series<double> dx;
  auto d_initial = cell.state(2);
  bptt(cell, x, trace, dy, all, {.dx = &dx, .d_initial = &d_initial});
  bptt(cell, x, trace, dy, few);
  CHECK(all.W == few.W);
  CHECK(all.U == few.U);
  CHECK(all.b == few.b);
  CHECK(dx.steps() == 400);
  CHECK(dx.matrix().allFinite());
}

TEST_CASE("The gradient of x goes neither where x is nor where dy is", "[bptt]") {
  std::mt19937 rng(4);
  const auto cell = randomized(Elman<double>(4, 4), rng);
  auto x = random_series(4, 2, 5, rng), dy = random_series(4, 2, 5, rng);
  auto trace = cell.trace();
  cell.forward(x, trace);
  auto gradient = zeros_like(cell);
  CHECK(message_of([&] { bptt(cell, x, trace, dy, gradient, {.dx = &x}); }) ==
        "bptt: dx and x must be two series, got one");
  CHECK(message_of([&] { bptt(cell, x, trace, dy, gradient, {.dx = &dy}); }) ==
        "bptt: dx and dy must be two series, got one");
  CHECK(global_norm(gradient) == 0);
}

TEST_CASE("The gradient of a network does not go where the network is", "[bptt]") {
  std::mt19937 rng(4);
  auto cell = randomized(Elman<double>(3, 4), rng);
  const auto before = cell;
  const auto x = random_series(3, 2, 5, rng), dy = random_series(4, 2, 5, rng);
  auto trace = cell.trace();
  cell.forward(x, trace);
  CHECK(message_of([&] { bptt(cell, x, trace, dy, cell); }) ==
        "bptt: gradient must be another object than net, as zeros_like(net) makes it");
  CHECK(same_parameters(cell, before));
}

TEST_CASE("A view whose columns lie apart ends with its last number: what lies behind it may be written", "[bptt]") {
  std::mt19937 rng(6);
  const auto cell = randomized(Elman<double>(3, 4), rng);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  Series<double> dx(3, 2, 5);
  const double* const begin = dx.data();
  // Ten columns of three numbers, thirteen apart, of which the last ends where dx begins.
  const SeriesView<const double> before(begin - 9 * 13 - 3, 3, 2, 5, 13), into(begin - 9 * 13 - 2, 3, 2, 5, 13);
  CHECK_FALSE(detail::overlap(dx, before));
  CHECK(detail::overlap(dx, into));
  const SeriesView<const double> after(begin + 30, 3, 2, 5, 13), last(begin + 29, 3, 2, 5, 13);
  CHECK_FALSE(detail::overlap(dx, after));
  CHECK(detail::overlap(dx, last));
  CHECK_FALSE(detail::overlap(dx, SeriesView<const double>(begin, 3, 0, 5, 13)));
}

TEST_CASE("A trace that has been moved from is an empty one", "[bptt]") {
  std::mt19937 rng(7);
  const auto net = randomized(Sequence(Stack<Lstm<double>>(3, 4, 2), Readout<double>(4, 2)), rng);
  auto x = random_series(3, 3, 5, rng);
  const auto dy = random_series(2, 3, 5, rng);
  for (const auto& lengths : {std::vector<Index>(), {5, 0, 3}}) {
    x.set_lengths(lengths);
    auto trace = net.trace();
    auto gradient = zeros_like(net), expected = gradient;
    const Series<double> y(net.forward(x, trace));
    auto moved = std::move(trace);
    CHECK((trace.batch() == 0 && trace.steps() == 0));
    CHECK(message_of([&] { bptt(net, x, trace, dy, gradient); }) ==
          "bptt: the trace must have been through forward, got an empty one");
    CHECK(message_of([&] { net.output(trace); }) ==
          "output: the trace must have been through forward, got an empty one");
    bptt(net, x, moved, dy, expected);
    CHECK(net.forward(x, trace).matrix() == y.matrix());
    bptt(net, x, trace, dy, gradient);
    CHECK(same_parameters(gradient, expected));
  }
}

TEST_CASE("The loss of each stretch goes back as far as the window, and no further", "[bptt]") {
  std::mt19937 rng(5);
  const auto net = randomized(Sequence(Lstm<double>(2, 3), Elman<double>(3, 2), Readout<double>(2, 2)), rng);
  constexpr Index T = 11, N = 3;
  auto x = random_series(2, N, T, rng), dy = random_series(2, N, T, rng);
  const auto initial = random_state(net, N, rng), d_final = random_state(net, N, rng);
  auto trace = net.trace();
  for (const auto& [window, stride] : {std::pair<Index, Index>{4, 2}, {3, 3}, {5, 4}, {11, 3}, {1, 1}, {4, 0}})
    for (const bool has_unequal_lengths : {false, true}) {
      INFO("window " << window << ", stride " << stride << ", lengths " << has_unequal_lengths);
      x.set_lengths(has_unequal_lengths ? std::vector<Index>{11, 5, 8} : std::vector<Index>());
      net.forward(x, trace, initial);
      auto gradient = zeros_like(net), expected = gradient;
      Series<double> dx;
      auto d_initial = net.state(N);
      bptt(net, x, trace, dy, gradient,
           {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial, .window = window, .stride = stride});

      // The same, stretch by stretch: a series from the beginning of the window, whose initial state is a constant.
      const Index step = stride > 0 ? stride : window;
      Series<double> expected_dx(2, N, T);
      auto expected_d_initial = net.state(N);
      for (Index first = 0; first < T; first += step) {
        const Index end = std::min(first + step, T), begin = std::max<Index>(0, first + step - window);
        auto before = net.trace(), within = net.trace();
        auto state = initial;
        if (begin > 0) {
          net.forward(SeriesView<const double>(x).window(0, begin), before, initial);
          net.final_state(before, state);
        }
        const auto part = SeriesView<const double>(x).window(begin, end - begin);
        net.forward(part, within, state);
        Series<double> d_part(2, N, end - begin), dx_part;
        for (Index t = first; t < end; ++t) d_part[t - begin] = dy[t];
        // dL/d(final state) belongs to the sequences that end in this stretch.
        auto d_end = net.state(N), d_begin = d_end;
        visit_state(
            [&](auto& d, const auto& all) {
              for (Index n = 0; n < N; ++n) {
                const Index length = SeriesView<const double>(x).length(n);
                if (length > first && length <= end) d.col(n) = all.col(n);
              }
            },
            d_end, d_final);
        bptt(net, part, within, d_part, expected,
             {.d_final = &d_end, .dx = &dx_part, .d_initial = &d_begin, .accumulate = true});
        for (Index t = begin; t < end; ++t) expected_dx[t] += dx_part[t - begin];
        if (begin == 0) visit_state([](auto& sum, const auto& one) { sum += one; }, expected_d_initial, d_begin);
      }
      visit([](const Name&, const auto& a, const auto& b) { CHECK((a - b).isZero(1e-12)); }, gradient, expected);
      CHECK((dx.matrix() - expected_dx.matrix()).isZero(1e-12));
      visit_state([](const auto& a, const auto& b) { CHECK((a - b).isZero(1e-12)); }, d_initial, expected_d_initial);
    }
}

TEST_CASE("A window and a stride that do not fit are said", "[bptt]") {
  const Elman<double> cell(2, 3);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  const Series<double> x(2, 1, 5), dy(3, 1, 5);
  cell.forward(x, trace);
  const auto message = [&](Index window, Index stride) {
    return message_of([&] { bptt(cell, x, trace, dy, gradient, {.window = window, .stride = stride}); });
  };
  CHECK(message(2, 3) == "bptt: 0 <= stride <= window expected, got stride 3 and window 2");
  CHECK(message(0, 1) == "bptt: 0 <= stride <= window expected, got stride 1 and window 0");
  CHECK(message(2, -1) == "bptt: 0 <= stride <= window expected, got stride -1 and window 2");
  CHECK(message(-2, 0) == "bptt: 0 <= stride <= window expected, got stride 0 and window -2");
}
