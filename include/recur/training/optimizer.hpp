#pragma once
/// \file
/// Optimisers, with the update equations of their papers as PyTorch computes them, and gradient clipping.
///
///     recur::Adam adam(net, {.rate = 1e-2});
///     adam.step(net, gradient);
///
/// p is a parameter, g its gradient, and `options` may be changed between steps: adam.options.rate = ... A step throws
/// std::invalid_argument where the network or the gradient has other shapes than the optimiser was made for, before
/// anything is changed; a constructor unless rate, momentum, weight decay and epsilon are finite and >= 0, and the
/// decays of moments within [0, 1). What options become later is not checked: a rate below 0 goes up.
///
/// An optimiser of your own has step() and options.rate; for checkpoints (io/checkpoint.hpp) also a name, and
/// visit_parts(), which calls f(name, part) for all that a step depends on: numbers and networks.

#include "../base/parameters.hpp"
#include "touched_columns.hpp"

#include <cmath>
#include <initializer_list>
#include <utility>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Throws where one of these options, each a name and a number, is negative; where one is no decay of a moment.
///@{
inline void require_not_negative(const char* where, std::initializer_list<std::pair<const char*, double>> options) {
  for (const auto& [name, value] : options)
    require(is_finite(value) && value >= 0, where, ": finite ", name, " >= 0 expected, got ", value);
}
inline void require_decays(const char* where, std::initializer_list<std::pair<const char*, double>> options) {
  for (const auto& [name, value] : options)
    require(is_finite(value) && value >= 0 && value < 1, where, ": 0 <= ", name, " < 1 expected, got ", value);
}
///@}

template <class Net>
void require_step(const char* where, const Net& net, const Net& gradient, const Net& moments) {
  require_same_shapes(where, "net", net, "the network that the optimiser was made for", moments);
  require(&gradient != &net, where, ": gradient must be another object than net, got one");
  require_same_shapes(where, "gradient", gradient, "net", net);
}

}  // namespace detail

/// Options of Sgd.
struct SgdOptions {
  double rate = 1e-2;       ///< the learning rate
  double momentum = 0;      ///< of m: 0 for none
  double weight_decay = 0;  ///< L2: added to the gradient, weight_decay * p
  bool nesterov = false;    ///< look ahead along the momentum (Y. Nesterov, 1983)
};

/// Stochastic gradient descent: m <- momentum m + g,  p <- p - rate m;  Nesterov: p <- p - rate (g + momentum m).
/// Without momentum p <- p - rate g, and m stays as it is.
template <class Net>
class Sgd {
 public:
  /// With moments of zero. Throws std::invalid_argument where an option is out of range.
  explicit Sgd(const Net& net, SgdOptions options_ = {}) : options(options_), momentum(zeros_like(net)) {
    detail::require_not_negative(
        "Sgd", {{"rate", options.rate}, {"momentum", options.momentum}, {"weight_decay", options.weight_decay}});
  }
  /// A number is not an options struct: this does not compile, and says so.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Sgd(const Net& net, Number) : Sgd(net, SgdOptions{}) {
    static_assert(detail::never<Number>, "Sgd: options come in braces: recur::Sgd optimizer(net, {.rate = 1e-2})");
  }

  /// Updates the network's parameters. Throws std::invalid_argument where shapes differ, before anything is changed.
  void step(Net& net, const Net& gradient) { step(net, gradient, detail::TouchedColumns()); }
  /// The same for train(), with the columns of the gradient that may be other than zero. Returns whether the parameters
  /// of the others are as they were: so it is, and to the same bits, without momentum and weight decay.
  bool step(Net& net, const Net& gradient, const detail::TouchedColumns& touched) {
    detail::require_step("Sgd::step", net, gradient, momentum);
    using Scalar = typename Net::Scalar;
    const auto rate = Scalar(options.rate), mu = Scalar(options.momentum), decay = Scalar(options.weight_decay);
    if (mu == 0 && decay == 0) {
      touched.visit([&](auto g, auto p) { p -= rate * g; }, gradient, net);
      return true;
    }
    detail::visit_numbers(
        [&](auto p, auto g, auto m) {
          if (mu == 0) {
            p -= rate * (g + decay * p);
          } else if (options.nesterov) {
            m = mu * m + (g + decay * p);
            p -= rate * ((g + decay * p) + mu * m);
          } else {
            m = mu * m + (g + decay * p);
            p -= rate * m;
          }
        },
        net, gradient, momentum);
    return false;
  }

  /// Its name, and f(name, part) for all that a step depends on: what a checkpoint stores.
  ///@{
  static constexpr const char* name = "Sgd";
  static void visit_parts(auto&& f, auto& sgd) {
    f("rate", sgd.options.rate);
    f("momentum_decay", sgd.options.momentum);
    f("weight_decay", sgd.options.weight_decay);
    f("nesterov", sgd.options.nesterov);
    f("momentum", sgd.momentum);
  }
  ///@}

  SgdOptions options;  ///< may be changed between steps
  Net momentum;        ///< m
};

