#pragma once
/// \file
/// The loss and other metrics of a network on data, and how data are read in mini-batches and windows.

#include "../distributed/communicator.hpp"
#include "../layers/segments.hpp"
#include "data.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Whether train() and evaluate() can call a loss with what they have.
template <class LossFunction, class Data, class Scalar>
concept is_loss = requires(const LossFunction loss, SeriesView<const Scalar> y, const typename Data::Target& target,
                           Series<Scalar>& dy) {
  { loss(y, target, dy) } -> std::same_as<LossValue>;
};

/// Whether evaluate() can call a metric with what it has.
template <class Metric, class Data, class Scalar>
concept is_metric = requires(const Metric metric, SeriesView<const Scalar> y, const typename Data::Target& target) {
  { metric(y, target) } -> std::convertible_to<LossValue>;
};

/// What evaluate() returns: the loss, or the loss and the metrics.
template <class... Metrics>
using Evaluation = std::conditional_t<sizeof...(Metrics) == 0, double, std::array<double, 1 + sizeof...(Metrics)>>;

/// A mean over all that was counted, from means of parts.
class RunningMean {
 public:
  void add(const LossValue& part) {
    if (part.counted > 0) sum_ += part.mean * part.counted;
    counted_ += part.counted;
  }
  double counted() const { return counted_; }
  double mean() const { return sum_ / counted_; }
  /// Of a metric, which may be something else than a mean.
  double of(const auto& metric) const {
    if constexpr (requires { metric.of_mean(mean()); }) {
      return metric.of_mean(mean());
    } else {
      return mean();
    }
  }

 private:
  double sum_ = 0, counted_ = 0;
};

/// Goes through some sequences in windows. Keeps its buffers.
template <class Net, class Data>
class Windows {
 public:
  using State = typename Net::State;
  using Input = typename InputOf<Data, typename Net::Scalar>::type;
  using View = std::conditional_t<std::is_same_v<Input, Tokens>, TokensView, SeriesView<const typename Net::Scalar>>;

  /// With such a trace.
  explicit Windows(TraceOptions options) : trace_(options) {}

  /// Reads the window of at most `window` steps from step `first` on, goes forward through it from `initial`, and calls
  /// f(x, target, trace, y). Returns false, without a call, where all sequences have ended before `first`.
  bool read(const Net& net, const Data& data, std::span<const Index> sequences, Index first, Index window,
            const State& initial, auto&& f) {
    const Index all = data.steps(), steps = std::min<Index>(window, all - first);
    left_.clear();
    bool some = false, unequal = false;
    for (const Index n : sequences) {
      const Index length = length_of(data, n);
      left_.push_back(std::max<Index>(0, length - first));
      some = some || length > first;
      unequal = unequal || length < all;
    }
    if (!some) return false;
    data.read(sequences, first, steps, x_, target_);
    require(x_.batch() == std::ssize(sequences) && x_.steps() == steps, "data.read must give x of ",
            std::ssize(sequences), " sequences and ", steps, " steps, which it was asked for, got ", x_.batch(),
            " and ", x_.steps());
    const View all_x(x_);
    const View x = unequal ? all_x.with_steps_left(left_) : all_x.followed_by(all - first - steps);
    const auto y = net.forward(x, trace_, initial);
    f(x, target_, trace_, y);
    return true;
  }
  /// Enables dropout in the windows from here on, with the mask of `seed`.
  void train(std::uint64_t seed) { trace_.train(seed); }
  /// The state after the window that was read last.
  void final_state(const Net& net, State& state) const { net.final_state(trace_, state); }

 private:
  Input x_;
  typename Data::Target target_;
  std::vector<Index> left_;  // steps of each sequence from the window's first on
  typename Net::Trace trace_;
};

