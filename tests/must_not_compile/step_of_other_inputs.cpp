// expect: step: x must have as many rows as the cell has inputs
#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

int main() {
  const recur::Elman<float, recur::Tanh, 2, 16> cell;
  const auto before = cell.record<1>();
  auto now = before;
#ifdef MUST_FAIL
  const recur::VectorOf<float, 3> x(1, 2, 3);
#else
  const recur::VectorOf<float, 2> x(1, 2);
#endif
  cell.step(x, before, now);
}
