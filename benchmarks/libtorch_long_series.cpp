// LibTorch on a long series, where it is installed.
#include "long_series.hpp"
#include "stopwatch.hpp"

#ifdef RECUR_BENCHMARK_LIBTORCH

#include <ATen/core/ivalue.h>  // first: clang misses it in what follows
#include <torch/torch.h>

bool bench::has_libtorch() { return true; }

double bench::by_libtorch(long batch, long steps, long hidden) {
  torch::set_num_threads(1);
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(1, hidden));
  torch::nn::Linear linear(hidden, 1);
  const auto x = torch::rand({steps, batch, 1}), target = torch::rand({steps, batch, 1});
  const Stopwatch watch;
  const auto y = linear->forward(std::get<0>(lstm->forward(x)));
  torch::mse_loss(y, target).backward();
  return watch.seconds();
}

#else

bool bench::has_libtorch() { return false; }
double bench::by_libtorch(long, long, long) { return 0; }

#endif
