// expect: constraints not satisfied
#include <recur/cells/cell.hpp>

struct Gap {
  enum Block { f, g, h, blocks };
#ifdef MUST_FAIL
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{h, 1}, state{h, 1};
#else
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{g, 1}, state{h, 1};
#endif
  void forward(const auto&, auto& now) const { now[h] = now[f] + now[g]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[g] = d_now[h]; }
};

int main() {
  const recur::Cell<Gap, float> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
