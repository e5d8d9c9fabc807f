// A program of somebody else's: trains a little, and is content when the loss has fallen.
#include <recur/recur.hpp>

#include <iostream>

int main() {
  std::mt19937 rng(1);
  recur::Series<float> x(2, 8, 10), target(1, 8, 10);
  x.setRandom(rng);
  target.matrix() = x.matrix().row(0) - x.matrix().row(1);

  recur::Sequence net(recur::Elman<float>(2, 6), recur::Readout<float>(6, 1));
  recur::initialize(net, rng);
  recur::Adam adam(net, {.rate = 1e-2});
  const auto result = recur::train(net, adam, recur::squared_error, recur::SeriesData(x, target), rng, {.epochs = 200});
  std::cout << "loss " << result.losses.front() << " -> " << result.losses.back() << '\n';
  return result.losses.back() < 0.1 * result.losses.front() ? 0 : 1;
}
