// expect: rule.backward_halfway(read, read, write, write)
#include <recur/cells/cell.hpp>

struct Twice {
  enum Block { f, g, q, h, blocks };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1}, from_halfway{g, 1};
  static constexpr int halfway = q;
  void forward_halfway(const auto&, auto& now) const { now[q] = now[f]; }
  void forward(const auto&, auto& now) const { now[h] = now[g]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[g] = d_now[h]; }
#ifndef MUST_FAIL
  void backward_halfway(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[q]; }
#endif
};

int main() {
  const recur::Cell<Twice, float> cell(1, 2);
  return static_cast<int>(cell.hidden()) - 2;
}
