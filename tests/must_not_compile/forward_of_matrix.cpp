// expect in the first 5 lines: forward: x must be a series, not a matrix
#include <recur/recur.hpp>

int main() {
  recur::Series<float> x(1, 2, 3), target(1, 2, 3);
  std::mt19937 rng(1);
  recur::Elman<float> net(1, 1);
  recur::initialize(net, rng);
  recur::Adam adam(net);
  const recur::SeriesData data(x, target);
  const Eigen::MatrixXf matrix = Eigen::MatrixXf::Zero(1, 5);
  auto trace = net.trace();
#ifdef MUST_FAIL
  net.forward(matrix, trace);
#else
  net.forward(recur::view_columns(matrix), trace);
#endif
}
