#pragma once
/// \file
/// The words that everything else is written in, and the check that is always on.

#include "isa.hpp"

#include <Eigen/Core>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace recur::inline RECUR_ISA {

using Eigen::Dynamic;  ///< a size that is known only when the program runs
using Eigen::Index;

/// A column-major matrix. One of fixed size asks for no alignment beyond its scalar's, so that it is the same in units
/// that are compiled for different processors.
template <class Scalar, int Rows = Dynamic, int Cols = Dynamic>
using MatrixOf = Eigen::Matrix<Scalar, Rows, Cols,
                               (Rows == 1 && Cols != 1 ? Eigen::RowMajor : Eigen::ColMajor) |
                                   (Rows == Dynamic || Cols == Dynamic ? Eigen::AutoAlign : Eigen::DontAlign)>;

/// A column vector.
template <class Scalar, int Rows = Dynamic>
using VectorOf = MatrixOf<Scalar, Rows, 1>;

/// A window on column-major data that somebody else owns: rows are neighbours, columns `outerStride()` apart.
template <class Scalar>
using MatrixView = Eigen::Map<MatrixOf<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class Scalar>
using ConstMatrixView = Eigen::Map<const MatrixOf<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// How members of fixed size are aligned: from one cache line on, to cache lines, for a packet that crosses two of them
/// takes twice as long to read. It is the same for every processor.
template <class M>
inline constexpr std::size_t alignment =
    M::SizeAtCompileTime != Dynamic && sizeof(M) >= 64 ? std::size_t(64) : alignof(M);

/// `count` times a size, where the size may be Dynamic.
constexpr int times(int count, int size) { return size == Dynamic ? Dynamic : count * size; }

/// The sizes of a matrix as messages show them: "8x3".
struct Shape {
  Index rows, cols;
};
template <class Derived>
Shape shape(const Eigen::EigenBase<Derived>& matrix) {
  return {matrix.rows(), matrix.cols()};
}

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

/// Throws std::invalid_argument with the given parts as its message unless `holds`. On in every build; called a few
/// times for each call of the library, never for each number.
inline void require(bool holds, std::initializer_list<Part> message) {
  if (holds) return;
  std::ostringstream text;
  for (const Part& part : message) text << part;
  throw std::invalid_argument(text.str());
}
template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) require(holds, {Part(parts)...});
}

/// require() for the commonest case: "forward: x.features() must be 3 (inputs()), got 5".
inline void require_equal(const char* where, const char* what, Index got, const char* expected_what, Index expected) {
  require(got == expected, where, ": ", what, " must be ", expected, " (", expected_what, "), got ", got);
}

/// require() for things that go side by side, step for step: "bptt: dy must have batch 3 and steps 5 (as x), got batch
/// 2 and steps 5".
template <class Got, class Expected>
void require_same_steps(const char* where, const char* what, const Got& got, const char* expected_what,
                        const Expected& expected) {
  require(got.batch() == expected.batch() && got.steps() == expected.steps(), where, ": ", what, " must have batch ",
          expected.batch(), " and steps ", expected.steps(), " (as ", expected_what, "), got batch ", got.batch(),
          " and steps ", got.steps());
}

namespace detail {

/// False, but only known to be when a template is instantiated: for a static_assert that says why it must not be.
template <class...>
inline constexpr bool never = false;

/// Whether a number is finite, and whether it is NaN: by its bits, for under -ffast-math compilers take std::isfinite
/// for true and std::isnan for false.
inline bool is_finite(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7F800000u) != 0x7F800000u; }
inline bool is_finite(double x) {
  constexpr std::uint64_t exponent = 0x7FF0000000000000u;
  return (std::bit_cast<std::uint64_t>(x) & exponent) != exponent;
}
inline bool is_nan(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7FFFFFFFu) > 0x7F800000u; }
inline bool is_nan(double x) { return (std::bit_cast<std::uint64_t>(x) & 0x7FFFFFFFFFFFFFFFu) > 0x7FF0000000000000u; }

