// expect: deleted function
// A Ref<const> may be a copy.
#include <recur/series/series.hpp>

int main() {
  const Eigen::MatrixXf matrix = Eigen::MatrixXf::Ones(8, 3);
#ifdef MUST_FAIL
  const auto series = recur::view_columns(Eigen::Ref<const Eigen::MatrixXf>(matrix.transpose()));
#else
  const Eigen::Ref<const Eigen::MatrixXf> copy(matrix.transpose());
  const auto series = recur::view_columns(copy);
#endif
  return static_cast<int>(series.steps()) - 8;
}
