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
/// With a Weighted target each number i of column j counts w_ij times, and M is the sum of the columns' mean weights:
///
///     L = 1/M sum_j sum_i w_ij l_i(y_j, target_j),   M = sum_j 1/F sum_i w_ij
///
/// A loss of your own is any callable loss(y, target, dy) that takes y as a SeriesView<const Scalar>, writes dL/dy to
/// the Series dy, shaped like y, and returns a LossValue: train() and evaluate() weigh means by what they counted.

#include "../series/series.hpp"

#include <cmath>
#include <string>
#include <vector>

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
  /// L and its count: a loss is a metric, too.
  operator LossValue() const { return value; }  // NOLINT
};

/// A target, and how much of it counts.
///
///     recur::squared_error(y, recur::Weighted{target, recur::present(target)}, dy);
///
/// For train() and evaluate() WeightedData makes it. Weights are >= 0. What has the weight 0 is never read.
template <class Target, class Scalar>
struct Weighted {
  Target target;  ///< a Series or Classes
  /// One for each step, 1 x N x T; for each feature of the target, F x N x T; or, with one step, for each sequence.
  Series<Scalar> weights;

  /// The same in numbers of another type.
  template <class Other>
  auto cast() const {
    if constexpr (requires { target.features(); }) {
      return Weighted<Series<Other>, Other>{target.template cast<Other>(), weights.template cast<Other>()};
    } else {
      return Weighted<Target, Other>{target, weights.template cast<Other>()};
    }
  }
};
/// The types follow from the arguments.
template <class Target, class Scalar>
Weighted(Target, Series<Scalar>) -> Weighted<Target, Scalar>;

/// The weights by which missing values, given as NaN, do not count: 1 where target has a number, 0 where it has none;
/// F x N x T.
template <class Target, class Scalar = typename Target::Scalar>
Series<Scalar> present(const Target& target_) {
  const SeriesView<const Scalar> target(target_);
  Series<Scalar> weights(target.features(), target.batch(), target.steps());
  for (Index j = 0; j < target.columns(); ++j)
    for (Index i = 0; i < target.features(); ++i)
      weights.matrix()(i, j) = detail::is_nan(target.matrix()(i, j)) ? Scalar(0) : Scalar(1);
  return weights;
}
/// A mask as weights: 1 where a step counts, 0 where it does not; 1 x N x T. Scalar is that of the network.
template <class Scalar>
Series<Scalar> weights_of(const Mask& mask) {
  Series<Scalar> weights(1, mask.rows(), mask.cols());
  for (Index t = 0; t < mask.cols(); ++t)
    for (Index n = 0; n < mask.rows(); ++n) weights[t](0, n) = mask(n, t) ? Scalar(1) : Scalar(0);
  return weights;
}

namespace detail {

/// Which steps of y count, and how much: by a mask, or weights, or all the same.
template <class Scalar>
class Counting {
 public:
  /// Throws std::invalid_argument where shapes differ.
  Counting(const char* where, SeriesView<const Scalar> y, const Mask& mask) : y_(y), mask_(&mask) {
    require(mask.size() == 0 || (mask.rows() == y.batch() && mask.cols() == y.steps()), where, ": mask must be ",
            y.batch(), "x", y.steps(), " (batch x steps of y), got ", shape(mask));
  }
  /// Of 1 or `features` features, and of T steps or 1. Throws std::invalid_argument where shapes differ, and unless
  /// weights are finite and not negative.
  Counting(const char* where, SeriesView<const Scalar> y, SeriesView<const Scalar> weights, Index features)
      : y_(y), weights_(weights) {
    if (weights.features() != 1 && weights.features() != features)
      require(false, where, ": weights.features() must be 1", features == 1 ? "" : " or ",
              features == 1 ? "" : std::to_string(features) + " (as of the target)", ", got ", weights.features());
    if (weights.steps() == 1) {
      require_equal(where, "weights.batch()", weights.batch(), "y.batch()", y.batch());
    } else {
      require_same_steps(where, "weights", weights, "y", y);
    }
    for (Index j = 0; j < weights.columns(); ++j)
      for (Index i = 0; i < weights.features(); ++i) {
        const Scalar w = weights.matrix()(i, j);
        const bool right = is_finite(w) && w >= 0;
        if (!right && (*this)(j % y.batch(), j / y.batch()))
          require(false, where, ": weights must be finite and >= 0, got ", w, " at step ", j / y.batch(),
                  " of sequence ", j % y.batch());
      }
  }

