#pragma once
/// \file
/// Checks that rules are pointwise: an array that has pointwise functions only.

#include "../base/require.hpp"

#include <type_traits>

namespace recur::inline RECUR_ISA::detail {

/// Stands for the Eigen arrays of a rule when its functions are checked: they are compiled with it, and never called.
/// It has what Eigen computes number by number, and has no reductions (mean, sum, maxCoeff, all ...), no single
/// numbers and no segments, so that a rule with those is an error at the line that has them. It holds nothing and
/// computes nothing.
template <class Scalar_>
class PointwiseArray {
 public:
  using Scalar = Scalar_;
  using RealScalar = Scalar_;
  using PlainObject = PointwiseArray;
  using Mask = PointwiseArray<bool>;

  PointwiseArray() = default;
  PointwiseArray(Index, Index) {}
  /// Numbers stand for arrays, also on the right of an operator or a function.
  template <class Number>
    requires(std::is_convertible_v<Number, Scalar>)
  PointwiseArray(const Number&) {}  // NOLINT: converts

  Index rows() const { return 0; }
  Index cols() const { return 0; }
  Index size() const { return 0; }
  PointwiseArray eval() const { return {}; }
  PointwiseArray array() const { return {}; }
  template <class Other>
  PointwiseArray<Other> cast() const {
    return {};
  }

  // Sizes may be given or not, as Eigen has it.
  static PointwiseArray Zero(Index = 0, Index = 0) { return {}; }
  static PointwiseArray Ones(Index = 0, Index = 0) { return {}; }
  static PointwiseArray Constant(const PointwiseArray&) { return {}; }
  static PointwiseArray Constant(Index, const PointwiseArray&) { return {}; }
  static PointwiseArray Constant(Index, Index, const PointwiseArray&) { return {}; }
  PointwiseArray& setZero() { return *this; }
  PointwiseArray& setOnes() { return *this; }
  PointwiseArray& setConstant(const PointwiseArray&) { return *this; }
  PointwiseArray& fill(const PointwiseArray&) { return *this; }

  template <class F>
  auto unaryExpr(const F& f = F()) const {
    return PointwiseArray<std::decay_t<decltype(f(Scalar()))>>();
  }
  template <class Other, class F>
  auto binaryExpr(const PointwiseArray<Other>&, const F& f = F()) const {
    return PointwiseArray<std::decay_t<decltype(f(Scalar(), Other()))>>();
  }
  template <class Then, class Else>
  std::common_type_t<Then, Else> select(const Then&, const Else&) const {
    return {};
  }
  template <int NaNPropagation = 0>
  PointwiseArray min(const PointwiseArray&) const {
    return {};
  }
  template <int NaNPropagation = 0>
  PointwiseArray max(const PointwiseArray&) const {
    return {};
  }

  PointwiseArray operator-() const { return {}; }
  Mask operator!() const { return {}; }
/// \cond
#define RECUR_ASSIGN(op) \
  PointwiseArray& operator op(const PointwiseArray&) { return *this; }
  RECUR_ASSIGN(+=)
  RECUR_ASSIGN(-=)
  RECUR_ASSIGN(*=)
  RECUR_ASSIGN(/=)
#undef RECUR_ASSIGN
#define RECUR_OPERATOR(Result, op) \
  friend Result operator op(const PointwiseArray&, const PointwiseArray&) { return {}; }
  RECUR_OPERATOR(PointwiseArray, +)
  RECUR_OPERATOR(PointwiseArray, -)
  RECUR_OPERATOR(PointwiseArray, *)
  RECUR_OPERATOR(PointwiseArray, /)
  RECUR_OPERATOR(PointwiseArray, &)
  RECUR_OPERATOR(PointwiseArray, |)
  RECUR_OPERATOR(PointwiseArray, ^)
  RECUR_OPERATOR(Mask, &&)
  RECUR_OPERATOR(Mask, ||)
  RECUR_OPERATOR(Mask, ==)
  RECUR_OPERATOR(Mask, !=)
  RECUR_OPERATOR(Mask, <)
  RECUR_OPERATOR(Mask, <=)
  RECUR_OPERATOR(Mask, >)
  RECUR_OPERATOR(Mask, >=)
#undef RECUR_OPERATOR

