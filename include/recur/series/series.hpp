#pragma once
/// \file
/// Series that own their numbers.

#include "../base/buffer.hpp"
#include "../base/random.hpp"
#include "series_text.hpp"
#include "series_view.hpp"

namespace recur::inline RECUR_ISA {

/// A series that owns its numbers. Moved from, it is empty.
template <class Scalar_ = float>
class Series {
 public:
  /// The type of numbers.
  using Scalar = Scalar_;

  /// Empty.
  Series() = default;
  /// All zero. Throws std::invalid_argument as resize() does.
  Series(Index features, Index batch, Index steps) {
    resize(features, batch, steps);
    setZero();
  }
  /// A copy, with its lengths.
  explicit Series(SeriesView<const Scalar> other) {
    resize(other.features(), other.batch(), other.steps());
    matrix() = other.matrix();
    other.copy_lengths(*this);
  }
  /// A copy of the row-major (N, T, F) buffer at `source`.
  static Series from_batch_first(const Scalar* source, Index features, Index batch, Index steps) {
    Series result(features, batch, steps);
    for (Index n = 0; n < batch; ++n)
      for (Index t = 0; t < steps; ++t, source += features)
        result[t].col(n) = Eigen::Map<const VectorOf<Scalar>>(source, features);
    return result;
  }
  /// A copy of a matrix of any layout whose row t N + n is step t of sequence n, so (N T) x F.
  /// Throws std::invalid_argument unless batch > 0 and the number of rows is a multiple of it.
  template <class Derived>
  static Series from_rows(const Eigen::DenseBase<Derived>& rows, Index batch = 1) {
    require(batch > 0 && rows.rows() % batch == 0, "from_rows: rows.rows() must be a multiple of batch = ", batch,
            ", got ", rows.rows());
    Series result(rows.cols(), batch, rows.rows() / batch);
    result.matrix() = rows.derived().transpose();
    return result;
  }
  /// A batch of sequences of any lengths T_n, each a T_n x F matrix of any layout: std::vector<Eigen::MatrixXf>, say. T
  /// is the longest, padding is zero, and lengths are set where they differ.
  /// Throws std::invalid_argument where there is no sequence, and where their numbers of columns differ.
  static Series from_sequences(const auto& sequences) {
    const auto batch = static_cast<Index>(std::size(sequences));
    require(batch > 0, "from_sequences: at least one sequence expected, got none");
    const Index features = std::begin(sequences)->cols();
    std::vector<Index> lengths;
    for (const auto& each : sequences) {
      require(each.cols() == features, "from_sequences: sequences[", lengths.size(), "].cols() must be ", features,
              " (as of sequences[0]), got ", each.cols());
      lengths.push_back(each.rows());
    }
    const auto [shortest, longest] = std::minmax_element(lengths.begin(), lengths.end());
    Series result(features, batch, *longest);
    Index n = 0;
    for (const auto& each : sequences) {
      for (Index t = 0; t < each.rows(); ++t) result[t].col(n) = each.row(t).transpose();
      ++n;
    }
    if (*shortest < *longest) result.set_lengths(std::move(lengths));
    return result;
  }

  /// Changes the sizes, leaves the numbers undefined, and clears the lengths; allocates only to grow.
  /// Throws std::invalid_argument on a negative size, and on too many numbers.
  void resize(Index features, Index batch, Index steps) {
    require(features >= 0 && batch >= 0 && steps >= 0, "Series: sizes >= 0 expected, got features ", features,
            ", batch ", batch, ", steps ", steps);
    detail::checked_product("Series: features x batch x steps", features, batch, steps);
    batch_ = steps_ = 0;  // in case that there is no memory
    lengths_->clear();
    values_.resize(features, batch * steps);
    batch_ = batch;
    steps_ = steps;
  }
  /// Where each sequence ends; none stand for all at step T.
  /// Throws std::invalid_argument unless there are N of them, each in 0 .. T, or none.
  void set_lengths(std::vector<Index> lengths) {
    if (!lengths.empty()) detail::require_lengths("set_lengths", lengths, batch_, steps_);
    lengths_ = std::move(lengths);
  }
  const std::vector<Index>& lengths() const { return lengths_; }  ///< none where all end at step T

  Index features() const { return values_.rows(); }         ///< F
  Index batch() const { return batch_; }                    ///< N
  Index steps() const { return steps_; }                    ///< T
  bool empty() const { return SeriesView(*this).empty(); }  ///< whether there are no numbers
  Index bytes() const { return values_.bytes(); }           ///< of memory, which may be that of a longer series before
  /// The first number; column t N + n, of F numbers, is step t of sequence n.
  ///@{
  Scalar* data() { return values_.view().data(); }
  const Scalar* data() const { return values_.view().data(); }
  ///@}

  /// Step t: F x N.
  ///@{
  MatrixView<Scalar> operator[](Index t) { return SeriesView<Scalar>(*this)[t]; }
  ConstMatrixView<Scalar> operator[](Index t) const { return SeriesView<const Scalar>(*this)[t]; }
  ///@}
  /// All steps: F x (N T).
  ///@{
  MatrixView<Scalar> matrix() { return values_.view(); }
  ConstMatrixView<Scalar> matrix() const { return values_.view(); }
  ///@}
  /// Steps first .. first + count - 1. Throws std::invalid_argument unless the series has them.
  ///@{
  SeriesView<Scalar> window(Index first, Index count) { return SeriesView<Scalar>(*this).window(first, count); }
  SeriesView<const Scalar> window(Index first, Index count) const {
    return SeriesView<const Scalar>(*this).window(first, count);
  }
  ///@}
  /// A copy as a matrix, (N T) x F, whose row t N + n is step t of sequence n. Padding is copied, too.
  MatrixOf<Scalar> to_rows() const { return SeriesView<const Scalar>(*this).to_rows(); }
  /// A copy of sequence n alone, T_n x F, where T_n is its length.
  /// Throws std::invalid_argument unless n is in 0 .. N - 1.
  MatrixOf<Scalar> sequence(Index n) const { return SeriesView<const Scalar>(*this).sequence(n); }
  /// Copies to the row-major (N, T, F) buffer at `target`.
  void to_batch_first(Scalar* target) const { SeriesView<const Scalar>(*this).to_batch_first(target); }
  /// The same numbers in another type.
  template <class Other>
  Series<Other> cast() const {
    return SeriesView<const Scalar>(*this).template cast<Other>();
  }

  /// Sets all numbers to zero.
  void setZero() { matrix().setZero(); }
  /// Uniform in [-1, 1), before rounding to Scalar.
  template <class Engine>
  void setRandom(Engine& engine) {
    auto all = matrix();
    for (Index j = 0; j < all.cols(); ++j)
      for (Index i = 0; i < all.rows(); ++i) all(i, j) = static_cast<Scalar>(uniform(engine, -1, 1));
  }

 private:
  detail::Buffer<Scalar> values_;
  detail::EmptiedByMove<Index> batch_, steps_;
  detail::EmptiedByMove<std::vector<Index>> lengths_;
};

namespace detail {

/// Whether a series would be written where another is read: memory that it holds counts, used now or not.
template <class Scalar>
bool overlap(const Series<Scalar>& written, SeriesView<const Scalar> read) {
  return memory_of(written).overlaps(read.memory());
}

}  // namespace detail

}  // namespace recur::inline RECUR_ISA
