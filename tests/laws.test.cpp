// What holds for every cell there is and will be.
#include "catch.hpp"
#include "cells.hpp"

using namespace recur;
using namespace recur_test;

namespace {

template <class Rule>
using DoubleCell = Cell<Rule, double>;

/// Whether two matrices are the same to the bit.
bool same_bits(const auto& a, const auto& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && (a.array() == b.array()).all();
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("The gradient check passes, one unit and a given initial state included", "[laws]", Rules) {
  std::mt19937 rng(1);
  for (const auto& [inputs, hidden, batch, steps] :
       {std::array{3, 4, 2, 5}, {2, 1, 3, 7}, {1, 5, 1, 1}, {4, 3, 5, 33}}) {
    const auto net = randomized(Sequence(DoubleCell<TestType>(inputs, hidden), Readout<double>(hidden, 2)), rng);
    const auto x = random_series(inputs, batch, steps, rng), target = random_series(2, batch, steps, rng);
    const auto initial = random_state(net, batch, rng), d_final = random_state(net, batch, rng);
    const auto check = check_gradient(net, squared_error, x, target, {.initial = &initial, .d_final = &d_final});
    INFO(check);
    CHECK(check.relative_error < 1e-7);
    CHECK(check.entries > parameter_count(net) + x.matrix().size());
  }
}

TEMPLATE_LIST_TEST_CASE("A batch equals its columns run singly", "[laws]", Rules) {
  std::mt19937 rng(2);
  const auto cell = randomized(DoubleCell<TestType>(3, 7), rng);
  const auto x = random_series(3, 5, 6, rng), dy = random_series(7, 5, 6, rng);
  const auto initial = random_state(cell, 5, rng);
  auto trace = cell.trace();
  auto gradient = zeros_like(cell), sum = zeros_like(cell);
  Series<double> dx;
  const Series<double> y(cell.forward(x, trace, initial));
  bptt(cell, x, trace, dy, gradient, {.dx = &dx});

  for (Index n = 0; n < 5; ++n) {
    Series<double> x_n(3, 1, 6), dy_n(7, 1, 6), dx_n;
    for (Index t = 0; t < 6; ++t) {
      x_n[t] = x[t].col(n);
      dy_n[t] = dy[t].col(n);
    }
    const auto y_n = cell.forward(x_n, trace, initial.col(n));
    for (Index t = 0; t < 6; ++t) CHECK(y_n[t].isApprox(y[t].col(n), 1e-14));
    bptt(cell, x_n, trace, dy_n, sum, {.dx = &dx_n, .accumulate = true});
    for (Index t = 0; t < 6; ++t) CHECK(dx_n[t].isApprox(dx[t].col(n), 1e-12));
  }
  recur::visit(
      [](const Name& name, const auto& whole, const auto& parts) {
        INFO(name.str());
        CHECK(parts.isApprox(whole, 1e-12));
      },
      gradient, sum);
}

namespace {

template <class TestedCell>
void check_steps_run_singly() {
  using Scalar = typename TestedCell::Scalar;
  std::mt19937 rng(3);
  for (const Index hidden : {1, 5, 16, 37, 64})
    for (const Index batch : {1, 3, 8}) {
      const auto cell = randomized(TestedCell(3, hidden), rng, 0.3);
      const auto x = random_series<Scalar>(3, batch, 9, rng);
      auto whole = cell.trace(), single = cell.trace();
      auto state = random_state(cell, batch, rng);
      const auto y = cell.forward(x, whole, state);
      for (Index t = 0; t < 9; ++t) {
        const auto y_t = cell.forward(x.window(t, 1), single, state);
        INFO("hidden " << hidden << ", batch " << batch << ", step " << t);
        REQUIRE(same_bits(y_t[0], y[t]));
        cell.final_state(single, state);
      }
      CHECK(same_bits(state, cell.final_state(whole)));
    }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("A series equals its steps run singly, to the bit", "[laws]", Rules) {
  check_steps_run_singly<Cell<TestType, double>>();
  check_steps_run_singly<Cell<TestType, float>>();
}

TEMPLATE_LIST_TEST_CASE("Zero dL/dy gives a zero gradient", "[laws]", Rules) {
  std::mt19937 rng(4);
  const auto cell = randomized(DoubleCell<TestType>(3, 4), rng);
  const auto x = random_series(3, 2, 5, rng);
  auto trace = cell.trace();
  auto gradient = randomized(cell, rng);  // overwritten
  auto d_initial = random_state(cell, 2, rng);
  Series<double> dx;
  cell.forward(x, trace);
  bptt(cell, x, trace, Series<double>(4, 2, 5), gradient, {.dx = &dx, .d_initial = &d_initial});
  CHECK(global_norm(gradient) == 0);
  CHECK(dx.matrix().isZero(0));
  CHECK(d_initial.isZero(0));
}

TEMPLATE_LIST_TEST_CASE("Two halves of a series, joined by the state and its gradient, are the series", "[laws]",
                        Rules) {
  std::mt19937 rng(5);
  const auto cell = randomized(DoubleCell<TestType>(2, 3), rng);
  const auto x = random_series(2, 3, 8, rng), dy = random_series(3, 3, 8, rng);
  auto trace = cell.trace(), first = cell.trace(), second = cell.trace();
  auto whole = zeros_like(cell), halves = zeros_like(cell);
  cell.forward(x, trace);
  bptt(cell, x, trace, dy, whole);

  auto middle = cell.state(3);
  cell.forward(x.window(0, 5), first);
  cell.final_state(first, middle);
  cell.forward(x.window(5, 3), second, middle);
  bptt(cell, x.window(5, 3), second, dy.window(5, 3), halves, {.d_initial = &middle});
  bptt(cell, x.window(0, 5), first, dy.window(0, 5), halves, {.d_final = &middle, .accumulate = true});
  recur::visit(
      [](const Name& name, const auto& a, const auto& b) {
        INFO(name.str());
        CHECK(a.isApprox(b, 1e-12));
      },
      whole, halves);
}

TEMPLATE_LIST_TEST_CASE("A window as long as the series is plain BPTT, whatever the stride", "[laws]", Rules) {
  std::mt19937 rng(8);
  const auto cell = randomized(DoubleCell<TestType>(2, 3), rng);
  const auto x = random_series(2, 3, 9, rng), dy = random_series(3, 3, 9, rng);
  const auto d_final = random_state(cell, 3, rng);
  auto trace = cell.trace();
  auto plain = zeros_like(cell), gradient = plain;
  Series<double> plain_dx, dx;
  auto plain_d_initial = cell.state(3), d_initial = plain_d_initial;
  cell.forward(x, trace);
  bptt(cell, x, trace, dy, plain, {.d_final = &d_final, .dx = &plain_dx, .d_initial = &plain_d_initial});
  for (const Index stride : {1, 2, 4, 9, 20}) {
    bptt(cell, x, trace, dy, gradient,
         {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial, .window = 20, .stride = stride});
    INFO("stride " << stride);
    CHECK(dx.matrix().isApprox(plain_dx.matrix(), 1e-12));
    CHECK(d_initial.isApprox(plain_d_initial, 1e-12));
    recur::visit([](const Name&, const auto& a, const auto& b) { CHECK((a.size() == 0 || a.isApprox(b, 1e-12))); },
                 plain, gradient);
  }
}

TEMPLATE_LIST_TEST_CASE("Sizes fixed at compile time give the bits of sizes given at run time", "[laws]", Rules) {
  std::mt19937 rng(6);
  const auto fixed = randomized(Cell<TestType, double, 3, 5>(), rng);
  DoubleCell<TestType> dynamic(3, 5);
  dynamic.U = fixed.U;
  dynamic.W = fixed.W;
  dynamic.b = fixed.b;
  dynamic.P = fixed.P;
  const auto x = random_series(3, 2, 6, rng), dy = random_series(5, 2, 6, rng);
  auto fixed_trace = fixed.trace();
  auto trace = dynamic.trace();
  CHECK(same_bits(fixed.forward(x, fixed_trace).matrix(), dynamic.forward(x, trace).matrix()));
  auto fixed_gradient = zeros_like(fixed);
  auto gradient = zeros_like(dynamic);
  bptt(fixed, x, fixed_trace, dy, fixed_gradient);
  bptt(dynamic, x, trace, dy, gradient);
  CHECK(same_bits(fixed_gradient.P, gradient.P));
  CHECK(same_bits(fixed_gradient.W, gradient.W));
  CHECK(same_bits(fixed_gradient.U, gradient.U));
  CHECK(same_bits(fixed_gradient.b, gradient.b));
}

TEMPLATE_LIST_TEST_CASE("One step from a record is one step of the series, to the bit", "[laws]", Rules) {
  std::mt19937 rng(7);
  const auto cell = randomized(Cell<TestType, double, 3, 6>(), rng);
  const auto x = random_series(3, 1, 10, rng);
  auto trace = cell.trace();
  const auto y = cell.forward(x, trace);
  auto before = cell.template record<1>(), now = before;
  for (Index t = 0; t < 10; ++t) {
    cell.step(VectorOf<double, 3>(x[t]), before, now);
    REQUIRE(same_bits(now.template middleRows<6>(6 * TestType::h), y[t]));
    before = now;
  }
}
