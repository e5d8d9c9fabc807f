// expect: tokens are for networks whose first layer is a Cell or an Embedding
#include <recur/stream.hpp>
#include <recur/cells/ct_rnn.hpp>
#include <recur/cells/elman.hpp>

int main() {
#ifdef MUST_FAIL
  const recur::CtRnn<float> cell(3, 4);
#else
  const recur::Elman<float> cell(3, 4);
#endif
  recur::Stream stream(cell);
  return static_cast<int>(stream.step(recur::Token{1})(0));
}
