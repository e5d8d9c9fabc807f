// Random matrices, and equality to the bit.
#pragma once

#include <recur/base/random.hpp>
#include <recur/series/series.hpp>

#include <concepts>
#include <cstring>
#include <random>

namespace recur_test {

/// Uniform in [-1, 1).
template <class Scalar>
recur::MatrixOf<Scalar> random_matrix(recur::Index rows, recur::Index cols, std::mt19937& rng) {
  recur::MatrixOf<Scalar> matrix(rows, cols);
  for (recur::Index j = 0; j < cols; ++j)
    for (recur::Index i = 0; i < rows; ++i) matrix(i, j) = static_cast<Scalar>(recur::uniform(rng, -1, 1));
  return matrix;
}

/// Whether two numbers have the same bits: NaN equals itself, and 0 differs from -0.
template <std::floating_point Scalar>
bool identical(Scalar a, Scalar b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}
/// Whether two matrices or arrays have the same shape, and the same bits everywhere.
template <class A, class B>
bool identical(const Eigen::DenseBase<A>& a, const Eigen::DenseBase<B>& b) {
  bool same = a.rows() == b.rows() && a.cols() == b.cols();
  for (recur::Index j = 0; same && j < a.cols(); ++j)
    for (recur::Index i = 0; same && i < a.rows(); ++i) same = identical(a.derived()(i, j), b.derived()(i, j));
  return same;
}

}  // namespace recur_test
