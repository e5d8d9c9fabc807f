// Learn to echo the input two steps late.
#include <recur/recur.hpp>

#include <iostream>

int main() {
  std::mt19937 rng(42);
  recur::Series<float> heard(1, 16, 12), echo(1, 16, 12);  // features, batch, steps
  heard.setRandom(rng);
  for (int t = 2; t < 12; ++t) echo[t] = heard[t - 2];

  recur::Sequence net(recur::Elman<float>(1, 8), recur::Readout<float>(8, 1));
  recur::initialize(net, rng);
  recur::Adam adam(net, {.rate = 1e-2});
  auto trace = net.trace();
  auto gradient = recur::zeros_like(net);

  for (int epoch = 0; epoch <= 600; ++epoch) {
    const auto y = net.forward(heard, trace);
    const auto [loss, dy] = recur::squared_error(y, echo);
    recur::bptt(net, heard, trace, dy, gradient);
    adam.step(net, gradient);
    if (epoch % 200 == 0) std::cout << epoch << "  " << loss << '\n';
  }
}
