#pragma once
/// \file
/// What one step keeps, and what a series does: the record, and the records.

#include "matrix.hpp"
#include "packed.hpp"

namespace recur {

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

/// A record, as rules see it: `record[k]` is the k-th block of H rows, for N sequences.
template <class Scalar, int Hidden = Dynamic, int Batch = Dynamic>
class Blocks {
 public:
  // A matrix of one row is row-major in Eigen, and its columns would have to be neighbours: a cell of one unit is
  // dynamic.
  using Plain = Eigen::Array<std::remove_const_t<Scalar>, Hidden == 1 ? Dynamic : Hidden, Batch>;
  using Array = Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const Plain, Plain>, Eigen::Unaligned,
                           Eigen::OuterStride<>>;

  /// `record` points at the first row of the step's first column; columns are `stride` apart.
  Blocks(Scalar* record, Index hidden, Index batch, Index stride)
      : record_(record), hidden_(hidden), batch_(batch), stride_(stride) {}

  Array operator[](int k) const { return {record_ + k * hidden_, hidden_, batch_, Eigen::OuterStride<>(stride_)}; }

 private:
  Scalar* record_;
  Index hidden_, batch_, stride_;
};

/// A rule's own parameters, as it sees them: `p[k]` is the k-th vector of H, repeated for each of N sequences.
template <class Vectors, int Batch = Dynamic>
class Repeated {
 public:
  Repeated(const Vectors& vectors, Index batch) : vectors_(vectors), batch_(batch) {}
  auto operator[](int k) const {
    const auto column = vectors_.col(k).array();
    return Eigen::Replicate<std::remove_const_t<decltype(column)>, 1, Batch>(column, 1, batch_);
  }

 private:
  const Vectors& vectors_;
  Index batch_;
};

/// Their gradient: `d_p[k] += array` adds an H x N array. What the sequences of a batch add is kept apart until the end,
/// so that the order of the sum does not depend on who came first.
template <class Scalar, int Hidden = Dynamic>
class Summed {
 public:
  /// `sums` holds H x N for each vector, one behind the other; `batch` is N, and this part of it starts at sequence
  /// `first`.
  Summed(MatrixView<Scalar> sums, Index batch, Index first)
      : data_(sums.data() + first * sums.rows()), hidden_(sums.rows()), stride_(batch * sums.rows()) {}

  class Sum {
   public:
    explicit Sum(Scalar* data, Index hidden) : data_(data), hidden_(hidden) {}
    void operator+=(const auto& array) {
      using Plain = Eigen::Array<Scalar, Hidden == 1 ? Dynamic : Hidden, Dynamic>;
      Eigen::Map<Plain>(data_, hidden_, array.cols()) += array;
    }

   private:
    Scalar* data_;
    Index hidden_;
  };
  Sum operator[](int k) const { return Sum(data_ + k * stride_, hidden_); }

 private:
  Scalar* data_;
  Index hidden_, stride_;
};

/// The records of a series, the initial state first, and the memory that a cell works in forward and backward, so that
/// neither allocates when it is called again.
template <class Scalar>
class Records {
 public:
  /// (blocks H) x (N + columns of all steps), where a batch of N sequences of one length T has N T.
  ConstMatrixView<Scalar> matrix() const { return records_.view(); }
  /// The memory it holds: the records of the longest series so far, and an amount that does not grow with T.
  Index bytes() const {
    return records_.bytes() + d_records.bytes() + d_vectors.bytes() + packed_U.bytes() + packed_W.bytes() +
           packed_halfway.bytes() + h_before.bytes();
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
  detail::Buffer<Scalar> h_before;                         ///< for cells: h_<t-1> of some steps, of unequal lengths
  Packed<Scalar> packed_U, packed_W, packed_halfway;       ///< for cells

 private:
  Index batch_ = 0;
  detail::Buffer<Scalar> records_;
};

}  // namespace recur