/// Options of RmsProp.
struct RmsPropOptions {
  double rate = 1e-2;       ///< the learning rate
  double decay = 0.99;      ///< of the mean square
  double epsilon = 1e-8;    ///< added to the root
  double momentum = 0;      ///< of m: 0 for none
  double weight_decay = 0;  ///< L2
};

/// v <- decay v + (1 - decay) g^2,  m <- momentum m + g / (sqrt(v) + epsilon),  p <- p - rate m
/// (T. Tieleman, G. Hinton, 2012).
template <class Net>
class RmsProp {
 public:
  /// With moments of zero. Throws std::invalid_argument where an option is out of range.
  explicit RmsProp(const Net& net, RmsPropOptions options_ = {})
      : options(options_), mean_square(zeros_like(net)), momentum(zeros_like(net)) {
    detail::require_decays("RmsProp", {{"decay", options.decay}});
    detail::require_not_negative("RmsProp", {{"rate", options.rate},
                                             {"epsilon", options.epsilon},
                                             {"momentum", options.momentum},
                                             {"weight_decay", options.weight_decay}});
  }
  /// A number is not an options struct: this does not compile, and says so.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  RmsProp(const Net& net, Number) : RmsProp(net, RmsPropOptions{}) {
    static_assert(detail::never<Number>,
                  "RmsProp: options come in braces: recur::RmsProp optimizer(net, {.rate = 1e-2})");
  }

  /// Updates the network's parameters. Throws std::invalid_argument where shapes differ, before anything is changed.
  void step(Net& net, const Net& gradient) {
    detail::require_step("RmsProp::step", net, gradient, momentum);
    using Scalar = typename Net::Scalar;
    const auto rate = Scalar(options.rate), rho = Scalar(options.decay), fresh = Scalar(1 - options.decay),
               epsilon = Scalar(options.epsilon), mu = Scalar(options.momentum), decay = Scalar(options.weight_decay);
    detail::visit_numbers(
        [&](auto p, auto g, auto v, auto m) {
          v = rho * v + fresh * (g + decay * p).square();
          m = mu * m + (g + decay * p) / (v.sqrt() + epsilon);
          p -= rate * m;
        },
        net, gradient, mean_square, momentum);
  }

  /// Its name, and f(name, part) for all that a step depends on: what a checkpoint stores.
  ///@{
  static constexpr const char* name = "RmsProp";
  static void visit_parts(auto&& f, auto& rms_prop) {
    f("rate", rms_prop.options.rate);
    f("decay", rms_prop.options.decay);
    f("epsilon", rms_prop.options.epsilon);
    f("momentum_decay", rms_prop.options.momentum);
    f("weight_decay", rms_prop.options.weight_decay);
    f("mean_square", rms_prop.mean_square);
    f("momentum", rms_prop.momentum);
  }
  ///@}

  RmsPropOptions options;  ///< may be changed between steps
  Net mean_square;         ///< v
  Net momentum;            ///< m
};

/// Options of Adam.
struct AdamOptions {
  double rate = 1e-3;  ///< the learning rate
  /// decay of the first moment
  double beta1 = 0.9, beta2 = 0.999;  ///< decay of the second moment
  double epsilon = 1e-8;              ///< added to the root
  double weight_decay = 0;            ///< L2
};