  /// Empty where there are none.
  SeriesView<const Scalar> weights() const { return weights_; }
  /// Those of column j of y, of 1 or F features.
  auto weights_of(Index j) const { return weights_.columns(weights_.steps() == 1 ? j % y_.batch() : j, 1); }
  /// What column j counts: 1, or the mean of its weights; 0 where it does not count.
  double of_column(Index j) const {
    if (!(*this)(j % y_.batch(), j / y_.batch())) return 0;
    return weights_.empty() ? 1 : weights_of(j).template cast<double>().mean();
  }
  /// Whether step t of sequence n is within it, and not masked.
  bool operator()(Index n, Index t) const {
    return t < y_.length(n) && (mask_ == nullptr || mask_->size() == 0 || (*mask_)(n, t));
  }

 private:
  SeriesView<const Scalar> y_, weights_;
  const Mask* mask_ = nullptr;
};

/// Throws std::invalid_argument unless classes are N x T, those that count in 0 .. features - 1.
template <class Scalar>
void require_classes(const char* where, SeriesView<const Scalar> y, const Classes& classes,
                     const Counting<Scalar>& counting) {
  require(classes.rows() == y.batch() && classes.cols() == y.steps(), where, ": classes must be ", y.batch(), "x",
          y.steps(), " (batch x steps of y), got ", shape(classes),
          classes.cols() == 1 ? ": one for each sequence is for recur::ManyToOne" : "");
  for (Index t = 0; t < y.steps(); ++t)
    for (Index n = 0; n < y.batch(); ++n) {
      const bool right =
          (classes(n, t) >= 0 && classes(n, t) < y.features()) || !(counting.of_column(t * y.batch() + n) > 0);
      require(right, where, ": classes(", n, ", ", t, ") must be in 0 .. ", y.features() - 1, ", got ", classes(n, t));
    }
}

/// The mean over the columns of y: column j counts as `counting` says, times factor(j), and column(j, dy_j) is its loss
/// times its weights, which writes M dL/dy_j. `dy` is shaped like y. Columns that count nothing are not asked.
template <class Scalar>
LossValue mean_over_columns(SeriesView<const Scalar> y, Series<Scalar>& dy, const char* where,
                            const Counting<Scalar>& counting, auto&& factor, auto&& column) {
  require(!y.empty(), where, ": y must have at least one step of one sequence, got features ", y.features(), ", batch ",
          y.batch(), ", steps ", y.steps());
  require(!overlap(dy, y), where, ": dy must be another series than y, got one that lies in the same memory");
  require(!overlap(dy, counting.weights()), where,
          ": dy must be another series than the weights, got one that lies in the same memory");
  double counted = 0;
  for (Index j = 0; j < y.columns(); ++j)
    if (const double count = counting.of_column(j); count > 0) counted += count * factor(j);
  dy.resize(y.features(), y.batch(), y.steps());
  double sum = 0;
  for (Index j = 0; j < y.columns(); ++j) {
    auto dy_j = dy.matrix().col(j);
    if (counted > 0 && counting.of_column(j) > 0) {
      sum += static_cast<double>(column(j, dy_j));
      dy_j /= static_cast<Scalar>(counted);
    } else {
      dy_j.setZero();
    }
  }
  return {counted > 0 ? sum / counted : 0, counted};
}

/// A loss whose targets are a series: Self has a name, and column(y, target, dy, sum), which returns sum(l_i), for l_i
/// of each feature of the target, and writes dl_i/dy, of Eigen arrays: where y has several numbers for each feature,
/// first one of each, then the next of each.
template <class Self>
struct LossOfSeries {
  /// Writes dL/dy to `dy` and returns L.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y, SeriesView<const std::type_identity_t<Scalar>> target, Series<Scalar>& dy,
                       const Mask& mask = {}) const {
    return mean(SeriesView<const Scalar>(y), target, dy, Counting<Scalar>(Self::name, y, mask));
  }
  /// The same with weights.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y, const Weighted<Series<Scalar>, Scalar>& target, Series<Scalar>& dy) const {
    return mean(SeriesView<const Scalar>(y), SeriesView<const Scalar>(target.target), dy,
                Counting<Scalar>(Self::name, y, target.weights, target.target.features()));
  }
  /// Returns L and dL/dy.
  ///@{
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, SeriesView<const std::type_identity_t<Scalar>> target,
                          const Mask& mask = {}) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, target, loss.dy, mask);
    return loss;
  }
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, const Weighted<Series<Scalar>, Scalar>& target) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, target, loss.dy);
    return loss;
  }
  ///@}

  /// Where a loss says nothing else, y has as many features as the target.
  static void require_features(Index of_y, Index of_target) {
    require_equal(Self::name, "target.features()", of_target, "y.features()", of_y);
  }

 private:
  template <class Scalar>
  LossValue mean(SeriesView<const Scalar> y, SeriesView<const Scalar> target, Series<Scalar>& dy,
                 const Counting<Scalar>& counting) const {
    const auto& self = static_cast<const Self&>(*this);
    self.require_features(y.features(), target.features());
    require_same_steps(Self::name, "target", target, "y", y);
    require(!overlap(dy, target), Self::name,
            ": dy must be another series than target, got one that lies in the same memory");
    const auto all_alike = [](Index) { return 1.0; };
    return mean_over_columns(y, dy, Self::name, counting, all_alike, [&](Index j, auto& dy_j) {
      const auto y_j = y.matrix().col(j).array(), target_j = target.matrix().col(j).array();
      if (counting.weights().empty())
        return Scalar(self.column(y_j, target_j, dy_j.array(), [](const auto& l) { return l.sum(); }));
      const auto w = counting.weights_of(j);
      const Index F = target.features(), step = w.rows() == 1 ? 0 : 1;
      // By selection: what has the weight 0 may be NaN.
      const auto times_weight = [&](auto&& numbers) {
        for (Index i = 0; i < F; ++i) numbers(i) = w(i * step, 0) > 0 ? w(i * step, 0) * numbers(i) : Scalar(0);
      };
      const Scalar loss = self.column(y_j, target_j, dy_j.array(), [&](const auto& l) {
        Scalar sum = 0;
        for (Index i = 0; i < F; ++i) sum += w(i * step, 0) > 0 ? w(i * step, 0) * l.coeff(i) : Scalar(0);
        return sum;
      });
      for (Index first = 0; first < dy_j.size(); first += F) times_weight(dy_j.segment(first, F));
      return loss;
    });
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
  static auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) {
    dy = y - target;
    const auto loss = sum(dy.square());
    dy *= 2;
    return loss;
  }
  ///@}
};
/// The mean over steps and sequences of |y - target|^2: see SquaredError.
inline constexpr SquaredError squared_error;

