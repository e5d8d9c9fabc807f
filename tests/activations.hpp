// The activations that every law of activations is tested for. A new one is one more line of `activations`.
#pragma once

#include <recur/base/random.hpp>
#include <recur/cells/activation.hpp>
#include <recur/cells/more_activations.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

namespace recur_test {

/// An activation with constants that are not its defaults, where it has some (powers of two, or sums of few: products
/// with them are exact); its value by the textbook; and where its slope, or the slope of that, jumps.
template <class F>
struct ActivationCase {
  F f;
  long double (*reference)(long double a);
  std::vector<double> kinks = {};
};
template <class F>
ActivationCase(F, long double (*)(long double), std::vector<double> = {}) -> ActivationCase<F>;

inline long double cut_off(long double a) { return a < -1 ? -1 : a > 1 ? 1 : a; }
inline long double softplus(long double a) { return std::max(a, 0.0L) + std::log1p(std::exp(-std::abs(a))); }

inline const std::tuple activations{
    ActivationCase{recur::Tanh(), [](long double a) { return std::tanh(a); }},
    ActivationCase{recur::Logistic(), [](long double a) { return 1 / (1 + std::exp(-a)); }},
    ActivationCase{recur::Relu(), [](long double a) { return a < 0 ? 0 : a; }, {0}},
    ActivationCase{recur::LeakyRelu{0.25}, [](long double a) { return a < 0 ? a / 4 : a; }, {0}},
    ActivationCase{recur::Identity(), [](long double a) { return a; }},
    ActivationCase{recur::Softsign(), [](long double a) { return a / (1 + std::abs(a)); }, {0}},
    ActivationCase{recur::HardTanh(), cut_off, {-1, 1}},
    ActivationCase{recur::Clipped<recur::Tanh>{1, {}}, [](long double a) { return std::tanh(cut_off(a)); }, {-1, 1}},
    ActivationCase{recur::Clipped<recur::LeakyRelu>{1, {0.25}},
                   [](long double a) { return (a < 0 ? 0.25L : 1) * cut_off(a); },
                   {-1, 0, 1}},
    ActivationCase{recur::HardSigmoid{0.5, 0.5}, [](long double a) { return (cut_off(a) + 1) / 2; }, {-1, 1}},
    ActivationCase{recur::Elu{0.5}, [](long double a) { return a > 0 ? a : std::expm1(a) / 2; }, {0}},
    ActivationCase{recur::Softplus(), softplus},
    ActivationCase{recur::AffineFunction{-0.5, 0.25}, [](long double a) { return 0.25L - a / 2; }},
    ActivationCase{recur::ScaledTanh{1.5, -0.75}, [](long double a) { return -1.5L * std::tanh(0.75L * a); }},
    ActivationCase{recur::ThresholdedRelu{0.5}, [](long double a) { return a < 0.5L ? 0 : a; }, {0.5}},
};

template <class... F>
std::tuple<F...> types_of(const std::tuple<ActivationCase<F>...>&);
/// The types of them all.
using Activations = decltype(types_of(activations));

template <class F>
const ActivationCase<F>& case_of() {
  return std::get<ActivationCase<F>>(activations);
}

template <class Scalar>
using Values = Eigen::Array<Scalar, recur::Dynamic, 1>;

/// Of every sign and size between 2^-12 and 2^6.
template <class Scalar>
Values<Scalar> arguments(recur::Index count) {
  std::mt19937 rng(1);
  Values<Scalar> a(count);
  for (Scalar& value : a) {
    const auto exponent = static_cast<int>(recur::uniform_below(rng, 19)) - 12;
    value = static_cast<Scalar>(std::ldexp(recur::uniform(rng, -1, 1), exponent));
  }
  return a;
}

}  // namespace recur_test
