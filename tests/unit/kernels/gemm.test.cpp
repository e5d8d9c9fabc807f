#include "catch.hpp"
#include "numbers.hpp"

#include <recur/kernels/gemm.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

using namespace recur;
using recur::detail::Accumulation, recur::detail::Lhs, recur::detail::PackBuffer;
using recur::detail::add_outer_product, recur::detail::add_product, recur::detail::in_place, recur::detail::set_product;
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
  MatrixOf<double> in_double() { return block().template cast<double>(); }
  /// The larger matrix, with the block replaced.
  MatrixOf<double> with(const MatrixOf<double>& other) const {
    MatrixOf<double> result = all.template cast<double>();
    result.block(1, 1, rows, cols) = other;
    return result;
  }

  MatrixOf<Scalar> all;
  Index rows, cols;
};

/// M x N += M x K times K x N in every form there is.
template <class Scalar>
void check_products(Index M, Index N, Index K, std::mt19937& rng) {
  Inside<Scalar> a(M, K, rng), b(K, N, rng), a_transposed(K, M, rng), b_transposed(N, K, rng), c(M, N, rng);
  a_transposed.block() = a.block().transpose();
  b_transposed.block() = b.block().transpose();
  const auto left_in_place = [&](Accumulation order) {
    return Lhs<Scalar>{a.block().data(), {M}, {K}, a.all.rows(), order};
  };
  const auto add = [&](const Lhs<Scalar>& left) {
    Inside<Scalar> sum = c;
    add_product(left, b.block(), sum.block());
    return sum.all;
  };
  // C = start + A B has the bits of C += A B where C is `start` in every column, or zero.
  const auto sets_as_it_adds = [&](const Lhs<Scalar>& left) {
    const VectorOf<Scalar> start = random_matrix<Scalar>(M, 1, rng);
    Inside<Scalar> sum = c, set = c, sum_from_zero = c, set_from_zero = c;
    for (Index j = 0; j < N; ++j) sum.block().col(j) = start;
    sum_from_zero.block().setZero();
    add_product(left, b.block(), sum.block());
    add_product(left, b.block(), sum_from_zero.block());
    set_product(left, b.block(), start.data(), set.block());
    set_product(left, b.block(), set_from_zero.block());
    return identical(set.all, sum.all) && identical(set_from_zero.all, sum_from_zero.all);
  };
  const auto add_columns = [&](const Lhs<Scalar>& left, bool backwards = false) {
    Inside<Scalar> sum = c;
    for (Index j = 0; j < N; ++j) add_product(left, b.block().col(j), sum.block().col(j), backwards);
    return sum.all;
  };
  INFO("M " << M << ", N " << N << ", K " << K);

  // Right, and nothing outside C is touched.
  const MatrixOf<double> expected = c.with(c.in_double() + a.in_double() * b.in_double());
  const double tolerance = static_cast<double>(K + 2) * static_cast<double>(Eigen::NumTraits<Scalar>::epsilon());
  const auto right = [&](const MatrixOf<Scalar>& result) {
    return (result.template cast<double>() - expected).cwiseAbs().maxCoeff() <= tolerance;
  };

  // In sequence: the same bits packed or in place, all columns at once or one at a time. A single row whose numbers are
  // apart is summed otherwise: no weight matrix has such.
  PackBuffer<Scalar> packed;
  const MatrixOf<Scalar> in_sequence = add(packed.for_columns(a.block(), 100));
  REQUIRE(right(in_sequence));
  REQUIRE(identical(add_columns(packed.for_columns(a.block(), 100)), in_sequence));
  REQUIRE(identical(add(packed.transpose_of(a_transposed.block(), 2, 100)), in_sequence));
  const MatrixOf<Scalar> where_it_lies = add(left_in_place(Accumulation::in_sequence));
  REQUIRE(right(where_it_lies));
  REQUIRE(identical(add_columns(left_in_place(Accumulation::in_sequence)), where_it_lies));
  REQUIRE((M == 1 || identical(where_it_lies, in_sequence)));
  REQUIRE(sets_as_it_adds(packed.for_columns(a.block(), 100)));
  REQUIRE(sets_as_it_adds(left_in_place(Accumulation::in_sequence)));
  Inside<Scalar> outer = c;
  add_outer_product(a.block(), b_transposed.block(), outer.block());
  REQUIRE(right(outer.all));
  REQUIRE((M == 1 || identical(outer.all, in_sequence)));

  // Interleaved: the same bits packed or in place, forwards or backwards.
  const MatrixOf<Scalar> interleaved = add_columns(packed.for_steps(a.block(), 1, 100));
  REQUIRE(right(interleaved));
  REQUIRE(identical(add(packed.for_steps(a.block(), 1, 100)), interleaved));
  REQUIRE(identical(add_columns(packed.for_steps(a.block(), 1, 100), true), interleaved));
  REQUIRE((M == 1 || identical(add_columns(packed.transpose_of(a_transposed.block(), 1, 100)), interleaved)));
  const MatrixOf<Scalar> interleaved_where_it_lies = add_columns(left_in_place(Accumulation::interleaved));
  REQUIRE(right(interleaved_where_it_lies));
  REQUIRE(identical(add_columns(left_in_place(Accumulation::interleaved), true), interleaved_where_it_lies));
  REQUIRE((M == 1 || identical(interleaved_where_it_lies, interleaved)));

  // Transposed, where it lies.
  REQUIRE(sets_as_it_adds(packed.for_steps(a.block(), 1, 100)));
  REQUIRE(sets_as_it_adds(packed.transpose_of(a_transposed.block(), 1, 1)));
  const MatrixOf<Scalar> transposed = add(packed.transpose_of(a_transposed.block(), 1, 1));
  REQUIRE(right(transposed));
  REQUIRE(identical(add_columns(packed.transpose_of(a_transposed.block(), 1, 1)), transposed));
}

}  // namespace

