// expect: Parallel and Sum: all layers must have the same scalar type
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Readout = recur::Readout<double>;
#else
  using Readout = recur::Readout<float>;
#endif
  recur::Parallel net(recur::Elman<float>(16, 2), Readout(16, 1));
  return static_cast<int>(net.outputs()) - 3;
}