/// Options of SoftmaxCrossEntropy.
struct SoftmaxOptions {
  /// Weights of the classes, >= 0: a step of class k counts class_weights[k] times (at 0, too, y is read: with label
  /// smoothing such a step has a loss). Empty: all alike.
  std::vector<double> class_weights = {};
  /// How much of the target is shared out among all classes, 0 <= label_smoothing < 1.
  double label_smoothing = 0;
};

/// l(y, k) = -ln softmax(y)_k = ln sum_i exp(y_i) - y_k, in nats; PyTorch's CrossEntropyLoss. The largest y is taken
/// out before exp, so that all finite logits are safe (of doubles, those up to 8e307: beyond, their differences are not
/// finite). Forms and errors as for SquaredError; a class out of range throws too.
///
///     recur::softmax_cross_entropy(y, classes, dy)
///     recur::SoftmaxCrossEntropy({.class_weights = {1, 5}, .label_smoothing = 0.1})(y, classes, dy)
///
/// With weights c of K classes and label smoothing e, as PyTorch has them, a step counts c_k times, and
///
///     c_k l(y, k) = (1 - e) c_k (-ln softmax(y)_k) + e / K sum_i c_i (-ln softmax(y)_i)
class SoftmaxCrossEntropy {
 public:
  /// All classes alike, no smoothing.
  SoftmaxCrossEntropy() = default;
  /// Throws std::invalid_argument unless weights are finite and >= 0, one of them > 0, and 0 <= label_smoothing < 1.
  explicit SoftmaxCrossEntropy(SoftmaxOptions options) : options_(std::move(options)) {
    double sum = 0;
    for (const double weight : options_.class_weights) {
      require(detail::is_finite(weight) && weight >= 0, "SoftmaxCrossEntropy: finite class_weights >= 0 expected, got ",
              weight);
      sum += weight;
    }
    require(options_.class_weights.empty() || sum > 0, "SoftmaxCrossEntropy: class_weights must not all be 0");
    require(options_.label_smoothing >= 0 && options_.label_smoothing < 1,
            "SoftmaxCrossEntropy: 0 <= label_smoothing < 1 expected, got ", options_.label_smoothing);
  }

