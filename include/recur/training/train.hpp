#pragma once
/// \file
/// The training loop: epochs, mini-batches, windows, validation, early stopping. It never prints.

#include "bptt.hpp"
#include "data.hpp"
#include "../base/describe.hpp"
#include "evaluate.hpp"
#include "loss.hpp"
#include "optimizer.hpp"
#include "shard_pass.hpp"
#include "touched_columns.hpp"
#include "train_checks.hpp"
#include "train_state.hpp"

#include <functional>
#include <random>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace recur::inline RECUR_ISA {

namespace detail {

/// The loss of the validation data, then the metrics.
template <class Net, class LossFunction, class Data>
std::vector<double> validate(const Net& net, const LossFunction& loss, const Data& data, const TrainOptions& options) {
  return with_metrics_of(data, [&](const auto&... metrics) {
    const EvaluateOptions how{
        .window = options.window, .batch = options.batch, .memory = options.memory, .processes = options.processes};
    if constexpr (sizeof...(metrics) == 0) {
      return std::vector<double>{evaluate(net, data, how, loss)};
    } else {
      const auto all = evaluate(net, data, how, loss, metrics...);
      return std::vector<double>(all.begin(), all.end());
    }
  });
}

/// What a Training does with its data, its loss and its random engine. As functions, so that all else is compiled once
/// for a network and its optimiser.
struct TrainParts {
  /// Goes through a window of some sequences, from step `first` on: asks the Training with counts() whether the loss
  /// has anything to learn from, and if so adds to its gradient_so_far() and calls its add(). The state after the
  /// window goes into its `carried`.
  std::function<void(std::span<const Index> sequences, Index first, std::uint64_t dropout_seed)> learn;
  /// The loss of the validation data, then the metrics; empty where there is no such data.
  std::function<std::vector<double>()> validate;
  std::function<void(std::vector<Index>& order)> shuffle;
  std::function<std::uint64_t()> dropout_seed;
};

/// A call of train().
template <class Net, class Optimizer>
class Training {
 public:
  using Scalar = typename Net::Scalar;

  const bool in_shards;
  /// Whether the gradient is a sum over all that losses count, which a step divides by, or that of one loss as it is.
  const bool is_sum;
  typename Net::State carried;  ///< from window to window

  /// Where more is better, what says what is best is the highest.
  Training(Net& net, Optimizer& optimizer, TrainState<Net>& run, const TrainOptions& options, const TrainPlan& plan,
           bool more_is_better)
      : in_shards(options.processes || options.shards > 1), is_sum(in_shards || options.accumulate > 1), net_(net),
        optimizer_(optimizer), run_(run), options_(options), plan_(plan), more_is_better_(more_is_better),
        gradient_(zeros_like(net)) {}

  /// Throws, in all processes, unless they are about to do the same.
  void require_same(const TrainPlan& validation, const std::string& engine) const {
    SameEverywhere same;
    same.add("the processor that recur was compiled for", RECUR_ISA_TEXT);
    same.add("the network", describe(net_, "net"));
    same.add("data.sequences()", plan_.sequences);
    same.add("data.steps()", plan_.steps);
    same.add("validation.sequences()", validation.sequences);
    same.add("validation.steps()", validation.steps);
    add_options(same, options_);
    add_progress(same, run_.progress);
    same.add("how many epochs of the run are over", run_.losses.size());
    same.add("how many validations the run has", run_.validations.size());
    same.add("the run's best epoch", run_.best_epoch);
    same.add("the run's best validation", run_.best_validation);
    same.add("the fingerprint of the run's order", fingerprint_of_order(run_.order));
    same.add("the optimiser's rate", optimizer_.options.rate);
    same.add("the fingerprint of the optimiser", fingerprint_of_optimizer(optimizer_));
    same.add("the fingerprint of the parameters", fingerprint_of(run_.latest ? *run_.latest : net_));
    same.add("the fingerprint of the random engine", engine);
    same.require_for("train", options_.processes);
  }

  /// Trains from where the run is.
  TrainResult train(TrainParts parts);

