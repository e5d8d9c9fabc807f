// A trace that keeps some of the steps gives what one that keeps all gives: what holds for every network there is and
// will be.
#include "../catch.hpp"
#include "../cells.hpp"
#include "../helpers.hpp"
#include "../numbers.hpp"
#include "networks.hpp"

using namespace recur;
using namespace recur_test;

namespace {

constexpr Index batch = 5, steps = 260;  // three chunks of bptt

struct Case {
  Series<double> x, dy;
  States initial, d_final;
};

/// y, the gradient, dL/dx, dL/d(initial state) and the final state.
States results(AnyNetwork& net, const Case& of, const TraceOptions& kept, bool by_loss, Index window, Index stride) {
  net.use_trace(kept);
  net.train(11);
  net.set_gradient(0);
  Series<double> y, dx;
  States d_initial;
  const AnyBpttOptions options{
      .d_final = &of.d_final, .dx = &dx, .d_initial = &d_initial, .window = window, .stride = stride};
  if (by_loss) {
    net.bptt_of_loss(of.x, of.dy, of.initial, y, options);
  } else {
    y = Series<double>(net.forward(of.x, of.initial));
    net.bptt(of.x, of.dy, options);
  }
  States all{y.matrix(), dx.matrix()};
  for (const auto& [name, block] : net.gradient()) all.push_back(block);
  all.insert(all.end(), d_initial.begin(), d_initial.end());
  for (const auto& state : net.final_state()) all.push_back(state);
  return all;
}

/// The least memory that is enough, as the message of less says it.
Index least_memory(AnyNetwork& net, const Case& of) {
  net.use_trace({.memory = 1});
  net.train(11);
  const std::string message = message_of([&] { net.forward(of.x, of.initial); });
  const std::string before = "must be at least ";
  return std::stol(message.substr(message.find(before) + before.size()));
}

}  // namespace

TEST_CASE("What a trace keeps changes no bit, forward and backward", "[segments][laws]") {
  const std::vector<Index> lengths{150, 260, 0, 17, 259};
  int in_segments = 0;
  for (const auto& [name, net] : all_networks()) {
    std::mt19937 rng(8);
    net->randomize(rng);
    Case of{random_series(net->inputs(), batch, steps, rng), random_series(net->outputs(), batch, steps, rng),
            net->random_state(batch, rng), net->random_state(batch, rng)};
    for (const bool unequal : {false, true}) {
      if (unequal) of.x.set_lengths(lengths), of.dy.set_lengths(lengths);
      std::vector<std::pair<Index, Index>> windows{{0, 0}};
      if (net->causal()) windows.insert(windows.end(), {{150, 60}});
      for (const auto& [window, stride] : windows) {
        INFO(name << (unequal ? ", unequal lengths" : "") << ", window " << window << ", stride " << stride);
        const auto whole = results(*net, of, {}, false, window, stride);
        CHECK(same(results(*net, of, {}, true, window, stride), whole));
        if (!net->causal()) continue;
        CHECK(same(results(*net, of, {.every = 1}, false, window, stride), whole));
        CHECK(net->segments() >= (unequal ? 2 : 3));
        CHECK(same(results(*net, of, {.every = 120}, true, window, stride), whole));
        CHECK(net->segments() == 2);
        if (window > 0) continue;
        const TraceOptions least{.memory = least_memory(*net, of)};
        CHECK(same(results(*net, of, least, false, window, stride), whole));
        in_segments += net->segments() > 1;  // of small networks all records may be least
      }
    }
  }
  CHECK(in_segments > 30);
}