TEMPLATE_TEST_CASE("All products up to 40 x 40 x 40 are exact, for small whole numbers", "[packed]", float, double) {
  constexpr Index most = 40, stride = 43;  // blocks within larger matrices, off every alignment
  std::mt19937 rng(6);
  const auto whole = [&] {
    return MatrixOf<TestType>((4 * random_matrix<TestType>(stride, most, rng)).array().round());
  };
  const auto within = [](const MatrixOf<TestType>& all, Index rows, Index cols) {
    return ConstMatrixView<TestType>(all.data() + 1, rows, cols, Eigen::OuterStride<>(stride));
  };
  const MatrixOf<TestType> all_a = whole(), all_b = whole();
  MatrixOf<TestType> all_a_transposed(stride, most), all_b_transposed(stride, most), all_c(stride, most);
  all_a_transposed.bottomRows(most + 2).topRows(most) = within(all_a, most, most).transpose();
  all_b_transposed.bottomRows(most + 2).topRows(most) = within(all_b, most, most).transpose();

  // 7 + A B with all K columns of A so far; compared and set by bytes, which is quick in slow builds too.
  MatrixOf<TestType> wanted = MatrixOf<TestType>::Constant(most, most, 7);
  const std::vector<TestType> sevens(most, 7);
  PackBuffer<TestType> in_sequence, interleaved, transposed;
  for (Index K = 0; K <= most; ++K) {
    if (K > 0) wanted += within(all_a, most, K).col(K - 1) * within(all_b, K, most).row(K - 1);
    for (Index M = 0; M <= most; ++M) {
      const auto a = within(all_a, M, K), a_transposed = within(all_a_transposed, K, M);
      const Lhs<TestType> every[] = {in_sequence.for_columns(a, 100),
                                     in_place(a, Accumulation::in_sequence),
                                     interleaved.for_steps(a, 1, 100),
                                     in_place(a, Accumulation::interleaved),
                                     transposed.transpose_of(a_transposed, 2, 100),
                                     transposed.transpose_of(a_transposed, 1)};
      Index wrong = 0;
      for (Index N = 0; N <= most; ++N) {
        TestType* const data = all_c.data() + 1;
        MatrixView<TestType> c(data, M, N, Eigen::OuterStride<>(stride));
        const auto check = [&](auto&& multiply) {
          for (Index j = 0; j < N; ++j) std::copy_n(sevens.data(), M, data + j * stride);
          multiply();
          const auto bytes = static_cast<std::size_t>(M) * sizeof(TestType);
          for (Index j = 0; j < N; ++j) wrong += std::memcmp(data + j * stride, wanted.data() + j * most, bytes) != 0;
        };
        for (const auto& left : every) check([&] { add_product(left, within(all_b, K, N), c); });
        check([&] { add_outer_product(a, within(all_b_transposed, N, K), c); });
      }
      INFO("M " << M << ", K " << K);
      REQUIRE(wrong == 0);
    }
  }
}