  /// Writes dL/dy to `dy` and returns L. Throws std::invalid_argument where shapes differ, and where a class that
  /// counts is not in 0 .. features - 1.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y, const Classes& classes, Series<Scalar>& dy, const Mask& mask = {}) const {
    return mean(SeriesView<const Scalar>(y), classes, dy, detail::Counting<Scalar>(name, y, mask));
  }
  /// The same with weights, one for each step.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y, const Weighted<Classes, Scalar>& classes, Series<Scalar>& dy) const {
    return mean(SeriesView<const Scalar>(y), classes.target, dy, detail::Counting<Scalar>(name, y, classes.weights, 1));
  }
  /// Returns L and dL/dy. Throws as the other forms do.
  ///@{
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, const Classes& classes, const Mask& mask = {}) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, classes, loss.dy, mask);
    return loss;
  }
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, const Weighted<Classes, Scalar>& classes) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, classes, loss.dy);
    return loss;
  }
  ///@}

 private:
  static constexpr const char* name = "softmax_cross_entropy";

  template <class Scalar>
  LossValue mean(SeriesView<const Scalar> y, const Classes& classes, Series<Scalar>& dy,
                 const detail::Counting<Scalar>& counting) const {
    detail::require_classes(name, y, classes, counting);
    const auto& weights = options_.class_weights;
    if (!weights.empty())
      require_equal(name, "class_weights.size()", std::ssize(weights), "y.features()", y.features());
    const auto class_of = [&](Index j) { return classes(j % y.batch(), j / y.batch()); };
    const auto weight_of = [&](Index k) { return weights.empty() ? 1.0 : weights[static_cast<std::size_t>(k)]; };
    const auto factor = [&](Index j) { return weight_of(class_of(j)); };
    return detail::mean_over_columns(y, dy, name, counting, factor, [&](Index j, auto& dy_j) {
      const auto y_j = y.matrix().col(j).array();
      const int k = class_of(j);
      const Scalar largest = y_j.template maxCoeff<Eigen::PropagateNaN>();
      dy_j.array() = (y_j - largest).exp();
      const Scalar sum = dy_j.sum();
      // In double: the difference of two floats may be no float.
      const auto log_p = [&](Index i) {
        return static_cast<double>(std::log(sum)) + (static_cast<double>(largest) - static_cast<double>(y_j(i)));
      };
      dy_j /= sum;  // softmax(y)
      if (weights.empty() && options_.label_smoothing == 0 && counting.weights().empty()) {
        dy_j(k) -= Scalar(1);  // dl/dy_i = softmax(y)_i - [i = k]
        return log_p(k);
      }
      const double right = (1 - options_.label_smoothing) * weight_of(k);
      const double each = options_.label_smoothing / static_cast<double>(y.features());
      double loss = right * log_p(k), all = right;
      for (Index i = 0; each > 0 && i < y.features(); ++i) {
        loss += each * weight_of(i) * log_p(i);
        all += each * weight_of(i);
      }
      const double w = counting.of_column(j);
      for (Index i = 0; i < y.features(); ++i) {
        const double target = each * weight_of(i) + (i == k ? right : 0);
        dy_j(i) = static_cast<Scalar>(w * (all * static_cast<double>(dy_j(i)) - target));
      }
      return w * loss;
    });
  }

  SoftmaxOptions options_;
};
/// The mean over steps and sequences of -ln softmax(y)_class: see SoftmaxCrossEntropy.
inline const SoftmaxCrossEntropy softmax_cross_entropy;

}  // namespace recur::inline RECUR_ISA
