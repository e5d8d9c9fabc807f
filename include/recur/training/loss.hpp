#pragma once
/// \file
/// Losses: value and dL/dy together.
///
/// All losses add up over the features of a column of y (one step of one sequence) and take the mean over the M
/// columns that count, of the N T that there are:
///
///     L = 1/M sum over counted columns of l(y_t, target_t)
///
/// All columns count but those past the end of sequences where y has lengths (target's own are not looked at), unless a
/// Mask says otherwise; what does not count is never read, so that it may hold anything, NaN too, and its dL/dy is
/// zero. Where nothing counts, L and dL/dy are zero.
///
/// A loss of your own is any callable loss(y, target, dy) that takes y as a SeriesView<const Scalar>, writes dL/dy to
/// the Series dy, shaped like y, and returns a LossValue: train() and evaluate() weigh means by what they counted.

#include "../series/series.hpp"

#include <cmath>

namespace recur::inline RECUR_ISA {

/// Which steps count: N x T, mask(n, t) for step t of sequence n. An empty one stands for all.
using Mask = Eigen::Array<bool, Dynamic, Dynamic>;

/// Targets of a classification: N x T, classes(n, t) in 0 .. features-1.
using Classes = Eigen::Array<int, Dynamic, Dynamic>;

/// The mask by which only the last step of each sequence counts (many to one), for y as forward returns it:
///
///     squared_error(y, target, dy, last_step(y))
///
/// That step is where the sequence's length ends, or at step T; in a window of longer sequences, as train() and
/// evaluate() have them, only those that end within the window have one.
template <class Y>
Mask last_step(const Y& y_) {
  const SeriesView y(y_);
  Mask mask = Mask::Constant(y.batch(), y.steps(), false);
  for (Index n = 0; n < y.batch(); ++n)
    if (y.ends(n) && y.length(n) > 0) mask(n, y.length(n) - 1) = true;
  return mask;
}

/// What every loss returns: a mean, and the number of columns that it is over. Converts to the mean.
struct LossValue {
  double mean = 0;     ///< L
  double counted = 0;  ///< M, the columns that counted

  /// The mean.
  operator double() const { return mean; }  // NOLINT: a loss is a number
};

/// What the forms without dy return: L and dL/dy.
template <class Scalar>
struct Loss {
  /// L and its count; dL/dy, shaped like y.
  ///@{
  LossValue value;
  Series<Scalar> dy;
  ///@}
};

namespace detail {

template <class Scalar>
void require_mask(SeriesView<const Scalar> y, const Mask& mask, const char* where) {
  require(mask.size() == 0 || (mask.rows() == y.batch() && mask.cols() == y.steps()), where, ": mask must be ",
          y.batch(), "x", y.steps(), " (batch x steps of y), got ", shape(mask));
}
/// Whether step t of sequence n counts.
template <class Scalar>
bool counts(SeriesView<const Scalar> y, const Mask& mask, Index n, Index t) {
  return t < y.length(n) && (mask.size() == 0 || mask(n, t));
}

/// The mean of column(j, dy_j), the loss of column j, over those that count; `dy` is shaped like y, and each column
/// writes M dL/dy_j.
template <class Scalar>
LossValue mean_over_columns(SeriesView<const Scalar> y, Series<Scalar>& dy, const Mask& mask, const char* where,
                            auto&& column) {
  require(!y.empty(), where, ": y must have at least one step of one sequence, got features ", y.features(), ", batch ",
          y.batch(), ", steps ", y.steps());
  require_mask(y, mask, where);
  require(!overlap(dy, y), where, ": dy must be another series than y, got one that lies in the same memory");
  Index counted = mask.size() == 0 ? y.all_lengths() : 0;
  for (Index j = 0; mask.size() > 0 && j < y.columns(); ++j) counted += counts(y, mask, j % y.batch(), j / y.batch());
  dy.resize(y.features(), y.batch(), y.steps());
  double sum = 0;
  for (Index j = 0; j < y.columns(); ++j) {
    auto dy_j = dy.matrix().col(j);
    if (counts(y, mask, j % y.batch(), j / y.batch())) {
      sum += static_cast<double>(column(j, dy_j));
      dy_j /= static_cast<Scalar>(counted);
    } else {
      dy_j.setZero();
    }
  }
  const auto M = static_cast<double>(counted);
  return {counted > 0 ? sum / M : 0, M};
}

}  // namespace detail

namespace detail {

/// A loss whose targets are a series: Self has a name, and column(y, target, dy), which returns l of a column and
/// writes dl/dy, of Eigen arrays.
template <class Self>
struct LossOfSeries {
  /// Writes dL/dy to `dy` and returns L.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y_, SeriesView<const std::type_identity_t<Scalar>> target, Series<Scalar>& dy,
                       const Mask& mask = {}) const {
    const SeriesView<const Scalar> y(y_);
    const auto& self = static_cast<const Self&>(*this);
    self.require_features(y.features(), target.features());
    require_same_steps(Self::name, "target", target, "y", y);
    require(!overlap(dy, target), Self::name,
            ": dy must be another series than target, got one that lies in the same memory");
    return mean_over_columns(y, dy, mask, Self::name, [&](Index j, auto& dy_j) {
      return self.column(y.matrix().col(j).array(), target.matrix().col(j).array(), dy_j.array());
    });
  }
  /// Returns L and dL/dy.
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, SeriesView<const std::type_identity_t<Scalar>> target,
                          const Mask& mask = {}) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, target, loss.dy, mask);
    return loss;
  }

  /// Where a loss says nothing else, y has as many features as the target.
  static void require_features(Index of_y, Index of_target) {
    require_equal(Self::name, "target.features()", of_target, "y.features()", of_y);
  }
};

}  // namespace detail

