// What learning online costs and misses: time and memory of each method, beside a step of inference and beside bptt
// over 1000 steps, and how near its gradient is to that of bptt while a network learns.
#include "cosine.hpp"
#include "machine.hpp"
#include "stopwatch.hpp"

#include <recur/recur.hpp>

#include <cstdio>
#include <iostream>
#include <string>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

using recur::Index, recur::OnlineMethod, recur::Series, recur::VectorOf;

constexpr Index together = 32;  // steps

/// Seconds of one of f's calls: the best of some rounds.
double seconds_of(auto&& f) {
  f();
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    int calls = 0;
    const Stopwatch watch;
    do {
      f();
      ++calls;
    } while (watch.seconds() < 0.02);
    best = std::min(best, watch.seconds() / calls);
  }
  return best;
}

std::string text(double seconds, double bytes) {
  char line[64];
  const double us = 1e6 * seconds;
  std::snprintf(line, sizeof line, us < 1000 ? " %.3g us, %.0f KiB |" : " %.0f us, %.0f KiB |", us, bytes / 1024);
  return line;
}

/// A method, and how many steps wait for one another.
struct Method {
  OnlineMethod method;
  Index every;
};

template <class Cell>
void costs(const char* name, Index inputs, Index hidden) {
  using Net = recur::Sequence<Cell, recur::Readout<float>>;
  std::mt19937 rng(1);
  const Cell cell(inputs, hidden);
  Net net(cell, recur::Readout<float>(cell.outputs(), 1));
  recur::initialize(net, rng);
  const VectorOf<float> x = VectorOf<float>::Constant(inputs, 0.1f), dy = VectorOf<float>::Constant(1, 0.1f);
  recur::Stream stream(net);
  std::cout << "| " << name << " | " << inputs << " | " << hidden << " |";
  const double inference = seconds_of([&] {
    for (Index k = 0; k < together; ++k) stream.step(x);
  });
  std::cout << text(inference / together, static_cast<double>(recur::parameter_count(net)) * sizeof(float));
  double ratio = 0;
  for (const auto [method, every] : {Method{OnlineMethod::immediate, 1}, Method{OnlineMethod::exact, 1},
                                     Method{OnlineMethod::best, 1}, Method{OnlineMethod::best, together}}) {
    const bool large = method == OnlineMethod::exact && Cell::recurrent > 0 && hidden > 64;  // more than 0.1 s a step
    if (large || (method == OnlineMethod::exact && Cell::recurrent == 0)) {
      std::cout << " |";
      continue;
    }
    recur::Online online(net, {.method = method, .every = every});
    const double seconds = seconds_of([&] {
      for (Index k = 0; k < together; ++k) {
        online.step(x);
        online.learn(dy);
      }
      online.gradient();
    });
    std::cout << text(seconds / together, static_cast<double>(online.bytes()));
    ratio = seconds / inference;
  }
  std::printf(" %.1f |", ratio);
  std::fflush(stdout);
  constexpr Index steps = 1000;
  Series<float> all(inputs, 1, steps), d(1, 1, steps);
  all.setRandom(rng);
  d.setRandom(rng);
  auto trace = net.trace();
  auto gradient = recur::zeros_like(net);
  const double seconds = seconds_of([&] {
    net.forward(all, trace);
    recur::bptt(net, all, trace, d, gradient);
  });
  std::cout << text(seconds / steps, static_cast<double>(trace.bytes())) << std::endl;
}

/// The mean cosine to the gradient of bptt over 100 steps, early and late in 1000 steps of training by that.
template <class Cell>
void directions(const char* name, const char* task, auto&& target_of) {
  using Net = recur::Sequence<Cell, recur::Readout<double>>;
  constexpr Index steps = 100;
  std::mt19937 rng(1);
  Net net(Cell(1, 16), recur::Readout<double>(16, 1, {.bias = true}));
  recur::initialize(net, rng);
  recur::Adam adam(net, {.rate = 5e-3});
  auto gradient = recur::zeros_like(net);
  auto trace = net.trace();
  Series<double> x(1, 1, steps), target(1, 1, steps), dy;
  double cosines[2][2] = {};  // method, early or late
  for (int k = 0; k < 1000; ++k) {
    x.setRandom(rng);
    for (Index t = 0; t < steps; ++t) target[t](0, 0) = target_of(x, t);
    recur::squared_error(net.forward(x, trace), target, dy);
    recur::bptt(net, x, trace, dy, gradient);
    if (k % 10 == 0 && (k < 200 || k >= 800)) {
      for (const OnlineMethod method : {OnlineMethod::immediate, OnlineMethod::snap1}) {
        recur::Online online(net, {.method = method});
        for (Index t = 0; t < steps; ++t) {
          online.step(VectorOf<double>(x[t]));
          online.learn(VectorOf<double>(dy[t]));
        }
        cosines[method == OnlineMethod::snap1][k >= 800] += cosine(online.gradient(), gradient) / 20;
      }
    }
    adam.step(net, gradient);
  }
  std::printf("| %s | %s | %.3f | %.3f | %.3f | %.3f |\n", name, task, cosines[0][0], cosines[0][1], cosines[1][0],
              cosines[1][1]);
  std::fflush(stdout);
}

}  // namespace
}  // namespace bench

int main(int argc, char* argv[]) {
  using namespace bench;
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  const Index most = argc > 1 ? std::atol(argv[1]) : 256;
  if (argc > 2 || most < 8) {
    std::cerr << "recur_online [H]: up to H hidden units, at least 8, 256 by default\n";
    return 1;
  }
  std::cout << machine() << "\n\nOne cell and a Readout; float; time of a step, and memory\n\n"
            << "| cell | inputs | H | inference, and parameters | immediate | exact | best | best, every " << together
            << " | its time / inference | bptt, of 1000 |\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (Index hidden = 8; hidden <= most; hidden *= 2) costs<recur::Gru<float>>("GRU", 8, hidden);
  for (Index hidden = 8; hidden <= most; hidden *= 2) costs<recur::Lstm<float>>("LSTM", 8, hidden);
  for (Index hidden = 8; hidden <= most; hidden *= 2) costs<recur::MinGru<float>>("minGRU", 8, hidden);
  for (Index hidden = 8; hidden <= most; hidden *= 2) {
    costs<recur::MinGru<float>>("minGRU", hidden, hidden);
    costs<recur::IndRnn<float>>("IndRNN", hidden, hidden);
    costs<recur::Lru<float>>("LRU", hidden, hidden);
    costs<recur::RgLru<float>>("RG-LRU", hidden, hidden);
  }
  std::cout << "\nCosine to the gradient of bptt over 100 steps, 16 units, in the first and last fifth of training\n\n"
            << "| cell | task | immediate, early | late | SnAp-1, early | late |\n|---|---|---|---|---|---|\n";
  const auto echo = [](const Series<double>& x, Index t) { return t < 5 ? 0.0 : x[t - 5](0, 0); };
  const auto mean = [](const Series<double>& x, Index t) {
    double sum = 0;
    for (Index k = 0; k <= std::min<Index>(t, 20); ++k) sum += x[t - k](0, 0) / 10;
    return sum;
  };
  directions<recur::Gru<double>>("GRU", "say again, 5 steps late", echo);
  directions<recur::Gru<double>>("GRU", "the sum of 21 steps", mean);
  directions<recur::Lstm<double>>("LSTM", "say again, 5 steps late", echo);
  directions<recur::Lstm<double>>("LSTM", "the sum of 21 steps", mean);
}
