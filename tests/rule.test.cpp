#include "catch.hpp"

#include <recur/rule.hpp>
#include <recur/rules/elman.hpp>

#include <type_traits>

using namespace recur;

namespace rules_to_judge {

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

}  // namespace rules_to_judge

using namespace rules_to_judge;

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

TEST_CASE("A rule without constants takes no room", "[rule]") {
  STATIC_REQUIRE(std::is_empty_v<ElmanRule<Tanh>>);
  STATIC_REQUIRE(sizeof(ElmanRule<LeakyRelu>) == sizeof(double));
}
