// expect in the first 5 lines: Adam: options come in braces
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
#ifdef MUST_FAIL
  recur::Adam own(net, 1e-2);
#else
  recur::Adam own(net, {.rate = 1e-2});
#endif
  own.step(net, recur::zeros_like(net));
}
