#pragma once
/// \file
/// An average of the parameters that training goes through, which is often better than where it ends.

#include "../base/parameters.hpp"

#include <optional>

namespace recur::inline RECUR_ISA {

/// An exponential moving average of the parameters theta of a network (B. T. Polyak, A. B. Juditsky, "Acceleration of
/// stochastic approximation by averaging", 1992, as most use it now): of the first update it is theta, from then on
///
///     average <- decay average + (1 - decay) theta
///
///     recur::MovingAverage<decltype(net)> average(0.999);
///     recur::train(net, adam, loss, data, rng, {.on_progress = [&](const recur::Progress& now) {
///       if (!now.epoch_end) average.update(net);               // after every step
///     }});
///     recur::evaluate(average.net(), other_data, loss);
///
/// PyTorch's torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay).
template <class Net>
class MovingAverage {
 public:
  /// Throws std::invalid_argument unless 0 <= decay < 1.
  explicit MovingAverage(double decay) : decay_(decay) {
    require(decay >= 0 && decay < 1, "MovingAverage: 0 <= decay < 1 expected, got ", decay);
  }

  /// Takes the parameters in. Throws std::invalid_argument where they have other shapes than those of the first update.
  void update(const Net& net) {
    if (!average_) return void(average_ = net);
    require_same_shapes("MovingAverage", "net", net, "the average", *average_);
    recur::visit(
        [&](const Name&, auto& average, const auto& theta) {
          using Scalar = typename std::decay_t<decltype(average)>::Scalar;
          average += static_cast<Scalar>(1 - decay_) * (theta - average);
        },
        *average_, net);
  }
  /// The network with the averaged parameters. Throws std::invalid_argument before the first update.
  const Net& net() const {
    require(average_.has_value(), "MovingAverage: an update expected before net()");
    return *average_;
  }
  /// 0 <= decay < 1
  double decay() const { return decay_; }

 private:
  double decay_;
  std::optional<Net> average_;
};

}  // namespace recur::inline RECUR_ISA
