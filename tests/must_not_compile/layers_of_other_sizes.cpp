// expect: Sequence: a layer must have as many inputs as the layer before it has outputs
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Readout = recur::Readout<float, 12, 1>;
#else
  using Readout = recur::Readout<float, 16, 1>;
#endif
  recur::Sequence net(recur::Elman<float, recur::Tanh, 1, 16>{}, Readout{});
  return static_cast<int>(net.outputs()) - 1;
}
