// The losses of series that are sums over features, for what holds for all of them.
#pragma once

#include <recur/training/more_losses.hpp>

namespace recur_test {

/// f(name, loss, features of y for each of the target's)
void for_each_loss(auto&& f) {
  f("squared_error", recur::squared_error, 1);
  f("binary_cross_entropy", recur::binary_cross_entropy, 1);
  f("l1", recur::l1, 1);
  f("huber", recur::huber, 1);
  f("huber", recur::Huber(0.2), 1);
  f("quantiles", recur::Quantiles({0.2, 0.9}), 2);
  f("gaussian_nll", recur::gaussian_nll, 2);
  f("poisson_nll", recur::poisson_nll, 1);
}

}  // namespace recur_test
