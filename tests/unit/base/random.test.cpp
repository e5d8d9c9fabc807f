#include "catch.hpp"

#include <recur/base/random.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

using namespace recur;

namespace {

/// An engine that always draws the largest number.
struct Largest {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() { return max(); }
};

/// FNV-1a of the bytes of 100,000 draws, the lowest first.
template <class Engine>
std::uint64_t hash_of_uniform(double low, double high) {
  Engine engine(42);
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < 100'000; ++i) {
    auto bits = std::bit_cast<std::uint64_t>(uniform(engine, low, high));
    for (int byte = 0; byte < 8; ++byte, bits >>= 8) hash = (hash ^ (bits & 0xFF)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace

TEST_CASE("One seed gives the same uniform numbers everywhere", "[random]") {
  std::mt19937 twister(42);
  for (const double expected :
       {0x1.97d47b66bfc3cp-1, 0x1.77aca8779b102p-3, 0x1.8f33a88f76c7fp-1, 0x1.3196582932836p-1}) {
    CHECK(uniform(twister) == expected);
  }
  std::mt19937_64 wide(42);
  CHECK(uniform(wide) == 0.75515553295453897);
  std::minstd_rand small(42);
  CHECK(uniform(small) == 0.57136286382734303);
  std::ranlux24_base narrow(42);
  CHECK(uniform(narrow) == 0.12260826618367635);
}

TEST_CASE("One seed gives the same bits, whether products and sums are fused or not", "[random]") {
  // What a multiply-add would round otherwise are the bounds, and the sum of draws whose range is no power of 2.
  CHECK(hash_of_uniform<std::mt19937>(0, 1) == 0xf2f79ca87a974f54u);
  CHECK(hash_of_uniform<std::mt19937>(-0.1, 0.7) == 0xb074dabe70249f50u);
  CHECK(hash_of_uniform<std::mt19937_64>(-0.1, 0.7) == 0xd49b7487787b841cu);
  CHECK(hash_of_uniform<std::minstd_rand>(0, 1) == 0x359ce76f7f8a7275u);
  CHECK(hash_of_uniform<std::minstd_rand>(-0.1, 0.7) == 0x719098645e93187eu);
  CHECK(hash_of_uniform<std::ranlux24_base>(-0.1, 0.7) == 0xf919cd020648586du);
}

TEST_CASE("One seed gives the same normal and whole numbers everywhere", "[random]") {
  std::mt19937 rng(42);  // the library's logarithm and cosine may differ in the last place
  for (const double expected : {0.724800492604872, -1.4271463667812532, 0.87913305772822048, -0.55669772934718731}) {
    CHECK(normal(rng) == Approx(expected).epsilon(1e-14));
  }
  rng.seed(42);
  for (const std::size_t expected : {7u, 1u, 7u, 5u, 4u, 0u, 4u, 3u}) CHECK(uniform_below(rng, 10) == expected);
}

TEST_CASE("Uniform numbers stay in their range and fill it", "[random]") {
  std::mt19937 rng(1);
  double smallest = 1, largest = -1, sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double drawn = uniform(rng, -0.5, 0.25);
    smallest = std::min(smallest, drawn);
    largest = std::max(largest, drawn);
    sum += drawn;
  }
  CHECK((smallest >= -0.5 && smallest < -0.4999));
  CHECK((largest < 0.25 && largest > 0.2499));
  CHECK(sum / 100000 == Approx(-0.125).margin(0.002));
}

TEST_CASE("Even the largest draw is below the upper end", "[random]") {
  Largest engine;
  CHECK(uniform(engine) < 1);
  CHECK(uniform(engine, -1, 1) < 1);
  CHECK(uniform_below(engine, 7) == 6);
  CHECK(uniform_below(engine, 1) == 0);
}

TEST_CASE("Normal numbers have mean 0, variance 1 and the tails of a normal distribution", "[random]") {
  std::mt19937 rng(2);
  constexpr int count = 200000;
  double sum = 0, squares = 0, cubes = 0;
  int beyond_two = 0;
  for (int i = 0; i < count; ++i) {
    const double drawn = normal(rng);
    sum += drawn;
    squares += drawn * drawn;
    cubes += drawn * drawn * drawn;
    beyond_two += std::abs(drawn) > 2;
  }
  CHECK(sum / count == Approx(0).margin(0.01));
  CHECK(squares / count == Approx(1).margin(0.015));
  CHECK(cubes / count == Approx(0).margin(0.05));
  CHECK(beyond_two / double(count) == Approx(0.0455).margin(0.002));
}

TEST_CASE("Each whole number below the count is as likely as the others", "[random]") {
  std::mt19937 rng(3);
  std::array<int, 6> drawn{};
  for (int i = 0; i < 60000; ++i) ++drawn.at(uniform_below(rng, 6));
  for (const int times : drawn) CHECK(times == Approx(10000).margin(400));
}

TEST_CASE("Shuffling permutes, and one seed gives one order", "[random]") {
  std::vector<int> order(10);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 rng(42);
  shuffle(order, rng);
  CHECK(order == std::vector<int>{5, 9, 3, 8, 0, 2, 4, 6, 1, 7});

  std::vector<int> sorted = order, none;
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 10; ++i) CHECK(sorted[static_cast<std::size_t>(i)] == i);
  shuffle(none, rng);
  CHECK(none.empty());
}

TEST_CASE("Shuffling brings every element to every place", "[random]") {
  std::mt19937 rng(4);
  std::array<std::array<int, 3>, 3> times{};
  for (int i = 0; i < 9000; ++i) {
    std::array<std::size_t, 3> order{0, 1, 2};
    shuffle(order, rng);
    for (std::size_t place = 0; place < 3; ++place) ++times.at(place).at(order.at(place));
  }
  for (const auto& place : times)
    for (const int count : place) CHECK(count == Approx(3000).margin(200));
}
