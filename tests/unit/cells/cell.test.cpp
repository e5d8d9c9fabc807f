#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// h_1 .. h_T of an Elman cell: its equations, one after the other, in plain Eigen.
template <class Cell>
Series<double> textbook(const Cell& cell, const Series<double>& x, const MatrixOf<double>& h_0) {
  const MatrixOf<double> U = cell.U.template cast<double>(), W = cell.W.template cast<double>();
  const VectorOf<double> b = cell.b.template cast<double>();
  Series<double> h(cell.hidden(), x.batch(), x.steps());
  MatrixOf<double> state = h_0;
  for (Index t = 0; t < x.steps(); ++t) {
    const MatrixOf<double> a = b.replicate(1, x.batch()) + W * state + U * x[t];
    state = cell.rule.f.value(a.array()).matrix();
    h[t] = state;
  }
  return h;
}

template <class Cell>
void check_textbook(const Cell& zero, Index batch, Index steps) {
  using Scalar = typename Cell::Scalar;
  std::mt19937 rng(1);
  const auto cell = randomized(zero, rng, 0.4);
  const auto x = random_series<Scalar>(cell.inputs(), batch, steps, rng);
  const auto initial = random_state(cell, batch, rng);
  const Scalar tolerance = std::is_same_v<Scalar, float> ? Scalar(1e-5) : Scalar(1e-13);
  const auto in_double = x.template cast<double>();
  auto trace = cell.trace();
  INFO("inputs " << cell.inputs() << ", hidden " << cell.hidden() << ", batch " << batch << ", steps " << steps);

  const auto close = [&](SeriesView<const Scalar> h, const Series<double>& expected) {
    return h.features() == cell.hidden() && h.batch() == batch && h.steps() == steps &&
           h.matrix().isApprox(expected.matrix().template cast<Scalar>(), tolerance);
  };
  CHECK(close(cell.forward(x, trace), textbook(cell, in_double, MatrixOf<double>::Zero(cell.hidden(), batch))));
  CHECK(close(cell.forward(x, trace, cell.state(batch)),
              textbook(cell, in_double, MatrixOf<double>::Zero(cell.hidden(), batch))));
  CHECK(close(cell.forward(x, trace, initial), textbook(cell, in_double, initial.template cast<double>())));
}

/// Whether a series gives the same bits as its steps taken one by one.
template <int Batch, class Cell>
bool steps_are_forward(const Cell& zero, Index batch, Index steps) {
  std::mt19937 rng(2);
  const auto cell = randomized(zero, rng);
  const auto x = random_series<typename Cell::Scalar>(cell.inputs(), batch, steps, rng);
  auto trace = cell.trace();
  cell.forward(x, trace, random_state(cell, batch, rng));
  auto before = cell.template record<Batch>(batch), now = before;
  before = trace.workspace().records().leftCols(batch);
  bool same = true;
  for (Index t = 0; t < steps; ++t) {
    const MatrixOf<typename Cell::Scalar, Cell::inputs_at_compile_time, Batch> x_t = x[t];
    cell.step(x_t, before, now);
    same = same && identical(now, trace.workspace().records().middleCols(batch * (t + 1), batch));
    std::swap(before, now);
  }
  return same;
}

/// A cell with everything that bptt takes, all of it fitting.
struct Fitting {
  std::mt19937 rng{3};
  Elman<double> cell = randomized(Elman<double>(3, 5), rng);
  Series<double> x = random_series(3, 2, 4, rng), dy = random_series(5, 2, 4, rng), dx = random_series(1, 1, 1, rng);
  Elman<double>::Trace trace;
  Elman<double> gradient = randomized(cell, rng);
  MatrixOf<double> d_final = random_matrix<double>(5, 2, rng), d_initial = random_matrix<double>(2, 2, rng);

  Fitting() { cell.forward(x, trace); }
  void run() { bptt(cell, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial}); }

  /// The message of bptt once something has been changed, if it left everything as it was.
  static std::string message(auto&& change) {
    Fitting now;
    change(now);
    const auto before = now;
    const std::string message = message_of([&] { now.run(); });
    const bool untouched = same_parameters(now.gradient, before.gradient) &&
                           identical(now.dx.matrix(), before.dx.matrix()) &&
                           identical(now.d_initial, before.d_initial) &&
                           identical(now.trace.workspace().records(), before.trace.workspace().records());
    return untouched ? message : "(something was written) " + message;
  }
};

}  // namespace

