// Of an expression, and in the other function.
// expect: no member named
#include <recur/cells/cell.hpp>

struct Scaled {
  enum Block { f, h, blocks };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  void forward(const auto&, auto& now) const { now[h] = now[f].square(); }
  void backward(const auto&, const auto& now, auto& d_now, auto&) const {
#ifdef MUST_FAIL
    d_now[f] = 2 * (d_now[h] * now[f]).sum();
#else
    d_now[f] = 2 * (d_now[h] * now[f]);
#endif
  }
};

int main() {
  const recur::Cell<Scaled, double> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
