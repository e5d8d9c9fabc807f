// Gradients of losses, by differences.
#pragma once

#include <recur/series/series.hpp>

#include <algorithm>
#include <cmath>

namespace recur_test {

/// The largest difference of dy from central differences of value(y); NaN where one is.
double worst_difference(recur::Series<double> y, const recur::Series<double>& dy, auto&& value) {
  const double e = 1e-5;
  double worst = 0;
  for (recur::Index j = 0; j < y.matrix().cols(); ++j)
    for (recur::Index i = 0; i < y.features(); ++i) {
      const double kept = y.matrix()(i, j);
      const auto at = [&](double moved) {
        y.matrix()(i, j) = moved;
        return value(y);
      };
      const double apart = std::abs((at(kept + e) - at(kept - e)) / (2 * e) - dy.matrix()(i, j));
      if (std::isnan(apart)) return apart;
      worst = std::max(worst, apart);
      y.matrix()(i, j) = kept;
    }
  return worst;
}

}  // namespace recur_test
