#pragma once
/// \file
/// The activations of ONNX's RNN, GRU and LSTM that activation.hpp does not have. Its Sigmoid is Logistic, and its
/// `clip` Clipped. Constants have ONNX's names and, where it has some, its defaults.

#include "activation.hpp"

namespace recur::inline RECUR_ISA {

/// alpha a + beta, cut off at 0 and 1; its slope there is 0. PyTorch's nn.Hardsigmoid has 1/6.0 and 0.5.
struct HardSigmoid {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double alpha = 0.2, beta = 0.5;
  std::string description() const { return "hard sigmoid " + describe(alpha) + " " + describe(beta); }

  auto value(const auto& a) const {
    using Scalar = typename std::decay_t<decltype(a)>::Scalar;
    return a.unaryExpr([m = static_cast<Scalar>(alpha), c = static_cast<Scalar>(beta)](Scalar v) -> Scalar {
      const Scalar line = m * v + c;
      return line < 0 ? Scalar(0) : line > 1 ? Scalar(1) : line;  // NaN stays NaN
    });
  }
  auto slope(const auto& h) const {
    using Scalar = typename std::decay_t<decltype(h)>::Scalar;
    return (h > 0 && h < 1).template cast<Scalar>() * static_cast<Scalar>(alpha);
  }
  ///@}
};

/// a where a > 0, else alpha (exp(a) - 1), for alpha > 0; its slope at 0 is alpha.
struct Elu {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double alpha = 1;
  std::string description() const { return "elu " + describe(alpha); }

  auto value(const auto& a) const { return (a > 0).select(a, alpha_as(a) * detail::exp_minus_one(a)); }
  auto slope(const auto& h) const {
    return (h > 0).select(detail::PlainArray<std::decay_t<decltype(h)>>::Ones(h.rows(), h.cols()), h + alpha_as(h));
  }
  ///@}

 private:
  auto alpha_as(const auto& a) const { return static_cast<typename std::decay_t<decltype(a)>::Scalar>(alpha); }
};

/// log(1 + exp(a))
struct Softplus {
  /// Its name in files; f(a) and f'(a), from h = f(a).
  ///@{
  static constexpr const char* name = "softplus";
  auto value(const auto& a) const {
    return detail::in_packets<detail::SoftplusFunction>(
        a, [](auto v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); });
  }
  ///@}
  /// 1 - exp(-h)
  auto slope(const auto& h) const { return -detail::exp_minus_one(-h); }
};

/// alpha a + beta
struct AffineFunction {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double alpha = 1, beta = 0;
  std::string description() const { return "affine " + describe(alpha) + " " + describe(beta); }

  auto value(const auto& a) const {
    using Scalar = typename std::decay_t<decltype(a)>::Scalar;
    return a.unaryExpr(
        [m = static_cast<Scalar>(alpha), c = static_cast<Scalar>(beta)](Scalar v) -> Scalar { return m * v + c; });
  }
  auto slope(const auto& h) const {
    using Array = detail::PlainArray<std::decay_t<decltype(h)>>;
    return Array::Constant(h.rows(), h.cols(), static_cast<typename Array::Scalar>(alpha));
  }
  ///@}
};

/// alpha tanh(beta a), for alpha other than 0.
struct ScaledTanh {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double alpha = 1, beta = 1;
  std::string description() const { return "scaled tanh " + describe(alpha) + " " + describe(beta); }

  auto value(const auto& a) const {
    using Scalar = typename std::decay_t<decltype(a)>::Scalar;
    return static_cast<Scalar>(alpha) * Tanh().value(static_cast<Scalar>(beta) * a);
  }
  ///@}
  /// beta (alpha - h^2 / alpha)
  auto slope(const auto& h) const {
    using Scalar = typename std::decay_t<decltype(h)>::Scalar;
    const auto top = static_cast<Scalar>(alpha);
    return static_cast<Scalar>(beta) * (top - h.square() / top);
  }
};

/// a where a >= alpha, else 0, for alpha > 0; its slope where it jumps is 1.
struct ThresholdedRelu {
  /// Its constants, in words for files; f(a) and f'(a), from h = f(a).
  ///@{
  double alpha = 1;
  std::string description() const { return "thresholded relu " + describe(alpha); }

  auto value(const auto& a) const {
    using Scalar = typename std::decay_t<decltype(a)>::Scalar;
    return a.unaryExpr([least = static_cast<Scalar>(alpha)](Scalar v) -> Scalar {
      return v < least ? Scalar(0) : v;  // NaN stays NaN
    });
  }
  auto slope(const auto& h) const { return (h > 0).template cast<typename std::decay_t<decltype(h)>::Scalar>(); }
  ///@}
};

}  // namespace recur::inline RECUR_ISA
