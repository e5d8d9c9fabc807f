// expect: step: x and both records must have one column for each sequence of the batch
#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

int main() {
  const recur::Elman<float> cell(1, 16);
  const auto before = cell.record<2>();
  auto now = cell.record<2>();
#ifdef MUST_FAIL
  const recur::MatrixOf<float, 1, 3> x(1, 2, 3);
#else
  const recur::MatrixOf<float, 1, 2> x(1, 2);
#endif
  cell.step(x, before, now);
}
