#pragma once
/// \file
/// Metrics: what people want to know of a network beside its loss, for evaluate() and Validation.
///
/// A metric is a callable metric(y, target) that returns a LossValue, a mean and over how much it is. It may have
///
///     double of_mean(double mean) const;             // what is reported for the mean over all data: exp(mean), say
///     static constexpr bool higher_is_better = true; // or false: for `.best_by` of train(), which asks for it

#include "loss.hpp"
#include "more_losses.hpp"

#include <cmath>
#include <concepts>

namespace recur::inline RECUR_ISA {

namespace detail {
bool has_nan(const auto& column) {
  bool some = false;
  for (Index i = 0; i < column.size(); ++i) some = some || is_nan(column(i));
  return some;
}
}  // namespace detail

/// The share of steps whose largest y is that of the class; where some y is NaN, none is. What counts is as for
/// SoftmaxCrossEntropy.
struct Accuracy {
  /// Throws std::invalid_argument where shapes differ, and where a class that counts is out of range.
  template <class Y>
  LossValue operator()(const Y& y, const Classes& classes, const Mask& mask = {}) const {
    const SeriesView<const typename Y::Scalar> view(y);
    return mean(view, classes, {"accuracy", view, mask});
  }
  /// The same with weights, one for each step.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y, const Weighted<Classes, std::type_identity_t<Scalar>>& classes) const {
    const SeriesView<const Scalar> view(y);
    return mean(view, classes.target, {"accuracy", view, SeriesView<const Scalar>(classes.weights), 1});
  }
  static constexpr bool higher_is_better = true;  ///< for train()

 private:
  template <class Scalar>
  static LossValue mean(SeriesView<const Scalar> y, const Classes& classes, const detail::Counting<Scalar>& counting) {
    detail::require_classes("accuracy", y, classes, counting);
    double right = 0, counted = 0;
    for (Index j = 0; j < y.columns(); ++j) {
      const double count = counting.of_column(j);
      if (!(count > 0)) continue;
      Index largest = 0;
      y.matrix().col(j).maxCoeff(&largest);
      if (largest == classes(j % y.batch(), j / y.batch()) && !detail::has_nan(y.matrix().col(j))) right += count;
      counted += count;
    }
    return {counted > 0 ? right / counted : 0, counted};
  }
};
/// The share of steps whose class was found: see Accuracy.
inline constexpr Accuracy accuracy;

/// The mean over steps, sequences and features of |y - target|: L1 divided by the features. What counts is as for the
/// losses. Allocates in every call.
struct MeanAbsoluteError {
  /// Throws std::invalid_argument where shapes differ.
  template <class Y, class Target>
    requires std::invocable<const L1&, const Y&, const Target&>
  LossValue operator()(const Y& y, const Target& target) const {
    const LossValue sum = l1(y, target).value;
    return {sum.mean / static_cast<double>(y.features()), sum.counted};
  }
  static constexpr bool higher_is_better = false;  ///< for train()
};
/// The mean of |y - target|: see MeanAbsoluteError.
inline constexpr MeanAbsoluteError mean_absolute_error;

/// exp of the mean of -ln softmax(y)_class: among how many classes the network hesitates. What counts is as for
/// SoftmaxCrossEntropy. Allocates in every call.
struct Perplexity {
  /// The mean of -ln softmax(y)_class. Throws std::invalid_argument as SoftmaxCrossEntropy does.
  template <class Y, class Target>
    requires std::invocable<const SoftmaxCrossEntropy&, const Y&, const Target&>
  LossValue operator()(const Y& y, const Target& classes) const {
    return softmax_cross_entropy(y, classes).value;
  }
  /// exp(mean)
  double of_mean(double mean) const { return std::exp(mean); }
  static constexpr bool higher_is_better = false;  ///< for train()
};
/// exp of the mean cross-entropy: see Perplexity.
inline constexpr Perplexity perplexity;

}  // namespace recur::inline RECUR_ISA
