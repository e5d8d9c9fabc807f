#pragma once
/// \file
/// Inputs that are categories rather than quantities: characters, words, classes.
///
/// A token k stands for the one-hot vector whose k-th entry is 1. Then U x_t is the k-th column of U, and dL/dU gets
/// dL/da_t in that column alone: no product is needed, and no vector.

#include "../base/buffer.hpp"
#include "series.hpp"

namespace recur::inline RECUR_ISA {

/// N x T: tokens(n, t) in 0 .. inputs - 1 is what sequence n reads at step t. Moved from, it is empty.
class Tokens {
 public:
  /// Empty.
  Tokens() = default;
  /// All zero.
  Tokens(Index batch, Index steps) {
    resize(batch, steps);
    matrix().setZero();
  }
  /// A copy of an N x T matrix or array of int.
  template <class Derived>
  Tokens(const Eigen::DenseBase<Derived>& numbers) {  // NOLINT: converts, so that numbers can be assigned
    resize(numbers.rows(), numbers.cols());
    matrix() = numbers.derived().matrix();
  }

  /// Changes the sizes, leaves the numbers undefined, and clears the lengths; allocates only to grow.
  /// Throws std::invalid_argument on a negative size, and on too many tokens.
  void resize(Index batch, Index steps) {
    require(batch >= 0 && steps >= 0, "Tokens: sizes >= 0 expected, got batch ", batch, ", steps ", steps);
    detail::checked_product("Tokens: batch x steps", batch, steps);
    lengths_->clear();
    values_.resize(batch, steps);
  }
  /// Where each sequence ends; none stand for all at step T.
  /// Throws std::invalid_argument unless there are N of them, each in 0 .. T, or none.
  void set_lengths(std::vector<Index> lengths) {
    if (!lengths.empty()) detail::require_lengths("set_lengths", lengths, batch(), steps());
    lengths_ = std::move(lengths);
  }
  const std::vector<Index>& lengths() const { return lengths_; }  ///< none where all end at step T

  Index batch() const { return values_.rows(); }       ///< N
  Index steps() const { return values_.cols(); }       ///< T
  bool empty() const { return matrix().size() == 0; }  ///< whether there are none
  Index bytes() const { return values_.bytes(); }      ///< of memory, which may be that of more tokens before
  /// The first token; token t N + n is that of sequence n at step t.
  ///@{
  int* data() { return values_.view().data(); }
  const int* data() const { return values_.view().data(); }
  ///@}
  /// What sequence n reads at step t.
  ///@{
  int& operator()(Index n, Index t) { return data()[t * batch() + n]; }
  int operator()(Index n, Index t) const { return data()[t * batch() + n]; }
  ///@}
  MatrixView<int> matrix() { return values_.view(); }             ///< N x T
  ConstMatrixView<int> matrix() const { return values_.view(); }  ///< N x T

 private:
  detail::Buffer<int> values_;
  detail::EmptiedByMove<std::vector<Index>> lengths_;
};

/// A single token, for Stream.
struct Token {
  int id;  ///< in 0 .. inputs - 1
};

/// A view of tokens, which it does not own.
class TokensView : public BatchView<TokensView> {
  friend BatchView<TokensView>;

 public:
  /// Views tokens, with their lengths.
  TokensView(const Tokens& tokens) : TokensView(tokens.data(), tokens.batch(), tokens.steps()) {  // NOLINT: converts
    if (!tokens.lengths().empty()) lengths_.data = tokens.lengths().data();
  }
  /// The column-major N x T array, or row-major (T, N), at `data`. Throws std::invalid_argument on a negative size.
  TokensView(const int* data, Index batch, Index steps) : BatchView(batch, steps), data_(data) {
    require(batch >= 0 && steps >= 0, "TokensView: sizes >= 0 expected, got batch ", batch, ", steps ", steps);
    detail::checked_product("TokensView: batch x steps", batch, steps);
  }

  bool empty() const { return batch_ * steps_ == 0; }  ///< whether there are no tokens
  /// Token t N + n is that of sequence n at step t.
  const int* data() const { return data_; }
  /// Where the columns from `first` on begin.
  const int* columns(Index first, Index) const { return data_ + first; }

  /// The memory that it views.
  detail::MemoryRange memory() const { return {data_, batch_ * steps_ * static_cast<Index>(sizeof(int))}; }

  /// Throws std::invalid_argument where there are no tokens, and where one that is not padding is not in 0 .. inputs -
  /// 1.
  void require_inputs(const char* where, Index inputs) const {
    require(!empty(), where, ": x must have at least one step of one sequence, got batch ", batch_, ", steps ", steps_);
    for (Index j = 0; j < batch_ * steps_; ++j) {
      const bool right = (data_[j] >= 0 && data_[j] < inputs) || j / batch_ >= length(j % batch_);
      if (!right) {
        require(false, where, ": x(", j % batch_, ", ", j / batch_, ") must be in 0 .. ", inputs - 1,
                " (inputs() kinds of tokens), got ", data_[j]);
      }
    }
  }

 private:
  const int* data_;
};

}  // namespace recur::inline RECUR_ISA
