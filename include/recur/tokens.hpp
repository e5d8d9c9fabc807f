#pragma once
/// \file
/// Inputs that are kinds of things rather than quantities: characters, words, classes.
///
/// A token k stands for the one-hot vector whose k-th entry is 1. Then U x_t is the k-th column of U, and dL/dU gets
/// dL/da_t in that column alone: no product is needed, and no vector.

#include "series.hpp"

namespace recur {

/// N x T: tokens(n, t) in 0 .. inputs - 1 is what sequence n reads at step t. An Eigen array, with the lengths of the
/// sequences where they are unequal.
class Tokens : public Eigen::Array<int, Dynamic, Dynamic> {
 public:
  using Base = Eigen::Array<int, Dynamic, Dynamic>;
  using Base::Base;
  using Base::operator=;
  Tokens() = default;

  /// Where each sequence ends, 0 .. T; none stand for all at step T. Looked at when they are used.
  std::vector<Index> lengths;
};

/// A single token, for Stream.
struct Token {
  int kind;
};

/// Tokens that somebody else owns.
class TokensView {
 public:
  /// Throws std::invalid_argument on lengths that do not fit.
  TokensView(const Tokens& tokens) : TokensView(tokens.data(), tokens.rows(), tokens.cols()) {  // NOLINT: converts
    if (!tokens.lengths.empty()) *this = with_lengths(tokens.lengths);
  }
  /// The column-major N x T array, or row-major (T, N), at `data`.
  TokensView(const int* data, Index batch, Index steps) : data_(data), batch_(batch), steps_(steps) {
    require(batch >= 0 && steps >= 0, "TokensView: sizes >= 0 expected, got batch ", batch, ", steps ", steps);
  }

  /// The same where sequence n ends after lengths[n] steps. Looks at the lengths, too.
  /// Throws std::invalid_argument unless there are N of them, each in 0 .. T.
  TokensView with_lengths(std::span<const Index> lengths) const {
    detail::require_lengths("with_lengths", lengths, batch_, steps_);
    TokensView result = *this;
    result.lengths_ = {lengths.data()};
    return result;
  }

  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
  bool has_lengths() const { return lengths_.data; }
  Index length(Index n) const { return lengths_.of(n, steps_); }  ///< the steps of sequence n
  bool empty() const { return batch_ * steps_ == 0; }
  /// The steps of all sequences together.
  Index all_lengths() const {
    Index sum = 0;
    for (Index n = 0; n < batch_; ++n) sum += length(n);
    return sum;
  }
  /// Token t N + n is that of sequence n at step t.
  const int* data() const { return data_; }
  const int* columns(Index first, Index) const { return data_ + first; }

  /// Throws unless there are some, all that are not padding in 0 .. inputs - 1.
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
  Index batch_, steps_;
  detail::LengthsView lengths_;
};

}  // namespace recur
