#pragma once
/// \file
/// How alike two gradients are.

#include <recur/base/parameters.hpp>

#include <cmath>

namespace bench {

/// The cosine of the angle between two gradients.
template <class Net>
double cosine(const Net& a, const Net& b) {
  double product = 0, of_a = 0, of_b = 0;
  recur::visit(
      [&](const recur::Name&, const auto& p, const auto& q) {
        product += p.cwiseProduct(q).sum(), of_a += p.squaredNorm(), of_b += q.squaredNorm();
      },
      a, b);
  return product / std::sqrt(of_a * of_b);
}

}  // namespace bench