  /// Whether there is something to learn from. Throws where the loss is not finite, with what cause() says of it.
  bool counts(const LossValue& loss, auto&& cause) {
    require_alike(options_.processes, is_finite(loss.counted) && loss.counted >= 0,
                  "train: the loss must return over how much it is, a finite number >= 0, got ", loss.counted);
    if (loss.counted == 0) return false;
    if (!is_finite(loss.mean)) fail_not_finite("the loss", loss.mean, in_batch(since_.end) + cause());
    return true;
  }
  /// The gradient of the windows since the last step of the optimiser: zero before the first.
  Net& gradient_so_far() {
    if (since_.is_empty()) {
      std::swap(touched_, touched_before_);
      touched_before_.visit([](auto g) { g.setZero(); }, gradient_);
    }
    return gradient_;
  }
  /// A window with such a loss, whose gradient has been added.
  void add(const LossValue& loss, TouchedColumns touched) {
    since_.loss_sum += loss.mean * loss.counted;
    since_.counted += loss.counted;
    ++since_.windows;
    touched_ = std::move(touched);
  }
  /// The same in shards, of whose losses each was times what it counted.
  void add(double loss_sum, double counted) {
    since_.loss_sum += loss_sum;
    since_.counted += counted;
    ++since_.windows;
    touched_ = TouchedColumns();
  }

 private:
  void begin_epoch() {
    Progress& now = run_.progress;
    now = {.epoch = now.epoch + (now.epoch_end ? 1 : 0),
           .epochs = options_.epochs,
           .batches = plan_.windows(),
           .step = now.step};
    run_.batch = plan_.batch;
    run_.window = plan_.window;
    run_.loss_sum = 0;
    run_.counted = 0;
    if (std::ssize(run_.order) != plan_.sequences) run_.order = in_order(plan_.sequences);
    if (options_.shuffle) parts_.shuffle(run_.order);
    require_same_in_epoch("the fingerprint of the order of the sequences, which comes from the random engine,",
                          [&] { return fingerprint_of_order(run_.order); });
  }

  /// From where the run is to the end of its epoch, or to where it is stopped.
  void learn_epoch() {
    const Index windows_each = plan_.windows_each(), windows = plan_.windows();
    carried = run_.state;
    since_ = {.end = run_.progress.batch};
    while (since_.end < windows && !stopped_) {
      parts_.learn(mini_batch(run_.order, since_.end / windows_each, plan_.batch),
                   since_.end % windows_each * plan_.window, differs_in_training(net_) ? parts_.dropout_seed() : 0);
      ++since_.end;
      const bool steps = since_.windows == options_.accumulate || (since_.end == windows && !since_.is_empty());
      if (steps) step();
      if (steps || since_.is_empty()) {
        run_.progress.batch = since_.end;
        run_.state = carried;
        since_ = {.end = since_.end};
      }
      if (steps) report(run_.progress);
    }
  }

  /// A step of the optimiser, down the gradient of the windows since the last.
  void step() {
    Progress now = run_.progress;
    now.batch = since_.end;
    now.loss = since_.loss_sum / since_.counted;
    if (is_sum) visit_numbers([&](auto g) { g /= static_cast<Scalar>(since_.counted); }, gradient_);
    now.gradient_norm = global_norm(gradient_, touched_);
    if (!is_finite(now.gradient_norm))
      fail_not_finite("the norm of the gradient", now.gradient_norm, in_batch(run_.progress.batch));
    if (good_is_old_) {
      run_.good = net_;
    } else {
      touched_before_.visit([](auto, auto good, auto p) { good = p; }, gradient_, *run_.good, net_);
    }
    if (options_.clip_value > 0) clip_value(gradient_, touched_, options_.clip_value);
    if (options_.clip_norm > 0) {
      const double norm = options_.clip_value > 0 ? global_norm(gradient_, touched_) : now.gradient_norm;
      clip_to_norm(gradient_, touched_, norm, options_.clip_norm);
    }
    if (options_.schedule)
      optimizer_.options.rate = together("train", options_.processes, [&] { return options_.schedule(now.step); })[0];
    now.rate = optimizer_.options.rate;
    bool finite = true;
    for (const double each : together("train", options_.processes, [&] { return apply_gradient(); }))
      finite = finite && each != 0;
    if (!finite)
      fail("the step of the optimiser, of rate " + describe(now.rate) + ", made " + not_finite_in(net_),
           in_batch(run_.progress.batch), ", but the optimiser keeps the moments that this step left");
    ++now.step;
    run_.loss_sum += since_.loss_sum;
    run_.counted += since_.counted;
    run_.progress = now;
  }
  /// Returns whether all parameters are finite then.
  bool apply_gradient() {
    bool touched_alone = false;  // whether the step changed no others
    if constexpr (requires { touched_alone = optimizer_.step(net_, gradient_, touched_); }) {
      touched_alone = optimizer_.step(net_, gradient_, touched_);
    } else {
      optimizer_.step(net_, gradient_);
    }
    good_is_old_ = !touched_alone;
    bool finite = true;
    if (touched_alone) {
      touched_.visit([&](auto, auto p) { finite = finite && all_finite(p); }, gradient_, net_);
    } else {
      visit_numbers([&](auto p) { finite = finite && all_finite(p); }, net_);
    }
    return finite;
  }