TEMPLATE_TEST_CASE("Products that go through a small A again and again are right, in every form", "[packed]", float,
                   double) {
  std::mt19937 rng(2);  // C is too large for the nearest cache
  check_products<TestType>(1000, 27, 3, rng);
  check_products<TestType>(301, 203, 5, rng);
  check_products<TestType>(17, 1301, 2, rng);
  check_products<TestType>(1103, 3, 1, rng);
}

TEMPLATE_TEST_CASE("Products of every height are right, in every form", "[packed]", float, double) {
  std::mt19937 rng(1);
  for (const Index M : all_heights())
    for (const Index N : {0, 1, 2, 3, 4, 5, 7, 8, 9, 13})
      for (const Index K : {0, 1, 2, 7}) check_products<TestType>(M, N, K, rng);
}

TEMPLATE_TEST_CASE("Products of every width and depth are right, in every form", "[packed]", float, double) {
  std::mt19937 rng(2);
  for (Index N = 0; N <= 40; ++N)
    for (Index K = 0; K <= 40; ++K)
      for (const Index M : {1, 19}) check_products<TestType>(M, N, K, rng);
}

TEMPLATE_TEST_CASE("Large products are right, in every form", "[packed]", float, double) {
  std::mt19937 rng(3);
  check_products<TestType>(300, 64, 301, rng);
  check_products<TestType>(131, 1, 517, rng);
  check_products<TestType>(101, 131, 1030, rng);  // parts of B's columns, and of the depth
}

TEST_CASE("Fixed-size matrices of one row are weights too", "[packed]") {
  MatrixOf<float, 1, 3> weights;
  weights << 1, 2, 3;
  const VectorOf<float, 3> h(4, 5, 6);
  VectorOf<float, 1> sum(100);
  add_product(in_place(weights, Accumulation::in_sequence), h, sum);
  CHECK(sum(0) == 132);
  add_product(in_place(weights, Accumulation::interleaved), h, sum);
  CHECK(sum(0) == 164);
  PackBuffer<float> packed;
  add_product(packed.for_columns(weights, 100), h, sum);
  CHECK(sum(0) == 196);
  const MatrixOf<float, 1, 2> d(10, 20);
  for (const Index count : {1, 100}) {
    MatrixOf<float> transposed_sum = MatrixOf<float>::Zero(3, 2);
    add_product(packed.transpose_of(weights, 2, count), d, transposed_sum);
    CHECK(transposed_sum == weights.transpose() * d);
  }
}