  // As members and as functions.
#define RECUR_FUNCTION(f)                 \
  PointwiseArray f() const { return {}; } \
  friend PointwiseArray f(const PointwiseArray&) { return {}; }
  RECUR_FUNCTION(abs)
  RECUR_FUNCTION(abs2)
  RECUR_FUNCTION(sign)
  RECUR_FUNCTION(inverse)
  RECUR_FUNCTION(square)
  RECUR_FUNCTION(cube)
  RECUR_FUNCTION(sqrt)
  RECUR_FUNCTION(rsqrt)
  RECUR_FUNCTION(cbrt)
  RECUR_FUNCTION(exp)
  RECUR_FUNCTION(exp2)
  RECUR_FUNCTION(expm1)
  RECUR_FUNCTION(log)
  RECUR_FUNCTION(log1p)
  RECUR_FUNCTION(log2)
  RECUR_FUNCTION(log10)
  RECUR_FUNCTION(sin)
  RECUR_FUNCTION(cos)
  RECUR_FUNCTION(tan)
  RECUR_FUNCTION(asin)
  RECUR_FUNCTION(acos)
  RECUR_FUNCTION(atan)
  RECUR_FUNCTION(sinh)
  RECUR_FUNCTION(cosh)
  RECUR_FUNCTION(tanh)
  RECUR_FUNCTION(asinh)
  RECUR_FUNCTION(acosh)
  RECUR_FUNCTION(atanh)
  RECUR_FUNCTION(logistic)
  RECUR_FUNCTION(erf)
  RECUR_FUNCTION(erfc)
  RECUR_FUNCTION(lgamma)
  RECUR_FUNCTION(digamma)
  RECUR_FUNCTION(ndtri)
  RECUR_FUNCTION(floor)
  RECUR_FUNCTION(ceil)
  RECUR_FUNCTION(round)
  RECUR_FUNCTION(rint)
  RECUR_FUNCTION(trunc)
#undef RECUR_FUNCTION
  /// \endcond
  Mask isNaN() const { return {}; }
  Mask isInf() const { return {}; }
  Mask isFinite() const { return {}; }
  friend Mask(isnan)(const PointwiseArray&) { return {}; }
  friend Mask(isinf)(const PointwiseArray&) { return {}; }
  friend Mask(isfinite)(const PointwiseArray&) { return {}; }
  PointwiseArray pow(const PointwiseArray&) const { return {}; }
  PointwiseArray atan2(const PointwiseArray&) const { return {}; }
  PointwiseArray absolute_difference(const PointwiseArray&) const { return {}; }
  friend PointwiseArray pow(const PointwiseArray&, const PointwiseArray&) { return {}; }
  friend PointwiseArray atan2(const PointwiseArray&, const PointwiseArray&) { return {}; }

  // Eigen's names of some of these for matrices, which its arrays have too.
  PointwiseArray cwiseAbs() const { return {}; }
  PointwiseArray cwiseAbs2() const { return {}; }
  PointwiseArray cwiseSqrt() const { return {}; }
  PointwiseArray cwiseSign() const { return {}; }
  PointwiseArray cwiseInverse() const { return {}; }
  PointwiseArray cwiseProduct(const PointwiseArray&) const { return {}; }
  PointwiseArray cwiseQuotient(const PointwiseArray&) const { return {}; }
  PointwiseArray cwiseMin(const PointwiseArray&) const { return {}; }
  PointwiseArray cwiseMax(const PointwiseArray&) const { return {}; }
  Mask cwiseEqual(const PointwiseArray&) const { return {}; }
  Mask cwiseNotEqual(const PointwiseArray&) const { return {}; }
};

/// Stands for Blocks. Array is const where the rule may only read.
template <class Array>
struct PointwiseBlocks {
  Array operator[](int) const { return {}; }
};

/// Whether `function` is compiled: it is true, and asking compiles it.
template <auto function>
inline constexpr bool compiles = true;

}  // namespace recur::inline RECUR_ISA::detail
