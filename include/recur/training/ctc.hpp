#pragma once
/// \file
/// Labels without times: connectionist temporal classification (A. Graves, S. Fernandez, F. Gomez, J. Schmidhuber,
/// "Connectionist temporal classification", 2006), its loss and two ways to decode.

#include "data.hpp"

#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace recur::inline RECUR_ISA {

/// Of each sequence its labels, in their order: nothing says at which steps they are.
using Labels = std::vector<std::vector<int>>;

/// What Ctc and its decoders are told.
struct CtcOptions {
  int blank = 0;               ///< the feature that stands for no label
  bool zero_infinity = false;  ///< whether labels that no path gives have loss and gradient 0: see Ctc
};

namespace detail {

inline constexpr double log_zero = -std::numeric_limits<double>::infinity();

/// ln(exp(a) + exp(b))
inline double log_sum(double a, double b) {
  const double most = std::max(a, b);
  return most == log_zero ? log_zero : most + std::log1p(std::exp(std::min(a, b) - most));
}

/// ln softmax(y_t) of each step of sequence n, features x its steps.
template <class Scalar>
MatrixOf<double> log_probabilities(SeriesView<const Scalar> y, Index n) {
  MatrixOf<double> log_p(y.features(), y.length(n));
  for (Index t = 0; t < log_p.cols(); ++t) {
    log_p.col(t) = y[t].col(n).template cast<double>();
    const double most = log_p.col(t).maxCoeff<Eigen::PropagateNaN>();
    log_p.col(t).array() -= most + std::log((log_p.col(t).array() - most).exp().sum());
  }
  return log_p;
}

template <class Scalar>
void require_ctc(const char* where, SeriesView<const Scalar> y, const CtcOptions& options) {
  require(options.blank >= 0 && options.blank < y.features(), where, ": blank must be in 0 .. ", y.features() - 1,
          ", got ", options.blank);
  for (Index n = 0; n < y.batch(); ++n)
    require(y.ends(n), where, ": y must have whole sequences, got a window of them (sequence ", n, " goes on)");
}

/// The paths that give some labels: a blank before, between and after them, each of which may be left out but between
/// two equal labels, and each stays for any number of steps.
class CtcPaths {
 public:
  CtcPaths(const MatrixOf<double>& log_p, const std::vector<int>& labels, int blank) : log_p_(log_p) {
    for (const int label : labels) symbols_.push_back(blank), symbols_.push_back(label);
    symbols_.push_back(blank);
    const Index S = std::ssize(symbols_), T = log_p.cols();
    // ln of the probability of all ways to be at symbol s after step t
    forward_ = MatrixOf<double>::Constant(S, T, log_zero);
    for (Index t = 0; t < T; ++t)
      for (Index s = 0; s < S; ++s) {
        const double from = t > 0 ? arrive(forward_.col(t - 1), s, -1) : s < 2 ? 0 : log_zero;
        forward_(s, t) = from + log_p_(symbol(s), t);
      }
    loss_ = T == 0 ? (labels.empty() ? 0 : -log_zero)
                   : -log_sum(forward_(S - 1, T - 1), S > 1 ? forward_(S - 2, T - 1) : log_zero);
  }

  /// -ln of the probability of the labels.
  double loss() const { return loss_; }

  /// f(t, dl/dy_t) for each step.
  void for_each_gradient(auto&& f) const {
    const Index S = std::ssize(symbols_), T = log_p_.cols();
    VectorOf<double> later = VectorOf<double>::Constant(S, 0), now(S), gradient(log_p_.rows());
    for (Index t = T; t-- > 0;) {
      // ln of the probability of all ways from symbol s on after step t, and of the way through it
      for (Index s = 0; s < S; ++s) now(s) = t == T - 1 ? (s + 2 >= S ? 0 : log_zero) : arrive(later, s, 1);
      gradient.col(0) = log_p_.col(t).array().exp().matrix();
      for (Index s = 0; s < S; ++s) gradient(symbol(s)) -= std::exp(forward_(s, t) + now(s) + loss_);
      if (loss_ == -log_zero) gradient.setConstant(std::numeric_limits<double>::quiet_NaN());
      f(t, gradient);
      for (Index s = 0; s < S; ++s) later(s) = now(s) + log_p_(symbol(s), t);
    }
  }

