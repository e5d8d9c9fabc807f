// A packet of units at a time: the mean would be of those few.
// expect: no member named
#include <recur/cells/cell.hpp>

struct Centred {
  enum Block { f, h, blocks };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
#ifdef MUST_FAIL
  void forward(const auto& before, auto& now) const { now[h] = now[f] - before[h].mean(); }
#else
  void forward(const auto& before, auto& now) const { now[h] = now[f] - before[h]; }
#endif
  void backward(const auto&, const auto&, auto& d_now, auto& d_before) const {
    d_now[f] = d_now[h];
    d_before[h] -= d_now[h];
  }
};

int main() {
  const recur::Cell<Centred, float> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
