// expect: Residual: the layer must have as many outputs as inputs
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  using Inner = recur::Elman<float, recur::Tanh, 16, 12>;
#else
  using Inner = recur::Elman<float, recur::Tanh, 16, 16>;
#endif
  recur::Residual layer(Inner{});
  return static_cast<int>(layer.outputs()) - 16;
}