  /// Also of an epoch that is cut short, in a copy of the run.
  void end_epoch(TrainState<Net>& run) {
    // What the first process's callback alone has changed, or a user's optimiser, may be another network.
    require_same_in_epoch("the fingerprint of the parameters", [&] { return fingerprint_of(net_); });
    require_alike(options_.processes, run.counted > 0, "train: data must have at least one step that counts, got none");
    Progress now = run.progress;
    now.epoch_end = true;
    now.loss = run.loss_sum / run.counted;
    if (parts_.validate) {
      const std::vector<double> all = parts_.validate();
      const std::string at_end = "the end of epoch " + std::to_string(now.epoch) + " (counted from 0)";
      if (!is_finite(all[0])) fail_not_finite("the validation loss", all[0], at_end);
      const double chosen = all[static_cast<std::size_t>(options_.best_by + 1)];
      if (is_nan(chosen))
        fail_not_finite(
            "metric " + std::to_string(options_.best_by) + " of the validation data, which says what is best,", chosen,
            at_end);
      now.validation = all[0];
      run.validations.push_back(now.validation);
      now.metrics.assign(all.begin() + 1, all.end());
      run.metrics.insert(run.metrics.end(), all.begin() + 1, all.end());
      if (const double low = more_is_better_ ? -chosen : chosen; low < run.best_validation) {
        run.best_validation = low;
        run.best_epoch = now.epoch;
        run.best_by = options_.best_by;
        run.best = net_;
      }
    }
    run.losses.push_back(now.loss);
    run.progress = now;
  }
  bool is_out_of_patience() const {
    return run_.progress.epoch_end && options_.patience > 0 && validations_since_best() >= options_.patience;
  }
  /// Not epochs: some may have had no validation data.
  Index validations_since_best() const {
    const Index all = std::ssize(run_.validations);
    if (run_.best_epoch < 0 || all == 0) return all;
    const Index metrics = std::ssize(run_.metrics) / all, by = options_.best_by;
    Index best = 0;
    const auto chosen = [&](Index k) {
      return by < 0 ? run_.validations[static_cast<std::size_t>(k)]
                    : run_.metrics[static_cast<std::size_t>(k * metrics + by)];
    };
    while (best < all - 1 && (more_is_better_ ? -chosen(best) : chosen(best)) != run_.best_validation) ++best;
    return all - 1 - best;
  }
  TrainResult result_of(const TrainState<Net>& run) const {
    TrainResult result{run.losses, run.validations, run.best_epoch, stopped_ || is_out_of_patience()};
    const std::size_t epochs = run.validations.size(), metrics = epochs == 0 ? 0 : run.metrics.size() / epochs;
    for (std::size_t k = 0; k < epochs; ++k) {
      const auto first = run.metrics.begin() + static_cast<std::ptrdiff_t>(k * metrics);
      result.metrics.emplace_back(first, first + static_cast<std::ptrdiff_t>(metrics));
    }
    return result;
  }

  void report(const Progress& progress) {
    if (!options_.on_progress) return;
    const Processes& processes = options_.processes;
    const bool is_told = processes.rank() == 0 || options_.all_report;
    for (const double goes_on :
         together("train", processes, [&] { return !is_told || options_.on_progress(progress); }))
      stopped_ = stopped_ || goes_on == 0;
  }
  std::string in_batch(Index batch) const {
    return "epoch " + std::to_string(run_.progress.epoch) + ", batch " + std::to_string(batch) +
           " (both counted from 0)";
  }
  [[noreturn]] void fail_not_finite(const std::string& what, double value, const std::string& at) {
    run_.latest = net_;
    fail(what + " is " + (is_nan(value) ? "nan" : value < 0 ? "-inf" : "inf"), at);
  }
  [[noreturn]] void fail(const std::string& what, const std::string& at, const std::string& but = "") {
    if (run_.good) net_ = *run_.good;
    const std::string message =
        "train: " + what + " at " + at + "; the network keeps the last parameters that gave a finite loss" + but;
    if (options_.processes.size() > 1) throw ProcessError(message);  // for all have found it
    throw std::runtime_error(message);
  }
  void require_same_in_epoch(const char* what, const std::function<std::string()>& text) const {
    if (options_.processes.size() == 1) return;
    SameEverywhere same;
    same.add(std::string(what) + " in epoch " + std::to_string(run_.progress.epoch), text());
    same.require_for("train", options_.processes);
  }

