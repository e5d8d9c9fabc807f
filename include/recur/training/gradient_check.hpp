#pragma once
/// \file
/// Checks the gradient of a network by differences: every parameter, every input, every initial state.

#include "bptt.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <ostream>

namespace recur::inline RECUR_ISA {

/// Options of check_gradient().
template <class Net>
struct GradientCheckOptions {
  const typename Net::State* initial = nullptr;    ///< the initial state; zero where it is left out
  const typename Net::State* d_final = nullptr;    ///< adds sum(d_final * final state) to the loss
  std::optional<std::uint64_t> dropout_seed = {};  ///< enables dropout, with the mask of this seed
  double step = 5e-4;                              ///< how far each entry is moved
  double floor = 1e-4;  ///< entries smaller than this are judged by their absolute error, divided by it
};

/// The worst entry of a gradient. Prints as one line.
struct GradientCheck {
  std::string name;  ///< the block: "0.W", "x", "initial"
  /// its row
  Index row = 0, col = 0;     ///< its column; for x, column t N + n is step t of sequence n
  double analytic = 0;        ///< from bptt
  double numeric = 0;         ///< from differences
  double relative_error = 0;  ///< |analytic - numeric| / max(|analytic|, |numeric|, floor)
  Index entries = 0;          ///< how many were compared

  /// "worst of 42 entries: 0.W(1, 2) analytic ... numeric ... relative error ..."
  friend std::ostream& operator<<(std::ostream& out, const GradientCheck& check) {
    std::ostringstream line;
    line.precision(10);
    line << "worst of " << check.entries << " entries: " << check.name << "(" << check.row << ", " << check.col
         << ") analytic " << check.analytic << " numeric " << check.numeric;
    line.precision(2);
    line << " relative error " << check.relative_error;
    return out << line.str();
  }
};

namespace detail {

/// Targets follow the network into double; those that are not series stay as they are.
template <class Target>
decltype(auto) in_double(const Target& target) {
  if constexpr (requires { target.template cast<double>().features(); } || requires { target.weights; }) {
    return target.template cast<double>();
  } else {
    return (target);
  }
}

/// Compares numbers of a gradient with central differences, and keeps the worst.
struct GradientComparison {
  const std::function<double()> value;
  const double step, floor;
  GradientCheck worst{};

  void compare(const std::string& name, MatrixView<double> block, ConstMatrixView<double> gradient) {
    for (Index j = 0; j < block.cols(); ++j)
      for (Index i = 0; i < block.rows(); ++i) {
        const double kept = block(i, j);
        const auto at = [&](double moved) {
          block(i, j) = kept + moved;
          return value();
        };
        const double near = at(step) - at(-step), far = at(2 * step) - at(-2 * step);
        block(i, j) = kept;
        judge({name, i, j, gradient(i, j), (8 * near - far) / (12 * step)});
      }
  }

 private:
  void judge(GradientCheck entry) {
    const double size = std::max({std::abs(entry.analytic), std::abs(entry.numeric), floor});
    entry.relative_error = std::abs(entry.analytic - entry.numeric) / size;
    entry.entries = worst.entries + 1;
    // An error that is NaN is the worst of all, and stays it.
    const bool worse = is_nan(entry.relative_error) || entry.relative_error > worst.relative_error;
    if ((worse && !is_nan(worst.relative_error)) || worst.entries == 0) {
      worst = entry;
    } else {
      worst.entries = entry.entries;
    }
  }
};

/// X is Series<double> or TokensView, which has no gradient.
template <class Net, class LossFunction, class X, class Target>
class GradientChecker {
 public:
  GradientChecker(const Net& net, const LossFunction& loss, const X& x, Index batch, const Target& target,
                  const GradientCheckOptions<Net>& options)
      : net_(net), loss_(loss), x_(x), target_(target), options_(options), initial_(net.state(batch)) {
    if (options.initial) initial_ = *options.initial;
    // Before anything is moved: a forward pass in which every shape is checked.
    forward();
  }

