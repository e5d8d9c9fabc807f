#pragma once
/// \file
/// What one step keeps, and what a series does: the record, and the records.

#include "matrix.hpp"
#include "packed.hpp"

namespace recur::inline RECUR_ISA {

/// Neighbouring blocks of a record.
struct BlockRange {
  int first, count;
  constexpr int end() const { return first + count; }
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
  using Plain = Eigen::Array<std::remove_const_t<Scalar>, Rows, 1>;
  using Array = Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const Plain, Plain>>;

  /// `piece` points at the first of the rows in the first block; blocks are `distance` apart.
  Blocks(Scalar* piece, Index distance) : piece_(piece), distance_(distance) {}

  Array operator[](int k) const { return Array(piece_ + k * distance_); }

 private:
  Scalar* piece_;
  Index distance_;
};

/// The records of a series, the initial state first, and the memory that a cell works in forward and backward, so that
/// neither allocates when it is called again.
template <class Scalar>
class Records {
 public:
  /// (blocks H) x (N + columns of all steps), where a batch of N sequences of one length T has N T.
  ConstMatrixView<Scalar> matrix() const { return records_.view(); }
  /// The memory it holds: the records of the longest series so far, and an amount that does not grow with T.
  Index bytes() const { return detail::bytes_of(*this); }
  void for_each_buffer(auto&& f) const {
    f(records_), f(d_records), f(d_vectors), f(packed_U), f(packed_W), f(packed_halfway), f(h_before);
  }
  Index batch() const { return batch_; }

  /// For cells: room for the initial records and so many columns, all undefined.
  MatrixView<Scalar> resize(Index rows, Index batch, Index columns) {
    batch_ = batch;
    return records_.resize(rows, batch + columns);
  }
  MatrixView<Scalar> matrix() { return records_.view(); }  ///< for cells
  detail::Buffer<Scalar> d_records;                        ///< for cells: dL/d(record) of some steps
  detail::Buffer<Scalar> d_vectors;                        ///< for cells: dL/dP, sequence by sequence
  detail::Buffer<Scalar> h_before;                         ///< for cells: h_<t-1> of some steps, close together
  Packed<Scalar> packed_U, packed_W, packed_halfway;       ///< for cells

 private:
  detail::EmptiedByMove<Index> batch_;
  detail::Buffer<Scalar> records_;
};

}  // namespace recur::inline RECUR_ISA
