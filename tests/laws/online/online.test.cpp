// Learning without going back gives what going back gives.
#include "check.hpp"

#include <recur/recur.hpp>

using namespace recur_test;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("The exact method gives the gradient of bptt over the whole series, for every rule", "[online][laws]") {
  check_online(Elman<double>(3, 5)), check_online(Lstm<double>(3, 5)), check_online(Gru<double>(3, 5));
  check_online(GruResetBefore<double>(3, 5)), check_online(PeepholeLstm<double>(3, 5));
  check_online(CoupledLstm<double>(3, 5)), check_online(SLstm<double>(3, 5)), check_online(LayerNormLstm<double>(3, 5));
  check_online(LayerNormGru<double>(3, 5)), check_online(ProjectedLstm<double>(3, 5, 4));
}

TEST_CASE("Layers without a state above a cell have the gradient of bptt, too", "[online][laws]") {
  Case of(
      Sequence(Lstm<double>(3, 5), LayerNorm<double>(5), Dense<double>(5, 4), Readout<double>(4, 2, {.bias = true})));
  of.go_back();
  CHECK(difference(of.learnt(OnlineMethod::exact).gradient(), of.gradient) < 1e-12);
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
  // Around the cell a layer that goes through it in its own way.
  Case within(DropConnect(of.net, 0.4));
  within.net.cell = of.net, within.x = of.x, within.dy = of.dy, within.initial = std::tuple(of.initial);
  CHECK(same_parameters(within.learnt(OnlineMethod::snap1).gradient().cell, of.learnt(OnlineMethod::snap1).gradient()));
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

TEST_CASE("Steps that wait count as those that do not, whatever is asked for meanwhile", "[online][laws]") {
  std::mt19937 rng(8);
  Sequence net(Lstm<double>(3, 21), Lru<double>(21, 5), Readout<double>(10, 2));
  initialize(net, rng);
  const Index every = GENERATE(2, 5, 32);
  Online alone(net), together(net, {.every = every});
  const auto check = [&](int t) {
    INFO("t = " << t << ", every " << every);
    CHECK(difference(together.gradient(), alone.gradient()) < 1e-13);
    CHECK(state_difference(together.d_initial(), alone.d_initial()) < 1e-13);
  };
  for (int t = 0; t < 90; ++t) {
    const VectorOf<double> x = VectorOf<double>::Random(3);
    CHECK(alone.step(x) == together.step(x));
    if (t == 14) check(t);  // a step is open
    if (t % 4 != 1) {
      const VectorOf<double> dy = VectorOf<double>::Random(2);
      alone.learn(dy), together.learn(dy);
    }
    if (t % 25 == 24) {
      check(t);
      visit([](const Name&, auto& block) { block *= 0.95; }, net);
    }
    if (t == 40) {  // what waits belongs to the gradient, and not to the series that begins
      alone.reset(), together.reset();
      check(t);
      set_zero(alone.gradient()), set_zero(together.gradient());
    }
    if (t == 60) {
      std::vector<MatrixOf<double>> kept;
      alone.visit_memory([&](const std::string&, const auto& block) { kept.emplace_back(block); });
      std::size_t k = 0;
      together.visit_memory([&](const std::string& name, const auto& block) {
        INFO(name);
        CHECK((block - kept[k]).norm() <= 1e-13 * kept[k].norm());
        ++k;
      });
    }
  }
  check(90);
  CHECK(global_norm(alone.gradient()) > 0.01);
  CHECK_THAT(message_of([&] { Online none(net, {.every = 0}); }),
             ContainsSubstring("Online: every must be at least 1 step, got 0"));
}

TEST_CASE("Steps of many units wait for one another, of cells with products too", "[online][laws]") {
  check_waiting(Case(GruResetBefore<double>(3, 75))), check_waiting(Case(PeepholeLstm<double>(3, 130)));
}

TEST_CASE("Influences are those of the parameters of each step, learnt from or not", "[online][laws]") {
  std::mt19937 rng(7);
  Sequence net(Lstm<double>(3, 4), Lru<double>(4, 5), Readout<double>(10, 2));
  initialize(net, rng);
  for (const auto method : {OnlineMethod::best, OnlineMethod::exact}) {
    Online learning(net, {.method = method}), running(net, {.method = method}), at_once(net, {.method = method});
    const auto influences_of = [](auto& online) {
      std::vector<MatrixOf<double>> kept;
      online.visit_memory([&](const std::string& name, const auto& block) {
        if (name.starts_with("influence")) kept.emplace_back(block);
      });
      return kept;
    };
    for (int t = 0; t < steps; ++t) {
      const VectorOf<double> x = VectorOf<double>::Random(3);
      learning.step(x), running.step(x), at_once.step(x);
      learning.learn(VectorOf<double>::Random(2));
      influences_of(at_once);  // before the parameters change
      visit([&](const Name&, auto& block) { block *= 0.9; }, net);
    }
    const auto learnt = influences_of(learning), run = influences_of(running), now = influences_of(at_once);
    REQUIRE(learnt.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(run[k].norm() > 0.1);
      CHECK(run[k] == now[k]);
      CHECK((learnt[k] - run[k]).norm() <= 1e-14 * run[k].norm());
    }
  }
}

TEST_CASE("Learning online goes on from what was kept, to the same bits, in constant memory", "[online][laws]") {
  std::mt19937 rng(5);
  Sequence net(Lstm<double>(3, 4), IndRnn<double>(4, 5), Readout<double>(5, 2));
  initialize(net, rng);
  const auto x = random_series(3, 1, 40, rng), dy = random_series(2, 1, 40, rng);
  const OnlineOptions options{.every = GENERATE(1, 7)};
  Online whole(net, options), first(net, options), second(net, options);
  const Index bytes = whole.bytes();
  std::vector<MatrixOf<double>> kept;
  for (Index t = 0; t < 40; ++t) {
    const VectorOf<double> x_t = x[t], dy_t = dy[t];
    Online<Sequence<Lstm<double>, IndRnn<double>, Readout<double>>>& other = t < 20 ? first : second;
    if (t == 20) {
      whole.visit_memory([](const std::string&, const auto&) {});  // so that no step waits for others
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
