#pragma once
/// \file
/// T steps of one quantity of F features for a batch of N sequences side by side: one column-major matrix
/// F x (N T), in which step t is the N neighbouring columns N t .. N t + N - 1.
///
/// The same bytes are an F x T column-major or T x F row-major matrix where N = 1, and the row-major (T, N, F) buffer
/// of other systems: SeriesView looks at those where they lie. A batch-first (N, T, F) buffer has its steps apart:
/// from_batch_first() copies.
///
/// Sequences of a batch may end before step T: then they have lengths, each 0 .. T, in any order. What a series holds past
/// the end of a sequence is padding, which nobody reads.

#include "lengths.hpp"

#include <type_traits>

namespace recur {

template <class Scalar>
class Series;

/// A Series that somebody else owns; Scalar is const where it can only be read. Cheap to copy, as std::span is, and
/// valid as long as what it looks at. A default one is empty.
template <class Scalar_>
class SeriesView {
 public:
  using Scalar = std::remove_const_t<Scalar_>;
  using Step = std::conditional_t<std::is_const_v<Scalar_>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;

  SeriesView() = default;

  /// The row-major (T, N, F) buffer at `data`. Columns may be further apart than `features`: `stride`.
  SeriesView(Scalar_* data, Index features, Index batch, Index steps, Index stride)
      : data_(data), features_(features), batch_(batch), steps_(steps), stride_(stride) {
    require(features >= 0 && batch >= 0 && steps >= 0 && stride >= features,
            "SeriesView: sizes >= 0 and stride >= features expected, got features ", features, ", batch ", batch,
            ", steps ", steps, ", stride ", stride);
  }
  SeriesView(Scalar_* data, Index features, Index batch, Index steps)
      : SeriesView(data, features, batch, steps, features) {}

  SeriesView(const Series<Scalar>& series)  // NOLINT: a Series is meant to convert
    requires std::is_const_v<Scalar_>
      : SeriesView(series.data(), series.features(), series.batch(), series.steps()) {
    lengths_.data = series.lengths().empty() ? nullptr : series.lengths().data();
  }
  SeriesView(Series<Scalar>& series)  // NOLINT
      : SeriesView(series.data(), series.features(), series.batch(), series.steps()) {
    lengths_.data = series.lengths().empty() ? nullptr : series.lengths().data();
  }
  template <class Other>
    requires(std::is_const_v<Scalar_> && std::is_same_v<Other, Scalar>)
  SeriesView(const SeriesView<Other>& other)  // NOLINT: to read is less than to write
      : SeriesView(other.data(), other.features(), other.batch(), other.steps(), other.stride()) {
    lengths_ = other.lengths_;
  }
  /// The same where sequence n ends after lengths[n] steps. Looks at the lengths, too.
  /// Throws std::invalid_argument unless there are N of them, each in 0 .. T.
  SeriesView with_lengths(std::span<const Index> lengths) const {
    detail::require_lengths("with_lengths", lengths, batch_, steps_);
    SeriesView result = *this;
    result.lengths_ = {lengths.data()};
    return result;
  }

  Index features() const { return features_; }  ///< F
  Index batch() const { return batch_; }        ///< N
  Index steps() const { return steps_; }        ///< T
  Index stride() const { return stride_; }      ///< from one column to the next
  Index columns() const { return batch_ * steps_; }
  bool empty() const { return features_ * batch_ * steps_ == 0; }
  Scalar_* data() const { return data_; }
  bool has_lengths() const { return lengths_.data; }
  /// The steps of sequence n.
  Index length(Index n) const { return lengths_.of(n, steps_); }
  /// The steps of all sequences together.
  Index all_lengths() const {
    if (!has_lengths()) return columns();
    Index sum = 0;
    for (Index n = 0; n < batch_; ++n) sum += length(n);
    return sum;
  }

