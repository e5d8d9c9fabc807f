// expect in the first 5 lines: evaluate: loss must be callable as loss(y, target, dy)
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
#ifdef MUST_FAIL
  using Y = recur::Series<float>;
#else
  using Y = recur::SeriesView<const float>;
#endif
  const auto loss = [](const Y& y, const recur::Series<float>& goal, recur::Series<float>& dy) {
    return recur::squared_error(y, goal, dy);
  };
  return recur::evaluate(net, data, loss) > 1e9;
}
