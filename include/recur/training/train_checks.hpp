#pragma once
/// \file
/// What train() looks at before its first step.

#include "evaluate.hpp"
#include "shard_pass.hpp"
#include "train_state.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <typeinfo>
#include <vector>

namespace recur::inline RECUR_ISA::detail {

/// How an epoch goes through the data: in mini-batches of `batch` sequences, each in windows of `window` steps.
struct TrainPlan {
  Index sequences = 0, steps = 0;  // of the data
  Index batch = 0, window = 0;

  /// The windows of a mini-batch, and of all.
  ///@{
  Index windows_each() const { return (steps + window - 1) / window; }
  Index windows() const { return (sequences + batch - 1) / batch * windows_each(); }
  ///@}
};
/// Throws std::invalid_argument where there are no data, or a window is not for this network.
template <class Net>
TrainPlan plan_of(const auto& data, const TrainOptions& options, const char* what = "data") {
  const Index window = window_of<Net>(data, options.window, "train", what);
  const Index sequences = data.sequences(), steps = data.steps();
  return {.sequences = sequences, .steps = steps, .batch = std::min(options.batch, sequences), .window = window};
}

/// Stands for validation data where there are none, so that evaluate() need not be compiled.
struct NoValidation {};

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
          sizeof...(Metrics), " metrics of recur::Validation(data, metrics ...), from 0 on, got ", which);
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

/// What options must be by themselves.
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

/// Within an epoch, a run can go on only in mini-batches and windows of the same sizes, through the same data.
template <class Net>
void require_run(const TrainState<Net>& run, const TrainPlan& plan) {
  const Progress& now = run.progress;
  if (run.order.empty()) return;
  if (std::ssize(run.order) == plan.sequences) {  // also at the end of an epoch: the next is shuffled from it
    auto order = run.order;
    std::sort(order.begin(), order.end());
    require(order == in_order(plan.sequences), "train: the run's order must have each of ", plan.sequences,
            " sequences once");
  }
  if (now.epoch_end) return;  // none has begun
  require(run.batch == plan.batch && run.window == plan.window, "train: the run is within an epoch of mini-batches of ",
          run.batch, " and windows of ", run.window, ", got ", plan.batch, " and ", plan.window);
  require(std::ssize(run.order) == plan.sequences, "train: the run is within an epoch of ", run.order.size(),
          " sequences, got data of ", plan.sequences);
  require(now.batch >= 0 && now.batch <= plan.windows(), "train: the run has done ", now.batch,
          " steps in this epoch, of which the data has ", plan.windows());
}

/// A run is of one network.
template <class Net>
void require_run_of(const Net& net, const TrainState<Net>& run) {
  for (const std::optional<Net>* const kept : {&run.latest, &run.good, &run.best})
    if (*kept) require_same_shapes("train", "what the run keeps", **kept, "net", net);
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

/// f(), whose std::invalid_argument is about the validation data, and says so.
auto about_validation(auto&& f) {
  try {
    return f();
  } catch (const std::invalid_argument& error) {
#ifdef __cpp_rtti
    if (typeid(error) != typeid(std::invalid_argument)) throw;  // a user's own, which he may wait for
#endif
    throw std::invalid_argument(std::string("train: with the validation data, ") + error.what());
  }
}

/// ", where x of sequence 4 is nan in step 2, feature 0": the first number that is not finite, in the steps that y has,
/// of a window of these sequences from step `first` on; empty where all are finite.
template <class Scalar>
std::string where_not_finite(const char* what, SeriesView<const Scalar> series, SeriesView<const Scalar> y,
                             std::span<const Index> sequences, Index first) {
  for (Index n = 0; n < std::min(series.batch(), y.batch()); ++n)
    for (Index t = 0; t < std::min(series.steps(), y.length(n)); ++t)
      for (Index i = 0; i < series.features(); ++i) {
        const double value = series[t](i, n);
        if (is_finite(value)) continue;
        std::ostringstream text;
        text << ", where " << what << " of sequence " << sequences[static_cast<std::size_t>(n)] << " is "
             << (is_nan(value) ? "nan"
                 : value < 0   ? "-inf"
                               : "inf");
        if (series.steps() == y.steps()) text << " in step " << first + t << ", feature " << i;
        return text.str();
      }
  return "";
}
/// Why a loss is not finite: because of x, of the targets, or of what the network has made of them. Empty where that
/// cannot be seen in numbers.
template <class Scalar>
std::string cause_of(const auto& x, const auto& target, SeriesView<const Scalar> y, std::span<const Index> sequences,
                     Index first) {
  using Series = SeriesView<const Scalar>;
  constexpr bool of_numbers = std::is_convertible_v<decltype(x), Series>;
  std::string cause;
  if constexpr (of_numbers) cause = where_not_finite<Scalar>("x", x, y, sequences, first);
  if (!cause.empty()) return cause;
  cause = where_not_finite<Scalar>("y", y, y, sequences, first);
  if (!cause.empty())
    return cause + (!of_numbers ? "" : first > 0 ? ", but x of this window is finite" : ", but x is finite");
  // Which targets count is for the loss to know.
  if constexpr (std::is_convertible_v<decltype(target), Series>)
    cause = where_not_finite<Scalar>("the target", target, y, sequences, first);
  return cause.empty() ? cause : cause + ", if that counts";
}

/// What does not fit in the validation data is to be found before the first step, not after an epoch.
template <class Net, class LossFunction, class Validation>
void require_validation(const Net& net, const LossFunction& loss, const Validation& validation, const TrainPlan& plan,
                        const TrainOptions& options) {
  Series<typename Net::Scalar> dy;
  about_validation([&] {
    Windows<Net, Validation>({.memory = options.memory})
        .read(net, validation, in_order(plan.batch), 0, plan.window, {},
              [&](const auto&, const auto& target, const auto&, SeriesView<const typename Net::Scalar> y) {
                loss(y, target, dy);
                with_metrics_of(validation, [&](const auto&... metrics) { (void(metrics(y, target)), ...); });
              });
  });
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

/// A new run begins with parameters that have been initialised, and any with finite ones.
template <class Net>
void require_parameters(const Net& net, const TrainState<Net>& run) {
  const Net& begins = run.latest ? *run.latest : net;
  if (run.progress.step == 0) require_initialized(begins);
  const std::string given = not_finite_in(begins);
  require(given.empty(), "train: the parameters of ", run.latest ? "the run's latest network" : "net",
          " must be finite, got ", given);
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
/// That of the order of the sequences.
inline std::string fingerprint_of_order(const std::vector<Index>& order) {
  Fingerprint of;
  of.add(std::as_bytes(std::span(order)));
  return of.text();
}
/// That of a random engine, where it can be written.
template <class Engine>
std::string fingerprint_of_engine(const Engine& rng) {
  Fingerprint of;
  if constexpr (requires(std::ostringstream& text) { text << rng; }) {
    std::ostringstream out;
    out << rng;
    of.add(out.str());
  }
  return of.text();
}

/// What processes that train together must have alike: their options, and where their runs are.
///@{
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
///@}

}  // namespace recur::inline RECUR_ISA::detail
