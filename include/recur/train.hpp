#pragma once
/// \file
/// The training loop: epochs, mini-batches, windows, validation, early stopping. It never prints.

#include "bptt.hpp"
#include "data.hpp"
#include "loss.hpp"
#include "optimizer.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

namespace recur {

/// Where training is, after every step of the optimiser and at the end of every epoch.
struct Progress {
  Index epoch = 0, epochs = 0;   ///< counted from 0
  Index batch = 0, batches = 0;  ///< optimiser steps done in this epoch, and how many it has
  Index step = 0;                ///< optimiser steps done altogether
  double loss = 0;               ///< of this batch; at the end of an epoch, the mean over the epoch
  double rate = 0;               ///< the learning rate
  double gradient_norm = 0;      ///< before clipping
  bool epoch_end = false;        ///< whether this is the end of an epoch
  double validation = std::numeric_limits<double>::quiet_NaN();  ///< at the end of an epoch, where there is such data
};

struct TrainOptions {
  Index epochs = 10;
  Index batch = 32;       ///< sequences in a mini-batch
  bool shuffle = true;    ///< the sequences, anew for each epoch
  Index window = 0;       ///< steps that the gradient goes back: truncated BPTT; 0 for the whole series
  bool carry = true;      ///< whether a window starts from the state that the one before it left, or from zero
  double clip_norm = 0;   ///< global norm of the gradient; 0 for no clipping
  double clip_value = 0;  ///< largest entry of the gradient; 0 for no clipping
  Index patience = 0;     ///< epochs without a better validation loss before it stops; 0 for never
  std::function<double(Index step)> schedule = {};        ///< the learning rate; the optimiser's own where it is empty
  std::function<bool(const Progress&)> on_progress = {};  ///< false stops
};

/// What came of it.
struct TrainResult {
  std::vector<double> losses;       ///< mean of each epoch
  std::vector<double> validations;  ///< after each epoch, where there is such data
  Index best_epoch = -1;            ///< whose parameters the network has now, where there is validation data
  bool stopped = false;             ///< by the callback or for lack of patience
};

namespace detail {

/// Goes through some sequences in windows of at most `window` steps, as long as f(x, target, trace, y), called after
/// each forward pass, gives true. Keeps its buffers.
template <class Net, class Data>
class Windows {
 public:
  using Scalar = typename Net::Scalar;

  void run(const Net& net, const Data& data, std::span<const Index> sequences, Index window, bool carry, auto&& f) {
    typename Net::State zero{};
    for (Index first = 0; first < data.steps(); first += window) {
      data.read(sequences, first, std::min(window, data.steps() - first), x_, target_);
      const auto y = net.forward(x_, trace_, first > 0 && carry ? state_ : zero);
      if (!f(x_, target_, trace_, y)) return;
      if (carry) net.final_state(trace_, state_);
    }
  }

 private:
  typename InputOf<Data, Scalar>::type x_;
  typename Data::Target target_;
  typename Net::Trace trace_;
  typename Net::State state_;
};

template <class Data>
Index window_of(const Data& data, Index window, const char* where, const char* what = "data") {
  require(data.sequences() > 0 && data.steps() > 0, where, ": ", what,
          " must have at least one step of one sequence, got ", data.sequences(), " sequences of ", data.steps(),
          " steps");
  require(window >= 0, where, ": window >= 0 expected, got ", window);
  const Index steps = data.steps();
  return window > 0 ? std::min(window, steps) : steps;
}

/// 0, 1 .. count - 1
inline std::vector<Index> in_order(Index count) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index(0));
  return order;
}

/// The sequences of the k-th mini-batch.
inline std::span<const Index> mini_batch(const std::vector<Index>& order, Index k, Index batch) {
  const std::span<const Index> all(order);
  const auto first = static_cast<std::size_t>(k * batch);
  return all.subspan(first, std::min(static_cast<std::size_t>(batch), all.size() - first));
}

}  // namespace detail

/// The mean loss over all of `data`: each sequence from a zero state, in windows of `window` steps (0: all at once)
/// through which the state is carried. Windows weigh as their number of columns.
template <class Net, class LossFunction, DataSource<typename Net::Scalar> Data>
double evaluate(const Net& net, const LossFunction& loss, const Data& data, Index window = 0, Index batch = 32) {
  window = detail::window_of(data, window, "evaluate");
  require(batch > 0, "evaluate: batch > 0 expected, got ", batch);
  const auto order = detail::in_order(data.sequences());
  detail::Windows<Net, Data> windows;
  Series<typename Net::Scalar> dy;
  double sum = 0;
  for (Index k = 0; k * batch < data.sequences(); ++k) {
    windows.run(net, data, detail::mini_batch(order, k, batch), window, true,
                [&](const auto&, const auto& target, const auto&, const auto& y) {
                  sum += loss(y, target, dy) * static_cast<double>(y.columns());
                  return true;
                });
  }
  return sum / static_cast<double>(data.sequences() * data.steps());
}

