#include "catch.hpp"

#include <recur/record.hpp>

#include <numeric>
#include <vector>

using namespace recur;

namespace {

constexpr bool operator==(BlockRange a, BlockRange b) { return a.first == b.first && a.count == b.count; }

}  // namespace

TEST_CASE("Two ranges span what lies from the first of both to the end of both", "[record]") {
  STATIC_REQUIRE(span({0, 3}, {1, 3}) == BlockRange{0, 4});
  STATIC_REQUIRE(span({2, 1}, {0, 2}) == BlockRange{0, 3});
  STATIC_REQUIRE(span({1, 4}, {2, 1}) == BlockRange{1, 4});
  STATIC_REQUIRE(BlockRange{2, 3}.end() == 5);
}

TEST_CASE("Blocks are H rows each of a record", "[record]") {
  std::vector<double> numbers(5 * 6);
  std::iota(numbers.begin(), numbers.end(), 0.);
  Blocks<double> blocks(numbers.data(), 2, 3, 5);  // two blocks of 2 x 3, columns 5 apart
  Eigen::ArrayXXd first(2, 3), second(2, 3);
  first << 0, 5, 10, 1, 6, 11;
  second << 2, 7, 12, 3, 8, 13;
  CHECK((blocks[0] == first).all());
  CHECK((blocks[1] == second).all());
  blocks[1] += blocks[0];
  CHECK((numbers[2] == 2 && numbers[3] == 4 && numbers[4] == 4 && numbers[7] == 12));

  const Blocks<const double, 2, 3> fixed(numbers.data(), 2, 3, 5);
  CHECK((fixed[0] == first).all());
  STATIC_REQUIRE(decltype(fixed[0])::SizeAtCompileTime == 6);
}

TEST_CASE("Blocks of one unit may have columns that are apart", "[record]") {
  std::vector<float> numbers{0, 1, 2, 3, 4, 5};
  Blocks<float, 1> blocks(numbers.data(), 1, 3, 2);
  CHECK((blocks[1](0, 0) == 1 && blocks[1](0, 1) == 3 && blocks[1](0, 2) == 5));
  blocks[0] = blocks[1];
  CHECK(numbers == std::vector<float>{1, 1, 3, 3, 5, 5});
}

TEST_CASE("A rule's own vectors are repeated for the batch, and their gradients kept for each sequence", "[record]") {
  Matrix<double, Dynamic, 2> vectors(3, 2);
  vectors << 1, 4, 2, 5, 3, 6;
  const Repeated repeated(vectors, 4);
  CHECK((repeated[1].rows() == 3 && repeated[1].cols() == 4));
  CHECK(repeated[1].matrix().col(3) == vectors.col(1));
  CHECK((2 * repeated[0] + repeated[1]).matrix().col(2) == Eigen::Vector3d(6, 9, 12));

  // The gradient: sequence by sequence, of a batch of 4 whose last two come at once.
  detail::Buffer<double> buffer;
  buffer.resize(3, 2 * 4).setOnes();
  const Summed<double> summed(buffer.view(), 4, 2);
  summed[1] += 2 * repeated[0].leftCols(2);
  Matrix<double> expected = Matrix<double>::Ones(3, 8);
  expected.rightCols(2) << 3, 3, 5, 5, 7, 7;
  CHECK(buffer.view() == expected);
}

TEST_CASE("Records have room for all steps, the initial state included, and keep their memory", "[record]") {
  Records<double> records;
  CHECK((records.batch() == 0 && records.matrix().size() == 0));
  auto matrix = records.resize(6, 2, 8);
  CHECK((matrix.rows() == 6 && matrix.cols() == 2 + 8 && records.batch() == 2));
  matrix.setConstant(3);
  const auto* const data = records.matrix().data();
  CHECK(data == matrix.data());
  CHECK(records.resize(3, 1, 9).data() == data);
  CHECK((records.matrix().rows() == 3 && records.matrix().cols() == 10));
}