  /// Step t: F x N.
  Step operator[](Index t) const { return {data_ + t * batch_ * stride_, features_, batch_, outer()}; }
  /// All steps: F x (N T).
  Step matrix() const { return {data_, features_, columns(), outer()}; }
  /// Some of the columns of matrix().
  Step columns(Index first, Index count) const { return {data_ + first * stride_, features_, count, outer()}; }
  /// Steps first .. first + count - 1.
  SeriesView window(Index first, Index count) const {
    require(first >= 0 && count >= 0 && first + count <= steps_, "window: first + count <= steps() = ", steps_,
            " expected, got ", first, " + ", count);
    SeriesView result(data_ + first * batch_ * stride_, features_, batch_, count, stride_);
    result.lengths_ = {lengths_.data, lengths_.before + first};
    return result;
  }

  /// Throws unless there is something, of as many features as there are inputs.
  void require_inputs(const char* where, Index inputs) const {
    require(!empty(), where, ": x must have at least one step of one sequence, got features ", features_, ", batch ",
            batch_, ", steps ", steps_);
    require_equal(where, "x.features()", features_, "inputs()", inputs);
  }

  /// Copies to the row-major (N, T, F) buffer at `target`.
  void to_batch_first(Scalar* target) const {
    for (Index n = 0; n < batch_; ++n)
      for (Index t = 0; t < steps_; ++t, target += features_)
        Eigen::Map<Vector<Scalar>>(target, features_) = (*this)[t].col(n);
  }
  /// The same numbers in another type.
  template <class Other>
  Series<Other> cast() const {
    Series<Other> result(features_, batch_, steps_);
    result.matrix() = matrix().template cast<Other>();
    copy_lengths(result);
    return result;
  }

 private:
  template <class>
  friend class SeriesView;
  template <class>
  friend class Series;

  Eigen::OuterStride<> outer() const { return Eigen::OuterStride<>(stride_); }
  void copy_lengths(auto& series) const {
    if (!has_lengths()) return;
    std::vector<Index> lengths;
    for (Index n = 0; n < batch_; ++n) lengths.push_back(length(n));
    series.set_lengths(std::move(lengths));
  }

  Scalar_* data_ = nullptr;
  Index features_ = 0, batch_ = 0, steps_ = 0, stride_ = 0;
  detail::LengthsView lengths_;
};

template <class Scalar>
SeriesView(const Series<Scalar>&) -> SeriesView<const Scalar>;
template <class Scalar>
SeriesView(Series<Scalar>&) -> SeriesView<Scalar>;

/// Looks at an F x (N T) column-major matrix as a series.
template <class Derived>
auto view_columns(const Eigen::PlainObjectBase<Derived>& columns, Index batch = 1) {
  static_assert(!Derived::IsRowMajor || Derived::RowsAtCompileTime == 1 || Derived::ColsAtCompileTime == 1,
                "view_columns: the matrix must be column-major, with one step of one sequence in each column; "
                "view_rows takes a row-major one");
  require(batch > 0 && columns.cols() % batch == 0,
          "view_columns: columns.cols() must be a multiple of batch = ", batch, ", got ", columns.cols());
  return SeriesView<const typename Derived::Scalar>(columns.data(), columns.rows(), batch, columns.cols() / batch);
}
template <class Derived>
void view_columns(const Eigen::PlainObjectBase<Derived>&& temporary, Index batch = 1) = delete;

/// Looks at an (N T) x F row-major matrix, whose row t N + n is step t of sequence n, as a series.
template <class Derived>
auto view_rows(const Eigen::PlainObjectBase<Derived>& rows, Index batch = 1) {
  static_assert(Derived::IsRowMajor || Derived::ColsAtCompileTime == 1,
                "view_rows: the matrix must be row-major, with one step of one sequence in each row; "
                "Series::from_rows copies one of any layout");
  require(batch > 0 && rows.rows() % batch == 0, "view_rows: rows.rows() must be a multiple of batch = ", batch,
          ", got ", rows.rows());
  return SeriesView<const typename Derived::Scalar>(rows.data(), rows.cols(), batch, rows.rows() / batch);
}
template <class Derived>
void view_rows(const Eigen::PlainObjectBase<Derived>&& temporary, Index batch = 1) = delete;

}  // namespace recur
