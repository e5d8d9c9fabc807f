// expect in the first 5 lines: only rules whose hidden state is projected have other outputs than hidden units
#include <recur/cells/projected_lstm.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  const recur::Cell<recur::ElmanRule<>, float, 1, 4, 2> cell;
#else
  const recur::Cell<recur::ProjectedLstmRule, float, 1, 4, 2> cell;
#endif
  return static_cast<int>(cell.outputs()) - 2;
}