  /// What has come since the last step of the optimiser. The run itself is always as it was after that step, or, where
  /// this is empty, where it is now.
  struct Since {
    Index windows = 0;  // with something that counts
    Index end = 0;      // where the next window is
    double loss_sum = 0, counted = 0;
    bool is_empty() const { return counted == 0; }
  };

  Net& net_;
  Optimizer& optimizer_;
  TrainState<Net>& run_;
  const TrainOptions& options_;
  const TrainPlan plan_;
  const bool more_is_better_;
  TrainParts parts_;
  Net gradient_;
  TouchedColumns touched_;         // of the gradient
  TouchedColumns touched_before_;  // of that of the step before
  bool good_is_old_ = true;        // whether run_.good and the parameters before a step differ in more than these
  bool stopped_ = false;
  Since since_;
};

// Not in the class, so that `extern template` can keep it, and what it calls, from being compiled in every file.
template <class Net, class Optimizer>
TrainResult Training<Net, Optimizer>::train(TrainParts parts) {
  parts_ = std::move(parts);
  if (run_.latest) net_ = *run_.latest;
  run_.latest.reset();
  const Progress& now = run_.progress;
  run_.progress.epochs = options_.epochs;
  while (!stopped_ && !is_out_of_patience() && !(now.epoch_end && now.epoch + 1 >= options_.epochs)) {
    if (now.epoch_end || run_.order.empty()) begin_epoch();
    learn_epoch();
    if (!stopped_) {
      end_epoch(run_);
      report(now);
    }
  }
  TrainState<Net> told = run_;
  if (stopped_ && !now.epoch_end) {
    end_epoch(told);
    report(told.progress);
  }
  if (parts_.validate && told.best) {
    run_.latest = net_;
    net_ = *told.best;
  }
  return result_of(told);
}

/// train(), where everything is given; `validation` may be null.
template <class Net, class Optimizer, class LossFunction, class Data, class Validation, class Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation* validation, Engine& rng, TrainState<Net>& run, const TrainOptions& options) {
  using Scalar = typename Net::Scalar;
  constexpr bool may_validate = !std::is_same_v<Validation, NoValidation>;
  using Metrics = typename MetricsOf<Validation>::type;
  bool more_is_better = false;
  TrainPlan plan, of_validation;
  together("train", options.processes, [&] {
    plan = plan_of<Net>(data, options);
    require_options(options, validation != nullptr);
    require_options(TraceOptions{.memory = options.memory}, Net::causal);
    require_run_of(net, run);
    require_run(run, plan);
    more_is_better = higher_is_better<Validation, Scalar>(static_cast<const Metrics*>(nullptr), options.best_by);
    if constexpr (may_validate) {
      if (validation) {
        require_validations(run, std::tuple_size_v<Metrics>, options.best_by);
        of_validation = plan_of<Net>(*validation, options, "validation");
        require_validation(net, loss, *validation, of_validation, options);
      }
    }
    require_parameters(net, run);
    return true;
  });
  Training<Net, Optimizer> training(net, optimizer, run, options, plan, more_is_better);
  if (options.processes.size() > 1) training.require_same(of_validation, fingerprint_of_engine(rng));

  Windows<Net, Data> windows({.memory = options.memory});
  Series<Scalar> dy;
  const typename Net::State zero{};
  const auto learn = [&](std::span<const Index> sequences, Index first, std::uint64_t dropout_seed) {
    if (differs_in_training(net)) windows.train(dropout_seed);
    const auto learn_window = [&](const auto& x, const auto& target, auto& trace, const auto& y) {
      const LossValue value = loss(y, target, dy);
      if (!training.counts(value, [&] { return cause_of<Scalar>(x, target, y, sequences, first); })) return;
      Net& gradient = training.gradient_so_far();
      if (training.is_sum) dy.matrix() *= static_cast<Scalar>(value.counted);
      bptt(net, x, trace, dy, gradient, {.accumulate = true});
      training.add(value, training.is_sum ? TouchedColumns() : TouchedColumns(net, trace, x, gradient));
    };
    const auto& initial = first > 0 && options.carry ? std::as_const(training.carried) : zero;
    const bool some = windows.read(net, data, sequences, first, plan.window, initial, learn_window);
    if (some && options.carry) windows.final_state(net, training.carried);
  };
  ShardPass<Net, Data> shards(net, data, options, plan.window);
  const auto learn_in_shards = [&](std::span<const Index> sequences, Index first, std::uint64_t dropout_seed) {
    double rate = optimizer.options.rate, loss_sum = 0, counted = 0;
    for (const LossValue& each : shards.learn(sequences, first, dropout_seed, loss, training.carried, rate)) {
      if (!training.counts(each, [] { return std::string(); })) continue;
      loss_sum += each.mean * each.counted;
      counted += each.counted;
    }
    if (options.processes.size() > 1) optimizer.options.rate = rate;  // which the first one's callback may have changed
    if (counted == 0) return;
    Index at = 0;
    const auto& sum = shards.sum();
    visit_numbers([&](auto g) { g += sum.segment(at, g.size()).array(), at += g.size(); }, training.gradient_so_far());
    training.add(loss_sum, counted);
  };

  TrainParts parts;
  if (training.in_shards) {
    parts.learn = learn_in_shards;
  } else {
    parts.learn = learn;
  }
  parts.shuffle = [&](std::vector<Index>& order) { shuffle(order, rng); };
  parts.dropout_seed = [&] { return static_cast<std::uint64_t>(uniform(rng) * 0x1p53); };
  if constexpr (may_validate) {
    if (validation)
      parts.validate = [&] { return about_validation([&] { return validate(net, loss, *validation, options); }); };
  }
  return training.train(std::move(parts));
}

