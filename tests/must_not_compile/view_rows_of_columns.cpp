// expect: view_rows: the matrix must be row-major
#include <recur/series/series.hpp>

int main() {
#ifdef MUST_FAIL
  const Eigen::MatrixXf matrix = Eigen::MatrixXf::Ones(8, 3);
#else
  const Eigen::Matrix<float, 8, 3, Eigen::RowMajor> matrix = Eigen::MatrixXf::Ones(8, 3);
#endif
  return static_cast<int>(recur::view_rows(matrix).steps()) - 8;
}
