// Learning without going back gives what going back gives: for every rule there is, and for one of a user.
#include "../catch.hpp"
#include "../helpers.hpp"
#include "../random_series.hpp"

#include <recur/recur.hpp>

using namespace recur;
using namespace recur_test;
using Catch::Matchers::ContainsSubstring;

namespace {

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
  auto learnt(OnlineMethod method) const {
    Online online(net, {.method = method});
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

/// f(cell) for a cell of every rule.
void for_cells(auto&& f) {
  f(Elman<double>(3, 5)), f(Lstm<double>(3, 5)), f(Gru<double>(3, 5)), f(GruResetBefore<double>(3, 5));
  f(PeepholeLstm<double>(3, 5)), f(CoupledLstm<double>(3, 5)), f(SLstm<double>(3, 5));
  f(LayerNormLstm<double>(3, 5)), f(LayerNormGru<double>(3, 5)), f(ProjectedLstm<double>(3, 5, 4));
  f(IndRnn<double>(3, 5)), f(MinGru<double>(3, 5)), f(MinLstm<double>(3, 5)), f(Qrnn<double>(3, 5));
  f(RgLru<double>(3, 5)), f(Lru<double>(3, 5)), f(CtRnn<double>(3, 5)), f(GruD<double>(5, 5));
  f(Dense<double>(3, 5)), f(Cell<LeakyRule, double>(3, 5)), f(Cell<TwoRule, double>(3, 5)),
      f(Cell<ZoneoutRule<LstmRule<>>, double>(3, 5));
}

}  // namespace

TEST_CASE("The exact method gives the gradient of bptt over the whole series, for every rule", "[online][laws]") {
  for_cells([](const auto& cell) {
    INFO(cell.description());
    Case of(cell);
    of.go_back();
    const auto online = of.learnt(OnlineMethod::exact);
    CHECK(difference(online.gradient(), of.gradient) < 1e-12);
    CHECK(state_difference(online.d_initial(), of.d_initial) < 1e-13);
    if constexpr (detail::is_diagonal<typename std::decay_t<decltype(cell)>::Rule>)
      CHECK(same_parameters(of.learnt(OnlineMethod::best).gradient(), online.gradient()));
  });
}

TEST_CASE("With layers without a state above and below a cell, theirs is the gradient of bptt, too", "[online][laws]") {
  Case of(
      Sequence(Lstm<double>(3, 5), LayerNorm<double>(5), Dense<double>(5, 4), Readout<double>(4, 2, {.bias = true})));
  of.go_back();
  CHECK(difference(of.learnt(OnlineMethod::exact).gradient(), of.gradient) < 1e-12);
}

TEST_CASE("A step's loss alone has the gradient that bptt has of it", "[online][laws]") {
  for_cells([](const auto& cell) {
    INFO(cell.description());
    Case of(cell);
    for (const Index only : {0, 4, 8}) {
      Case one = of;
      for (Index t = 0; t < steps; ++t)
        if (t != only) one.dy[t].setZero();
      one.go_back();
      CHECK(difference(one.learnt(OnlineMethod::exact).gradient(), one.gradient) < 1e-12);
    }
  });
}

TEST_CASE("The immediate form is bptt that goes back one step", "[online][laws]") {
  for_cells([](const auto& cell) {
    INFO(cell.description());
    Case of(cell);
    of.go_back(1);
    CHECK(difference(of.learnt(OnlineMethod::immediate).gradient(), of.gradient) < 1e-13);
  });
}

TEST_CASE("SnAp-1 is exact where W is diagonal", "[online][laws]") {
  const auto check = [](auto cell) {
    INFO(cell.description());
    Case of(cell);
    auto& W = of.net.W;
    for (Index i = 0; i < W.rows(); ++i)
      for (Index j = 0; j < W.cols(); ++j)
        if (i % cell.hidden() != j % cell.hidden()) W(i, j) = 0;
    of.go_back();
    const auto gradient = of.learnt(OnlineMethod::snap1).gradient();
    // Of the weights that are not zero: the others' influence on other units is what it leaves out.
    auto expected = of.gradient;
    CHECK((gradient.U - expected.U).norm() < 1e-12);
    CHECK((gradient.b - expected.b).norm() < 1e-12);
    CHECK((gradient.W - expected.W).norm() < 1e-12);
    CHECK((gradient.P - expected.P).norm() < 1e-12);
  };
  check(Elman<double>(3, 5)), check(Lstm<double>(3, 5)), check(Gru<double>(3, 5)), check(GruResetBefore<double>(3, 5));
  check(PeepholeLstm<double>(3, 5)), check(SLstm<double>(3, 5)), check(CtRnn<double>(3, 5));
  check(Cell<LeakyRule, double>(3, 5)), check(Cell<TwoRule, double>(3, 5));
}

TEST_CASE("SnAp-1 is nearer to the gradient than the immediate form", "[online][laws]") {
  Case of(Gru<double>(3, 5));
  of.go_back();
  const double snap1 = difference(of.learnt(OnlineMethod::snap1).gradient(), of.gradient);
  CHECK(snap1 > 1e-6);
  CHECK(snap1 < 0.5 * difference(of.learnt(OnlineMethod::immediate).gradient(), of.gradient));
  const LayerNormGru<double> norms(3, 5);
  CHECK_THAT(message_of([&] { Online online(norms, {.method = OnlineMethod::snap1}); }),
             ContainsSubstring("Online: OnlineMethod::snap1 is for cells whose states belong to units, not for"));
  CHECK_THAT(message_of([&] { Online online(norms, {.method = OnlineMethod::snap1}); }),
             ContainsSubstring("which has norms or a projection"));
}

TEST_CASE("A network that is run online gives what a stream gives, to the bit", "[online][laws]") {
  std::mt19937 rng(3);
  Sequence net(Embedding<float>(9, 4), Stack<MinGru<float>>(4, 6, 2, {.dropout = 0.2}), Residual(Gru<float>(6, 6)),
               LayerNorm<float>(6), Pool<float>(6, Pooling::mean), Readout<float>(6, 3));
  initialize(net, rng);
  Online online(net);
  Stream stream(net);
  const VectorOf<float> dy = VectorOf<float>::Ones(3);
  for (int round = 0; round < 2; ++round) {
    for (int k = 0; k < 20; ++k) {
      const VectorOf<float> x = VectorOf<float>::Random(9), expected = stream.step(x);
      CHECK(online.step(x) == expected);
      online.learn(dy);
      const VectorOf<float> of_token = stream.step(Token{k % 9});
      CHECK(online.step(Token{k % 9}) == of_token);
      if (k % 3 == 0) online.learn(dy);
    }
    if (round == 0) online.reset(), stream.reset();
  }
  CHECK(global_norm(online.gradient()) > 0);

  // To its own state: the influences are forgotten, the state is not. No state of a stack at all is zero.
  const VectorOf<float> x = VectorOf<float>::Ones(9);
  online.reset(online.state());
  CHECK(online.step(x) == VectorOf<float>(stream.step(x)));
  online.reset(decltype(net)::State{});
  stream.reset();
  CHECK(online.step(x) == VectorOf<float>(stream.step(x)));
}

TEST_CASE("In a stack the error goes down within the step", "[online][laws]") {
  // The upper layer's gradient is whole: what it reads does not depend on it. The lower's lacks the upper's past.
  std::mt19937 rng(4);
  Sequence net(MinGru<double>(3, 5), MinGru<double>(5, 4));
  initialize(net, rng);
  const auto x = random_series(3, 1, steps, rng), dy = random_series(4, 1, steps, rng);
  auto trace = net.trace();
  auto gradient = zeros_like(net);
  net.forward(x, trace);
  bptt(net, x, trace, dy, gradient);
  Online online(net);
  for (Index t = 0; t < steps; ++t) {
    online.step(VectorOf<double>(x[t]));
    online.learn(VectorOf<double>(dy[t]));
  }
  CHECK((online.gradient().layer<1>().U - gradient.layer<1>().U).norm() < 1e-13);
  CHECK((online.gradient().layer<0>().U - gradient.layer<0>().U).norm() > 1e-3);
}

TEST_CASE("A step that is not learnt from counts for those that are", "[online][laws]") {
  Case of(Lru<double>(3, 5));
  for (Index t = 0; t < steps; ++t)
    if (t % 3 != 2) of.dy[t].setZero();
  of.go_back();
  Online online(of.net);
  online.reset(of.initial);
  for (Index t = 0; t < steps; ++t) {
    online.step(VectorOf<double>(of.x[t]));
    if (t % 3 == 2) online.learn(VectorOf<double>(of.dy[t]));
  }
  CHECK(difference(online.gradient(), of.gradient) < 1e-12);
}

TEST_CASE("Learning online goes on from what was kept, to the same bits, in constant memory", "[online][laws]") {
  std::mt19937 rng(5);
  Sequence net(Lstm<double>(3, 4), IndRnn<double>(4, 5), Readout<double>(5, 2));
  initialize(net, rng);
  const auto x = random_series(3, 1, 40, rng), dy = random_series(2, 1, 40, rng);
  Online whole(net), first(net), second(net);
  const Index bytes = whole.bytes();
  std::vector<MatrixOf<double>> kept;
  for (Index t = 0; t < 40; ++t) {
    const VectorOf<double> x_t = x[t], dy_t = dy[t];
    Online<Sequence<Lstm<double>, IndRnn<double>, Readout<double>>>& other = t < 20 ? first : second;
    if (t == 20) {
      first.visit_memory([&](const std::string&, const auto& block) { kept.emplace_back(block); });
      std::size_t k = 0;
      second.visit_memory([&](const std::string&, auto& block) { block = kept[k++]; });
      CHECK(k == kept.size());
      second.gradient() = first.gradient();
    }
    CHECK(other.step(x_t) == whole.step(x_t));
    whole.learn(dy_t), other.learn(dy_t);
  }
  CHECK(same_parameters(whole.gradient(), second.gradient()));
  CHECK(whole.bytes() == bytes);
  CHECK(state_difference(whole.state(), second.state()) == 0);
  auto moved = std::move(second);
  const VectorOf<double> x_t = x[0], dy_t = dy[0];
  CHECK(moved.step(x_t) == whole.step(x_t));
  moved.learn(dy_t), whole.learn(dy_t);
  CHECK(same_parameters(whole.gradient(), moved.gradient()));
}

TEST_CASE("A network of one number in and out learns to follow a gain", "[online]") {
  std::mt19937 rng(6);
  Sequence net(IndRnn<float>(1, 4), Readout<float>(4, 1));
  initialize(net, rng);
  Online online(net);
  Sgd sgd(net, {.rate = 0.05});
  double early = 0, late = 0;
  for (int t = 0; t < 4000; ++t) {
    const auto x = static_cast<float>(uniform(rng, 0, 1));
    const float error = online.step(x) - 0.7f * x;
    online.learn(error);
    sgd.step(net, online.gradient());
    set_zero(online.gradient());
    (t < 500 ? early : late) += t < 500 || t >= 3500 ? double(error * error) : 0;
  }
  CHECK(late < 0.1 * early);
}
