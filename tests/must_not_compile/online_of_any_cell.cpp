// expect: not for AnyCell, which hides its rule
#include <recur/recur.hpp>

int main() {
  const recur::Gru<float> cell(2, 3);
#ifdef MUST_FAIL
  const recur::AnyCell<float> net(cell);
#else
  const recur::Gru<float>& net = cell;
#endif
  recur::Online online(net);
  return static_cast<int>(online.step(recur::VectorOf<float>(recur::VectorOf<float>::Zero(2)))(0));
}
