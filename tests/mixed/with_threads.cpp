// Half of this program is compiled with OpenMP, half without. Whichever half's functions the linker keeps, no thread
// may come to one that does not wait for the others: every gradient must be the first, to the bit.
#include <recur/recur.hpp>

#include <cstdio>

#ifdef _OPENMP
#include <omp.h>
#endif

double loss_without_threads();

int main() {
#ifdef _OPENMP
  omp_set_num_threads(2);
#endif
  recur::Sequence net(recur::Elman<double>(3, 100), recur::Elman<double>(100, 100), recur::Readout<double>(100, 2));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::Series<double> x(3, 32, 60), dy(2, 32, 60);
  x.setRandom(rng);
  dy.setRandom(rng);
  auto trace = net.trace();
  auto first = recur::zeros_like(net), gradient = first;
  net.forward(x, trace);
  recur::bptt(net, x, trace, dy, first);
  int different = 0;
  for (int i = 0; i < 30; ++i) {
    net.forward(x, trace);
    recur::bptt(net, x, trace, dy, gradient);
    recur::visit([&](const auto&, const auto& a, const auto& b) { different += (a.array() != b.array()).any(); }, first,
                 gradient);
  }
  std::printf("%d blocks of gradients differ (%g)\n", different, loss_without_threads());
  return different == 0 ? 0 : 1;
}
