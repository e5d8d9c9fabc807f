// Rates by parts: steps are scaled, frozen parts stay to the bit, for every optimiser; names that fit nothing are said.
#include "catch.hpp"
#include "training.hpp"

using namespace recur_test;

namespace {

/// A user's optimiser.
template <class Model>
struct Sign {
  struct Options {
    double rate = 0.125;
  } options;
  void step(Model& net, const Model& gradient) {
    visit([&](const Name&, auto& p, const auto& g) { p.array() -= options.rate * g.array().sign(); }, net, gradient);
  }
};

/// f(make) for each kind: make(net) gives an optimiser.
void for_each_optimizer(auto&& f) {
  f([](const Net& net) { return Sgd(net, {.rate = 0.1, .momentum = 0.9, .weight_decay = 0.1}); });
  f([](const Net& net) { return RmsProp(net); });
  f([](const Net& net) { return Adam(net, {.weight_decay = 0.1}); });
  f([](const Net& net) { return AdamW(net, {.weight_decay = 0.1}); });
  f([](const Net&) { return Sign<Net>(); });
}

}  // namespace

TEST_CASE("Steps of parts are scaled, those of frozen parts are none, to the bit", "[optimizer]") {
  for_each_optimizer([](const auto& make) {
    auto plain_net = net_of(1), net = net_of(1);
    auto plain = make(plain_net);
    ByParts optimizer(make(net), {{"0", 0}, {"0.W", 0.5}, {"1.V", 2}});
    for (unsigned k = 0; k < 5; ++k) {
      const auto gradient = net_of(10 + k);
      auto from = net;  // where both steps begin
      plain_net = net;
      plain.step(plain_net, gradient);
      optimizer.step(net, gradient);
      visit(
          [&](const Name& name, const auto& p, const auto& before, const auto& after) {
            INFO(name.str());
            const double factor = name.str() == "0.W" ? 0.5 : name.str() == "1.V" ? 2 : name.str()[0] == '0' ? 0 : 1;
            if (factor == 0) CHECK(p == before);
            if (factor == 1) CHECK(p == after);
            CHECK((p - before - factor * (after - before)).cwiseAbs().maxCoeff() < 1e-15);
            CHECK((after - before).cwiseAbs().maxCoeff() > 0);
          },
          net, from, plain_net);
    }
  });
}

TEST_CASE("A network whose recurrent layer is frozen trains its readout, through train()", "[optimizer][train]") {
  const Echo task(8, 10);
  auto net = net_of(1);
  const auto start = net;
  ByParts adam(Adam(net, {.rate = 0.05}), {{"0", 0}});
  std::mt19937 rng(1);
  const auto result =
      train(net, adam, squared_error, task.data(), rng, {.epochs = 50, .schedule = [](Index) { return 0.02; }});
  CHECK(result.losses.back() < 0.9 * result.losses.front());
  CHECK(adam.options.rate == 0.02);
  CHECK(net.layer<0>().W == start.layer<0>().W);
  CHECK(net.layer<0>().b == start.layer<0>().b);
  CHECK(net.layer<1>().V != start.layer<1>().V);
}

TEST_CASE("Parts that are not there, and factors that are none, are errors before anything changes", "[optimizer]") {
  auto net = net_of(1);
  const auto start = net, gradient = net_of(2);
  ByParts adam(Adam(net, {}), {{"0", 0}, {"0.Q", 1}});
  CHECK(message_of([&] { adam.step(net, gradient); }) ==
        "ByParts: the network has no part named 0.Q, only 0.U, 0.W, 0.b, 1.V, 1.c");
  CHECK(same_parameters(net, start));
  CHECK(message_of([&] { ByParts(Adam(net, {}), {{"1", -0.5}}); }) == "ByParts: factors >= 0 expected, got -0.5 for 1");
  ByParts prefix(Adam(net, {}), {{"0.", 0}});  // the dot is not part of a name
  CHECK(message_of([&] { prefix.step(net, gradient); }) ==
        "ByParts: the network has no part named 0., only 0.U, 0.W, 0.b, 1.V, 1.c");
}
