#pragma once
/// \file
/// T steps of one quantity of F features for a batch of N sequences side by side: one column-major matrix
/// F x (N T), in which step t is the N neighbouring columns N t .. N t + N - 1.
///
/// The same bytes are an F x T column-major or T x F row-major matrix where N = 1, and the row-major (T, N, F) buffer
/// of other systems: SeriesView views those without a copy. A batch-first (N, T, F) buffer has its steps apart:
/// from_batch_first() copies.
///
/// Sequences of a batch may end before step T: then they have lengths, each 0 .. T, in any order. What a series holds
/// past the end of a sequence is padding, which is never read.

#include "../base/buffer.hpp"
#include "lengths.hpp"

#include <type_traits>

namespace recur::inline RECUR_ISA {

template <class Scalar>
class Series;

/// A view of a series, which it does not own; Scalar is const where it can only be read. Cheap to copy, as std::span,
/// and valid as long as what it views. By default it is empty.
template <class Scalar_>
class SeriesView : public BatchView<SeriesView<Scalar_>> {
  using Batch = BatchView<SeriesView>;
  using Batch::batch_, Batch::steps_, Batch::lengths_;
  friend Batch;

 public:
  using Batch::length, Batch::has_lengths;
  /// The type of numbers, and of one step: F x N.
  ///@{
  using Scalar = std::remove_const_t<Scalar_>;
  using Step = std::conditional_t<std::is_const_v<Scalar_>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
  ///@}

  /// Empty.
  SeriesView() = default;

  /// The row-major (T, N, F) buffer at `data`. Columns are `stride` >= features numbers apart.
  /// Throws std::invalid_argument on a negative size, a smaller stride, and too many numbers.
  SeriesView(Scalar_* data, Index features, Index batch, Index steps, Index stride)
      : Batch(batch, steps), data_(data), features_(features), stride_(stride) {
    require(features >= 0 && batch >= 0 && steps >= 0 && stride >= features,
            "SeriesView: sizes >= 0 and stride >= features expected, got features ", features, ", batch ", batch,
            ", steps ", steps, ", stride ", stride);
    detail::checked_product("SeriesView: stride x batch x steps", stride, batch, steps);
  }
  /// The same without a gap between columns.
  SeriesView(Scalar_* data, Index features, Index batch, Index steps)
      : SeriesView(data, features, batch, steps, features) {}

  /// Views a series, with its lengths; what can be written can also be read.
  ///@{
  SeriesView(const Series<Scalar>& series)  // NOLINT: a Series is meant to convert
    requires std::is_const_v<Scalar_>
      : SeriesView(series.data(), series) {}
  SeriesView(Series<Scalar>& series)  // NOLINT
      : SeriesView(series.data(), series) {}
  template <class Other>
    requires(std::is_const_v<Scalar_> && std::is_same_v<Other, Scalar>)
  SeriesView(const SeriesView<Other>& other)  // NOLINT: to read is less than to write
      : Batch(other.batch_, other.steps_), data_(other.data_), features_(other.features_), stride_(other.stride_) {
    lengths_ = other.lengths_;
  }
  ///@}
  Index features() const { return features_; }                     ///< F
  Index stride() const { return stride_; }                         ///< from one column to the next
  Index columns() const { return batch_ * steps_; }                ///< N T
  bool empty() const { return features_ * batch_ * steps_ == 0; }  ///< whether there are no numbers
  Scalar_* data() const { return data_; }                          ///< the first number

  /// The memory that it views.
  detail::MemoryRange memory() const {
    if (empty()) return {};
    return {data_, ((columns() - 1) * stride_ + features_) * static_cast<Index>(sizeof(Scalar))};
  }

  /// Step t: F x N.
  Step operator[](Index t) const { return {data_ + t * batch_ * stride_, features_, batch_, outer()}; }
  /// All steps: F x (N T).
  Step matrix() const { return {data_, features_, columns(), outer()}; }
  /// Some of the columns of matrix().
  Step columns(Index first, Index count) const { return {data_ + first * stride_, features_, count, outer()}; }
  /// Steps first .. first + count - 1. Throws std::invalid_argument unless the series has them.
  SeriesView window(Index first, Index count) const {
    require(first >= 0 && count >= 0 && first <= steps_ && count <= steps_ - first,
            "window: first + count <= steps() = ", steps_, " expected, got ", first, " + ", count);
    SeriesView result = *this;
    result.data_ += first * batch_ * stride_;
    result.steps_ = count;
    result.lengths_ = lengths_.window(first, count, steps_);
    return result;
  }

  /// Throws std::invalid_argument where it is empty, and where features() differs from `inputs`.
  void require_inputs(const char* where, Index inputs) const {
    require(!empty(), where, ": x must have at least one step of one sequence, got features ", features_, ", batch ",
            batch_, ", steps ", steps_);
    require_equal(where, "x.features()", features_, "inputs()", inputs);
  }