 private:
  int symbol(Index s) const { return symbols_[static_cast<std::size_t>(s)]; }
  /// The sum over where one can come from to symbol s: it, its neighbour, and the one beyond a blank that may be left
  /// out.
  double arrive(const auto& from, Index s, Index side) const {
    const auto inside = [&](Index k) { return k >= 0 && k < from.size(); };
    double sum = from(s);
    if (inside(s + side)) sum = log_sum(sum, from(s + side));
    if (inside(s + 2 * side) && s % 2 == 1 && symbol(s) != symbol(s + 2 * side)) sum = log_sum(sum, from(s + 2 * side));
    return sum;
  }

  const MatrixOf<double>& log_p_;
  std::vector<int> symbols_;
  MatrixOf<double> forward_;
  double loss_;
};

}  // namespace detail

/// l = -ln P(labels | y): of all paths, one symbol a step, that give the labels once repetitions become one and blanks
/// are left out, with softmax(y_t) the probabilities of symbols at step t. y: K x N, K symbols of which one is the
/// blank.
///
///     L = 1/N sum over sequences of l
///
///     const Labels labels{{1, 2, 2}, {3}};
///     const auto [loss, dy] = recur::ctc(y, labels);              recur::Ctc({.blank = 9})(y, labels, dy)
///
/// Where no path gives the labels, since the sequence is too short, l is infinite, and dl/dy NaN; with `zero_infinity`
/// both are 0. PyTorch's CTCLoss of log_softmax(y) with reduction "sum" is N L; its "mean" is that of l divided by the
/// number of labels. In double within; allocates in every call. train() takes it with LabelData.
class Ctc {
 public:
  /// blank = 0
  constexpr Ctc() = default;
  /// Each option: see CtcOptions.
  explicit constexpr Ctc(CtcOptions options) : options_(options) {}

  /// Writes dL/dy to `dy` and returns L. Throws std::invalid_argument unless there are labels for each sequence, all in
  /// 0 .. K - 1 and none the blank; where y is empty, or a window of longer sequences; and where dy lies where y does.
  template <class Y, class Scalar = typename Y::Scalar>
  LossValue operator()(const Y& y_, const Labels& labels, Series<Scalar>& dy) const {
    const SeriesView<const Scalar> y(y_);
    require(!y.empty(), "ctc: y must have at least one step of one sequence, got features ", y.features(), ", batch ",
            y.batch(), ", steps ", y.steps());
    detail::require_ctc("ctc", y, options_);
    require_equal("ctc", "labels.size()", std::ssize(labels), "y.batch()", y.batch());
    require(!detail::overlap(dy, y), "ctc: dy must be another series than y, got one that lies in the same memory");
    for (std::size_t n = 0; n < labels.size(); ++n)
      for (const int label : labels[n])
        require(label >= 0 && label < y.features() && label != options_.blank, "ctc: labels[", n, "] must be in 0 .. ",
                y.features() - 1, " and not the blank ", options_.blank, ", got ", label);
    dy.resize(y.features(), y.batch(), y.steps());
    dy.matrix().setZero();
    const auto N = static_cast<double>(y.batch());
    double sum = 0;
    for (Index n = 0; n < y.batch(); ++n) {
      const auto log_p = detail::log_probabilities(y, n);
      const detail::CtcPaths paths(log_p, labels[static_cast<std::size_t>(n)], options_.blank);
      if (options_.zero_infinity && paths.loss() == -detail::log_zero) continue;
      sum += paths.loss();
      paths.for_each_gradient([&](Index t, const auto& d) { dy[t].col(n) = (d / N).template cast<Scalar>(); });
    }
    return {sum / N, N};
  }
  /// Returns L and dL/dy.
  template <class Y, class Scalar = typename Y::Scalar>
  Loss<Scalar> operator()(const Y& y, const Labels& labels) const {
    Loss<Scalar> loss;
    loss.value = (*this)(y, labels, loss.dy);
    return loss;
  }

 private:
  CtcOptions options_;
};
/// The mean over sequences of -ln P(labels | y), with symbol 0 for the blank: see Ctc.
inline constexpr Ctc ctc;

