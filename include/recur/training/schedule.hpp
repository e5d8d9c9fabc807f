#pragma once
/// \file
/// Learning rates as plain functions of the step, counted from 0. Any `double f(Index step)` is one:
///
///     options.schedule = [](recur::Index step) { return recur::cosine(step, 1000, 1e-2); };

#include "../base/require.hpp"

#include <algorithm>
#include <cmath>

namespace recur::inline RECUR_ISA {

/// rate
inline double constant_rate(Index, double rate) { return rate; }

/// rate * factor^floor(step / every), for every > 0; PyTorch's StepLR.
/// Throws std::invalid_argument unless every > 0.
inline double step_decay(Index step, Index every, double rate, double factor = 0.1) {
  require(every > 0, "step_decay: every > 0 expected, got ", every);
  return rate * std::pow(factor, static_cast<double>(step / every));
}

/// From `rate` at step 0 to `last` at step `steps` and after it, along half a cosine:
/// last + (rate - last) (1 + cos(pi step / steps)) / 2 (I. Loshchilov, F. Hutter, 2017); PyTorch's CosineAnnealingLR.
/// Throws std::invalid_argument unless steps > 0.
inline double cosine(Index step, Index steps, double rate, double last = 0) {
  require(steps > 0, "cosine: steps > 0 expected, got ", steps);
  const double part = std::min(1.0, static_cast<double>(step) / static_cast<double>(steps));
  return last + (rate - last) * (1 + std::cos(3.14159265358979323846 * part)) / 2;
}

/// Up to `rate` in equal parts: rate (step + 1) / steps for the first `steps` steps, then `rate`. With another
/// schedule: warm_up(step, 100, cosine(step, 1000, 1e-2)). Throws std::invalid_argument unless steps > 0.
inline double warm_up(Index step, Index steps, double rate) {
  require(steps > 0, "warm_up: steps > 0 expected, got ", steps);
  return rate * std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(steps));
}

}  // namespace recur::inline RECUR_ISA
