// expect: Parallel and Sum: all layers must have the same inputs
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Readout = recur::Readout<float, 12, 1>;
#else
  using Readout = recur::Readout<float, 16, 1>;
#endif
  recur::Parallel net(recur::Elman<float, recur::Tanh, 16, 2>{}, Readout{});
  return static_cast<int>(net.outputs()) - 3;
}