TEST_CASE("A cell starts at zero, with the shapes that its sizes give", "[cell]") {
  const Elman<float> cell(3, 5);
  CHECK((cell.inputs() == 3 && cell.hidden() == 5 && cell.outputs() == 5));
  CHECK((cell.U == MatrixOf<float>::Zero(5, 3) && cell.W == MatrixOf<float>::Zero(5, 5) &&
         cell.b == VectorOf<float>::Zero(5)));
  const Cell<GruRule<>, double> gated(3, 5);
  CHECK((gated.U == MatrixOf<double>::Zero(15, 3) && gated.W == MatrixOf<double>::Zero(15, 5)));
  CHECK(gated.b == VectorOf<double>::Zero(20));
  const Cell<LearnedLeak, double, 2, 4> learned;
  CHECK((learned.P.rows() == 4 && learned.P.cols() == 1 && learned.P.isZero(0)));
  STATIC_REQUIRE(!std::is_default_constructible_v<Elman<float>>);
}

TEST_CASE("A cell's own constants are kept, and cast with it", "[cell]") {
  std::mt19937 rng(4);
  const auto cell = randomized(Cell<LeakyIntegrator<>, double>(2, 3, {.alpha = 0.75}), rng);
  const auto narrow = cell.cast<float>();
  STATIC_REQUIRE(std::is_same_v<decltype(narrow), const Cell<LeakyIntegrator<>, float>>);
  CHECK((cell.rule.alpha == 0.75 && narrow.rule.alpha == 0.75));
  CHECK((narrow.U == cell.U.cast<float>() && narrow.W == cell.W.cast<float>() && narrow.b == cell.b.cast<float>()));
  const auto learned = randomized(Cell<LearnedLeak, double, 2, 3>(), rng);
  CHECK(learned.cast<float>().P == learned.P.cast<float>());
}

TEST_CASE("forward is the textbook's loop, for sizes known when running", "[cell]") {
  check_textbook(Elman<double>(3, 5), 2, 4);
  check_textbook(Elman<double>(3, 5), 1, 1);
  check_textbook(Elman<double>(1, 1), 1, 7);
  check_textbook(Elman<double>(7, 1), 3, 2);
  check_textbook(Elman<double>(2, 37), 5, 100);  // more steps than are projected at once
  check_textbook(Elman<double>(4, 9), 1, 300);
  check_textbook(Elman<double>(4, 9), 150, 3);  // more sequences than that
  check_textbook(Elman<float>(3, 5), 2, 4);
  check_textbook(Elman<float>(1, 33), 1, 200);
  check_textbook(Elman<float>(40, 66), 7, 20);
}

TEST_CASE("forward is the textbook's loop, for sizes known when compiling", "[cell]") {
  check_textbook(Elman<double, Tanh, 3, 5>(), 2, 4);
  check_textbook(Elman<double, Tanh, 1, 1>(), 3, 5);
  check_textbook(Elman<float, Logistic, 2, 16>(), 1, 9);
  check_textbook(Elman<float, Relu, Dynamic, 4>(3, 4), 2, 3);
  check_textbook(Elman<float, Softsign, 3>(3, 7), 2, 3);
}

TEMPLATE_TEST_CASE("One series equals its steps run singly, to the bit", "[cell]", Elman<float>,
                   (Elman<double, Logistic, 3, 8>), (Elman<float, Tanh, 3, 5>), (Elman<float, Logistic, 3, 16>),
                   (Cell<GruRule<>, float, 3, 8>), (Cell<LeakyIntegrator<>, float, 3, 7>),
                   (Cell<LearnedLeak, double, 3, 1>)) {
  const auto make = [](Index hidden) {
    const int fixed = TestType::outputs_at_compile_time;
    return TestType(3, fixed == Dynamic ? hidden : fixed);
  };
  for (const Index hidden : {1, 5, 21, 64}) {
    INFO("hidden " << hidden);
    CHECK(steps_are_forward<1>(make(hidden), 1, 6));
    CHECK(steps_are_forward<Dynamic>(make(hidden), 1, 140));
    CHECK(steps_are_forward<Dynamic>(make(hidden), 4, 40));
    CHECK(steps_are_forward<3>(make(hidden), 3, 3));
  }
}

