// One unit of a program whose units are compiled for different processors: see two_processors.cpp.
#include <recur/recur.hpp>

#include "two_processors.hpp"

namespace {

template <class Scalar>
void train(recur::Index batch, std::vector<double>& numbers) {
  recur::Sequence net(recur::Elman<Scalar>(3, 45), recur::Lstm<Scalar>(45, 37), recur::Gru<Scalar>(37, 20),
                      recur::Readout<Scalar>(20, 2));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::Series<Scalar> x(3, batch, 20), target(2, batch, 20);
  x.setRandom(rng);
  target.setRandom(rng);
  auto trace = net.trace();
  auto gradient = recur::zeros_like(net);
  recur::Sgd sgd(net, {.rate = 1e-2});
  for (int step = 0; step < 3; ++step) {
    const auto [loss, dy] = recur::squared_error(net.forward(x, trace), target);
    recur::bptt(net, x, trace, dy, gradient);
    sgd.step(net, gradient);
    numbers.push_back(loss);
    numbers.push_back(recur::global_norm(gradient));
  }
}

}  // namespace

Result UNIT() {
  Result result;
  try {
    for (const recur::Index batch : {1, 32}) {
      train<float>(batch, result.numbers);
      train<double>(batch, result.numbers);
    }
  } catch (const std::invalid_argument& error) {
    result.message = error.what();
  }
  return result;
}
