#pragma once
/// \file
/// Losses for targets that are on or off, for outliers, for quantiles, for distributions and for counts. What loss.hpp
/// says of losses holds for them.

#include "loss.hpp"

#include <algorithm>
#include <vector>

namespace recur::inline RECUR_ISA {

/// For features that are each on or off, target 1 or 0 or between: of logits y
///
///     l(y, target) = sum_i -target_i ln s(y_i) - (1 - target_i) ln(1 - s(y_i)),   s(y) = 1 / (1 + exp(-y))
///
/// as max(y, 0) - y target + ln(1 + exp(-|y|)), which is finite for all finite logits. PyTorch's BCEWithLogitsLoss is L
/// divided by the features. Forms and errors as for SquaredError.
struct BinaryCrossEntropy : detail::LossOfSeries<BinaryCrossEntropy> {
  /// For messages; l of a column, and dl/dy = s(y) - target.
  ///@{
  static constexpr const char* name = "binary_cross_entropy";
  static auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) {
    dy = (-y.abs()).exp();
    const auto loss = sum(y.max(0) - y * target + dy.log1p());
    dy = (y < 0).select(dy, 1) / (1 + dy) - target;
    return loss;
  }
  ///@}
};
/// The mean over steps and sequences of -ln of the probability of what is on and off: see BinaryCrossEntropy.
inline constexpr BinaryCrossEntropy binary_cross_entropy;

/// l(y, target) = sum_i |y_i - target_i|, whose slope at 0 is 0. PyTorch's L1Loss is L divided by the features. Forms
/// and errors as for SquaredError.
struct L1 : detail::LossOfSeries<L1> {
  /// For messages; l of a column, and dl/dy.
  ///@{
  static constexpr const char* name = "l1";
  static auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) {
    dy = y - target;
    const auto loss = sum(dy.abs());
    dy = dy.sign();
    return loss;
  }
  ///@}
};
/// The mean over steps and sequences of the sum of |y - target|: see L1.
inline constexpr L1 l1;

/// Squares near the target, and straight lines away from it, where an outlier weighs no more than any (P. J. Huber,
/// "Robust estimation of a location parameter", 1964): of e = y - target
///
///     l(y, target) = sum_i e_i^2 / 2 where |e_i| <= delta, delta (|e_i| - delta / 2) elsewhere
///
///     recur::huber(y, target, dy)          recur::Huber(0.1)(y, target, dy)
///
/// PyTorch's HuberLoss is L divided by the features, its SmoothL1Loss with beta = delta that divided by delta. Forms
/// and errors as for SquaredError.
struct Huber : detail::LossOfSeries<Huber> {
  double delta = 1;  ///< where the lines begin, > 0

  /// delta = 1
  constexpr Huber() = default;
  /// Throws std::invalid_argument unless delta > 0.
  explicit Huber(double delta_) : delta(delta_) { require(delta > 0, "Huber: delta > 0 expected, got ", delta); }

  /// For messages; l of a column, and dl/dy.
  ///@{
  static constexpr const char* name = "huber";
  auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) const {
    using Scalar = typename std::decay_t<decltype(dy)>::Scalar;
    const auto d = static_cast<Scalar>(delta);
    dy = y - target;
    const auto loss = sum((dy.abs() <= d).select(dy.square() / 2, d * (dy.abs() - d / 2)));
    dy = (dy.abs() <= d).select(dy, d * dy.sign());
    return loss;
  }
  ///@}
};
/// Huber's loss with delta = 1: see Huber.
inline constexpr Huber huber;