/// Of each sequence the labels of the one path of the likeliest symbols. Throws std::invalid_argument as Ctc does.
template <class Y>
Labels ctc_greedy(const Y& y_, CtcOptions options = {}) {
  const SeriesView<const typename Y::Scalar> y(y_);
  detail::require_ctc("ctc_greedy", y, options);
  Labels all(static_cast<std::size_t>(y.batch()));
  for (Index n = 0; n < y.batch(); ++n) {
    Index before = options.blank;
    for (Index t = 0; t < y.length(n); ++t) {
      Index symbol = 0;
      y[t].col(n).maxCoeff(&symbol);
      if (symbol != before && symbol != options.blank)
        all[static_cast<std::size_t>(n)].push_back(static_cast<int>(symbol));
      before = symbol;
    }
  }
  return all;
}

/// Of each sequence the likeliest labels, all their paths together, as far as a search finds them that keeps the
/// `width` likeliest beginnings after each step (A. Y. Hannun et al., "First-pass large vocabulary continuous speech
/// recognition using bi-directional recurrent DNNs", 2014, without a language model). Throws std::invalid_argument as
/// Ctc does, and unless width > 0.
template <class Y>
Labels ctc_beam_search(const Y& y_, Index width, CtcOptions options = {}) {
  const SeriesView<const typename Y::Scalar> y(y_);
  detail::require_ctc("ctc_beam_search", y, options);
  require(width > 0, "ctc_beam_search: width > 0 expected, got ", width);
  /// ln of the probabilities of the paths of some labels that end with a blank, and with the last label.
  struct Paths {
    double blank = detail::log_zero, label = detail::log_zero;
    double both() const { return detail::log_sum(blank, label); }
  };
  Labels all;
  for (Index n = 0; n < y.batch(); ++n) {
    const auto log_p = detail::log_probabilities(y, n);
    std::vector<std::pair<std::vector<int>, Paths>> beam{{{}, {0, detail::log_zero}}};
    for (Index t = 0; t < log_p.cols(); ++t) {
      std::map<std::vector<int>, Paths> next;
      const auto add = [](double& to, double log_probability) { to = detail::log_sum(to, log_probability); };
      for (const auto& [labels, paths] : beam) {
        Paths& same = next[labels];
        add(same.blank, paths.both() + log_p(options.blank, t));
        if (!labels.empty()) add(same.label, paths.label + log_p(labels.back(), t));
        auto longer = labels;
        longer.push_back(0);
        for (int symbol = 0; symbol < log_p.rows(); ++symbol) {
          if (symbol == options.blank) continue;
          const bool again = !labels.empty() && symbol == labels.back();  // then a blank must stand between
          longer.back() = symbol;
          add(next[longer].label, (again ? paths.blank : paths.both()) + log_p(symbol, t));
        }
      }
      beam.assign(next.begin(), next.end());
      const auto likelier = [](const auto& a, const auto& b) { return a.second.both() > b.second.both(); };
      std::stable_sort(beam.begin(), beam.end(), likelier);
      beam.resize(std::min(beam.size(), static_cast<std::size_t>(width)));
    }
    all.push_back(std::move(beam.front().first));
  }
  return all;
}

/// Inputs that are a series, targets that are labels, for train() and evaluate() with Ctc, and whole sequences. Views
/// of both: they must live as long as it is used.
template <class Scalar>
class LabelData {
 public:
  /// The type of targets.
  using Target = Labels;
  /// Throws std::invalid_argument unless there are labels for each sequence.
  LabelData(SeriesView<const Scalar> x, const Labels& labels) : x_(x), labels_(labels) {
    require_equal("LabelData", "labels.size()", std::ssize(labels), "x.batch()", x.batch());
  }
  LabelData(SeriesView<const Scalar> x, const Labels&& temporary) = delete;
  LabelData(const Series<Scalar>&& temporary, const Labels&) = delete;
  LabelData(const Series<Scalar>&& temporary, const Labels&& labels) = delete;
  /// What DataSource asks for.
  ///@{
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  Index length(Index n) const { return x_.length(n); }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<Scalar>& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    target.clear();
    for (const Index n : sequences) target.push_back(labels_[static_cast<std::size_t>(n)]);
  }
  ///@}

 private:
  SeriesView<const Scalar> x_;
  const Labels& labels_;
};
/// The type of numbers is that of x.
///@{
template <class X>
LabelData(const X&, const Labels&) -> LabelData<typename X::Scalar>;
///@}

}  // namespace recur::inline RECUR_ISA