TEST_CASE("A step takes a row vector of inputs where there is one feature", "[cell]") {
  std::mt19937 rng(5);
  const auto cell = randomized(Elman<double>(1, 4), rng);
  const Eigen::RowVector3d row(1, -2, 3);
  const MatrixOf<double> x = row;
  const auto before = cell.record(3);
  auto now = before, again = before;
  cell.step(row, before, now);
  cell.step(x, before, again);
  CHECK(identical(now, again));
  CHECK(!now.isZero());
  CHECK(cell.record().cols() == 1);
}

TEST_CASE("The trace keeps a record of each step, the initial state first", "[cell]") {
  std::mt19937 rng(6);
  const auto cell = randomized(Cell<TwoStates, double>(3, 2), rng);
  const auto x = random_series(3, 4, 5, rng);
  const auto initial = random_state(cell, 4, rng);
  auto trace = cell.trace();
  const auto h = cell.forward(x, trace, initial);
  const auto records = trace.workspace().records();
  CHECK((trace.batch() == 4 && trace.steps() == 5));
  CHECK((records.rows() == 4 * 2 && records.cols() == 4 * 6));
  CHECK(records.topLeftCorner(4, 4).isZero(0));     // gates of no step
  CHECK(records.block(4, 0, 4, 4) == initial);      // c and h
  CHECK(h.matrix() == records.block(6, 4, 2, 20));  // h is the last block
  CHECK(h.data() == records.data() + 4 * 8 + 6);
  CHECK(h.stride() == 8);
  CHECK(cell.output(trace).data() == h.data());
  CHECK(cell.final_state(trace) == records.block(4, 20, 4, 4));
}

TEST_CASE("A series can be cut, and the state carried over", "[cell]") {
  std::mt19937 rng(7);
  const auto cell = randomized(Cell<TwoStates, double>(3, 6), rng);
  const auto x = random_series(3, 2, 9, rng);
  auto trace = cell.trace(), first = cell.trace(), second = cell.trace();
  const auto h = cell.forward(x, trace);
  cell.forward(x.window(0, 4), first);
  auto state = cell.state(2);
  cell.final_state(first, state);
  CHECK(identical(cell.forward(x.window(4, 5), second, state).matrix(), h.window(4, 5).matrix()));
  CHECK(identical(cell.final_state(second), cell.final_state(trace)));
}

TEST_CASE("A trace serves series of other shapes, and leaves nothing behind", "[cell]") {
  std::mt19937 rng(8);
  const auto cell = randomized(Elman<double>(3, 5), rng);
  auto used = cell.trace();
  for (const auto& [batch, steps] : {std::pair{4, 200}, {1, 2}, {7, 1}, {1, 700}, {3, 3}, {4, 200}}) {
    const auto x = random_series(3, batch, steps, rng), dy = random_series(5, batch, steps, rng);
    auto fresh = cell.trace();
    CHECK(identical(cell.forward(x, used).matrix(), cell.forward(x, fresh).matrix()));
    auto gradient = zeros_like(cell), expected = gradient;
    Series<double> dx, expected_dx;
    bptt(cell, x, used, dy, gradient, {.dx = &dx});
    bptt(cell, x, fresh, dy, expected, {.dx = &expected_dx});
    CHECK(same_parameters(gradient, expected));
    CHECK(identical(dx.matrix(), expected_dx.matrix()));
  }
}

TEST_CASE("forward reads views whose columns are apart", "[cell]") {
  std::mt19937 rng(9);
  const auto cell = randomized(Elman<double>(3, 5), rng);
  const MatrixOf<double> wide = random_matrix<double>(7, 8, rng);
  const SeriesView<const double> x(wide.data() + 2, 3, 2, 4, 7);
  auto trace = cell.trace(), other = cell.trace();
  CHECK(identical(cell.forward(x, trace).matrix(), cell.forward(Series<double>(x), other).matrix()));
}

