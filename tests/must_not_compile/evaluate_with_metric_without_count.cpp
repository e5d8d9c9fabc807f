// expect in the first 5 lines: evaluate: a metric must be callable as metric(y, target)
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  recur::Elman<float> net(1, 1);
  const recur::SeriesData data(x, target);
  const auto metric = [](const auto& y, const auto&) {
#ifdef MUST_FAIL
    return double(y.data()[0]);
#else
    return recur::LossValue{double(y.data()[0]), 1};
#endif
  };
  return recur::evaluate(net, data, recur::squared_error, metric)[1] > 1e9;
}
