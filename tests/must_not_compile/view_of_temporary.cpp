// expect: deleted function
#include <recur/series/series.hpp>

int main() {
#ifdef MUST_FAIL
  const auto series = recur::view_columns(Eigen::MatrixXf(3, 8));
#else
  const Eigen::MatrixXf matrix(3, 8);
  const auto series = recur::view_columns(matrix);
#endif
  return static_cast<int>(series.steps()) - 8;
}
