#pragma once
/// \file
/// What a step stores for backward, as rules see it.

#include "../base/matrix.hpp"

namespace recur::inline RECUR_ISA {

/// Neighbouring blocks of a record.
struct BlockRange {
  /// The first block.
  int first, count;  ///< how many blocks
  /// One past the last block.
  constexpr int end() const { return first + count; }
  /// Whether all blocks of another range are in this one.
  constexpr bool contains(BlockRange other) const { return first <= other.first && other.end() <= end(); }
  /// Whether any is.
  constexpr bool overlaps(BlockRange other) const {
    return count > 0 && other.count > 0 && first < other.end() && other.first < end();
  }
  /// Whether all are among so many blocks.
  constexpr bool within(int blocks) const { return first >= 0 && end() <= blocks; }
};

/// What two ranges span together.
constexpr BlockRange span(BlockRange a, BlockRange b) {
  const int first = a.first < b.first ? a.first : b.first;
  const int end = a.end() > b.end() ? a.end() : b.end();
  return {first, end - first};
}

/// A record, as rules see it: `record[k]` is a piece of the k-th block, the same few rows whichever the block, of one
/// sequence. A rule is pointwise: taken piece by piece, all it computes stays in registers and in the nearest cache.
template <class Scalar, int Rows>
class Blocks {
 public:
  /// The rows of a block, as an Eigen array that owns them, and as one that views them.
  ///@{
  using Plain = Eigen::Array<std::remove_const_t<Scalar>, Rows, 1>;
  using Array = Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const Plain, Plain>>;
  ///@}

  /// `piece` points at the first of the rows in the first block; blocks are `distance` apart.
  Blocks(Scalar* piece, Index distance) : piece_(piece), distance_(distance) {}

  /// The rows of block k.
  Array operator[](int k) const { return Array(piece_ + k * distance_); }

 private:
  Scalar* piece_;
  Index distance_;
};

}  // namespace recur::inline RECUR_ISA
