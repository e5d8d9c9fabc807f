// expect: step: x and both records must be column-major
#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

int main() {
  const recur::Elman<float> cell(2, 16);
  const auto before = cell.record(3);
  auto now = before;
#ifdef MUST_FAIL
  const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> x(2, 3);
#else
  const Eigen::MatrixXf x = Eigen::MatrixXf::Ones(2, 3);
#endif
  cell.step(x, before, now);
}
