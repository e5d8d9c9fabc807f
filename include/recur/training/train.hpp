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
#include "train_state.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <tuple>

namespace recur::inline RECUR_ISA {

namespace detail {

inline void require_options(const TrainOptions& options, bool validation) {
  require(options.epochs > 0, "train: epochs > 0 expected, got ", options.epochs);
  require(options.batch > 0, "train: batch > 0 expected, got ", options.batch);
  require(options.clip_norm >= 0 && options.clip_value >= 0, "train: clip_norm >= 0 and clip_value >= 0 expected, got ",
          options.clip_norm, " and ", options.clip_value);
  require(options.patience >= 0, "train: patience >= 0 expected, got ", options.patience);
  require(options.patience == 0 || validation, "train: patience needs validation data");
  require(options.accumulate > 0, "train: accumulate > 0 expected, got ", options.accumulate);
  require(options.shards >= 0, "train: shards >= 0 expected, got ", options.shards);
  require(shards_of(options) >= options.processes.size(), "train: shards (", shards_of(options),
          options.shards == 0 ? " where they are not given" : "", ") >= the number of processes expected, got ",
          options.processes.size(), " processes");
}

/// f(metric ...) with those of a validation; there are none where it is plain data.
decltype(auto) with_metrics_of(const auto& validation, auto&& f) {
  if constexpr (requires { validation.metrics; }) {
    return std::apply(f, validation.metrics);
  } else {
    return f();
  }
}
template <class Data>
struct MetricsOf {
  using type = std::tuple<>;
};
template <class Data>
  requires requires { typename Data::Metrics; }
struct MetricsOf<Data> {
  using type = typename Data::Metrics;
};

/// Whether more is better, of what says what is best: one of the metrics, or the loss (-1).
template <class Data, class Scalar, class... Metrics>
bool higher_is_better(const std::tuple<Metrics...>*, Index which) {
  require(which >= -1 && which < Index(sizeof...(Metrics)), "train: best_by must be -1, for the loss, or one of ",
          sizeof...(Metrics), " metrics of recur::Validation, from 0 on, got ", which);
  enum Better { lower, higher, unknown };
  [[maybe_unused]] const auto of = [](const auto* metric) {
    using Metric = std::decay_t<decltype(*metric)>;
    if constexpr (requires { Metric::higher_is_better; }) {
      return Metric::higher_is_better ? higher : lower;
    } else {
      return is_loss<Metric, Data, Scalar> ? lower : unknown;
    }
  };
  const Better better = std::array{lower, of(static_cast<const Metrics*>(nullptr))...}[std::size_t(which + 1)];
  require(better != unknown, "train: best_by is metric ", which,
          ", which does not say what is better: a static constexpr bool higher_is_better expected");
  return better == higher;
}
/// The validation loss, then the metrics.
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

template <class Engine>
std::uint64_t dropout_seed(Engine& rng) {
  return static_cast<std::uint64_t>(uniform(rng) * 0x1p53);
}

/// Within an epoch, a run can go on only in mini-batches and windows of the same sizes, through the same data.
template <class Net>
void require_run(const TrainState<Net>& run, Index sequences, Index batch, Index window, Index batches) {
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

/// A run with validation data goes on only with as many metrics, and with the same one to say what is best.
template <class Net>
void require_validations(const TrainState<Net>& run, std::size_t metrics, Index best_by) {
  const std::size_t epochs = run.validations.size();
  require(run.metrics.size() == epochs * metrics, "train: the run has ", run.metrics.size(), " metrics of ", epochs,
          " epochs with validation data, expected ", epochs * metrics, " (", metrics, " in each)");
  require(run.best_epoch < 0 || run.best_by == best_by, "train: the run has chosen the best by best_by = ", run.best_by,
          ", got ", best_by);
}

/// Throws where all parameters are zero, but for those of layers that have a start of their own (the gain of a
/// LayerNorm is 1 from the beginning): then all gradients but those of the last biases are zero, and nothing is learnt.
template <class Net>
void require_initialized(const Net& net) {
  bool zero = true;
  Index count = 0;
  for_each_leaf(
      [&]<class Leaf>(const Leaf& leaf) {
        if constexpr (!requires(Leaf& own, std::mt19937& rng) { own.start(rng); }) {
          recur::visit(
              [&](const Name&, const auto& p) {
                zero = zero && p.isZero(0);
                count += p.size();
              },
              leaf);
        }
      },
      net);
  require(!zero || count == 0,
          "train: net must be initialised, as by recur::initialize(net, rng), got one whose parameters are all zero");
}

/// Throws where what train() is given does not fit, before the first step.
template <class Net, class LossFunction, class Data, class Validation>
void require_training(const Net& net, const LossFunction& loss, const Data& data, const Validation* validation,
                      const TrainState<Net>& run, const TrainOptions& options) {
  const Index window = window_of<Net>(data, options.window, "train");
  require_options(options, validation != nullptr);
  const Index sequences = data.sequences(), batch = std::min(options.batch, sequences);
  require_run(run, sequences, batch, window, (sequences + batch - 1) / batch * ((data.steps() + window - 1) / window));
  using Metrics = typename MetricsOf<Validation>::type;
  higher_is_better<Validation, typename Net::Scalar>(static_cast<const Metrics*>(nullptr), options.best_by);
  if (validation) {  // What does not fit is to be found before the first step, not after an epoch.
    require_validations(run, std::tuple_size_v<Metrics>, options.best_by);
    const Index steps = window_of<Net>(*validation, options.window, "train", "validation");
    const auto some = in_order(std::min(options.batch, Index(validation->sequences())));
    Series<typename Net::Scalar> dy;
    Windows<Net, Validation>({.memory = options.memory})
        .read(net, *validation, some, 0, steps, {},
              [&](const auto&, const auto& target, const auto&, SeriesView<const typename Net::Scalar> y) {
                loss(y, target, dy);
                with_metrics_of(*validation, [&](const auto&... metrics) { (void(metrics(y, target)), ...); });
              });
  }
  if (run.progress.step == 0) require_initialized(net);
  const std::string given = not_finite_in(net);
  require(given.empty(), "train: the parameters of net must be finite, got ", given);
}

/// A fingerprint of all parameters.
template <class Net>
std::string fingerprint_of(const Net& net) {
  Fingerprint of;
  visit_numbers([&](auto p) { of.add(std::as_bytes(std::span(p.data(), static_cast<std::size_t>(p.size())))); }, net);
  return of.text();
}
/// The same of all that an optimiser keeps, where it says so, as for checkpoints.
template <class Optimizer>
std::string fingerprint_of_optimizer(const Optimizer& optimizer) {
  Fingerprint of;
  if constexpr (requires { Optimizer::visit_parts([](const char*, const auto&) {}, optimizer); }) {
    Optimizer::visit_parts(
        [&]<class Part>(const char*, const Part& part) {
          if constexpr (std::is_arithmetic_v<Part>) of.add(std::as_bytes(std::span(&part, 1)));
          if constexpr (Parameterized<const Part>) of.add(fingerprint_of(part));
        },
        optimizer);
  }
  return of.text();
}
inline std::string fingerprint_of_order(const std::vector<Index>& order) {
  Fingerprint of;
  of.add(std::as_bytes(std::span(order)));
  return of.text();
}
inline void add_options(SameEverywhere& same, const TrainOptions& options) {
  same.add("epochs", options.epochs);
  same.add("batch", options.batch);
  same.add("shuffle", options.shuffle);
  same.add("window", options.window);
  same.add("carry", options.carry);
  same.add("clip_norm", options.clip_norm);
  same.add("clip_value", options.clip_value);
  same.add("accumulate", options.accumulate);
  same.add("best_by", options.best_by);
  same.add("patience", options.patience);
  same.add("shards", shards_of(options));
  same.add("whether there is an on_progress", bool(options.on_progress));
  same.add("all_report", options.all_report);
  same.add("whether there is a schedule", bool(options.schedule));
}
inline void add_progress(SameEverywhere& same, const Progress& of_run) {
  same.add("the run's epoch", of_run.epoch);
  same.add("the run's batch", of_run.batch);
  same.add("the run's step", of_run.step);
}
/// Throws, in all processes, unless they are about to do the same.
template <class Net, class Optimizer, class Data, class Validation, class Engine>
void require_same_training(const Net& net, const Optimizer& optimizer, const Data& data, const Validation* validation,
                           const Engine& rng, const TrainState<Net>& run, const TrainOptions& options) {
  SameEverywhere same;
  same.add("the processor that recur was compiled for", RECUR_ISA_TEXT);
  same.add("the network", describe(net, "net"));
  same.add("data.sequences()", data.sequences());
  same.add("data.steps()", data.steps());
  same.add("validation.sequences()", validation ? Index(validation->sequences()) : 0);
  same.add("validation.steps()", validation ? Index(validation->steps()) : 0);
  add_options(same, options);
  add_progress(same, run.progress);
  same.add("the run's best epoch", run.best_epoch);
  same.add("the run's best validation", run.best_validation);
  same.add("the fingerprint of the run's order", fingerprint_of_order(run.order));
  same.add("the optimiser's rate", optimizer.options.rate);
  same.add("the fingerprint of the optimiser", fingerprint_of_optimizer(optimizer));
  same.add("the fingerprint of the parameters", fingerprint_of(run.latest ? *run.latest : net));
  if constexpr (requires(std::ostringstream& text) { text << rng; }) {
    std::ostringstream out;
    out << rng;
    Fingerprint of;
    of.add(out.str());
    same.add("the fingerprint of the random engine", of.text());
  }
  same.require_for("train", options.processes);
}

/// train(), where everything is given; `validation` may be null.
template <class Net, class Optimizer, class LossFunction, class Data, class Validation, class Engine>
TrainResult train(Net& net, Optimizer& optimizer, const LossFunction& loss, const Data& data,
                  const Validation* validation, Engine& rng, TrainState<Net>& run, const TrainOptions& options) {
  const Processes& processes = options.processes;
  together("train", processes, [&] { return require_training(net, loss, data, validation, run, options), true; });
  if (processes.size() > 1) require_same_training(net, optimizer, data, validation, rng, run, options);
  const Index window = window_of<Net>(data, options.window, "train");
  const Index sequences = data.sequences(), batch = std::min(options.batch, sequences);
  const Index windows_each = (data.steps() + window - 1) / window;
  const Index batches = (sequences + batch - 1) / batch * windows_each;
  using Metrics = typename MetricsOf<Validation>::type;
  const bool higher =
      higher_is_better<Validation, typename Net::Scalar>(static_cast<const Metrics*>(nullptr), options.best_by);
  const bool in_shards = processes || options.shards > 1;
  const bool sums = in_shards || options.accumulate > 1;  // of gradients, each times what its loss counted

  Net gradient = zeros_like(net);
  TouchedColumns touched, touched_before;  // of the gradient: by this step and the one before
  bool good_is_old = true;                 // run.good: in other columns, too
  Windows<Net, Data> windows({.memory = options.memory});
  Series<typename Net::Scalar> dy;
  if (run.latest) net = *run.latest;
  run.latest.reset();

  bool stopped = false;
  const auto report = [&](const Progress& progress) {
    if (!options.on_progress) return;
    const bool is_told = processes.rank() == 0 || options.all_report;
    for (const double goes_on : together("train", processes, [&] { return !is_told || options.on_progress(progress); }))
      stopped = stopped || goes_on == 0;
  };
  const auto fail = [&](const std::string& what, Index at) {
    if (run.good) net = *run.good;
    std::ostringstream message;
    message << "train: " << what << " at epoch " << run.progress.epoch << ", batch " << at
            << " (both counted from 0); the network keeps the last parameters that gave a finite loss";
    if (processes.size() > 1) throw ProcessError(message.str());  // for all have found it
    throw std::runtime_error(message.str());
  };
  const auto require_finite = [&](const std::string& what, double value, Index at) {
    if (is_finite(value)) return;
    run.latest = net;
    fail(what + " is " + (is_nan(value) ? "nan" : value < 0 ? "-inf" : "inf"), at);
  };

  const auto require_same = [&](const char* what, auto&& text) {
    if (processes.size() == 1) return;
    SameEverywhere same;
    same.add(std::string(what) + " " + std::to_string(run.progress.epoch), text());
    same.require_for("train", processes);
  };
  const auto begin_epoch = [&] {
    Progress& now = run.progress;
    now = {
        .epoch = now.epoch + (now.epoch_end ? 1 : 0), .epochs = options.epochs, .batches = batches, .step = now.step};
    run.batch = batch;
    run.window = window;
    run.loss_sum = 0;
    run.counted = 0;
    if (std::ssize(run.order) != sequences) run.order = in_order(sequences);
    if (options.shuffle) shuffle(run.order, rng);
    require_same("the fingerprint of the order of the sequences, which comes from the random engine, in epoch",
                 [&] { return fingerprint_of_order(run.order); });
  };
  // Of the windows since the last step of the optimiser; the run itself is always as it was after a step, or is where
  // nothing has been added since.
  struct {
    Index windows = 0, end = 0;  // with a loss, and where the next window is
    double loss_sum = 0, counted = 0;
    bool is_empty() const { return counted == 0; }
  } since;
  typename Net::State carried;
  // Adds the gradient of a window.
  const auto learn = [&](const auto& x, const auto& target, auto& trace, const auto& y) {
    const LossValue value = loss(y, target, dy);
    if (!(value.counted > 0)) return;  // nothing to learn from
    require_finite("the loss", value.mean, since.end);
    if (since.is_empty()) {
      std::swap(touched, touched_before);
      touched_before.visit([](auto g) { g.setZero(); }, gradient);
    }
    // A mean over all of them: of a single one, dL/dy as it is.
    if (sums) dy.matrix() *= static_cast<typename Net::Scalar>(value.counted);
    bptt(net, x, trace, dy, gradient, {.accumulate = true});
    touched = sums ? TouchedColumns() : TouchedColumns(net, trace, x, gradient);
    since.loss_sum += value.mean * value.counted;
    since.counted += value.counted;
    ++since.windows;
  };
  // The same of the shards of a mini-batch.
  ShardPass<Net, Data> shards(net, data, options, window);
  const auto learn_in_shards = [&](std::span<const Index> of_batch, Index first, std::uint64_t seed) {
    double rate = optimizer.options.rate, loss_sum = 0, counted = 0;
    for (const LossValue& each : shards.learn(of_batch, first, seed, loss, carried, rate)) {
      if (!(each.counted > 0)) continue;
      require_finite("the loss", each.mean, since.end);
      loss_sum += each.mean * each.counted;
      counted += each.counted;
    }
    if (processes.size() > 1) optimizer.options.rate = rate;  // which the first one's callback may have changed
    if (counted == 0) return;
    if (since.is_empty()) set_zero(gradient);
    Index at = 0;
    const auto& sum = shards.sum();
    visit_numbers([&](auto g) { g += sum.segment(at, g.size()).array(), at += g.size(); }, gradient);
    touched = TouchedColumns();
    since.loss_sum += loss_sum;
    since.counted += counted;
    ++since.windows;
  };
  const auto step = [&] {
    Progress now = run.progress;
    now.batch = since.end;
    now.loss = since.loss_sum / since.counted;
    if (sums) visit_numbers([&](auto g) { g /= static_cast<typename Net::Scalar>(since.counted); }, gradient);
    now.gradient_norm = global_norm(gradient, touched);
    require_finite("the norm of the gradient", now.gradient_norm, run.progress.batch);
    if (good_is_old) {
      run.good = net;
    } else {
      touched_before.visit([](auto, auto good, auto p) { good = p; }, gradient, *run.good, net);
    }
    if (options.clip_value > 0) clip_value(gradient, touched, options.clip_value);
    if (options.clip_norm > 0) {
      const double norm = options.clip_value > 0 ? global_norm(gradient, touched) : now.gradient_norm;
      clip_to_norm(gradient, touched, norm, options.clip_norm);
    }
    if (options.schedule)
      optimizer.options.rate = together("train", processes, [&] { return options.schedule(now.step); })[0];
    now.rate = optimizer.options.rate;
    bool touched_alone = false;  // were changed
    bool finite = true;
    for (const double each : together("train", processes, [&] {
           if constexpr (requires { touched_alone = optimizer.step(net, gradient, touched); }) {
             touched_alone = optimizer.step(net, gradient, touched);
           } else {
             optimizer.step(net, gradient);
           }
           bool all = true;
           if (touched_alone) {
             touched.visit([&](auto, auto p) { all = all && all_finite(p); }, gradient, net);
           } else {
             visit_numbers([&](auto p) { all = all && all_finite(p); }, net);
           }
           return all;
         }))
      finite = finite && each != 0;
    good_is_old = !touched_alone;
    if (!finite)
      fail("the step of the optimiser, of rate " + describe(now.rate) + ", made " + not_finite_in(net),
           run.progress.batch);
    ++now.step;
    run.loss_sum += since.loss_sum;
    run.counted += since.counted;
    run.progress = now;
  };
  const auto end_epoch = [&](TrainState<Net>& epoch) {
    // What the first process's callback alone has changed, or a user's optimiser, may be another network.
    require_same("the fingerprint of the parameters in epoch", [&] { return fingerprint_of(net); });
    require_alike(processes, epoch.counted > 0, "train: data must have at least one step that counts, got none");
    Progress now = epoch.progress;
    now.epoch_end = true;
    now.loss = epoch.loss_sum / epoch.counted;
    if (validation) {
      const std::vector<double> all = validate(net, loss, *validation, options);
      now.validation = all[0];
      require_finite("the validation loss", now.validation, run.progress.batch);
      epoch.validations.push_back(now.validation);
      now.metrics.assign(all.begin() + 1, all.end());
      epoch.metrics.insert(epoch.metrics.end(), all.begin() + 1, all.end());
      const double chosen = all[static_cast<std::size_t>(options.best_by + 1)];
      if (is_nan(chosen))
        require_finite(
            "metric " + std::to_string(options.best_by) + " of the validation data, which says what is best,", chosen,
            run.progress.batch);
      if (const double low = higher ? -chosen : chosen; low < epoch.best_validation) {
        epoch.best_validation = low;
        epoch.best_epoch = now.epoch;
        epoch.best_by = options.best_by;
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
    carried = run.state;
    since = {.end = now.batch};
    while (since.end < batches && !stopped) {
      const Index first = since.end % windows_each * window;
      const std::uint64_t seed = differs_in_training(net) ? dropout_seed(rng) : 0;
      const auto of_batch = mini_batch(run.order, since.end / windows_each, batch);
      if (in_shards) {
        learn_in_shards(of_batch, first, seed);
      } else {
        if (differs_in_training(net)) windows.train(seed);
        const bool some =
            windows.read(net, data, of_batch, first, window, first > 0 && options.carry ? carried : zero, learn);
        if (some && options.carry) windows.final_state(net, carried);
      }
      ++since.end;
      const bool steps = since.windows == options.accumulate || (since.end == batches && !since.is_empty());
      if (steps) step();
      if (steps || since.is_empty()) {
        run.progress.batch = since.end;
        run.state = carried;
        since = {.end = since.end};
      }
      if (steps) report(now);
    }
    if (!stopped) {
      end_epoch(run);
      report(now);
    }
  }

  TrainState<Net> told = run;
  if (stopped && !now.epoch_end) {
    end_epoch(told);
    report(told.progress);
  }
  if (validation && told.best) {
    run.latest = net;
    net = *told.best;
  }
  TrainResult result{told.losses, told.validations, told.best_epoch, stopped || out_of_patience()};
  const std::size_t epochs = told.validations.size(), metrics = epochs == 0 ? 0 : told.metrics.size() / epochs;
  for (std::size_t k = 0; k < epochs; ++k) {
    const auto first = told.metrics.begin() + static_cast<std::ptrdiff_t>(k * metrics);
    result.metrics.emplace_back(first, first + static_cast<std::ptrdiff_t>(metrics));
  }
  return result;
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
/// the data, on windows for a bidirectional network, and on a network that is all zero, as it is before initialize(),
/// or not finite, before the first step (where only a later window does not fit, when it comes to that); and
/// std::runtime_error where the loss, its gradient or the parameters after a step are NaN or infinite, saying where:
/// the network then has the last parameters that gave a finite loss. Of several processes all throw ProcessError
/// instead, whatever it was and wherever, and where they are not about to do the same.
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
  return detail::train(net, optimizer, loss, data, static_cast<const Data*>(nullptr), rng, run, options);
}
/// The same with validation data.
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
  return detail::train(net, optimizer, loss, data, static_cast<const Data*>(nullptr), rng, run, options);
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
