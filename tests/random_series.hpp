// Series of random numbers.
#pragma once

#include <recur/series/series.hpp>

#include <random>

namespace recur_test {

template <class Scalar = double>
recur::Series<Scalar> random_series(recur::Index features, recur::Index batch, recur::Index steps, std::mt19937& rng) {
  recur::Series<Scalar> series(features, batch, steps);
  series.setRandom(rng);
  return series;
}
/// From an engine of its own.
template <class Scalar = double>
recur::Series<Scalar> random_series(recur::Index features, recur::Index batch, recur::Index steps, unsigned seed = 1) {
  std::mt19937 rng(seed);
  return random_series<Scalar>(features, batch, steps, rng);
}

}  // namespace recur_test