TEMPLATE_TEST_CASE("Sizes known when compiling give the same bits", "[packed]", float, double) {
  std::mt19937 rng(5);
  const auto check = [&]<int M, int K>() {
    const MatrixOf<TestType, M, K> weights = random_matrix<TestType>(M, K, rng);
    const MatrixOf<TestType> dynamic = weights;
    const VectorOf<TestType, K> b = random_matrix<TestType>(K, 1, rng);
    for (const Accumulation order : {Accumulation::in_sequence, Accumulation::interleaved}) {
      VectorOf<TestType, M> c = VectorOf<TestType, M>::Ones();
      VectorOf<TestType> dynamic_c = c;
      add_product(in_place(weights, order), b, c);
      add_product(in_place(dynamic, order), b, dynamic_c);
      CHECK(identical(c, dynamic_c));
    }
  };
  check.template operator()<1, 7>();
  check.template operator()<2, 1>();
  check.template operator()<13, 13>();
  check.template operator()<37, 19>();
  check.template operator()<64, 64>();
  check.template operator()<130, 5>();
}

TEST_CASE("What is packed does not change with the weights", "[packed]") {
  std::mt19937 rng(4);
  MatrixOf<double> weights = random_matrix<double>(5, 3, rng);
  const MatrixOf<double> b = random_matrix<double>(3, 2, rng), before = weights;
  PackBuffer<double> packed;
  const auto panels = packed.for_columns(weights, 100);
  weights.setZero();
  MatrixOf<double> sum = MatrixOf<double>::Zero(5, 2);
  add_product(panels, b, sum);
  CHECK(sum.isApprox(before * b, 1e-14));
}

TEMPLATE_TEST_CASE("Outer products whose columns lie far apart are exact, and have the bits of those that do not",
                   "[packed]", float, double) {
  constexpr Index stride = 1100;  // more than a page
  std::mt19937 rng(7);
  const auto whole = [&](Index rows, Index cols) {
    return MatrixOf<TestType>((4 * random_matrix<TestType>(rows, cols, rng)).array().round());
  };
  const MatrixOf<TestType> all_d = whole(stride, 300), all_h = whole(stride, 300);
  const MatrixOf<TestType> numbers_d = random_matrix<TestType>(stride, 300, rng),
                           numbers_h = random_matrix<TestType>(stride, 300, rng);
  const auto within = [](const MatrixOf<TestType>& all, Index rows, Index cols) {
    return ConstMatrixView<TestType>(all.data() + 1, rows, cols, Eigen::OuterStride<>(all.rows()));
  };
  VectorOf<TestType> memory(detail::packed_outer_product_size<TestType>);
  const auto bytes = static_cast<Index>(sizeof(TestType)) * memory.size();
  // Around whole strips and panels of every instruction set, and around the rows and columns that are packed at a time.
  for (const Index rows : {47, 48, 96, 97, 151, 240})
    for (const Index columns : {15, 16, 33, 128, 135, 270})
      for (const Index depth : {1, 15, 16, 255, 256, 257, 300}) {
        INFO("D " << rows << "x" << depth << ", H " << columns << "x" << depth);
        const auto d = within(all_d, rows, depth), h = within(all_h, columns, depth);
        MatrixOf<TestType> c = MatrixOf<TestType>::Constant(rows + 2, columns + 2, 7), wanted = c;
        wanted.block(1, 1, rows, columns) += d.lazyProduct(h.transpose());
        add_outer_product(d, h, c.block(1, 1, rows, columns), {memory.data(), bytes});
        REQUIRE(identical(c, wanted));

        const auto far_d = within(numbers_d, rows, depth), far_h = within(numbers_h, columns, depth);
        const MatrixOf<TestType> near_d = far_d, near_h = far_h;
        MatrixOf<TestType> near = MatrixOf<TestType>::Constant(rows, columns, 7), far = near;
        for (Index i = 0; i < rows; ++i)  // a row at a time is never packed
          add_outer_product(near_d.row(i).eval(), near_h, near.middleRows(i, 1));
        add_outer_product(far_d, far_h, far, {memory.data(), bytes});
        REQUIRE(identical(far, near));
        far.setConstant(7);
        add_outer_product(far_d, far_h, far, {memory.data(), bytes - 1});  // which is too little to pack
        REQUIRE(identical(far, near));
      }
}
