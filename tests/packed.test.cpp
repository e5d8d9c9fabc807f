#include "catch.hpp"
#include "numbers.hpp"

#include <recur/packed.hpp>

#include <vector>

using namespace recur;
using recur_test::identical, recur_test::random_matrix;

namespace {

/// Every size up to 40, and those around the heights of the tallest tiles.
std::vector<Index> all_heights() {
  std::vector<Index> heights;
  for (Index m = 0; m <= 40; ++m) heights.push_back(m);
  for (const Index m : {47, 48, 49, 63, 64, 65, 95, 97, 127, 128, 129, 143}) heights.push_back(m);
  return heights;
}

/// A block with no alignment, whose columns are further apart than it is high, within a larger matrix of random
/// numbers.
template <class Scalar>
struct Inside {
  Inside(Index rows_, Index cols_, std::mt19937& rng)
      : all(random_matrix<Scalar>(rows_ + 4, cols_ + 2, rng)), rows(rows_), cols(cols_) {}

  MatrixView<Scalar> block() { return {all.data() + all.rows() + 1, rows, cols, Eigen::OuterStride<>(all.rows())}; }
  Matrix<double> in_double() { return block().template cast<double>(); }
  /// The larger matrix, with the block replaced.
  Matrix<double> with(const Matrix<double>& other) const {
    Matrix<double> result = all.template cast<double>();
    result.block(1, 1, rows, cols) = other;
    return result;
  }

  Matrix<Scalar> all;
  Index rows, cols;
};

/// M x N += M x K times K x N in every form there is.
template <class Scalar>
void check_products(Index M, Index N, Index K, std::mt19937& rng) {
  Inside<Scalar> a(M, K, rng), b(K, N, rng), a_transposed(K, M, rng), b_transposed(N, K, rng), c(M, N, rng);
  a_transposed.block() = a.block().transpose();
  b_transposed.block() = b.block().transpose();
  const Panels<Scalar> in_place{a.block().data(), M, K, a.all.rows()};
  const auto add = [&](const Panels<Scalar>& left, Inside<Scalar> sum) {
    add_product(left, b.block(), sum.block());
    return sum.all;
  };

  // Right, and nothing outside C is touched.
  const Matrix<Scalar> result = add(in_place, c);
  const Matrix<double> expected = c.with(c.in_double() + a.in_double() * b.in_double());
  const double tolerance = static_cast<double>(K + 2) * static_cast<double>(Eigen::NumTraits<Scalar>::epsilon());
  const double error = (result.template cast<double>() - expected).cwiseAbs().maxCoeff();

  // The same bits in every other way.
  Packed<Scalar> packed;
  const bool same_packed = identical(add(packed.of(a.block(), 2), c), result);
  const bool same_of = identical(add(packed.of(a.block(), N), c), result);
  const bool same_transposed = identical(add(packed.transpose_of(a_transposed.block(), N), c), result);
  const bool same_transposed_in_place = identical(add(packed.transpose_of(a_transposed.block(), 1), c), result);
  Inside<Scalar> outer = c, columns = c, packed_columns = c;
  add_outer_product(a.block(), b_transposed.block(), outer.block());
  const auto panels = packed.of(a.block(), 2);
  for (Index j = 0; j < N; ++j) {
    add_product(in_place, b.block().col(j), columns.block().col(j));
    add_product(panels, b.block().col(j), packed_columns.block().col(j));
  }

  INFO("M " << M << ", N " << N << ", K " << K);
  REQUIRE(error <= tolerance);
  REQUIRE(same_packed);
  REQUIRE(same_of);
  REQUIRE(same_transposed);
  REQUIRE(same_transposed_in_place);
  REQUIRE(identical(outer.all, result));
  REQUIRE(identical(columns.all, result));
  REQUIRE(identical(packed_columns.all, result));
}

}  // namespace

TEMPLATE_TEST_CASE("Products of every height are right, and have the same bits in every form", "[packed]", float,
                   double) {
  std::mt19937 rng(1);
  for (const Index M : all_heights())
    for (const Index N : {0, 1, 2, 3, 4, 5, 7, 8, 9, 13})
      for (const Index K : {0, 1, 2, 7}) check_products<TestType>(M, N, K, rng);
}

TEMPLATE_TEST_CASE("Products of every width and depth are right, and have the same bits in every form", "[packed]",
                   float, double) {
  std::mt19937 rng(2);
  for (Index N = 0; N <= 40; ++N)
    for (Index K = 0; K <= 40; ++K)
      for (const Index M : {1, 19}) check_products<TestType>(M, N, K, rng);
}

TEMPLATE_TEST_CASE("Large products are right, and have the same bits in every form", "[packed]", float, double) {
  std::mt19937 rng(3);
  check_products<TestType>(300, 64, 301, rng);
  check_products<TestType>(131, 1, 517, rng);
}

TEST_CASE("A step of a row multiplies fixed-size matrices of one row", "[packed]") {
  Matrix<float, 1, 3> weights;
  weights << 1, 2, 3;
  const Vector<float, 3> h(4, 5, 6);
  Vector<float, 1> sum(100);
  add_product(Panels<float>{weights.data(), 1, 3, weights.colStride()}, h, sum);
  CHECK(sum(0) == 132);
  Packed<float> packed;
  add_product(packed.of(weights, 2), h, sum);
  CHECK(sum(0) == 164);
  Matrix<float> transposed_sum = Matrix<float>::Zero(3, 2);
  add_product(packed.transpose_of(weights, 2), Matrix<float, 1, 2>(10, 20), transposed_sum);
  CHECK(transposed_sum == weights.transpose() * Matrix<float, 1, 2>(10, 20));
}

TEST_CASE("What is packed does not change with the weights", "[packed]") {
  std::mt19937 rng(4);
  Matrix<double> weights = random_matrix<double>(5, 3, rng);
  const Matrix<double> b = random_matrix<double>(3, 2, rng), before = weights;
  Packed<double> packed;
  const auto panels = packed.of(weights, 2);
  weights.setZero();
  Matrix<double> sum = Matrix<double>::Zero(5, 2);
  add_product(panels, b, sum);
  CHECK(sum.isApprox(before * b, 1e-14));
}
