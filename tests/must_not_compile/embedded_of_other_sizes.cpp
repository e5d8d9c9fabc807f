// expect: load_embedded: a matrix of the model has fixed sizes that none of the tensors has
#include <recur/io/embedded.hpp>
#include <recur/recur.hpp>

struct Tensor {
  static constexpr int rows = 1, cols = 2;
  const char* name;
  float data[2];
};
constexpr Tensor V{"V", {1, 2}};

int main() {
#ifdef MUST_FAIL
  recur::Readout<float, 3, 1> readout;
#else
  recur::Readout<float, 2, 1> readout;
#endif
  recur::load_embedded(std::tie(V), readout);
  return readout.V(0, 0) > 0 ? 0 : 1;
}
