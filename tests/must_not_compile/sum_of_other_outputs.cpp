// expect: Sum: all layers must have the same outputs
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Readout = recur::Readout<float, 16, 3>;
#else
  using Readout = recur::Readout<float, 16, 2>;
#endif
  recur::Sum net(recur::Elman<float, recur::Tanh, 16, 2>{}, Readout{});
  return static_cast<int>(net.outputs()) - 2;
}