/// Forecasts of quantiles (R. Koenker, G. Bassett, "Regression quantiles", 1978): for a target of F features y has F
/// rows for each of the quantiles q, in their order, and of e = target - y
///
///     l(y, target) = sum_q sum_i max(q e_i, (q - 1) e_i),   least where a share q of the targets is below y
///
///     recur::Quantiles({0.1, 0.5, 0.9})(y, target, dy)               // y: 3 F x N, target: F x N
///
/// The slope at 0 is 0. With q = 0.5 alone it is half of L1. Forms and errors as for SquaredError, but for the
/// features.
class Quantiles : public detail::LossOfSeries<Quantiles> {
 public:
  /// Throws std::invalid_argument unless there is at least one, and 0 < q < 1 for each.
  explicit Quantiles(std::vector<double> q) : q_(std::move(q)) {
    require(!q_.empty(), "Quantiles: at least one expected, got none");
    for (const double each : q_) require(each > 0 && each < 1, "Quantiles: 0 < q < 1 expected, got ", each);
  }

  /// For messages; l of a column, and dl/dy; and what shapes must be.
  ///@{
  static constexpr const char* name = "quantiles";
  auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) const {
    using Scalar = typename std::decay_t<decltype(dy)>::Scalar;
    Scalar loss = 0;
    for (std::size_t k = 0; k < q_.size(); ++k) {
      const auto q = static_cast<Scalar>(q_[k]);
      const Index first = static_cast<Index>(k) * target.size();
      auto e = dy.segment(first, target.size());
      e = target - y.segment(first, target.size());
      loss += sum((e > 0).select(q * e, (q - 1) * e));
      e = (e > 0).select(-q, (e < 0).select(1 - q, e));  // 0, or NaN, stays
    }
    return loss;
  }
  void require_features(Index of_y, Index of_target) const {
    require_equal(name, "y.features()", of_y, "quantiles * target.features()", std::ssize(q_) * of_target);
  }
  ///@}

 private:
  std::vector<double> q_;
};

/// Forecasts of a mean and a variance: for a target of F features y has F rows of means m, then F rows of s = ln
/// variance, so that any numbers are right, and
///
///     l(y, target) = sum_i (s_i + (target_i - m_i)^2 exp(-s_i)) / 2,   -ln of the normal density but for ln(2 pi) / 2
///
/// PyTorch's GaussianNLLLoss(m, target, exp(s)), with an eps that is 0, is L divided by the features F. Forms and
/// errors as for SquaredError, but for the features.
struct GaussianNll : detail::LossOfSeries<GaussianNll> {
  /// For messages; l of a column, and dl/dy; and what shapes must be.
  ///@{
  static constexpr const char* name = "gaussian_nll";
  static auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) {
    const Index F = target.size();
    const auto m = y.head(F), s = y.tail(F);
    auto dm = dy.head(F), ds = dy.tail(F);
    ds = (-s).exp();
    dm = (m - target) * ds;
    ds = (m - target) * dm;
    const auto loss = sum(s + ds) / 2;
    ds = (1 - ds) / 2;
    return loss;
  }
  static void require_features(Index of_y, Index of_target) {
    require_equal(name, "y.features()", of_y, "2 * target.features()", 2 * of_target);
  }
  ///@}
};
/// The mean over steps and sequences of -ln of a normal density: see GaussianNll.
inline constexpr GaussianNll gaussian_nll;

/// For counts: the target is what was counted, and exp(y) the mean of a Poisson distribution,
///
///     l(y, target) = sum_i exp(y_i) - target_i y_i,   -ln of its probability but for ln(target!)
///
/// PyTorch's PoissonNLLLoss is L divided by the features. Forms and errors as for SquaredError.
struct PoissonNll : detail::LossOfSeries<PoissonNll> {
  /// For messages; l of a column, and dl/dy.
  ///@{
  static constexpr const char* name = "poisson_nll";
  static auto column(const auto& y, const auto& target, auto&& dy, const auto& sum) {
    dy = y.exp();
    const auto loss = sum(dy - target * y);
    dy -= target;
    return loss;
  }
  ///@}
};
/// The mean over steps and sequences of -ln of a Poisson probability: see PoissonNll.
inline constexpr PoissonNll poisson_nll;

}  // namespace recur::inline RECUR_ISA
