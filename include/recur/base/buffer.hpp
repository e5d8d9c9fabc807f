#pragma once
/// \file
/// Memory: how many bytes sizes ask for, what owns them, and where they lie. A Buffer is the one thing of recur that
/// allocates for series and layers. Those of layers are resized once a call, by prepare_forward(), prepare_backward()
/// (see layer.hpp) and, for dL/d(final state) and each thread's Scratch, bptt: nothing that runs for each step or each
/// chunk allocates.

#include "require.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace recur::inline RECUR_ISA::detail {

/// For all that allocates: throws std::invalid_argument where another unit of the program has Eigen allocate in another
/// way, for then memory would be freed in another way than it was allocated.
inline void require_units_alike() {
  require(all_units::max_align_bytes == EIGEN_MAX_ALIGN_BYTES,
          "recur: all units of a program must have the same EIGEN_MAX_ALIGN_BYTES, got ", EIGEN_MAX_ALIGN_BYTES,
          " here and ", all_units::max_align_bytes,
          " elsewhere, as from different -march: compile all of them with "
          "-DEIGEN_MAX_ALIGN_BYTES=64");
}

/// Says which sizes are too large.
[[noreturn]] inline void throw_too_many(const char* what, std::initializer_list<Index> sizes) {
  std::ostringstream text;
  const char* between = "";
  for (const Index size : sizes) text << std::exchange(between, " x ") << size;
  throw std::invalid_argument(std::string(what) + " must be less than 2^59, got " + text.str());
}
/// The product of sizes, all >= 0. Throws std::invalid_argument where it, or that of some of them, is so large that the
/// bytes of so many numbers could not be counted; `what` names the sizes: "Series: features x batch x steps".
Index checked_product(const char* what, std::integral auto... sizes) {
  Index bytes = 16;  // of one number, whatever its type
  if ((__builtin_mul_overflow(bytes, std::max<Index>(Index(sizes), 1), &bytes) || ...))
    throw_too_many(what, {Index(sizes)...});
  return ((sizes == 0) || ...) ? 0 : bytes / 16;
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
  Buffer() = default;
  Buffer(const Buffer&) = default;
  Buffer(Buffer&&) = default;
  /// Holds as much as the other then, at least. Throws as resize() does.
  Buffer& operator=(const Buffer& other) {
    if (this == &other) return *this;
    if (other.storage_.size() > storage_.size()) resize(other.storage_.size(), 1);
    resize(other.rows(), other.cols()) = other.view();
    return *this;
  }
  Buffer& operator=(Buffer&&) = default;

  /// The numbers are undefined. Throws std::invalid_argument where there are too many, and std::bad_alloc where there
  /// is no memory for them; the buffer is then empty.
  MatrixView<Scalar> resize(Index rows, Index cols) {
    const Index size = checked_product("Buffer: rows x cols", rows, cols);
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

/// Memory for the time of one call, of a thread alone; its numbers are undefined. May be empty.
struct Scratch {
  void* data = nullptr;
  Index bytes = 0;

  /// So many numbers, or null where they do not fit.
  template <class Scalar>
  Scalar* numbers(Index count) const {
    return count * static_cast<Index>(sizeof(Scalar)) <= bytes ? static_cast<Scalar*>(data) : nullptr;
  }
};

/// Some bytes of memory.
struct MemoryRange {
  const void* begin = nullptr;
  Index bytes = 0;

  bool overlaps(const MemoryRange& other) const {
    // Whether either begins within the other: a distance to what lies before is a very large number.
    const auto a = reinterpret_cast<std::uintptr_t>(begin), b = reinterpret_cast<std::uintptr_t>(other.begin);
    const auto size = static_cast<std::uintptr_t>(bytes), other_size = static_cast<std::uintptr_t>(other.bytes);
    return size > 0 && other_size > 0 && (b - a < size || a - b < other_size);
  }
};
/// Whether two vectors have a number in common.
inline bool overlap_of_vectors(const auto& a, const auto& b) {
  const auto range = [](const auto& v) {
    return MemoryRange{v.data(), v.size() * static_cast<Index>(sizeof(*v.data()))};
  };
  return range(a).overlaps(range(b));
}
/// All that a Buffer, a Series or the like holds, used now or not.
MemoryRange memory_of(const auto& buffer) { return {buffer.data(), buffer.bytes()}; }

/// The memory of something that is made of buffers, in bytes. It has for_each_buffer(f), which calls f(buffer) for
/// each.
Index bytes_of(const auto& buffers) {
  Index bytes = 0;
  buffers.for_each_buffer([&](const auto& buffer) { bytes += buffer.bytes(); });
  return bytes;
}

}  // namespace recur::inline RECUR_ISA::detail