  /// Copies to the row-major (N, T, F) buffer at `target`.
  void to_batch_first(Scalar* target) const {
    for (Index n = 0; n < batch_; ++n)
      for (Index t = 0; t < steps_; ++t, target += features_)
        Eigen::Map<VectorOf<Scalar>>(target, features_) = (*this)[t].col(n);
  }
  /// A copy as a matrix, (N T) x F, whose row t N + n is step t of sequence n. Padding is copied, too.
  MatrixOf<Scalar> to_rows() const { return matrix().transpose(); }
  /// A copy of sequence n alone, T_n x F, where T_n is its length.
  /// Throws std::invalid_argument unless n is in 0 .. N - 1.
  MatrixOf<Scalar> sequence(Index n) const {
    require(n >= 0 && n < batch_, "sequence: n must be in 0 .. ", batch_ - 1, " (batch() - 1), got ", n);
    MatrixOf<Scalar> rows(length(n), features_);
    for (Index t = 0; t < rows.rows(); ++t) rows.row(t) = (*this)[t].col(n).transpose();
    return rows;
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

  /// Of a series, which has sizes that fit.
  SeriesView(Scalar_* data, const auto& series)
      : Batch(series.batch(), series.steps()), data_(data), features_(series.features()), stride_(features_) {
    lengths_.data = series.lengths().empty() ? nullptr : series.lengths().data();
  }

  Eigen::OuterStride<> outer() const { return Eigen::OuterStride<>(stride_); }
  void copy_lengths(auto& series) const {
    if (!has_lengths()) return;
    std::vector<Index> lengths;
    for (Index n = 0; n < batch_; ++n) lengths.push_back(length(n));
    series.set_lengths(std::move(lengths));
  }

  Scalar_* data_ = nullptr;
  Index features_ = 0, stride_ = 0;
};

/// The type follows from the series.
///@{
template <class Scalar>
SeriesView(const Series<Scalar>&) -> SeriesView<const Scalar>;
template <class Scalar>
SeriesView(Series<Scalar>&) -> SeriesView<Scalar>;
///@}

namespace detail {

/// Which Eigen objects have numbers in memory that can be looked at, and which of them own it: the views of a temporary
/// one would outlive it.
template <class>
struct InMemory {
  static constexpr bool holds = false, owns = false;
};
template <class Scalar, int... Sizes>
struct InMemory<Eigen::Matrix<Scalar, Sizes...>> {
  static constexpr bool holds = true, owns = true;
};
template <class Scalar, int... Sizes>
struct InMemory<Eigen::Array<Scalar, Sizes...>> {
  static constexpr bool holds = true, owns = true;
};
template <class Plain, int Options, class Stride>
struct InMemory<Eigen::Map<Plain, Options, Stride>> {
  static constexpr bool holds = true, owns = false;
};
template <class Plain, int Options, class Stride>
struct InMemory<Eigen::Ref<Plain, Options, Stride>> {
  static constexpr bool holds = true, owns = std::is_const_v<Plain>;  // a copy, where it was made of an expression
};

/// What view_columns() and view_rows() take, where it outlives the view and where not.
template <class Derived>
concept Viewable = InMemory<Derived>::holds;
template <class Derived>
concept Owning = InMemory<Derived>::owns;

/// A series of `count` columns, `stride` apart, whose features are `inner` apart; `name` is what the caller calls
/// `count`.
template <class Scalar>
SeriesView<const Scalar> view(const char* where, const Scalar* data, Index features, Index inner, const char* name,
                              Index count, Index stride, Index batch) {
  require(batch > 0 && count % batch == 0, where, ": ", name, " must be a multiple of batch = ", batch, ", got ",
          count);
  require(features <= 1 || inner == 1, where, ": the inner stride must be 1, got ", inner);
  return {data, features, batch, count / batch, count > 1 ? stride : features};
}

}  // namespace detail

/// Views an F x (N T) column-major matrix as a series: an Eigen matrix or array, Map or Ref, whose columns may be
/// further apart than they are high. For a block, name a Ref:
/// `const Eigen::Ref<const Eigen::MatrixXf> part = x.topRows(3)`.
/// Throws std::invalid_argument where there are not `batch` columns for each step, and where the inner stride is not 1.
template <detail::Viewable Derived>
auto view_columns(const Eigen::DenseBase<Derived>& columns, Index batch = 1) {
  static_assert(!Derived::IsRowMajor || Derived::RowsAtCompileTime == 1 || Derived::ColsAtCompileTime == 1,
                "view_columns: the matrix must be column-major, with one step of one sequence in each column; "
                "view_rows takes a row-major one");
  const Derived& m = columns.derived();
  return detail::view<typename Derived::Scalar>("view_columns", m.data(), m.rows(), m.rowStride(), "columns.cols()",
                                                m.cols(), m.colStride(), batch);
}
template <detail::Owning Derived>
void view_columns(const Eigen::DenseBase<Derived>&& temporary, Index batch = 1) = delete;

/// Views an (N T) x F row-major matrix, whose row t N + n is step t of sequence n, as a series: the transpose of what
/// view_columns() takes. Throws std::invalid_argument where there are not `batch` rows for each step, and where the
/// inner stride is not 1.
template <detail::Viewable Derived>
auto view_rows(const Eigen::DenseBase<Derived>& rows, Index batch = 1) {
  static_assert(Derived::IsRowMajor || Derived::ColsAtCompileTime == 1,
                "view_rows: the matrix must be row-major, with one step of one sequence in each row; "
                "Series::from_rows copies one of any layout");
  const Derived& m = rows.derived();
  return detail::view<typename Derived::Scalar>("view_rows", m.data(), m.cols(), m.colStride(), "rows.rows()", m.rows(),
                                                m.rowStride(), batch);
}
template <detail::Owning Derived>
void view_rows(const Eigen::DenseBase<Derived>&& temporary, Index batch = 1) = delete;

}  // namespace recur::inline RECUR_ISA
