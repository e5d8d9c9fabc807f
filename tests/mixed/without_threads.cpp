// The half of a program that is compiled without OpenMP: see with_threads.cpp.
#include <recur/recur.hpp>

double loss_without_threads() {
  recur::Sequence net(recur::Elman<double>(3, 100), recur::Readout<double>(100, 2));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::Series<double> x(3, 32, 20), target(2, 32, 20);
  x.setRandom(rng);
  auto trace = net.trace();
  auto gradient = recur::zeros_like(net);
  const auto [loss, dy] = recur::squared_error(net.forward(x, trace), target);
  recur::bptt(net, x, trace, dy, gradient);
  return loss + recur::global_norm(gradient);
}