/// m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,
/// p <- p - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)   (D. P. Kingma, J. Ba, 2015).
template <class Net>
class Adam {
 public:
  /// With moments of zero. Throws std::invalid_argument where an option is out of range.
  explicit Adam(const Net& net, AdamOptions options_ = {}) : Adam(name, net, options_) {}
  /// A number is not an options struct: this does not compile, and says so.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Adam(const Net& net, Number) : Adam(net, AdamOptions{}) {
    static_assert(detail::never<Number>, "Adam: options come in braces: recur::Adam optimizer(net, {.rate = 1e-2})");
  }

  /// Updates the network's parameters. Throws std::invalid_argument where shapes differ, before anything is changed.
  void step(Net& net, const Net& gradient) {
    detail::require_step("Adam::step", net, gradient, first_moment);
    step_forward(net, gradient, options.weight_decay);
  }

  /// Its name, and f(name, part) for all that a step depends on: what a checkpoint stores.
  ///@{
  static constexpr const char* name = "Adam";
  static void visit_parts(auto&& f, auto& adam) {
    f("rate", adam.options.rate);
    f("beta1", adam.options.beta1);
    f("beta2", adam.options.beta2);
    f("epsilon", adam.options.epsilon);
    f("weight_decay", adam.options.weight_decay);
    f("steps", adam.steps);
    f("first_moment", adam.first_moment);
    f("second_moment", adam.second_moment);
  }
  ///@}

  AdamOptions options;  ///< may be changed between steps
  Net first_moment;     ///< m
  Net second_moment;    ///< v
  Index steps = 0;      ///< t

 protected:
  /// The same, for messages that begin with `where`.
  Adam(const char* where, const Net& net, AdamOptions options_)
      : options(options_), first_moment(zeros_like(net)), second_moment(zeros_like(net)) {
    detail::require_decays(where, {{"beta1", options.beta1}, {"beta2", options.beta2}});
    detail::require_not_negative(
        where, {{"rate", options.rate}, {"epsilon", options.epsilon}, {"weight_decay", options.weight_decay}});
  }
  /// One step of Adam; `l2` is the weight decay that is added to the gradient.
  void step_forward(Net& net, const Net& gradient, double l2) {
    using Scalar = typename Net::Scalar;
    ++steps;
    const auto t = static_cast<double>(steps);
    const auto beta1 = Scalar(options.beta1), fresh1 = Scalar(1 - options.beta1), beta2 = Scalar(options.beta2),
               fresh2 = Scalar(1 - options.beta2), epsilon = Scalar(options.epsilon), decay = Scalar(l2);
    const auto rate = Scalar(options.rate / (1 - std::pow(options.beta1, t)));
    const auto root = Scalar(std::sqrt(1 - std::pow(options.beta2, t)));
    detail::visit_numbers(
        [&](auto p, auto g, auto m, auto v) {
          m = beta1 * m + fresh1 * (g + decay * p);
          v = beta2 * v + fresh2 * (g + decay * p).square();
          p -= rate * m / (v.sqrt() / root + epsilon);
        },
        net, gradient, first_moment, second_moment);
  }
};

/// As AdamOptions, with PyTorch's default for the decay.
struct AdamWOptions {
  double rate = 1e-3;  ///< the learning rate
  /// decay of the first moment
  double beta1 = 0.9, beta2 = 0.999;  ///< decay of the second moment
  double epsilon = 1e-8;              ///< added to the root
  double weight_decay = 1e-2;         ///< decoupled: p <- p - rate weight_decay p
};

/// Adam whose weight decay does not pass through the moments: p <- p - rate weight_decay p, then as Adam
/// (I. Loshchilov, F. Hutter, 2019).
template <class Net>
class AdamW : public Adam<Net> {
 public:
  /// Its name in checkpoints.
  static constexpr const char* name = "AdamW";
  /// With moments of zero. Throws std::invalid_argument where an option is out of range.
  explicit AdamW(const Net& net, AdamWOptions o = {})
      : Adam<Net>(name, net, {o.rate, o.beta1, o.beta2, o.epsilon, o.weight_decay}) {}
  /// A number is not an options struct: this does not compile, and says so.
  template <class Number>
    requires std::is_arithmetic_v<Number>
  AdamW(const Net& net, Number) : AdamW(net, AdamWOptions{}) {
    static_assert(detail::never<Number>, "AdamW: options come in braces: recur::AdamW optimizer(net, {.rate = 1e-2})");
  }

