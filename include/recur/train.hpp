#pragma once
/// \file
/// The training loop: epochs, mini-batches, windows, validation, early stopping. It never prints.

#include "bptt.hpp"
#include "data.hpp"
#include "evaluate.hpp"
#include "loss.hpp"
#include "optimizer.hpp"
#include "train_run.hpp"

#include <algorithm>

namespace recur {

namespace detail {

inline void require_options(const TrainOptions& options, bool validation) {
  require(options.epochs > 0, "train: epochs > 0 expected, got ", options.epochs);
  require(options.batch > 0, "train: batch > 0 expected, got ", options.batch);
  require(options.clip_norm >= 0 && options.clip_value >= 0, "train: clip_norm >= 0 and clip_value >= 0 expected, got ",
          options.clip_norm, " and ", options.clip_value);
  require(options.patience >= 0, "train: patience >= 0 expected, got ", options.patience);
  require(options.patience == 0 || validation, "train: patience needs validation data");
}

/// Whether some layer is a Dropout.
template <class Layer>
bool has_dropout(const Layer& layer) {
  bool some = false;
  if constexpr (requires { layer.probability(); }) some = layer.probability() > 0;
  if constexpr (requires { layer.dropout(); }) some = layer.dropout() > 0;
  if constexpr (requires { Layer::visit_layers(layer, [](const auto&) {}); })
    Layer::visit_layers(layer, [&](const auto& each) { some = some || has_dropout(each); });
  return some;
}
template <class Engine>
std::uint64_t dropout_seed(Engine& rng) {
  return static_cast<std::uint64_t>(uniform(rng) * 0x1p53);
}

/// Within an epoch, a run can go on only in mini-batches and windows of the same sizes, through the same data.
template <class Net>
void require_run(const TrainRun<Net>& run, Index sequences, Index batch, Index window, Index batches) {
  const Progress& now = run.progress;
  if (run.order.empty()) return;
  if (std::ssize(run.order) == sequences) {  // also at the end of an epoch: the next is shuffled from it
    auto order = run.order;
    std::sort(order.begin(), order.end());
    require(order == in_order(sequences), "train: the run's order must have each of ", sequences, " sequences once");
  }
  if (now.epoch_end) return;  // none has begun
  require(run.batch == batch && run.window == window, "train: the run is within an epoch of mini-batches of ",
          run.batch, " and windows of ", run.window, ", got ", batch, " and ", window);
  require(std::ssize(run.order) == sequences, "train: the run is within an epoch of ", run.order.size(),
          " sequences, got data of ", sequences);
  require(now.batch >= 0 && now.batch <= batches, "train: the run has done ", now.batch,
          " steps in this epoch, of which the data has ", batches);
}

}  // namespace detail

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
/// A `run` that is given (before the options) says at any time where training is, and has it go on from there:
///
///     recur::TrainRun<Net> run;
///     recur::train(net, adam, recur::squared_error, data, rng, run, options);  // until the callback stops it, say
///     recur::train(net, adam, recur::squared_error, data, rng, run, options);  // the rest, to the same bits
///
/// Sequences that have lengths weigh by them; windows in which all have come to their ends are passed over. A Dropout leaves
/// out other numbers in every step, and nothing in evaluate().
///
/// An epoch that a callback cuts short counts in what that call tells and gives, and is then finished by the next.
///
/// Throws std::invalid_argument on data, or validation data, that do not fit the network, or a run that does not fit the
/// data, before the first step (where only a later window does not, when it comes to that); and std::runtime_error where
/// the loss or its gradient is NaN or infinite, saying where: the network then has the last parameters that gave a finite
/// loss.
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data,
          DataSource<typename Net::Scalar> Validation, class Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation* validation, Engine& rng, TrainRun<Net>& run, const TrainOptions& options = {}) {
  const Index window = detail::window_of(data, options.window, "train");
  detail::require_options(options, validation != nullptr);
  const Index sequences = data.sequences(), batch = std::min(options.batch, sequences);
  const Index windows_each = (data.steps() + window - 1) / window;
  const Index batches = (sequences + batch - 1) / batch * windows_each;
  detail::require_run(run, sequences, batch, window, batches);

  Net gradient = zeros_like(net);
  detail::Windows<Net, Data> windows;
  Series<typename Net::Scalar> dy;
  if (validation) {  // What does not fit is to be found before the first step, not after an epoch.
    const Index steps = detail::window_of(*validation, options.window, "train", "validation");
    const auto some = detail::in_order(std::min(options.batch, Index(validation->sequences())));
    detail::Windows<Net, Validation>().read(
        net, *validation, some, 0, steps, {},
        [&](const auto&, const auto& target, const auto&, const auto& y) { loss(y, target, dy); });
  }
  if (run.latest) net = *run.latest;
  run.latest.reset();

  bool stopped = false;
  const auto report = [&](const Progress& progress) {
    if (options.on_progress && !options.on_progress(progress)) stopped = true;
  };
  const auto require_finite = [&](const char* what, double value) {
    if (std::isfinite(value)) return;
    run.latest = net;
    if (run.good) net = *run.good;
    std::ostringstream message;
    message << "train: " << what << " is " << (std::isnan(value) ? std::abs(value) : value)  // no "-nan"
            << " at epoch " << run.progress.epoch << ", batch " << run.progress.batch
            << " (both counted from 0); the network keeps the last parameters that gave a finite loss";
    throw std::runtime_error(message.str());
  };

  const auto begin_epoch = [&] {
    Progress& now = run.progress;
    now = {
        .epoch = now.epoch + (now.epoch_end ? 1 : 0), .epochs = options.epochs, .batches = batches, .step = now.step};
    run.batch = batch;
    run.window = window;
    run.loss_sum = 0;
    run.columns = 0;
    if (std::ssize(run.order) != sequences) run.order = detail::in_order(sequences);
    if (options.shuffle) shuffle(run.order, rng);
  };
  const auto step = [&](const auto& x, const auto& target, auto& trace, const auto& y) {
    Progress now = run.progress;
    now.loss = loss(y, target, dy);
    require_finite("the loss", now.loss);
    bptt(net, x, trace, dy, gradient);
    now.gradient_norm = global_norm(gradient);
    require_finite("the norm of the gradient", now.gradient_norm);
    run.good = net;
    if (options.clip_value > 0) clip_value(gradient, options.clip_value);
    if (options.clip_norm > 0) clip_norm(gradient, options.clip_norm);
    if (options.schedule) optimizer.options.rate = options.schedule(now.step);
    now.rate = optimizer.options.rate;
    optimizer.step(net, gradient);
    ++now.batch;
    ++now.step;
    run.loss_sum += now.loss * static_cast<double>(y.all_lengths());
    run.columns += y.all_lengths();
    run.progress = now;
  };
  const auto end_epoch = [&](TrainRun<Net>& epoch) {
    require(epoch.columns > 0, "train: data must have at least one step of one sequence, got none within the lengths");
    Progress now = epoch.progress;
    now.epoch_end = true;
    now.loss = epoch.loss_sum / static_cast<double>(epoch.columns);
    if (validation) {
      now.validation = evaluate(net, loss, *validation, options.window, options.batch);
      require_finite("the validation loss", now.validation);
      epoch.validations.push_back(now.validation);
      if (now.validation < epoch.best_validation) {
        epoch.best_validation = now.validation;
        epoch.best_epoch = now.epoch;
        epoch.best = net;
      }
    }
    epoch.losses.push_back(now.loss);
    epoch.progress = now;
  };
  const auto out_of_patience = [&] {
    const Progress& now = run.progress;
    return now.epoch_end && options.patience > 0 && now.epoch - run.best_epoch >= options.patience;
  };

  const typename Net::State zero{};
  const Progress& now = run.progress;
  run.progress.epochs = options.epochs;
  while (!stopped && !out_of_patience() && !(now.epoch_end && now.epoch + 1 >= options.epochs)) {
    if (now.epoch_end || run.order.empty()) begin_epoch();
    while (now.batch < batches && !stopped) {
      const Index first = now.batch % windows_each * window;
      if (detail::has_dropout(net)) windows.train(detail::dropout_seed(rng));
      const bool some = windows.read(net, data, detail::mini_batch(run.order, now.batch / windows_each, batch), first,
                                     window, first > 0 && options.carry ? run.state : zero, step);
      if (!some) {
        ++run.progress.batch;
        continue;
      }
      if (options.carry) windows.final_state(net, run.state);
      report(now);
    }
    if (!stopped) {
      end_epoch(run);
      report(now);
    }
  }

  TrainRun<Net> told = run;
  if (stopped && !now.epoch_end) {
    end_epoch(told);
    report(told.progress);
  }
  if (validation && told.best) {
    run.latest = net;
    net = *told.best;
  }
  return {told.losses, told.validations, told.best_epoch, stopped || out_of_patience()};
}
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data,
          DataSource<typename Net::Scalar> Validation, class Engine>
  requires(!std::is_pointer_v<Validation>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation& validation, Engine& rng, TrainRun<Net>& run, const TrainOptions& options = {}) {
  return train(net, optimizer, loss, data, &validation, rng, run, options);
}
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data, class Engine>
  requires(!DataSource<Engine, typename Net::Scalar>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data, Engine& rng,
                  TrainRun<Net>& run, const TrainOptions& options = {}) {
  return train(net, optimizer, loss, data, static_cast<const Data*>(nullptr), rng, run, options);
}

// The same without a run.
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data, class Validation,
          class Engine>
  requires(DataSource<std::remove_pointer_t<Validation>, typename Net::Scalar>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation& validation, Engine& rng, const TrainOptions& options = {}) {
  TrainRun<Net> run;
  return train(net, optimizer, loss, data, validation, rng, run, options);
}
template <class Net, class Optimizer, class LossFunction, DataSource<typename Net::Scalar> Data, class Engine>
  requires(!DataSource<Engine, typename Net::Scalar>)
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data, Engine& rng,
                  const TrainOptions& options = {}) {
  TrainRun<Net> run;
  return train(net, optimizer, loss, data, rng, run, options);
}

}  // namespace recur