TEST_CASE("A cell's constructor says which sizes do not fit", "[cell]") {
  CHECK(message_of([] { Elman<float>(0, 5); }) == "Cell: inputs > 0 and hidden > 0 expected, got 0 and 5");
  CHECK(message_of([] { Elman<float>(3, -1); }) == "Cell: inputs > 0 and hidden > 0 expected, got 3 and -1");
  CHECK(message_of([] { Elman<float, Tanh, 3, 5>(4, 5); }) == "Cell: inputs must be 3 (fixed by its type), got 4");
  CHECK(message_of([] { Elman<float, Tanh, 3, 5>(3, 6); }) == "Cell: hidden must be 5 (fixed by its type), got 6");
  // 4 H is 0 where it overflows.
  CHECK(message_of([] { Lstm<float>(1, Index(1) << 62); }) ==
        "Cell: blocks x hidden x inputs must be less than 2^59, got 7 x 4611686018427387904 x 1");
  CHECK(message_of([] { Elman<float>(1, Index(1) << 40); }) ==
        "Cell: blocks x hidden x hidden must be less than 2^59, got 1 x 1099511627776 x 1099511627776");
}

TEST_CASE("forward says what does not fit, and leaves the trace as it was", "[cell]") {
  Fitting now;
  const Fitting before = now;
  const auto message = [&](const Series<double>& x, const MatrixOf<double>& initial = {}) {
    return message_of([&] { now.cell.forward(x, now.trace, initial); });
  };
  CHECK(message(Series<double>(4, 2, 6)) == "forward: x.features() must be 3 (inputs()), got 4");
  CHECK(message(Series<double>(3, 2, 0)) ==
        "forward: x must have at least one step of one sequence, got features 3, batch 2, steps 0");
  CHECK(message({}) == "forward: x must have at least one step of one sequence, got features 0, batch 0, steps 0");
  CHECK(message(now.x, MatrixOf<double>::Zero(4, 2)) == "forward: initial must be 5x2 (state_size() x batch), got 4x2");
  CHECK(message(now.x, MatrixOf<double>::Zero(5, 1)) == "forward: initial must be 5x2 (state_size() x batch), got 5x1");
  now.cell.W.setZero(5, 4);
  CHECK(message(now.x) == "forward: U must be 1 H x I, W 1 H x H, b 1 H, got U 5x3, W 5x4, b 5x1");
  now.cell.W = before.cell.W;
  now.cell.b.setZero(6);
  CHECK(message(now.x) == "forward: U must be 1 H x I, W 1 H x H, b 1 H, got U 5x3, W 5x5, b 6x1");
  now.cell.b = before.cell.b;

  CHECK(identical(now.trace.workspace().records(), before.trace.workspace().records()));
  now.run();
  Fitting expected;
  expected.run();
  CHECK(same_parameters(now.gradient, expected.gradient));

  Cell<LearnedLeak, double> learned(3, 5);
  learned.P.setZero(4, 1);
  auto trace = learned.trace();
  CHECK(message_of([&] { learned.forward(now.x, trace); }) == "forward: P.rows() must be 5 (hidden()), got 4");
}

TEST_CASE("step says what does not fit", "[cell]") {
  const Elman<double> cell(3, 5);
  const auto message = [&](Shape x, Shape before, Shape now_) {
    MatrixOf<double> now = MatrixOf<double>::Zero(now_.rows, now_.cols);
    return message_of([&] {
      cell.step(MatrixOf<double>(MatrixOf<double>::Zero(x.rows, x.cols)),
                MatrixOf<double>(MatrixOf<double>::Zero(before.rows, before.cols)), now);
    });
  };
  CHECK(message({3, 2}, {5, 2}, {5, 2}) == "(nothing was thrown)");
  CHECK(message({4, 2}, {5, 2}, {5, 2}) == "step: x.rows() must be 3 (inputs()), got 4");
  CHECK(message({3, 2}, {4, 2}, {5, 2}) == "step: before.rows() must be 5 (blocks * hidden()), got 4");
  CHECK(message({3, 2}, {5, 2}, {6, 2}) == "step: now.rows() must be 5 (blocks * hidden()), got 6");
  CHECK(message({3, 2}, {5, 1}, {5, 2}) == "step: before.cols() must be 2 (x.cols()), got 1");
  CHECK(message({3, 2}, {5, 2}, {5, 3}) == "step: now.cols() must be 2 (x.cols()), got 3");
  auto record = cell.record(2);
  CHECK(message_of([&] { cell.step(MatrixOf<double>(MatrixOf<double>::Zero(3, 2)), record, record); }) ==
        "step: before and now must be two records, got one");
}

