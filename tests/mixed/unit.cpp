// One unit of a program whose units are compiled for different processors: see two_processors.cpp. UNIT is its
// function's name; with STREAM_ALONE it has few of recur's functions, so that for most the linker has those of the
// other unit alone.
#include "two_processors.hpp"

#include <recur/recur.hpp>

#include <cmath>

namespace {

#ifdef STREAM_ALONE

void run(std::vector<double>& numbers) {
  recur::Sequence net(recur::Elman<float>(3, 45), recur::Readout<float>(45, 2));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::Stream stream(net);
  for (int t = 0; t < 5; ++t) numbers.push_back(stream.step(Eigen::Vector3f(1, 2, 3)).sum());
}

#else

/// The largest difference of h_t from the equation, number by number: h_t = tanh(b + W h_<t-1> + U x_t).
template <class Scalar>
double error_of(const recur::Elman<Scalar>& cell, recur::SeriesView<const Scalar> x,
                recur::SeriesView<const Scalar> h) {
  double error = 0;
  for (recur::Index t = 0; t < x.steps(); ++t)
    for (recur::Index n = 0; n < x.batch(); ++n)
      for (recur::Index i = 0; i < cell.hidden(); ++i) {
        double a = cell.b(i);
        for (recur::Index j = 0; t > 0 && j < cell.hidden(); ++j) a += double(cell.W(i, j)) * h[t - 1](j, n);
        for (recur::Index j = 0; j < cell.inputs(); ++j) a += double(cell.U(i, j)) * x[t](j, n);
        error = std::max(error, std::abs(std::tanh(a) - h[t](i, n)));
      }
  return error;
}

/// Two losses and gradients' norms, and how far the forward pass is from right.
template <class Scalar>
void train(recur::Index batch, std::vector<double>& numbers) {
  recur::Sequence net(recur::Elman<Scalar>(3, 45), recur::Readout<Scalar>(45, 2));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::Series<Scalar> x(3, batch, 20), target(2, batch, 20);
  x.setRandom(rng);
  target.setRandom(rng);
  auto trace = net.trace();
  auto gradient = recur::zeros_like(net);
  recur::Sgd sgd(net, {.rate = 1e-2});
  for (int step = 0; step < 2; ++step) {
    const auto y = net.forward(x, trace);
    const double error = error_of<Scalar>(net.template layer<0>(), x, net.template output_of<0>(trace));
    if (!(error < (sizeof(Scalar) == 4 ? 1e-5 : 1e-13))) throw std::invalid_argument("forward is wrong");
    const auto [loss, dy] = recur::squared_error(y, target);
    recur::bptt(net, x, trace, dy, gradient);
    sgd.step(net, gradient);
    numbers.insert(numbers.end(), {loss, recur::global_norm(gradient)});
  }
}

void run(std::vector<double>& numbers) {
  for (const recur::Index batch : {1, 32}) {
    train<float>(batch, numbers);
    train<double>(batch, numbers);
  }
}

#endif

}  // namespace

Result UNIT() {
  Result result;
  try {
    run(result.numbers);
  } catch (const std::invalid_argument& error) {
    result.message = error.what();
  }
  return result;
}