/// l(y, target) = |y - target|^2. With one feature L is PyTorch's MSELoss, with F features F times that.
///
///     const auto [loss, dy] = squared_error(y, target);          double loss = squared_error(y, target, dy);
///
/// The second form writes dL/dy to a Series that is kept, and does not allocate once that has its size. Throws
/// std::invalid_argument where shapes differ, and where dy lies where y or the target does.
struct SquaredError : detail::LossOfSeries<SquaredError> {
  /// For messages; l of a column, and dl/dy.
  ///@{
  static constexpr const char* name = "squared_error";
  static auto column(const auto& y, const auto& target, auto&& dy) {
    dy = y - target;
    const auto loss = dy.matrix().squaredNorm();
    dy *= 2;
    return loss;
  }
  ///@}
};
/// The mean over steps and sequences of |y - target|^2: see SquaredError.
inline constexpr SquaredError squared_error;

/// l(y, k) = -ln softmax(y)_k = ln sum_i exp(y_i) - y_k, in nats; PyTorch's CrossEntropyLoss. The largest y is taken
/// out before exp, so that all finite logits are safe (of doubles, those up to 8e307: beyond, their differences are not
/// finite). Forms and errors as for SquaredError; a class out of range throws too.
struct SoftmaxCrossEntropy {
  /// Writes dL/dy to `dy` and returns L. Throws std::invalid_argument where shapes differ, and where a class that
  /// counts is not in 0 .. features - 1.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y_, const Classes& classes, Series<Scalar>& dy, const Mask& mask = {}) const {
    const SeriesView<const Scalar> y(y_);
    const char* const where = "softmax_cross_entropy";
    detail::require_mask(y, mask, where);
    require(classes.rows() == y.batch() && classes.cols() == y.steps(), where, ": classes must be ", y.batch(), "x",
            y.steps(), " (batch x steps of y), got ", shape(classes));
    for (Index t = 0; t < y.steps(); ++t)
      for (Index n = 0; n < y.batch(); ++n) {
        const bool right = (classes(n, t) >= 0 && classes(n, t) < y.features()) || !detail::counts(y, mask, n, t);
        require(right, where, ": classes(", n, ", ", t, ") must be in 0 .. ", y.features() - 1, ", got ",
                classes(n, t));
      }
    return detail::mean_over_columns(y, dy, mask, where, [&](Index j, auto& dy_j) {
      const auto y_j = y.matrix().col(j).array();
      const int k = classes(j % y.batch(), j / y.batch());
      const Scalar largest = y_j.template maxCoeff<Eigen::PropagateNaN>();
      dy_j.array() = (y_j - largest).exp();
      const Scalar sum = dy_j.sum();
      // In double: the difference of two floats may be no float.
      const double loss =
          static_cast<double>(std::log(sum)) + (static_cast<double>(largest) - static_cast<double>(y_j(k)));
      // dl/dy_i = softmax(y)_i - [i = k]
      dy_j /= sum;
      dy_j(k) -= Scalar(1);
      return loss;
    });
  }
  /// Returns L and dL/dy. Throws as the other form does.
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, const Classes& classes, const Mask& mask = {}) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, classes, loss.dy, mask);
    return loss;
  }
};
/// The mean over steps and sequences of -ln softmax(y)_class: see SoftmaxCrossEntropy.
inline constexpr SoftmaxCrossEntropy softmax_cross_entropy;

}  // namespace recur::inline RECUR_ISA
