// What laws of learning online are checked with.
#pragma once

#include "catch.hpp"
#include "helpers.hpp"
#include "random_series.hpp"

#include <recur/training/initializer.hpp>
#include <recur/training/online.hpp>

namespace recur_test {

using namespace recur;

struct LeakyRule {
  enum Block { f, h, blocks };
  enum Vector { slope, vectors };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  double alpha = 0.3;
  void forward(const auto& before, auto& now, const auto& p) const {
    now[f] = Tanh().value(now[f] + p[slope] * before[h]);
    now[h] = (1 - alpha) * before[h] + alpha * now[f];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p, auto& d_p) const {
    d_now[f] = alpha * d_now[h] * Tanh().slope(now[f]);
    d_p[slope] += d_now[f] * before[h];
    d_before[h] += (1 - alpha) * d_now[h] + d_now[f] * p[slope];
  }
};

/// A hidden state of two blocks, of which each sees both.
struct TwoRule {
  enum Block { f, g, blocks };
  static constexpr BlockRange from_input{f, 2}, from_hidden{f, 2}, state{f, 2}, h{f, 2};
  void forward(const auto&, auto& now) const {
    now[f] = Tanh().value(now[f]);
    now[g] = Tanh().value(now[g]);
  }
  void backward(const auto&, const auto& now, auto& d_now, auto&) const {
    d_now[f] *= Tanh().slope(now[f]);
    d_now[g] *= Tanh().slope(now[g]);
  }
};

constexpr Index steps = 9;

/// A network, data, and what bptt makes of them.
template <class Net>
struct Case {
  std::mt19937 rng{2};
  Net net;
  Series<double> x, dy;
  typename Net::State initial, d_initial;
  Net gradient;

  explicit Case(Net net_)
      : net(std::move(net_)), x(net.inputs(), 1, steps), dy(net.outputs(), 1, steps), initial(net.state(1)),
        d_initial(initial), gradient(net) {
    initialize(net, rng);
    visit([&](const Name&, auto& block) { add_random(block, 0.3); }, net);
    visit_state([&](auto& block) { add_random(block, 0.4), block.array() += 0.5; }, initial);
    x.setRandom(rng);
    dy.setRandom(rng);
    if constexpr (requires { Net::shared; })
      for (Index t = 0; t < steps; ++t) x[t].bottomRows(Net::shared) = x[t].bottomRows(Net::shared).cwiseAbs();
  }
  void add_random(auto& block, double limit) {
    for (Index i = 0; i < block.size(); ++i) block.data()[i] += uniform(rng, -limit, limit);
  }
  void go_back(Index window = 0) {
    auto trace = net.trace();
    net.forward(x, trace, initial);
    bptt(net, x, trace, dy, gradient, {.d_initial = &d_initial, .window = window, .stride = window > 0 ? 1 : 0});
  }
  /// The same steps online.
  auto learnt(OnlineMethod method, Index every = 1) const {
    Online online(net, {.method = method, .every = every});
    online.reset(initial);
    for (Index t = 0; t < steps; ++t) {
      online.step(VectorOf<double>(x[t]));
      online.learn(VectorOf<double>(dy[t]));
    }
    return online;
  }
};

/// The largest difference of two models or their gradients, in parts of the largest number.
template <class Model>
double difference(const Model& a, const Model& b) {
  double most = 0, largest = 0;
  visit(
      [&](const Name&, const auto& p, const auto& q) {
        if (p.size() == 0) return;
        most = std::max(most, (p - q).cwiseAbs().maxCoeff());
        largest = std::max(largest, q.cwiseAbs().maxCoeff());
      },
      a, b);
  return most / largest;
}
template <class State>
double state_difference(const State& a, const State& b) {
  double most = 0;
  visit_state(
      [&](const auto& s, const auto& t) {
        if (s.size() > 0) most = std::max(most, (s - t).cwiseAbs().maxCoeff());
      },
      a, b);
  return most;
}

/// Steps that wait for one another, more of them than there are, some left over, or none, are as those that do not.
template <class Net>
void check_waiting(const Case<Net>& of) {
  for (const Index every : {3, 4, 20}) {
    INFO(of.net.description() << ", every " << every);
    auto alone = of.learnt(OnlineMethod::best), together = of.learnt(OnlineMethod::best, every);
    CHECK(difference(together.gradient(), alone.gradient()) < 1e-13);
    CHECK(state_difference(together.d_initial(), alone.d_initial()) < 1e-13);
  }
}

/// The exact method and the immediate form, for one cell.
void check_online(const auto& cell) {
  INFO(cell.description());
  using Rule = typename std::decay_t<decltype(cell)>::Rule;
  Case of(cell);
  // The whole series, and the loss of one step alone.
  for (const Index only : {-1, 0, 4, 8}) {
    Case one = of;
    for (Index t = 0; t < steps && only >= 0; ++t)
      if (t != only) one.dy[t].setZero();
    one.go_back();
    auto online = one.learnt(OnlineMethod::exact);
    CHECK(difference(online.gradient(), one.gradient) < 1e-12);
    CHECK(state_difference(online.d_initial(), one.d_initial) < 1e-13);
    if constexpr (detail::is_diagonal<Rule>)
      CHECK(same_parameters(one.learnt(OnlineMethod::best).gradient(), online.gradient()));
  }
  check_waiting(of);
  // Truncated BPTT that goes back one step.
  of.go_back(1);
  CHECK(difference(of.learnt(OnlineMethod::immediate).gradient(), of.gradient) < 1e-13);
}

}  // namespace recur_test
