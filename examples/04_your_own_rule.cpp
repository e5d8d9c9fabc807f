// A cell of your own: the leaky integrator, h_t = (1 - alpha) h_<t-1> + alpha tanh(a_t), whose memory is long by
// construction. It takes a struct with the pointwise equations and their derivatives; batches, backpropagation through
// time, checking and training come with it.
//
// Checked here by differences, then trained beside an Elman network on the adding problem (S. Hochreiter, J.
// Schmidhuber, 1997): each step has a number in [0, 1) and a mark; after the last step, say the sum of the two numbers
// that were marked.
#include <recur/recur.hpp>

#include <cstring>
#include <iomanip>
#include <iostream>

struct LeakyIntegrator {
  enum Block { f, h, blocks };  // what a step keeps: f(a_t), h_t
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  double alpha = 0.1;

  void forward(const auto& before, auto& now) const {
    // f = tanh(a_t),  h_t = (1 - alpha) h_<t-1> + alpha f
    now[f] = recur::Tanh().value(now[f]);
    now[h] = (1 - alpha) * before[h] + alpha * now[f];
  }
  void backward(const auto&, const auto& now, auto& d_now, auto& d_before) const {
    // dL/da_t = alpha dL/dh_t tanh'(a_t),  dL/dh_<t-1> += (1 - alpha) dL/dh_t
    d_now[f] = alpha * d_now[h] * recur::Tanh().slope(now[f]);
    d_before[h] += (1 - alpha) * d_now[h];
  }
};

template <class Scalar>
using Leaky = recur::Cell<LeakyIntegrator, Scalar>;

constexpr recur::Index steps = 100;

struct Adding {
  recur::Series<float> x, target;  // features: number, mark; the sum stands at the last step

  Adding(recur::Index count, std::mt19937& rng) : x(2, count, steps), target(1, count, steps) {
    for (recur::Index n = 0; n < count; ++n) {
      for (recur::Index t = 0; t < steps; ++t) x[t](0, n) = static_cast<float>(recur::uniform(rng));
      const auto half = static_cast<std::size_t>(steps / 2);
      const auto first = static_cast<recur::Index>(recur::uniform_below(rng, half));
      const auto second = steps / 2 + static_cast<recur::Index>(recur::uniform_below(rng, half));
      x[first](1, n) = x[second](1, n) = 1;
      target[steps - 1](0, n) = x[first](0, n) + x[second](0, n);
    }
  }
};

/// Only the last step counts.
constexpr auto last_step_error = [](const auto& y, const auto& target, auto& dy) {
  return recur::squared_error(y, target, dy, recur::last_step(y));
};

/// Trains on fresh numbers, and gives the error on others after each epoch.
std::vector<double> learn(const char* name, auto cell, recur::Index epochs) {
  std::mt19937 rng(7);
  const Adding training(5000, rng), test(500, rng);
  recur::Sequence net(cell, recur::Readout<float>(cell.hidden(), 1, {.bias = true}));
  recur::initialize(net, rng);
  recur::Adam adam(net, {.rate = 1e-2});
  const auto on_progress = [&](const recur::Progress& p) {
    if (p.epoch_end) std::cerr << '\r' << name << ": epoch " << p.epoch + 1 << " of " << p.epochs << std::flush;
    return true;
  };
  const auto result = recur::train(net, adam, last_step_error, recur::SeriesData(training.x, training.target),
                                   recur::SeriesData(test.x, test.target), rng,
                                   {.epochs = epochs, .batch = 20, .clip_norm = 1, .on_progress = on_progress});
  std::cerr << '\n';
  return result.validations;
}

int main(int argc, char** argv) {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;

  // Right to begin with? Every parameter, input and initial state against differences.
  std::mt19937 rng(1);
  recur::Sequence small(Leaky<double>(2, 5, {.alpha = 0.3}), recur::Readout<double>(5, 1));
  recur::initialize(small, rng);
  recur::Series<double> x(2, 3, 8), target(1, 3, 8);
  x.setRandom(rng);
  target.setRandom(rng);
  const auto check = recur::check_gradient(small, recur::squared_error, x, target);
  std::cout << "gradient check: " << check << "\n\n";
  if (check.relative_error > 1e-7) return 1;

  const recur::Index epochs = brief ? 1 : 30;
  const auto leaky = learn("leaky integrator", Leaky<float>(2, 32, {.alpha = 0.05}), epochs);
  const auto elman = learn("Elman", recur::Elman<float>(2, 32), epochs);

  std::cout << "the adding problem over " << steps << " steps, mean squared error on unseen series\n"
            << "(always saying 1, the mean, would have 0.167):\n\n"
            << "  epoch   leaky integrator    Elman\n"
            << std::fixed << std::setprecision(4);
  const auto shown = std::max<std::size_t>(1, leaky.size() / 10);
  for (std::size_t epoch = shown - 1; epoch < leaky.size(); epoch += shown) {
    std::cout << std::setw(7) << epoch + 1 << std::setw(19) << leaky[epoch] << std::setw(9) << elman[epoch] << "\n";
  }
}
