// The copy task of N. Zucchet, R. Meier, S. Schug, A. Mujika, J. Sacramento, "Online learning of long-range
// dependencies", 2023: 20 steps of 7 random bits, 7 empty ones, a sign to begin, and 20 steps in which the bits are to
// be said again. LRUs in residual blocks learn it by bptt, online with the influence of all earlier steps, and online
// without any; and how near each gradient is to that of bptt.
#include "../examples/bar.hpp"
#include "cosine.hpp"
#include "machine.hpp"

#include <recur/recur.hpp>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

using recur::Index, recur::OnlineMethod, recur::Series, recur::VectorOf;

constexpr Index pattern = 20, gap = 7, bits = 7, hidden = 64, features = 64;
Index batch = 50;                                                    // sequences
int test_batches = 20, cosines = 4;                                  // batches
constexpr Index first = pattern + gap + 1, steps = first + pattern;  // of the answer, and of all

/// a logistic(g), of two products of x: a gated linear unit (Y. N. Dauphin et al., 2017).
struct GluRule {
  enum Block { a, g, h, blocks };
  static constexpr recur::BlockRange from_input{a, 2}, state{h, 0};
  std::string description() const { return "GLU"; }
  void forward(const auto&, auto& now) const {
    now[g] = recur::Logistic().value(now[g]);
    now[h] = now[a] * now[g];
  }
  void backward(const auto&, const auto& now, auto& d_now, auto&) const {
    d_now[a] = d_now[h] * now[g];
    d_now[g] = d_now[h] * now[a] * recur::Logistic().slope(now[g]);
  }
};

auto block() {
  return recur::Residual(recur::Sequence(recur::LayerNorm<float>(features), recur::Lru<float>(features, hidden),
                                         recur::Dense<float, recur::Relu>(2 * hidden, features),
                                         recur::Cell<GluRule, float>(features, features)));
}
auto network(Index layers, std::mt19937& rng) {
  std::vector<decltype(block())> blocks;
  while (std::ssize(blocks) < layers) blocks.push_back(block());
  recur::Sequence net(recur::Dense<float, recur::Identity>(bits + 1, features), recur::Stack(std::move(blocks)),
                      recur::LayerNorm<float>(features), recur::Readout<float>(features, bits, {.bias = true}));
  recur::initialize(net, rng);
  return net;
}
using Net = decltype(network(1, std::declval<std::mt19937&>()));

/// Sequences with their patterns.
struct Copies {
  Series<float> x, target;
  explicit Copies(std::mt19937& rng) : x(bits + 1, batch, steps), target(bits, batch, pattern) {
    for (Index t = 0; t < pattern; ++t)
      for (Index k = 0; k < batch * bits; ++k)
        target[t](k % bits, k / bits) = static_cast<float>(recur::uniform_below(rng, 2));
    for (Index t = 0; t < pattern; ++t) x[t].topRows(bits) = target[t];
    x[pattern + gap].row(bits).setOnes();
  }
};

/// Of a batch's answers, or one: the cross-entropy of each bit, in nats, and the bits that are right.
struct Score {
  double loss = 0, right = 0;
  /// Adds a step, and returns dL/dy of the mean over a batch.
  template <class Y>
  auto add(const Y& y, const auto& target) {
    const auto p = (1 + (-y.array()).exp()).inverse().eval();
    loss += (y.array().max(0.0f) - y.array() * target.array() + (1 + (-y.array().abs()).exp()).log()).sum();
    right += static_cast<double>(((y.array() > 0) == (target.array() > 0.5f)).count());
    return ((p - target.array()) / static_cast<float>(batch * pattern * bits)).matrix().eval();
  }
};

/// The gradient of a batch.
///@{
void by_bptt(const Net& net, const Copies& copies, Net::Trace& trace, Net& gradient) {
  Series<float> dy(bits, batch, steps);
  const auto y = net.forward(copies.x, trace);
  Score score;
  for (Index t = first; t < steps; ++t) dy[t] = score.add(y[t], copies.target[t - first]);
  recur::bptt(net, copies.x, trace, dy, gradient);
}
void by_steps(const Copies& copies, recur::Online<Net>& online) {
  recur::set_zero(online.gradient());
  for (Index n = 0; n < batch; ++n) {
    online.reset();
    Score score;
    for (Index t = 0; t < steps; ++t) {
      const auto y = online.step(VectorOf<float>(copies.x[t].col(n)));
      if (t >= first) online.learn(score.add(y, copies.target[t - first].col(n)));
    }
  }
}
///@}

