// expect: ZoneoutRule: only for rules without random bits of their own
#include <recur/cells/elman.hpp>
#include <recur/cells/zoneout.hpp>

int main() {
#ifdef MUST_FAIL
  using Inner = recur::ZoneoutRule<recur::ElmanRule<>>;
#else
  using Inner = recur::ElmanRule<>;
#endif
  const recur::ZoneoutRule<Inner> rule({0.5});
  const recur::Cell<recur::ZoneoutRule<Inner>, float> cell(1, 2, rule);
  return static_cast<int>(cell.hidden()) - 2;
}
