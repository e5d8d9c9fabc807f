#pragma once
/// \file
/// require(), the check that is always on, whose message says what was expected and what came.

#include "matrix.hpp"

#include <bit>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>

namespace recur::inline RECUR_ISA {

/// The sizes of a matrix as messages show them: "8x3".
struct Shape {
  /// rows
  Index rows, cols;  ///< columns
};
/// The sizes of an Eigen matrix.
template <class Derived>
Shape shape(const Eigen::EigenBase<Derived>& matrix) {
  return {matrix.rows(), matrix.cols()};
}

namespace detail {

/// One part of a message: put into words only when the message is needed.
class Part {
 public:
  Part(const char* text) : text_(text) {}                                          // NOLINT: all of these convert
  Part(const std::string& text) : text_(text.c_str()) {}                           // NOLINT
  Part(Shape shape) : kind_(Kind::shape), rows_(shape.rows), cols_(shape.cols) {}  // NOLINT
  Part(double number) : kind_(Kind::real), real_(number) {}                        // NOLINT
  template <std::integral Number>
  Part(Number number) : kind_(Kind::whole), rows_(static_cast<Index>(number)) {}  // NOLINT

  friend std::ostream& operator<<(std::ostream& out, const Part& part) {
    switch (part.kind_) {
      case Kind::text: return out << part.text_;
      case Kind::whole: return out << part.rows_;
      case Kind::real: return out << part.real_;
      case Kind::shape: break;
    }
    return out << part.rows_ << 'x' << part.cols_;
  }

 private:
  enum class Kind { text, whole, real, shape };
  Kind kind_ = Kind::text;
  const char* text_ = "";
  Index rows_ = 0, cols_ = 0;
  double real_ = 0;
};

}  // namespace detail

/// Throws std::invalid_argument with the given parts as its message unless `holds`. On in every build; called a few
/// times for each call of the library, never for each number.
inline void require(bool holds, std::initializer_list<detail::Part> message) {
  if (holds) return;
  std::ostringstream text;
  for (const detail::Part& part : message) text << part;
  throw std::invalid_argument(text.str());
}
/// The same with the parts as arguments.
template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) require(holds, {detail::Part(parts)...});
}

/// require() that two sizes are equal: "forward: x.features() must be 3 (inputs()), got 5".
inline void require_equal(const char* where, const char* what, Index got, const char* expected_what, Index expected) {
  require(got == expected, where, ": ", what, " must be ", expected, " (", expected_what, "), got ", got);
}

/// require() that two series have the same batch and steps: "bptt: dy must have batch 3 and steps 5 (as x), got batch
/// 2 and steps 5".
template <class Got, class Expected>
void require_same_steps(const char* where, const char* what, const Got& got, const char* expected_what,
                        const Expected& expected) {
  require(got.batch() == expected.batch() && got.steps() == expected.steps(), where, ": ", what, " must have batch ",
          expected.batch(), " and steps ", expected.steps(), " (as ", expected_what, "), got batch ", got.batch(),
          " and steps ", got.steps());
}

namespace detail {

/// require() for a size that a type may have fixed: "Readout: hidden must be 8 (fixed by its type), got 5".
inline void require_fixed(const char* what, Index size, int fixed) {
  require(fixed == Dynamic || size == fixed, what, " must be ", fixed, " (fixed by its type), got ", size);
}

/// Whether a number is finite, and whether it is NaN: by its bits, for under -ffast-math compilers take std::isfinite
/// for true and std::isnan for false.
inline bool is_finite(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7F800000u) != 0x7F800000u; }
inline bool is_finite(double x) {
  constexpr std::uint64_t exponent = 0x7FF0000000000000u;
  return (std::bit_cast<std::uint64_t>(x) & exponent) != exponent;
}
inline bool is_nan(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu) > 0x7F800000u; }
inline bool is_nan(double x) { return (std::bit_cast<std::uint64_t>(x) & 0x7FFFFFFFFFFFFFFFu) > 0x7FF0000000000000u; }

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
