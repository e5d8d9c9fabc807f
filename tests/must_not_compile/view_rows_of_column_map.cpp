// expect: view_rows: the matrix must be row-major
#include <recur/series/series.hpp>

int main() {
  const float numbers[8 * 3] = {};
#ifdef MUST_FAIL
  using Layout = Eigen::Matrix<float, 8, 3>;
#else
  using Layout = Eigen::Matrix<float, 8, 3, Eigen::RowMajor>;
#endif
  return static_cast<int>(recur::view_rows(Eigen::Map<const Layout>(numbers)).steps()) - 8;
}
