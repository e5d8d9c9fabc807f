#pragma once
/// \file
/// One target for a whole sequence.

#include "loss.hpp"

#include <vector>

namespace recur::inline RECUR_ISA {

namespace detail {
/// What a metric says of itself, where it does.
template <class Metric>
struct WhatIsBetter {};
template <class Metric>
  requires requires { Metric::higher_is_better; }
struct WhatIsBetter<Metric> {
  static constexpr bool higher_is_better = Metric::higher_is_better;
};
}  // namespace detail

/// A loss, or a metric, of each sequence's last step alone, whose targets have one step: N x 1 classes, or a series of
/// one step, with one weight for each sequence where they are Weighted.
///
///     recur::Sequence net(recur::Bidirectional(forward, backward), recur::Pool<float>(2 * H, recur::Pooling::mean),
///                         recur::Readout<float>(2 * H, classes));
///     recur::train(net, adam, recur::ManyToOne(recur::softmax_cross_entropy), recur::ClassData(x, class_of), rng);
///
/// The last step of a sequence is where its length ends, or step T. There y is what follows from the final hidden
/// state, or, after a Pool, from the mean or the largest of all its steps, in both directions of time. In a window of
/// longer sequences, only those that end within it count. Allocates in every call.
template <class Inner>
class ManyToOne : public detail::WhatIsBetter<Inner> {
 public:
  /// Of a loss or metric.
  explicit ManyToOne(Inner inner) : inner_(std::move(inner)) {}

  /// Writes dL/dy to `dy` and returns L. Throws as the loss does, with what it is given: y of one step.
  template <class Y, class Target, class Scalar = typename Y::Scalar>
    requires requires(const Inner& loss, SeriesView<const Scalar> y, const Target& target, Series<Scalar>& dy) {
      { loss(y, target, dy) } -> std::same_as<LossValue>;
    }
  LossValue operator()(const Y& y_, const Target& target, Series<Scalar>& dy) const {
    const SeriesView<const Scalar> y(y_);
    require(!detail::overlap(dy, y),
            "ManyToOne: dy must be another series than y, got one that lies in the same memory");
    if constexpr (std::is_convertible_v<const Target&, SeriesView<const Scalar>>)
      require(!detail::overlap(dy, SeriesView<const Scalar>(target)),
              "ManyToOne: dy must be another series than target, got one that lies in the same memory");
    Series<Scalar> d_last;
    const LossValue value = inner_(SeriesView<const Scalar>(last_steps(y)), target, d_last);
    dy.resize(y.features(), y.batch(), y.steps());
    dy.matrix().setZero();
    for (Index n = 0; n < y.batch(); ++n)
      if (ends(y, n)) dy[y.length(n) - 1].col(n) = d_last.matrix().col(n);
    return value;
  }
  /// As a metric; of a loss L and dL/dy.
  template <class Y, class Target, class Scalar = typename Y::Scalar>
    requires std::invocable<const Inner&, SeriesView<const Scalar>, const Target&>
  auto operator()(const Y& y, const Target& target) const {
    if constexpr (std::invocable<const Inner&, SeriesView<const Scalar>, const Target&, Series<Scalar>&>) {
      Loss<Scalar> loss;
      loss.value = (*this)(y, target, loss.dy);
      return loss;
    } else {
      const Series<Scalar> last = last_steps(SeriesView<const Scalar>(y));
      return inner_(SeriesView<const Scalar>(last), target);
    }
  }

  /// As the metric's: see metrics.hpp.
  double of_mean(double mean) const {
    if constexpr (requires { inner_.of_mean(mean); }) mean = inner_.of_mean(mean);
    return mean;
  }

 private:
  template <class Scalar>
  static bool ends(SeriesView<const Scalar> y, Index n) {
    return y.ends(n) && y.length(n) > 0;
  }
  /// y of each sequence's last step: F x N x 1, where those that do not end have the length 0.
  template <class Scalar>
  static Series<Scalar> last_steps(SeriesView<const Scalar> y) {
    Series<Scalar> last(y.features(), y.batch(), 1);
    std::vector<Index> lengths(static_cast<std::size_t>(y.batch()), 0);
    for (Index n = 0; n < y.batch(); ++n) {
      if (!ends(y, n)) continue;
      last.matrix().col(n) = y[y.length(n) - 1].col(n);
      lengths[static_cast<std::size_t>(n)] = 1;
    }
    last.set_lengths(std::move(lengths));
    return last;
  }

  Inner inner_;
};

}  // namespace recur::inline RECUR_ISA
