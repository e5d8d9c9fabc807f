#include "catch.hpp"

#include <recur/recur.hpp>

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

TEST_CASE("Blocks show the same rows of each block of a record", "[record]") {
  std::vector<double> numbers(3 * 5);
  std::iota(numbers.begin(), numbers.end(), 0.);
  Blocks<double, 2> piece(numbers.data() + 1, 5);  // three blocks of 5, of each the rows 1 and 2
  STATIC_REQUIRE(decltype(piece[0])::SizeAtCompileTime == 2);
  CHECK((piece[0](0) == 1 && piece[0](1) == 2));
  CHECK((piece[2](0) == 11 && piece[2](1) == 12));
  piece[1] += piece[0];
  CHECK((numbers[5] == 5 && numbers[6] == 7 && numbers[7] == 9 && numbers[8] == 8));

  const Blocks<const double, 1> one(numbers.data() + 4, 5);
  CHECK((one[0](0) == 4 && one[1](0) == 9));
}

TEST_CASE("Records have room for all steps, the initial state included, and keep their memory", "[record]") {
  Elman<double>::Trace trace;
  CHECK((trace.batch() == 0 && trace.workspace().records().size() == 0));
  Elman<double>(1, 6).forward(Series<double>(1, 2, 4), trace);
  CHECK((trace.workspace().records().rows() == 6 && trace.workspace().records().cols() == 2 + 8 && trace.batch() == 2));
  const auto* const data = trace.workspace().records().data();
  Elman<double>(1, 3).forward(Series<double>(1, 1, 9), trace);
  CHECK(trace.workspace().records().data() == data);
  CHECK((trace.workspace().records().rows() == 3 && trace.workspace().records().cols() == 10));
}