  /// Updates the network's parameters. Throws std::invalid_argument where shapes differ, before anything is changed.
  void step(Net& net, const Net& gradient) {
    detail::require_step("AdamW::step", net, gradient, this->first_moment);
    const auto keep = static_cast<typename Net::Scalar>(1 - this->options.rate * this->options.weight_decay);
    detail::visit_numbers([&](auto p) { p *= keep; }, net);
    this->step_forward(net, gradient, 0);
  }
};

/// The network's type follows from the network.
///@{
template <class Net>
Sgd(const Net&, SgdOptions) -> Sgd<Net>;
template <class Net>
RmsProp(const Net&, RmsPropOptions) -> RmsProp<Net>;
template <class Net>
Adam(const Net&, AdamOptions) -> Adam<Net>;
template <class Net>
AdamW(const Net&, AdamWOptions) -> AdamW<Net>;
///@}

namespace detail {

/// The sum of squares, in double: several sums side by side, for one would wait for each addition.
double sum_of_squares(const auto& numbers) {
  constexpr Index ways = 8;
  double sums[ways] = {};
  for (Index i = 0; i < numbers.size(); i += ways) {
    const Index count = std::min(ways, numbers.size() - i);
    for (Index w = 0; w < count; ++w) {
      const auto number = static_cast<double>(numbers[i + w]);
      sums[w] += number * number;
    }
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}
/// The global norm of a gradient. Columns are summed apart, so that those of zeros make no difference.
template <Parameterized Net>
double global_norm(const Net& gradient, const TouchedColumns& touched) {
  double sum = 0;
  touched.visit_columns([&](auto column) { sum += sum_of_squares(column); }, gradient);
  return std::sqrt(sum);
}
/// See clip_norm, which gives the norm.
template <Parameterized Net>
void clip_to_norm(Net& gradient, const TouchedColumns& touched, double norm, double limit) {
  require(limit > 0, "clip_norm: limit > 0 expected, got ", limit);
  const double factor = limit / (norm + 1e-6);
  if (factor < 1 && is_finite(norm))
    touched.visit([&](auto g) { g *= static_cast<typename Net::Scalar>(factor); }, gradient);
}
/// See clip_value.
template <Parameterized Net>
void clip_value(Net& gradient, const TouchedColumns& touched, double limit) {
  require(limit > 0, "clip_value: limit > 0 expected, got ", limit);
  const auto l = static_cast<typename Net::Scalar>(limit);
  const auto cut = [l](auto g) { return g < -l ? -l : g > l ? l : g; };  // NaN stays NaN
  touched.visit([&](auto g) { g = g.unaryExpr(cut); }, gradient);
}

}  // namespace detail

/// sqrt of the sum of the squares of all entries, in double.
template <Parameterized Net>
double global_norm(const Net& gradient) {
  return detail::global_norm(gradient, detail::TouchedColumns());
}

/// Scales the gradient to a global norm of `limit` where it has more, as PyTorch's clip_grad_norm_: by limit / (norm +
/// 1e-6). Returns the norm before. A norm that is not finite scales nothing.
/// Throws std::invalid_argument unless limit > 0.
template <Parameterized Net>
double clip_norm(Net& gradient, double limit) {
  const double norm = global_norm(gradient);
  detail::clip_to_norm(gradient, detail::TouchedColumns(), norm, limit);
  return norm;
}

/// Clips every entry to [-limit, limit]. Throws std::invalid_argument unless limit > 0.
template <Parameterized Net>
void clip_value(Net& gradient, double limit) {
  detail::clip_value(gradient, detail::TouchedColumns(), limit);
}

}  // namespace recur::inline RECUR_ISA