/// The mean over some batches of the cosine to the gradient of bptt.
double cosine_of(OnlineMethod method, const Net& net) {
  std::mt19937 rng(3);
  auto trace = net.trace();
  Net gradient = recur::zeros_like(net);
  recur::Online online(net, {.method = method, .every = steps});
  double sum = 0;
  for (int k = 0; k < cosines; ++k) {
    const Copies copies(rng);
    by_bptt(net, copies, trace, gradient);
    by_steps(copies, online);
    sum += cosine(online.gradient(), gradient) / cosines;
  }
  return sum;
}

/// Trains a network, and prints a row.
void row(Index layers, const char* name, OnlineMethod method, bool is_bptt, int updates, double rate) {
  std::mt19937 rng(1);
  Net net = network(layers, rng);
  recur::Adam adam(net, {});
  auto trace = net.trace();
  Net gradient = recur::zeros_like(net);
  recur::Online online(net, {.method = method, .every = steps});
  double early[2] = {};
  Bar bar;
  for (int k = 0; k < updates; ++k) {
    const Copies copies(rng);
    if (is_bptt) {
      by_bptt(net, copies, trace, gradient);
    } else {
      by_steps(copies, online);
    }
    Net& by = is_bptt ? gradient : online.gradient();
    recur::clip_norm(by, 1);
    adam.options.rate = recur::cosine(k, updates, rate);
    adam.step(net, by);
    if (k == updates / 20 && is_bptt)
      early[0] = cosine_of(OnlineMethod::best, net), early[1] = cosine_of(OnlineMethod::immediate, net);
    bar.show(double(k + 1) / updates, std::to_string(layers) + " layers, " + name);
  }
  const double seconds = bar.seconds();
  Score score;
  std::mt19937 fresh(2);
  for (int k = 0; k < test_batches; ++k) {
    const Copies copies(fresh);
    const auto y = net.forward(copies.x, trace);
    for (Index t = first; t < steps; ++t) score.add(y[t], copies.target[t - first]);
  }
  const double count = static_cast<double>(test_batches * batch * pattern * bits);
  std::printf("| %td | %s | %.4f | %.1f %% | %.0f |", layers, name, score.loss / count, 100 * score.right / count,
              seconds);
  if (is_bptt)
    std::printf(" %.3f, %.3f | %.3f, %.3f |", early[0], cosine_of(OnlineMethod::best, net), early[1],
                cosine_of(OnlineMethod::immediate, net));
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char* argv[]) {
  using namespace bench;
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  const int updates = argc > 1 ? std::atoi(argv[1]) : 4000;
  const double rate = argc > 2 ? std::atof(argv[2]) : 1e-2;
  std::vector<Index> depths;
  for (int k = 3; k < argc; ++k) depths.push_back(std::atol(argv[k]));
  if (depths.empty()) depths = {1, 2, 4};
  if (updates < 20) batch = 2, test_batches = cosines = 1;  // to see that all works
  if (updates < 1 || rate <= 0 || *std::min_element(depths.begin(), depths.end()) < 1) {
    std::cerr << "recur_online_copy [updates] [rate] [layers ...]: by default 4000 1e-2 1 2 4; fewer than 20 updates "
                 "are to see that all works\n";
    return 1;
  }
  std::cout << machine() << "\n\n"
            << updates << " updates of " << batch << " sequences, rate " << rate << "\n\n"
            << "| layers | method | nats per bit | bits right | seconds | cosine of exact | of immediate |\n"
            << "|---|---|---|---|---|---|---|\n";
  for (const Index layers : depths) {
    row(layers, "bptt", OnlineMethod::best, true, updates, rate);
    row(layers, "exact within each layer", OnlineMethod::best, false, updates, rate);
    row(layers, "immediate", OnlineMethod::immediate, false, updates, rate);
  }
}
