// expect in the first 5 lines: train: data must be a data source
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
#ifdef MUST_FAIL
  recur::train(net, adam, recur::squared_error, x, target, rng, {.epochs = 1});
#else
  recur::train(net, adam, recur::squared_error, data, rng, {.epochs = 1});
#endif
}