/// For all that allocates: throws std::invalid_argument where another unit of the program has Eigen allocate in another
/// way, for then memory would be freed in another way than it was allocated.
inline void require_units_alike() {
  require(all_units::max_align_bytes == EIGEN_MAX_ALIGN_BYTES,
          "recur: all units of a program must have the same EIGEN_MAX_ALIGN_BYTES, got ", EIGEN_MAX_ALIGN_BYTES,
          " here and ", all_units::max_align_bytes,
          " elsewhere, as from different -march: compile all of them with "
          "-DEIGEN_MAX_ALIGN_BYTES=64");
}

/// The product of sizes, all >= 0. Throws std::invalid_argument where it, or that of some of them, is so large that the
/// bytes of so many numbers could not be counted; `what` names the sizes: "Series: features x batch x steps".
inline Index checked_product(const char* what, std::initializer_list<Index> sizes) {
  Index bytes = 16;  // of one number, whatever its type
  bool overflows = false, any_zero = false;
  for (const Index size : sizes) {
    overflows |= __builtin_mul_overflow(bytes, std::max<Index>(size, 1), &bytes);
    any_zero |= size == 0;
  }
  if (!overflows) return any_zero ? 0 : bytes / 16;
  std::ostringstream text;
  const char* between = "";
  for (const Index size : sizes) text << std::exchange(between, " x ") << size;
  require(false, what, " must be less than 2^59, got ", text.str());
  return 0;
}

/// A value that is T() again when it has been moved from: of these are the sizes of what owns memory, which is empty
/// when its memory has gone. Moved to itself, it stays.
template <class T>
class EmptiedByMove {
 public:
  EmptiedByMove(T value = T()) noexcept : value_(std::move(value)) {}  // NOLINT: stands for its value
  EmptiedByMove(const EmptiedByMove&) = default;
  EmptiedByMove(EmptiedByMove&& other) noexcept : value_(std::exchange(other.value_, T())) {}
  EmptiedByMove& operator=(const EmptiedByMove&) = default;
  EmptiedByMove& operator=(EmptiedByMove&& other) noexcept {
    value_ = std::exchange(other.value_, T());
    return *this;
  }
  operator const T&() const { return value_; }  // NOLINT
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }

 private:
  T value_;
};

/// Memory that grows and never shrinks, to be used again and again for matrices of different sizes.
template <class Scalar>
class Buffer {
 public:
  /// The numbers are undefined. Throws where there is no memory for them; the buffer is then empty.
  MatrixView<Scalar> resize(Index rows, Index cols) {
    const Index size = checked_product("Buffer: rows x cols", {rows, cols});
    if (size > storage_.size()) {
      require_units_alike();
      rows_ = cols_ = 0;
      storage_.resize(0);  // or Eigen, where it fails, is left with memory that it has freed
      storage_.resize(size);
    }
    rows_ = rows;
    cols_ = cols;
    return view();
  }
  MatrixView<Scalar> view() { return {storage_.data(), rows_, cols_, Eigen::OuterStride<>(rows_)}; }
  ConstMatrixView<Scalar> view() const { return {storage_.data(), rows_, cols_, Eigen::OuterStride<>(rows_)}; }
  const Scalar* data() const { return storage_.data(); }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  /// What is held, of which rows() * cols() numbers are in use.
  Index bytes() const { return storage_.size() * static_cast<Index>(sizeof(Scalar)); }

 private:
  VectorOf<Scalar> storage_;
  EmptiedByMove<Index> rows_, cols_;
};

/// Some bytes of memory.
struct MemoryRange {
  const void* begin = nullptr;
  Index bytes = 0;

  bool overlaps(const MemoryRange& other) const {
    const std::less<const void*> before;
    const auto end = [](const MemoryRange& range) { return static_cast<const char*>(range.begin) + range.bytes; };
    return bytes > 0 && other.bytes > 0 && before(begin, end(other)) && before(other.begin, end(*this));
  }
};
/// All that a Buffer, a Series or the like holds, used now or not.
MemoryRange memory_of(const auto& buffer) { return {buffer.data(), buffer.bytes()}; }

/// The memory of something that is made of buffers, in bytes. It has for_each_buffer(f), which calls f(buffer) for
/// each.
Index bytes_of(const auto& buffers) {
  Index bytes = 0;
  buffers.for_each_buffer([&](const auto& buffer) { bytes += buffer.bytes(); });
  return bytes;
}

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
