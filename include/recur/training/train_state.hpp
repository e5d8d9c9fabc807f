#pragma once
/// \file
/// The options, the progress, the result and the state of train().

#include "../distributed/communicator.hpp"

#include <functional>
#include <limits>
#include <optional>
#include <vector>

namespace recur::inline RECUR_ISA {

/// What train() reports after every step of the optimiser and at the end of every epoch.
struct Progress {
  /// counted from 0
  Index epoch = 0, epochs = 0;  ///< how many there are
  /// windows done in this epoch: an optimiser step each, or for each `.accumulate` of them; none where all sequences
  /// have ended before the window
  Index batch = 0, batches = 0;  ///< how many windows the epoch has
  Index step = 0;                ///< optimiser steps done altogether
  double loss = 0;               ///< of this batch; at the end of an epoch, the mean over the epoch
  double rate = 0;               ///< the learning rate
  double gradient_norm = 0;      ///< before clipping
  bool epoch_end = false;        ///< whether this is the end of an epoch
  double validation = std::numeric_limits<double>::quiet_NaN();  ///< at the end of an epoch, where there is such data
  std::vector<double> metrics = {};  ///< of the validation data, at the end of an epoch, in the order of Validation
};

/// A function that is called with Progress. Training stops where it returns false; it may also return nothing.
class ProgressCallback {
 public:
  ProgressCallback() = default;
  /// Of any callable, which returns bool or nothing.
  template <std::invocable<const Progress&> F>
    requires(!std::same_as<std::decay_t<F>, ProgressCallback>)
  ProgressCallback(F f) {  // NOLINT: converts
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Progress&>>) {
      std::function<void(const Progress&)> told = std::move(f);  // which may be empty, as f
      if (told) call_ = [told = std::move(told)](const Progress& now) { return told(now), true; };
    } else {
      call_ = std::move(f);
    }
  }

  /// Calls it. Returns whether training goes on.
  bool operator()(const Progress& now) const { return call_(now); }
  /// Whether there is something to call.
  explicit operator bool() const { return static_cast<bool>(call_); }

 private:
  std::function<bool(const Progress&)> call_;
};

/// Options of train().
struct TrainOptions {
  Index epochs = 10;      ///< passes over the data
  Index batch = 32;       ///< sequences in a mini-batch
  bool shuffle = true;    ///< the sequences, anew for each epoch
  Index window = 0;       ///< steps that the gradient goes back: truncated BPTT; 0 for the whole series
  bool carry = true;      ///< whether a window starts from the state that the one before it left, or from zero
  Index memory = 0;       ///< bytes for what the gradient needs of the steps: see TraceOptions; 0 without a bound
  double clip_norm = 0;   ///< global norm of the gradient; 0 for no clipping
  double clip_value = 0;  ///< largest entry of the gradient; 0 for no clipping
  Index accumulate = 1;   ///< mini-batches, or windows of them, whose gradients make one step of the optimiser
  Index best_by = -1;     ///< which of Validation's metrics says what is best, from 0 on; -1 for the loss
  Index patience = 0;     ///< epochs without anything better in validation before it stops; 0 for never
  /// of all processes that train this network together, a Communicator: each reads its own shards of every mini-batch,
  /// and all take the same step
  Processes processes = {};
  /// parts of a mini-batch whose gradients are formed alone, and added in an order of their own, so that the bits do
  /// not depend on the number of processes; 0 for 16 where there are processes, and for the whole where there are none
  Index shards = 0;
  /// whether every process calls on_progress, and not the first alone: for a callback that changes what is trained, or
  /// keeps an average of it
  bool all_report = false;
  std::function<double(Index step)> schedule = {};  ///< the learning rate; the optimiser's own where it is empty
  /// called after every step and epoch; false stops, and the epoch that this cuts short is told once more as its end
  ProgressCallback on_progress = {};
};

/// The result of train().
struct TrainResult {
  std::vector<double> losses;       ///< mean of each epoch
  std::vector<double> validations;  ///< after each epoch that had such data
  Index best_epoch = -1;            ///< whose parameters the network has now, where there is validation data
  bool stopped = false;             ///< by the callback or for lack of patience
  std::vector<std::vector<double>> metrics = {};  ///< after each of these, those of Validation
};

/// The state of a run of train(), which updates it and goes on from it, to the same bits as without an interruption.
/// That also needs the network, the optimiser and the random engine as they were at the same moment: in any call of the
/// callback, or when train() returned. io/checkpoint.hpp stores all four in a file.
template <class Net>
struct TrainState {
  Progress progress;         ///< what was told last: epoch, batch and step are where it is
  std::vector<Index> order;  ///< of the sequences, in this epoch
  /// sequences in a mini-batch, in this epoch
  Index batch = 0, window = 0;  ///< steps in a window, in this epoch
  typename Net::State state{};  ///< after the last window
  double loss_sum = 0;          ///< of this epoch's windows so far, each times what its loss counted
  double counted = 0;           ///< by the loss, in this epoch's windows so far

  std::vector<double> losses;                                        ///< mean of each epoch that is over
  std::vector<double> validations;                                   ///< after each of them, where there is such data
  std::vector<double> metrics;                                       ///< after each of them, all that there are
  double best_validation = std::numeric_limits<double>::infinity();  ///< the lowest so far, or of what is best where
                                                                     ///< it is high, the lowest -value
  Index best_epoch = -1;                                             ///< whose that is
  Index best_by = -1;                                                ///< what says so: see TrainOptions
  std::optional<Net> best;                                           ///< its parameters
  std::optional<Net> good;                                           ///< the last parameters that gave a finite loss
  std::optional<Net>
      latest;  ///< those after the last step, where train() has left the network others: the best, or good

  /// f(name, member) for all of it: what a checkpoint keeps.
  static void visit_parts(auto&& f, auto& run) {
    f("epoch", run.progress.epoch);
    f("epochs", run.progress.epochs);
    f("batch", run.progress.batch);
    f("batches", run.progress.batches);
    f("step", run.progress.step);
    f("loss", run.progress.loss);
    f("rate", run.progress.rate);
    f("gradient_norm", run.progress.gradient_norm);
    f("epoch_end", run.progress.epoch_end);
    f("validation", run.progress.validation);
    f("metrics", run.progress.metrics);
    f("order", run.order);
    f("sequences_in_batch", run.batch);
    f("steps_in_window", run.window);
    f("state", run.state);
    f("loss_sum", run.loss_sum);
    f("counted", run.counted);
    f("losses", run.losses);
    f("validations", run.validations);
    f("all_metrics", run.metrics);
    f("best_validation", run.best_validation);
    f("best_epoch", run.best_epoch);
    f("best_by", run.best_by);
    f("best", run.best);
    f("good", run.good);
    f("latest", run.latest);
  }
};

}  // namespace recur::inline RECUR_ISA