  GradientCheck run() {
    Net gradient = zeros_like(net_);
    Series<double> dx;
    auto d_initial = initial_;
    loss_(forward(), target_, dy_);
    constexpr bool series = std::is_same_v<X, Series<double>>;
    bptt(net_, x_, trace_, dy_, gradient,
         {.d_final = options_.d_final, .dx = series ? &dx : nullptr, .d_initial = &d_initial});

    GradientComparison all{[this] { return value(); }, options_.step, options_.floor};
    const auto compare = [&](const std::string& name, auto&& block, const auto& gradient_of_it) {
      const auto stride_of = [](const auto& matrix) { return Eigen::OuterStride<>(matrix.colStride()); };
      all.compare(name, {block.data(), block.rows(), block.cols(), stride_of(block)},
                  {gradient_of_it.data(), block.rows(), block.cols(), stride_of(gradient_of_it)});
    };
    recur::visit([&](const Name& name, auto& p, const auto& g) { compare(name.str(), p, g); }, net_, gradient);
    if constexpr (series) compare("x", x_.matrix(), dx.matrix());
    visit_state([&](auto& h, const auto& g) { compare("initial", h, g); }, initial_, d_initial);
    return all.worst;
  }

 private:
  SeriesView<const double> forward() {
    if (options_.dropout_seed) trace_.train(*options_.dropout_seed);
    return net_.forward(x_, trace_, initial_);
  }

  double value() {
    double sum = loss_(forward(), target_, dy_);
    if (options_.d_final) {
      net_.final_state(trace_, final_);
      const auto add = [&](const auto& d, const auto& h) {
        if (d.cols() > 0) sum += d.cwiseProduct(h).sum();  // one of no columns is zero
      };
      visit_state(add, *options_.d_final, std::as_const(final_));
    }
    return sum;
  }

  Net net_;
  const LossFunction& loss_;
  X x_;
  Series<double> dy_;
  const Target& target_;
  const GradientCheckOptions<Net>& options_;
  typename Net::State initial_, final_;
  typename Net::Trace trace_;
};

template <class Net, class LossFunction, class X, class Target>
GradientCheck check_gradient(const Net& net, const LossFunction& loss, const X& x, Index batch, const Target& target,
                             const GradientCheckOptions<Net>& options) {
  if constexpr (std::is_same_v<typename Net::Scalar, double>) {
    return GradientChecker<Net, LossFunction, X, Target>(net, loss, x, batch, target, options).run();
  } else {
    const auto net_in_double = net.template cast<double>();
    using Double = std::remove_const_t<decltype(net_in_double)>;
    GradientCheckOptions<Double> options_in_double{
        .dropout_seed = options.dropout_seed, .step = options.step, .floor = options.floor};
    typename Double::State initial, d_final;
    const auto cast = [](const auto& from, auto& to) { to = from.template cast<double>(); };
    if (options.initial) visit_state(cast, *options.initial, initial), options_in_double.initial = &initial;
    if (options.d_final) visit_state(cast, *options.d_final, d_final), options_in_double.d_final = &d_final;
    const auto& target_in_double = in_double(target);
    return check_gradient(net_in_double, loss, x, batch, target_in_double, options_in_double);
  }
}

}  // namespace detail

/// Compares bptt with central differences, in double, for each parameter, each entry of x and each of the initial
/// state. loss(y, target, dy) is any of recur's losses, or a callable like them. With e = options.step,
///
///     numeric = (8 (L(p + e) - L(p - e)) - (L(p + 2 e) - L(p - 2 e))) / 12 e       wrong by O(e^4)
///
/// The right gradient of a smooth network of moderate size has a relative error below 1e-8; where activations have
/// kinks, no pre-activation may lie within reach of one. A network of another scalar type is checked as its copy in
/// double.
///
///     std::cout << recur::check_gradient(net, recur::squared_error, x, target) << '\n';
///
/// Throws as forward, the loss and bptt do.
template <class Net, class LossFunction, class Target>
GradientCheck check_gradient(const Net& net, const LossFunction& loss,
                             std::type_identity_t<SeriesView<const typename Net::Scalar>> x, const Target& target,
                             GradientCheckOptions<Net> options = {}) {
  return detail::check_gradient(net, loss, x.template cast<double>(), x.batch(), target, options);
}
/// The same where x are tokens.
template <class Net, class LossFunction, class Target>
GradientCheck check_gradient(const Net& net, const LossFunction& loss, TokensView x, const Target& target,
                             GradientCheckOptions<Net> options = {}) {
  return detail::check_gradient(net, loss, x, x.batch(), target, options);
}

}  // namespace recur::inline RECUR_ISA
