// expect: DropConnect: only for cells with recurrent weights W
#include <recur/recur.hpp>
#include <recur/cells/indrnn.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Cell = recur::IndRnn<float>;
#else
  using Cell = recur::Elman<float>;
#endif
  const recur::DropConnect layer(Cell(1, 2), 0.5);
  return static_cast<int>(layer.outputs()) - 2;
}
