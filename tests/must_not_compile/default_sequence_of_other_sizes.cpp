// expect: Sequence: a layer must have as many inputs as the layer before it has outputs
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Second = recur::Elman<float, recur::Tanh, 15, 4>;
#else
  using Second = recur::Elman<float, recur::Tanh, 16, 4>;
#endif
  recur::Sequence<recur::Elman<float, recur::Tanh, 1, 16>, Second> net;
  return static_cast<int>(net.outputs()) - 4;
}
