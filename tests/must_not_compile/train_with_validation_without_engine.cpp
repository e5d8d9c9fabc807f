// expect in the first 5 lines: train: after the data comes a random engine
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
#ifdef MUST_FAIL
  recur::train(net, adam, recur::squared_error, data, data, {.epochs = 1});
#else
  recur::train(net, adam, recur::squared_error, data, data, rng, {.epochs = 1});
#endif
}
