// expect: step: a record must have as many rows as the rule's blocks times the cell's hidden units
#include <recur/cells/cell.hpp>
#include <recur/cells/elman.hpp>

int main() {
  const recur::Elman<float, recur::Tanh, 1, 16> cell;
#ifdef MUST_FAIL
  const recur::Elman<float, recur::Tanh, 1, 8> other;
#else
  const recur::Elman<float, recur::Tanh, 1, 16> other;
#endif
  const auto before = other.record<1>();
  auto now = other.record<1>();
  cell.step(recur::VectorOf<float, 1>(1), before, now);
}
