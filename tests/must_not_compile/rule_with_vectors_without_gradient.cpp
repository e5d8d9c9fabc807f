// expect: rule.backward(read, read, write, write, read, write)
#include <recur/cells/cell.hpp>

struct Gain {
  enum Block { f, h, blocks };
  enum Vector { p, vectors };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  void forward(const auto&, auto& now, const auto& own) const { now[h] = own[p] * now[f]; }
#ifdef MUST_FAIL
  void backward(const auto&, const auto&, auto& d_now, auto&, const auto& own) const { d_now[f] = own[p] * d_now[h]; }
#else
  void backward(const auto&, const auto& now, auto& d_now, auto&, const auto& own, auto& d_own) const {
    d_now[f] = own[p] * d_now[h];
    d_own[p] += now[f] * d_now[h];
  }
#endif
};

int main() {
  const recur::Cell<Gain, float> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