/// The steps of a window, of which there are at least one in `data`.
template <class Net, class Data>
Index window_of(const Data& data, Index window, const char* where, const char* what = "data") {
  require(data.sequences() > 0 && data.steps() > 0, where, ": ", what,
          " must have at least one step of one sequence, got ", data.sequences(), " sequences of ", data.steps(),
          " steps");
  require(window >= 0, where, ": window >= 0 expected, got ", window);
  const Index steps = data.steps();
  require(Net::causal || window == 0 || window >= steps, where, ": a window of ", window, " of ", steps,
          " steps is for networks that go forward in time alone, this one has a bidirectional layer");
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

/// Options of evaluate().
struct EvaluateOptions {
  Index window = 0;          ///< steps at once, through which the state is carried; 0 for whole sequences
  Index batch = 32;          ///< sequences at once
  Index memory = 0;          ///< bytes for what forward keeps: see TraceOptions; 0 without a bound
  Processes processes = {};  ///< that share the work, a Communicator: all have the same result, to the bit
};

/// The mean loss over all of `data`, each sequence from a zero state, and metrics (see metrics.hpp):
///
///     const double loss = recur::evaluate(net, data, recur::squared_error);
///     const auto [loss, share] = recur::evaluate(net, data, recur::softmax_cross_entropy, recur::accuracy);
///
/// Returns a double, or a std::array of the loss and the metrics in their order. Means are over all that the loss, or
/// the metric, counted, however the data are cut into mini-batches and windows. Where a metric counted nothing it is
/// NaN. A metric of your own is any callable metric(y, target), of a SeriesView<const Scalar> and a Data::Target, that
/// returns a LossValue: a mean, and over how much it is. Other losses are metrics, too.
///
/// Throws std::invalid_argument where data do not fit the network, are empty, or have no step that the loss counts;
/// where the loss or a metric does not return over how much it is, a finite number >= 0;
/// where window < 0 or batch <= 0; and where window is smaller than the series and the network is bidirectional. Of
/// several processes all throw ProcessError instead, wherever it was.
template <class Net, class Data, class LossFunction, class... Metrics>
detail::Evaluation<Metrics...> evaluate(const Net& net, const Data& data, EvaluateOptions options,
                                        const LossFunction& loss, const Metrics&... metrics) {
  static_assert(DataSource<Data, typename Net::Scalar>,
                "evaluate: after net comes a data source: see SeriesData, ClassData and TokenData; then the loss");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "evaluate: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  static_assert((detail::is_metric<Metrics, Data, typename Net::Scalar> && ...),
                "evaluate: a metric must be callable as metric(y, target) with y a SeriesView<const Scalar> and target "
                "a Data::Target, and return a LossValue: the mean and over how much it is");
  constexpr std::size_t count = 1 + sizeof...(Metrics);
  struct Part {
    Index batch;
    std::array<LossValue, count> values;
  };
  std::vector<Part> parts;  // of each window of each mini-batch that is this process's
  const auto go_through = [&] {
    const Index window = detail::window_of<Net>(data, options.window, "evaluate");
    require(options.batch > 0, "evaluate: batch > 0 expected, got ", options.batch);
    const Index batch = std::min<Index>(options.batch, data.sequences());
    const auto order = detail::in_order(data.sequences());
    detail::Windows<Net, Data> windows({.memory = options.memory});
    Series<typename Net::Scalar> dy;
    for (Index k = options.processes.rank(); k * batch < data.sequences(); k += options.processes.size()) {
      typename Net::State state{};
      for (Index first = 0; first < data.steps(); first += window) {
        const bool some =
            windows.read(net, data, detail::mini_batch(order, k, batch), first, window, state,
                         [&](const auto&, const auto& target, const auto&, SeriesView<const typename Net::Scalar> y) {
                           parts.push_back({k, {loss(y, target, dy), LossValue(metrics(y, target))...}});
                           for (const LossValue& each : parts.back().values)
                             require(detail::is_finite(each.counted) && each.counted >= 0,
                                     "evaluate: a loss or metric must return over how much it is, a finite number >= "
                                     "0, got ",
                                     each.counted);
                         });
        if (!some) break;
        windows.final_state(net, state);
      }
    }
    return static_cast<double>(parts.size());
  };
  const auto counts = detail::together("evaluate", options.processes, go_through);
  if (options.processes.size() > 1)
    parts = detail::gather(options.processes, std::span<const Part>(parts), {counts.begin(), counts.end()});
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.batch < b.batch; });
  std::array<detail::RunningMean, count> means;
  for (const Part& each : parts)
    for (std::size_t i = 0; i < count; ++i) means[i].add(each.values[i]);
  detail::require_alike(options.processes, means[0].counted() > 0,
                        "evaluate: data must have at least one step that counts, got none");
  if constexpr (sizeof...(Metrics) == 0) {
    return means[0].mean();
  } else {
    std::size_t i = 1;
    return {means[0].mean(), means[i++].of(metrics)...};
  }
}
/// The same with the options as they are.
template <class Net, class Data, class LossFunction, class... Metrics>
  requires(!std::same_as<LossFunction, EvaluateOptions>)
detail::Evaluation<Metrics...> evaluate(const Net& net, const Data& data, const LossFunction& loss,
                                        const Metrics&... metrics) {
  static_assert(DataSource<Data, typename Net::Scalar>,
                "evaluate: after net comes a data source: see SeriesData, ClassData and TokenData; then the loss");
  static_assert(detail::is_loss<LossFunction, Data, typename Net::Scalar>,
                "evaluate: loss must be callable as loss(y, target, dy) with y a SeriesView<const Scalar>, target a "
                "Data::Target and dy a Series<Scalar>&, and return a LossValue: the mean and over how much it is");
  static_assert((detail::is_metric<Metrics, Data, typename Net::Scalar> && ...),
                "evaluate: a metric must be callable as metric(y, target) with y a SeriesView<const Scalar> and target "
                "a Data::Target, and return a LossValue: the mean and over how much it is");
  return evaluate(net, data, EvaluateOptions(), loss, metrics...);
}

}  // namespace recur::inline RECUR_ISA
