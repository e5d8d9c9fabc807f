// Activations are pointwise too.
// expect: no member named
#include <recur/cells/elman.hpp>

struct Normalised {
#ifdef MUST_FAIL
  auto value(const auto& a) const { return a / a.abs().maxCoeff(); }
#else
  auto value(const auto& a) const { return a / (1 + a.abs()); }
#endif
  auto slope(const auto& h) const { return (1 - h.abs()).square(); }
};

int main() {
  const recur::Elman<float, Normalised> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