/// Trains `net` in place: for each epoch, for each mini-batch of sequences, for each window of steps, one step of the
/// optimiser down the gradient of loss(y, target, dy).
///
///     recur::SeriesData data(x, target);
///     recur::train(net, adam, recur::squared_error, data, rng, {.epochs = 50, .clip_norm = 1});
///
/// Contiguous text is a few long sequences, `.batch` as many, `.window` the steps of one update: the state is carried
/// from window to window. Everything random comes from `rng`. An optimiser of your own has step(net, gradient) and
/// options.rate. With `validation` data, evaluate() is called on it after each epoch, and in the end the network has
/// the parameters that did best there; `.patience` epochs without improvement end it early.
///
/// Throws std::invalid_argument on data, or validation data, that do not fit the network, before the first step (where
/// only a later window does not, when it comes to that); and std::runtime_error where the loss or its gradient is NaN or
/// infinite, saying where: the network then has the last parameters that gave a finite loss.
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data,
          DataSource<typename Net::Scalar> Validation, class Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation* validation, Engine& rng, const TrainOptions& options = {}) {
  const Index window = detail::window_of(data, options.window, "train");
  require(options.epochs > 0, "train: epochs > 0 expected, got ", options.epochs);
  require(options.batch > 0, "train: batch > 0 expected, got ", options.batch);
  require(options.clip_norm >= 0 && options.clip_value >= 0, "train: clip_norm >= 0 and clip_value >= 0 expected, got ",
          options.clip_norm, " and ", options.clip_value);
  require(options.patience >= 0, "train: patience >= 0 expected, got ", options.patience);
  require(options.patience == 0 || validation, "train: patience needs validation data");

  Net gradient = zeros_like(net), good = net, best = net;
  detail::Windows<Net, Data> windows;
  Series<typename Net::Scalar> dy;
  auto order = detail::in_order(data.sequences());
  const Index batch = std::min(options.batch, Index(data.sequences()));

  if (validation) {  // What does not fit is to be found before the first step, not after an epoch.
    const Index steps = detail::window_of(*validation, options.window, "train", "validation");
    const auto first = detail::in_order(std::min(options.batch, Index(validation->sequences())));
    detail::Windows<Net, Validation>().run(net, *validation, first, steps, false,
                                           [&](const auto&, const auto& target, const auto&, const auto& y) {
                                             loss(y, target, dy);
                                             return false;
                                           });
  }

  TrainResult result;
  Progress progress;
  const Index windows_each = (data.steps() + window - 1) / window;
  const Index mini_batches = (data.sequences() + batch - 1) / batch;
  progress.epochs = options.epochs;
  progress.batches = mini_batches * windows_each;
  double best_validation = std::numeric_limits<double>::infinity();

  const auto report = [&] {
    if (options.on_progress && !options.on_progress(progress)) result.stopped = true;
  };
  const auto require_finite = [&](const char* what, double value) {
    if (std::isfinite(value)) return;
    net = good;
    std::ostringstream message;
    message << "train: " << what << " is " << (std::isnan(value) ? std::abs(value) : value)  // no "-nan"
            << " at epoch " << progress.epoch << ", batch " << progress.batch
            << " (both counted from 0); the network keeps the last parameters that gave a finite loss";
    throw std::runtime_error(message.str());
  };

  for (progress.epoch = 0; progress.epoch < options.epochs && !result.stopped; ++progress.epoch) {
    if (options.shuffle) shuffle(order, rng);
    double epoch_sum = 0;
    Index epoch_columns = 0;
    progress.batch = 0;
    progress.epoch_end = false;
    progress.validation = std::numeric_limits<double>::quiet_NaN();
    for (Index k = 0; k < mini_batches && !result.stopped; ++k) {
      windows.run(net, data, detail::mini_batch(order, k, batch), window, options.carry,
                  [&](const auto& x, const auto& target, auto& trace, const auto& y) {
                    progress.loss = loss(y, target, dy);
                    require_finite("the loss", progress.loss);
                    bptt(net, x, trace, dy, gradient);
                    progress.gradient_norm = global_norm(gradient);
                    require_finite("the norm of the gradient", progress.gradient_norm);
                    good = net;
                    if (options.clip_value > 0) clip_value(gradient, options.clip_value);
                    if (options.clip_norm > 0) clip_norm(gradient, options.clip_norm);
                    if (options.schedule) optimizer.options.rate = options.schedule(progress.step);
                    progress.rate = optimizer.options.rate;
                    optimizer.step(net, gradient);
                    ++progress.batch;
                    ++progress.step;
                    epoch_sum += progress.loss * static_cast<double>(y.columns());
                    epoch_columns += y.columns();
                    report();
                    return !result.stopped;
                  });
    }

    progress.epoch_end = true;
    progress.loss = epoch_sum / static_cast<double>(epoch_columns);
    result.losses.push_back(progress.loss);
    if (validation) {
      progress.validation = evaluate(net, loss, *validation, options.window, options.batch);
      require_finite("the validation loss", progress.validation);
      result.validations.push_back(progress.validation);
      if (progress.validation < best_validation) {
        best_validation = progress.validation;
        best = net;
        result.best_epoch = progress.epoch;
      } else if (options.patience > 0 && progress.epoch - result.best_epoch >= options.patience) {
        result.stopped = true;
      }
    }
    report();
  }
  if (validation) net = best;
  return result;
}
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data,
          DataSource<typename Net::Scalar> Validation, class Engine>
  requires(!std::is_pointer_v<Validation>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation& validation, Engine& rng, const TrainOptions& options = {}) {
  return train(net, optimizer, loss, data, &validation, rng, options);
}
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data, class Engine>
  requires(!DataSource<Engine, typename Net::Scalar>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data, Engine& rng,
                  const TrainOptions& options = {}) {
  return train(net, optimizer, loss, data, static_cast<const Data*>(nullptr), rng, options);
}

}  // namespace recur