/// Where a validation source is: the callers of train() may give it, or a pointer that is null where there is none.
template <class Validation>
const Validation* pointer_to(const Validation& validation) {
  return &validation;
}
template <class Validation>
const Validation* pointer_to(const Validation* validation) {
  return validation;
}

}  // namespace detail

/// Validation data with metrics, for train(): see metrics.hpp.
template <class Data, class... All>
struct Validation : Data {
  using Metrics = std::tuple<All...>;  ///< in the order in which they are reported
  Metrics metrics;                     ///< those

  /// Of a data source and any metrics.
  explicit Validation(Data data, All... all) : Data(std::move(data)), metrics(std::move(all)...) {}
};

/// Trains `net` in place: for each epoch, for each mini-batch of sequences, for each window of steps, one step of the
/// optimiser down the gradient of loss(y, target, dy).
///
///     recur::SeriesData data(x, target);
///     recur::train(net, adam, recur::squared_error, data, rng, {.epochs = 50, .clip_norm = 1});
///
/// For contiguous text, use a few long sequences, `.batch` of the same number, and `.window` steps for one update: the
/// state is carried from window to window. Everything random comes from `rng`. An optimiser of your own has step(net,
/// gradient) and options.rate. With `validation` data, evaluate() is called on it after each epoch, and in the end the
/// network has the parameters that did best there; `.patience` epochs without improvement end it early. Metrics come
/// along, and any of them may say what is best:
///
///     recur::train(net, adam, recur::softmax_cross_entropy, data, recur::Validation(validation, recur::accuracy), rng,
///                  {.best_by = 0, .on_progress = [](const recur::Progress& now) {
///                    if (now.epoch_end) std::cout << now.metrics[0] << "\n";
///                  }});
///
/// With `.accumulate = k` the gradients of k mini-batches (windows of them, where there are windows) make one step, as
/// one mini-batch of k times as many sequences would: the mean over all that they counted.
///
/// A `run` given before the options holds the state of training at any time, and train() goes on from it:
///
///     recur::TrainState<Net> run;
///     recur::train(net, adam, recur::squared_error, data, rng, run, options);  // until the callback stops it, say
///     recur::train(net, adam, recur::squared_error, data, rng, run, options);  // the rest, to the same bits
///
/// Such a run is of one network, one optimiser, one engine and one source of data; give it the same options, too. Where
/// it keeps parameters (`latest`: after validation, or where a loss or a gradient was not finite), the next call begins
/// with these, whatever the network has become since.
///
/// All means are over what the loss counted. Windows in which it counts nothing, or in which all sequences have ended,
/// are skipped without a step. Dropout has another mask in every step, and is off in evaluate().
///
/// An epoch that a callback cuts short is reported and returned with the part that was done; the next call finishes it.
///
/// With `.processes` several train the network together: each reads its own part of every mini-batch, all take the same
/// step, and all end with the same bits, as many as there are: see recur::mpi::Communicator. With `.shards` a single
/// process computes the same bits. All of a shard's gradient is added, untouched columns of tokens too.
///
/// Throws std::invalid_argument on data, or validation data, that do not fit the network, on a run that does not fit
/// the data or the network, on windows for a bidirectional network, and on a network that is all zero, as it is before
/// initialize(), or not finite, before the first step (where only a later window does not fit, or a loss does not
/// return over how much it is, when it comes to that); and std::runtime_error where the loss, its gradient or the
/// parameters after a step are NaN or infinite, saying where, and of a loss, but for shards, which number of x, y or a
/// series of targets it comes from: the network then has the last parameters that gave a
/// finite loss, the optimiser what its last step left. Of several processes all throw ProcessError instead, whatever it
/// was and wherever, and where they are not about to do the same.
template <class Net, class Optimizer, class LossFunction, class Data, std::uniform_random_bit_generator Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data, Engine& rng,
                  const TrainOptions& options = {}) {
  static_assert(!std::is_const_v<Net>, "train: net must not be const, for it is trained in place");
  static_assert(DataSource<Data, typename Net::Scalar>,
                "train: data must be a data source, such as recur::SeriesData data(x, target)");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "train: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  TrainState<Net> run;
  return detail::train(net, optimizer, loss, data, static_cast<const detail::NoValidation*>(nullptr), rng, run,
                       options);
}
/// The same with validation data, or a pointer to such, which may be null.
template <class Net, class Optimizer, class LossFunction, class Data, class Validation,
          std::uniform_random_bit_generator Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation& validation, Engine& rng, const TrainOptions& options = {}) {
  static_assert(!std::is_const_v<Net>, "train: net must not be const, for it is trained in place");
  static_assert(DataSource<Data, typename Net::Scalar>,
                "train: data must be a data source, such as recur::SeriesData data(x, target)");
  static_assert(DataSource<std::remove_pointer_t<Validation>, typename Net::Scalar>,
                "train: validation must be a data source, such as recur::SeriesData validation(x, target)");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "train: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  TrainState<Net> run;
  return detail::train(net, optimizer, loss, data, detail::pointer_to(validation), rng, run, options);
}
/// The same with a run that is kept, and gone on from.
template <class Net, class Optimizer, class LossFunction, class Data, std::uniform_random_bit_generator Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data, Engine& rng,
                  TrainState<std::remove_const_t<Net>>& run, const TrainOptions& options = {}) {
  static_assert(!std::is_const_v<Net>, "train: net must not be const, for it is trained in place");
  static_assert(DataSource<Data, typename Net::Scalar>,
                "train: data must be a data source, such as recur::SeriesData data(x, target)");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "train: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  return detail::train(net, optimizer, loss, data, static_cast<const detail::NoValidation*>(nullptr), rng, run,
                       options);
}
/// The same with validation data and a run.
template <class Net, class Optimizer, class LossFunction, class Data, class Validation,
          std::uniform_random_bit_generator Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation& validation, Engine& rng, TrainState<std::remove_const_t<Net>>& run,
                  const TrainOptions& options = {}) {
  static_assert(!std::is_const_v<Net>, "train: net must not be const, for it is trained in place");
  static_assert(DataSource<Data, typename Net::Scalar>,
                "train: data must be a data source, such as recur::SeriesData data(x, target)");
  static_assert(DataSource<std::remove_pointer_t<Validation>, typename Net::Scalar>,
                "train: validation must be a data source, such as recur::SeriesData validation(x, target)");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "train: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  return detail::train(net, optimizer, loss, data, detail::pointer_to(validation), rng, run, options);
}

/// Without a random engine: does not compile, and says so.
template <class Net, class Optimizer, class LossFunction, class Data>
TrainResult train(Net&, Optimizer&, const LossFunction&, const Data&, const TrainOptions& = {}) {
  static_assert(detail::never<Net>,
                "train: after the data comes a random engine that is not const: std::mt19937 rng(1)");
  return {};
}
/// Without a random engine: does not compile, and says so.
template <class Net, class Optimizer, class LossFunction, class Data, class Validation>
TrainResult train(Net&, Optimizer&, const LossFunction&, const Data&, const Validation&, const TrainOptions& = {}) {
  static_assert(detail::never<Net>,
                "train: after the data comes a random engine that is not const: std::mt19937 rng(1)");
  return {};
}

}  // namespace recur::inline RECUR_ISA
