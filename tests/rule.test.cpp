#include "catch.hpp"
#include "numbers.hpp"

#include <recur/rule.hpp>
#include <recur/rules/elman.hpp>

#include <numeric>
#include <vector>

using namespace recur;

namespace {

constexpr bool operator==(BlockRange a, BlockRange b) { return a.first == b.first && a.count == b.count; }

/// A rule of three blocks, whose ranges are given.
template <BlockRange Input, BlockRange Hidden, BlockRange States = BlockRange{2, 1}>
struct Ranges {
  enum Block { f, g, h, blocks };
  static constexpr BlockRange from_input = Input, from_hidden = Hidden, state = States;
  void forward(const auto&, auto& now) const { now[h] = now[f]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[h]; }
};

struct NoHiddenState {
  enum Block { f, blocks };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{f, 1};
  void forward(const auto&, auto&) const {}
  void backward(const auto&, const auto&, auto&, auto&) const {}
};

struct NoBackward {
  enum Block { h, blocks };
  static constexpr BlockRange from_input{h, 1}, from_hidden{h, 1}, state{h, 1};
  void forward(const auto&, auto&) const {}
};

struct WritesBefore : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  void forward(auto& before, auto& now) const
    requires(!std::is_const_v<std::remove_reference_t<decltype(before)>>);
};

}  // namespace

TEST_CASE("Two ranges span what lies from the first of both to the end of both", "[rule]") {
  STATIC_REQUIRE(span({0, 3}, {1, 3}) == BlockRange{0, 4});
  STATIC_REQUIRE(span({2, 1}, {0, 2}) == BlockRange{0, 3});
  STATIC_REQUIRE(span({1, 4}, {2, 1}) == BlockRange{1, 4});
  STATIC_REQUIRE(BlockRange{2, 3}.end() == 5);
}

TEST_CASE("The Rule concept accepts rules", "[rule]") {
  STATIC_REQUIRE(Rule<ElmanRule<>>);
  STATIC_REQUIRE(Rule<ElmanRule<Relu>>);
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 2}, BlockRange{1, 2}>>);  // that overlap
  STATIC_REQUIRE(Rule<Ranges<BlockRange{1, 1}, BlockRange{0, 1}>>);  // that are neighbours
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{1, 2}>>);
}

TEST_CASE("The Rule concept rejects gaps, ranges outside the record, and what is missing", "[rule]") {
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{2, 1}>>);  // a gap
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{2, 1}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{1, 3}, BlockRange{1, 1}>>);  // past the end
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 4}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{-1, 2}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 0}, BlockRange{0, 1}>>);                    // empty
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{0, 2}>>);  // h is not carried
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{2, 2}>>);
  STATIC_REQUIRE(!Rule<NoHiddenState>);
  STATIC_REQUIRE(!Rule<NoBackward>);
  STATIC_REQUIRE(!Rule<WritesBefore>);
  STATIC_REQUIRE(!Rule<int>);
}

TEST_CASE("Blocks are H rows each of a record", "[rule]") {
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

TEST_CASE("Blocks of one unit may have columns that are apart", "[rule]") {
  std::vector<float> numbers{0, 1, 2, 3, 4, 5};
  Blocks<float, 1> blocks(numbers.data(), 1, 3, 2);
  CHECK((blocks[1](0, 0) == 1 && blocks[1](0, 1) == 3 && blocks[1](0, 2) == 5));
  blocks[0] = blocks[1];
  CHECK(numbers == std::vector<float>{1, 1, 3, 3, 5, 5});
}

TEST_CASE("A rule's own vectors are repeated for the batch, and their gradients summed over it", "[rule]") {
  Matrix<double, Dynamic, 2> vectors(3, 2), sums(3, 2);
  vectors << 1, 4, 2, 5, 3, 6;
  sums.setOnes();
  const Repeated repeated(vectors, 4);
  CHECK((repeated[1].rows() == 3 && repeated[1].cols() == 4));
  CHECK(repeated[1].matrix().col(3) == vectors.col(1));
  CHECK((2 * repeated[0] + repeated[1]).matrix().col(2) == Eigen::Vector3d(6, 9, 12));

  const Summed summed(sums);
  summed[1] += 2 * repeated[0];
  CHECK(sums.col(0) == Eigen::Vector3d::Ones());
  CHECK(sums.col(1) == Eigen::Vector3d(9, 17, 25));
}

TEST_CASE("A rule without constants takes no room", "[rule]") {
  STATIC_REQUIRE(std::is_empty_v<ElmanRule<Tanh>>);
  STATIC_REQUIRE(sizeof(ElmanRule<LeakyRelu>) == sizeof(double));
}
