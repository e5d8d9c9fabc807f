#pragma once
/// \file
/// How good a network is on some data, and going through data in mini-batches and windows.

#include "data.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace recur {

namespace detail {

/// Goes through some sequences in windows. Keeps its buffers.
template <class Net, class Data>
class Windows {
 public:
  using State = typename Net::State;

  /// Reads the window of at most `window` steps from step `first` on, goes forward through it from `initial`, and calls
  /// f(x, target, trace, y). Gives false, and does not, where all sequences have come to their ends before.
  bool read(const Net& net, const Data& data, std::span<const Index> sequences, Index first, Index window,
            const State& initial, auto&& f) {
    data.read(sequences, first, std::min<Index>(window, data.steps() - first), x_, target_);
    if (all_lengths(x_) == 0) return false;
    const auto y = net.forward(x_, trace_, initial);
    f(x_, target_, trace_, y);
    return true;
  }
  /// What a Dropout leaves out in the windows from here on.
  void train(std::uint64_t seed) { trace_.train(seed); }
  /// The state after the window that was read last.
  void final_state(const Net& net, State& state) const { net.final_state(trace_, state); }

 private:
  static Index all_lengths(const Series<typename Net::Scalar>& x) { return SeriesView(x).all_lengths(); }
  static Index all_lengths(const TokensView& x) { return x.all_lengths(); }

  typename InputOf<Data, typename Net::Scalar>::type x_;
  typename Data::Target target_;
  typename Net::Trace trace_;
};

/// The steps of a window, of which there are at least one in `data`.
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
/// through which the state is carried. Windows weigh as their number of columns, of sequences that have not come to
/// their ends.
template <class Net, class LossFunction, DataSource<typename Net::Scalar> Data>
double evaluate(const Net& net, const LossFunction& loss, const Data& data, Index window = 0, Index batch = 32) {
  window = detail::window_of(data, window, "evaluate");
  require(batch > 0, "evaluate: batch > 0 expected, got ", batch);
  const auto order = detail::in_order(data.sequences());
  detail::Windows<Net, Data> windows;
  Series<typename Net::Scalar> dy;
  double sum = 0;
  Index columns = 0;
  for (Index k = 0; k * batch < data.sequences(); ++k) {
    typename Net::State state{};
    for (Index first = 0; first < data.steps(); first += window) {
      const bool some = windows.read(net, data, detail::mini_batch(order, k, batch), first, window, state,
                                     [&](const auto&, const auto& target, const auto&, const auto& y) {
                                       sum += loss(y, target, dy) * static_cast<double>(y.all_lengths());
                                       columns += y.all_lengths();
                                     });
      if (!some) break;
      windows.final_state(net, state);
    }
  }
  require(columns > 0, "evaluate: data must have at least one step of one sequence, got none within the lengths");
  return sum / static_cast<double>(columns);
}

}  // namespace recur