TEST_CASE("final_state wants a trace that has been through forward, of this network", "[cell]") {
  Fitting now;
  Elman<double>::Trace empty;
  CHECK(message_of([&] { now.cell.final_state(empty); }) ==
        "final_state: the trace must have been through forward, got an empty one");
  CHECK(message_of([&] { Elman<double>(3, 4).final_state(now.trace); }) ==
        "final_state: the trace must be of this network, with records of 4 rows, got one of 5");
}

TEST_CASE("bptt says what does not fit, and then has written nothing", "[cell]") {
  using F = Fitting;
  CHECK(F::message([](F&) {}) == "(something was written) (nothing was thrown)");

  CHECK(F::message([](F& f) { f.trace = {}; }) == "bptt: the trace must have been through forward, got an empty one");
  CHECK(F::message([](F& f) { Elman<double>(3, 4).forward(f.x, f.trace); }) ==
        "bptt: the trace must be of this network, with records of 5 rows, got one of 4");
  CHECK(F::message([](F& f) { f.x = Series<double>(2, 2, 4); }) ==
        "bptt: x.features() must be 3 (net.inputs()), got 2");
  CHECK(F::message([](F& f) { f.x = Series<double>(3, 3, 4); }) ==
        "bptt: x must have batch 2 and steps 4 (as the trace), got batch 3 and steps 4");
  CHECK(F::message([](F& f) { f.x = Series<double>(3, 2, 5); }) ==
        "bptt: x must have batch 2 and steps 4 (as the trace), got batch 2 and steps 5");
  CHECK(F::message([](F& f) { f.dy = Series<double>(4, 2, 4); }) ==
        "bptt: dy.features() must be 5 (net.outputs()), got 4");
  CHECK(F::message([](F& f) { f.dy = Series<double>(5, 2, 3); }) ==
        "bptt: dy must have batch 2 and steps 4 (as x), got batch 2 and steps 3");
  CHECK(F::message([](F& f) { f.gradient = Elman<double>(2, 5); }) ==
        "bptt: gradient must have the shapes of net, but U is 5x2, expected 5x3");
  CHECK(F::message([](F& f) { f.gradient.b.setZero(4); }) ==
        "bptt: gradient must have the shapes of net, but b is 4x1, expected 5x1");
  CHECK(F::message([](F& f) { f.d_final = MatrixOf<double>::Zero(5, 3); }) ==
        "bptt: d_final must be 5x2 (state_size() x batch), got 5x3");
  CHECK(F::message([](F& f) { f.cell.W.setZero(5, 4); }) ==
        "bptt: gradient must have the shapes of net, but W is 5x5, expected 5x4");
  CHECK(F::message([](F& f) {
          f.cell.W.setZero(5, 4);
          f.gradient.W.setZero(5, 4);
        }) == "bptt: U must be 1 H x I, W 1 H x H, b 1 H, got U 5x3, W 5x4, b 5x1");
}

TEST_CASE("bptt wants dy, unless dL/d(final state) is given", "[cell]") {
  Fitting now;
  CHECK(message_of([&] { bptt(now.cell, now.x, now.trace, {}, now.gradient); }) ==
        "bptt: dy.features() must be 5 (net.outputs()), got 0");
  Series<double> last(5, 2, 4);
  last[3] = now.d_final;
  bptt(now.cell, now.x, now.trace, last, now.gradient);
  auto expected = now.gradient;
  bptt(now.cell, now.x, now.trace, {}, now.gradient, {.d_final = &now.d_final});
  CHECK(same_parameters(now.gradient, expected));
}
