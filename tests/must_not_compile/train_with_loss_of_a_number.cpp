// expect in the first 5 lines: return a LossValue
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
  const auto loss = [](const auto& y, const auto& goal, auto& dy) {
    const auto value = recur::squared_error(y, goal, dy);
#ifdef MUST_FAIL
    return value.mean;
#else
    return value;
#endif
  };
  recur::train(net, adam, loss, data, rng, {.epochs = 1});
}
