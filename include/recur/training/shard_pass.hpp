#pragma once
/// \file
/// A window of a mini-batch in shards, of which each process goes through its own.

#include "../distributed/shards.hpp"
#include "bptt.hpp"
#include "evaluate.hpp"
#include "train_state.hpp"

#include <optional>

namespace recur::inline RECUR_ISA::detail {

/// The shards of a mini-batch.
inline Index shards_of(const TrainOptions& options) {
  return options.shards > 0 ? options.shards : options.processes ? 16 : 1;
}

/// Whether some layer does: one with dropout, or a cell whose rule has random bits.
template <class Layer>
bool differs_in_training(const Layer& layer) {
  bool some = false;
  if constexpr (requires { layer.differs_in_training(); }) some = layer.differs_in_training();
  if constexpr (requires { layer.probability(); }) some = layer.probability() > 0;
  if constexpr (requires { layer.dropout(); }) some = layer.dropout() > 0;
  if constexpr (requires { Layer::visit_layers(layer, [](const auto&) {}); })
    Layer::visit_layers(layer, [&](const auto& each) { some = some || differs_in_training(each); });
  return some;
}
/// Goes through windows of mini-batches, and adds up the gradients of their shards. Keeps its buffers.
template <class Net, class Data>
class ShardPass {
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;

 public:
  /// The data are read in windows of so many steps.
  ShardPass(const Net& net, const Data& data, const TrainOptions& options, Index window)
      : net_(net), data_(data), options_(options), window_(window), carries_(options.carry && window < data.steps()),
        windows_({.memory = options.memory}), tree_(options.processes) {}

  /// The losses of all shards of some sequences, in the window from step `first` on; sum() is their gradient then, of
  /// each times what its loss counted. `carried` is the state of all sequences before the window, and becomes that
  /// after it. `rate` becomes the first process's.
  std::vector<LossValue> learn(std::span<const Index> sequences, Index first, std::uint64_t seed, const auto& loss,
                               State& carried, double& rate) {
    const Processes& processes = options_.processes;
    const Index n = std::ssize(sequences), shards = std::min(shards_of(options_), n);
    if (carries_ && (first == 0 || !has_columns(carried, n))) set_zero_state(net_, carried, n);
    if (!gradient_) gradient_ = zeros_like(net_);

    std::vector<LossValue> losses;
    const auto of_shard = [&](Index shard, VectorOf<Scalar>& numbers) {
      const Range columns = part(n, shards, shard);
      losses.push_back(learn_shard(
          sequences.subspan(static_cast<std::size_t>(columns.first), static_cast<std::size_t>(columns.size())), columns,
          first, seed + static_cast<std::uint64_t>(shard) * 0xd1342543de82ef95u, loss, carried));
      Index at = 0;
      visit_numbers([&](auto g) { numbers.segment(at, g.size()) = g, at += g.size(); }, *gradient_);
    };
    rate = together("train", processes, [&] {
      tree_.add_own(shards, parameter_count(net_), of_shard);
      return rate;
    })[0];
    if (carries_) {
      gather_state<Scalar>(processes, carried, [&](Index r) {
        const Range own = tree_.own(shards, r);
        return Range{part(n, shards, own.first).first, part(n, shards, own.end).first};
      });
    }
    std::vector<std::size_t> counts;
    for (Index r = 0; r < processes.size(); ++r)
      counts.push_back(static_cast<std::size_t>(tree_.own(shards, r).size()));
    return gather(processes, std::span<const LossValue>(losses), counts);
  }
  /// Parameters in the order of visit().
  const VectorOf<Scalar>& sum() { return tree_.sum(); }

 private:
  /// Whether a state is one of n sequences: not that of a run that has carried none so far.
  bool has_columns(const State& state, Index n) const {
    bool all = true;
    for_each_stateful(
        [&](const auto& layer, const auto& s) { all = all && (layer.state_size() == 0 || s.cols() == n); }, net_,
        state);
    return all;
  }
  LossValue learn_shard(std::span<const Index> sequences, Range columns, Index first, std::uint64_t seed,
                        const auto& loss, State& carried) {
    LossValue value{};
    set_zero(*gradient_);
    if (differs_in_training(net_)) windows_.train(seed);
    const State before = carries_ && first > 0 ? columns_of_state(carried, columns) : State{};
    const bool some = windows_.read(net_, data_, sequences, first, window_, before,
                                    [&](const auto& x, const auto& target, auto& trace, const auto& y) {
                                      value = loss(y, target, dy_);
                                      if (!(value.counted > 0) || !is_finite(value.mean)) return;
                                      dy_.matrix() *= static_cast<Scalar>(value.counted);
                                      bptt(net_, x, trace, dy_, *gradient_);
                                    });
    if (carries_ && some) {
      windows_.final_state(net_, after_);
      set_columns_of_state(carried, columns, after_);
    }
    return value;
  }

  const Net& net_;
  const Data& data_;
  const TrainOptions& options_;
  const Index window_;
  const bool carries_;
  Windows<Net, Data> windows_;
  TreeSum<Scalar> tree_;
  std::optional<Net> gradient_;  // of a shard
  Series<Scalar> dy_;
  State after_;
};

}  // namespace recur::inline RECUR_ISA::detail
