// expect: view_columns: the matrix must be column-major
#include <recur/series/series.hpp>

int main() {
#ifdef MUST_FAIL
  const Eigen::Matrix<float, 3, 8, Eigen::RowMajor> matrix = Eigen::Matrix<float, 3, 8>::Ones();
#else
  const Eigen::Matrix<float, 3, 8> matrix = Eigen::Matrix<float, 3, 8>::Ones();
#endif
  return static_cast<int>(recur::view_columns(matrix).steps()) - 8;
}
