#pragma once
/// \file
/// Random numbers from the caller's engine. The standard's distributions may differ between standard libraries; these
/// do not: one seed gives the same numbers, to the bit, with any compiler and for any processor, with fused
/// multiply-adds or without, as long as double is IEEE 754's and -ffast-math does not allow other roundings. Only
/// normal(), and what draws from it, is no more reproducible than the C library's logarithm and cosine.

#include "isa.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>
#include <utility>

namespace recur::inline RECUR_ISA {

namespace detail {

/// a * b, rounded to double before anything is done with it. Written plainly, a compiler may fuse a product with the
/// sum that it goes into and round once, where the processor can, and so give other bits. It cannot see through a
/// volatile.
inline double rounded_product(double a, double b) {
  const volatile double product = a * b;
  return product;
}

/// A number uniform in [0, 1).
template <class Engine>
double uniform_in_unit(Engine& engine) {
  // As many draws as make up 53 bits: std::generate_canonical as it was until C++26 changed its numbers.
  const double range = static_cast<double>(Engine::max() - Engine::min()) + 1;
  double sum = 0, scale = 1;
  for (; scale < 0x1p53; scale *= range) sum += rounded_product(static_cast<double>(engine() - Engine::min()), scale);
  return std::min(sum / scale, 1 - 0x1p-53);
}

/// The caller's engine, of any type, for what is compiled once for all of them: what is above and below draws the same
/// numbers from it. The standard's distributions, which ask for bits, get others.
class AnyEngine {
 public:
  template <class Engine>
    requires(!std::is_same_v<Engine, AnyEngine>)
  explicit AnyEngine(Engine& engine)
      : engine_(&engine), draw_([](void* any) { return uniform_in_unit(*static_cast<Engine*>(any)); }) {}
  double draw() { return draw_(engine_); }

  using result_type = std::uint32_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffu; }
  result_type operator()() { return static_cast<result_type>(0x1p32 * draw()); }

 private:
  void* engine_;
  double (*draw_)(void*);
};
inline double uniform_in_unit(AnyEngine& any) { return any.draw(); }

}  // namespace detail

/// A number uniform in [low, high).
template <class Engine>
double uniform(Engine& engine, double low = 0, double high = 1) {
  return low + detail::rounded_product(high - low, detail::uniform_in_unit(engine));
}

/// A normal number of mean 0 and standard deviation 1: sqrt(-2 ln u) cos(2 pi v) (Box and Muller, 1958).
///
/// The C library computes ln and cos, which no standard says how to round: one seed gives the same bits wherever that
/// library is the same and takes the same path (glibc chooses by the processor's features), and may differ in the last
/// places elsewhere. The draws from the engine are the same everywhere.
template <class Engine>
double normal(Engine& engine) {
  const double u = 1 - uniform(engine);  // in (0, 1]: its logarithm is finite
  const double v = uniform(engine);
  return detail::rounded_product(std::sqrt(-2 * std::log(u)), std::cos(6.283185307179586477 * v));
}

/// A whole number uniform in 0 .. count-1, for count > 0.
template <class Engine>
std::size_t uniform_below(Engine& engine, std::size_t count) {
  const auto drawn = static_cast<std::size_t>(uniform(engine) * static_cast<double>(count));
  return drawn < count ? drawn : count - 1;
}

/// Puts the elements of a range into random order (Fisher and Yates).
template <class Engine, class Range>
void shuffle(Range& range, Engine& engine) {
  for (std::size_t left = range.size(); left > 1; --left) {
    std::swap(range[left - 1], range[uniform_below(engine, left)]);
  }
}

}  // namespace recur::inline RECUR_ISA
