// The gradient check is itself checked: what is broken on purpose must be caught.
#include "catch.hpp"
#include "cells.hpp"

#include <functional>

using namespace recur;
using namespace recur_test;

namespace {

/// A leaky integrator that can be broken in its derivative.
enum class Fault { none, sign, missing_term, wrong_step, wrong_argument, missing_factor };
struct Broken {
  enum Block { f, h, blocks };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  Fault fault = Fault::none;

  void forward(const auto& before, auto& now) const {
    now[f] = Tanh().value(now[f]);
    now[h] = 0.7 * before[h] + 0.3 * now[f];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    const auto& step = fault == Fault::wrong_step ? before : now;
    const int argument = fault == Fault::wrong_argument ? h : f;
    const double factor = fault == Fault::sign ? -0.3 : fault == Fault::missing_factor ? 1 : 0.3;
    d_now[f] = factor * d_now[h] * Tanh().slope(step[argument]);
    if (fault != Fault::missing_term) d_before[h] += 0.7 * d_now[h];
  }
};

/// An Elman cell whose backward pass multiplies by W where it should by W^T.
struct TransposedW : Elman<double> {
  using Elman<double>::Elman;
  void prepare_backward(const Pass& pass, Workspace& work) const {
    wrong = *this;
    wrong.W.transposeInPlace();
    wrong.prepare_backward(pass, work);
  }
  mutable Elman<double> wrong{1, 1};
};

/// A readout that forgets its bias in the backward pass.
struct ForgottenBias : Readout<double> {
  using Readout<double>::Readout;
  void finish_backward(Workspace&, ForgottenBias& gradient) const { gradient.c.setZero(); }
};

using AnyLoss = std::function<double(SeriesView<const double>, const Series<double>&, Series<double>&)>;

template <class Net>
GradientCheck checked(const Net& zero_net, Index steps = 5) {
  std::mt19937 rng(1);
  const auto net = randomized(zero_net, rng);
  const auto x = random_series(net.inputs(), 2, steps, rng), target = random_series(net.outputs(), 2, steps, rng);
  const auto initial = random_state(net, 2, rng);
  return check_gradient(net, squared_error, x, target, {.initial = &initial});
}

GradientCheck broken(Fault fault, Index steps = 5) {
  return checked(Sequence(Cell<Broken, double>(3, 4, {fault}), Readout<double>(4, 2)), steps);
}

}  // namespace

TEST_CASE("The check passes what is right, and catches every fault", "[gradient_check]") {
  const auto right = broken(Fault::none);
  INFO(right);
  CHECK(right.relative_error < 1e-8);

  CHECK(broken(Fault::sign).relative_error > 0.1);
  CHECK(broken(Fault::missing_term).relative_error > 0.1);
  CHECK(broken(Fault::wrong_step).relative_error > 0.1);
  CHECK(broken(Fault::wrong_argument).relative_error > 0.1);
  CHECK(broken(Fault::missing_factor).relative_error > 0.1);
  CHECK(checked(Sequence(TransposedW(3, 4), Readout<double>(4, 2))).relative_error > 0.1);
  CHECK(checked(Sequence(Elman<double>(3, 4), ForgottenBias(4, 2, {.bias = true}))).relative_error > 0.1);
}

TEST_CASE("A flipped sign shows as one", "[gradient_check]") {
  const auto worst = broken(Fault::sign);
  CHECK(worst.analytic * worst.numeric < 0);
}

TEST_CASE("A loss whose derivative is wrong is caught", "[gradient_check]") {
  std::mt19937 rng(1);
  const auto net = randomized(Elman<double>(2, 3), rng);
  const auto x = random_series(2, 2, 4, rng), target = random_series(3, 2, 4, rng);
  const AnyLoss twice = [](const auto& y, const auto& goal, auto& dy) { return 2 * squared_error(y, goal, dy); };
  CHECK(check_gradient(net, twice, x, target).relative_error == Approx(0.5).epsilon(1e-6));
}

TEST_CASE("The worst entry is named, and printed as one line", "[gradient_check]") {
  std::mt19937 rng(1);
  const auto net = randomized(Sequence(Elman<double>(3, 4), ForgottenBias(4, 2, {.bias = true})), rng);
  const auto x = random_series(3, 2, 5, rng), target = random_series(2, 2, 5, rng);
  const auto worst = check_gradient(net, squared_error, x, target);
  CHECK(worst.name == "1.c");
  CHECK(worst.analytic == 0);
  CHECK(worst.numeric != 0);
  CHECK(worst.relative_error == 1);
  CHECK(worst.entries == 12 + 16 + 4 + 8 + 2 + 3 * 10 + 4 * 2);
  std::ostringstream line;
  line << worst;
  const std::string text = line.str();
  CHECK(text.find("worst of 80 entries: 1.c(") == 0);
  CHECK(text.find("analytic 0 numeric ") != std::string::npos);
  CHECK(text.find("relative error 1") != std::string::npos);
  CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("A gradient that is not a number is the worst of all", "[gradient_check]") {
  std::mt19937 rng(1);
  const auto net = randomized(Elman<double>(2, 3), rng);
  const auto x = random_series(2, 2, 4, rng), target = random_series(3, 2, 4, rng);
  const AnyLoss spoiled = [](const auto& y, const auto& goal, auto& dy) {
    const double value = squared_error(y, goal, dy);
    dy[1](0, 0) = std::nan("");
    return value;
  };
  CHECK(std::isnan(check_gradient(net, spoiled, x, target).relative_error));
}

TEST_CASE("A float network is checked as its copy in double", "[gradient_check]") {
  std::mt19937 rng(1);
  Sequence net(Elman<float, Logistic, 3, 4>(), Readout<float>(4, 2, {.bias = true}));
  initialize(net, rng);
  const auto x = random_series<float>(3, 2, 5, rng), target = random_series<float>(2, 2, 5, rng);
  auto initial = random_state(net, 2, rng), d_final = random_state(net, 2, rng);
  const auto check = check_gradient(net, squared_error, x, target, {.initial = &initial, .d_final = &d_final});
  INFO(check);
  CHECK(check.relative_error < 1e-8);
}

TEMPLATE_TEST_CASE("A d_final that stands for zero changes nothing", "[gradient_check]", Elman<double>,
                   Stack<Elman<double>>) {
  std::mt19937 rng(1);
  const auto net = [&] {
    if constexpr (std::is_constructible_v<TestType, Index, Index, Index>)
      return randomized(TestType(2, 3, 2), rng);
    else
      return randomized(TestType(2, 3), rng);
  }();
  const auto x = random_series(2, 2, 4, rng), target = random_series(3, 2, 4, rng);
  const typename TestType::State zero;
  const auto with = check_gradient(net, squared_error, x, target, {.d_final = &zero});
  CHECK(with.relative_error == check_gradient(net, squared_error, x, target).relative_error);
}

TEST_CASE("The network and the series are as they were after a check", "[gradient_check]") {
  std::mt19937 rng(1);
  const auto net = randomized(Elman<double>(2, 3), rng);
  const auto copy = net;
  const auto x = random_series(2, 2, 4, rng), target = random_series(3, 2, 4, rng);
  const auto first = check_gradient(net, squared_error, x, target),
             second = check_gradient(net, squared_error, x, target);
  CHECK(net.W == copy.W);
  CHECK(first.numeric == second.numeric);
  CHECK(first.relative_error == second.relative_error);
}
