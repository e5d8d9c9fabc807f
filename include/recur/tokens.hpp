#pragma once
/// \file
/// Inputs that are kinds of things rather than quantities: characters, words, classes.
///
/// A token k stands for the one-hot vector whose k-th entry is 1. Then U x_t is the k-th column of U, and dL/dU gets
/// dL/da_t in that column alone: no product is needed, and no vector.

#include "matrix.hpp"

namespace recur {

/// N x T: tokens(n, t) in 0 .. inputs - 1 is what sequence n reads at step t.
using Tokens = Eigen::Array<int, Dynamic, Dynamic>;

/// A single token, for Stream.
struct Token {
  int kind;
};

/// Tokens that somebody else owns.
class TokensView {
 public:
  TokensView(const Tokens& tokens) : TokensView(tokens.data(), tokens.rows(), tokens.cols()) {}  // NOLINT: converts
  /// The column-major N x T array, or row-major (T, N), at `data`.
  TokensView(const int* data, Index batch, Index steps) : data_(data), batch_(batch), steps_(steps) {
    require(batch >= 0 && steps >= 0, "TokensView: sizes >= 0 expected, got batch ", batch, ", steps ", steps);
  }

  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
  bool empty() const { return batch_ * steps_ == 0; }
  /// Token t N + n is that of sequence n at step t.
  const int* data() const { return data_; }
  const int* columns(Index first, Index) const { return data_ + first; }

  /// Throws unless there are some, all in 0 .. inputs - 1.
  void require_inputs(const char* where, Index inputs) const {
    require(!empty(), where, ": x must have at least one step of one sequence, got batch ", batch_, ", steps ", steps_);
    for (Index j = 0; j < batch_ * steps_; ++j) {
      const bool right = data_[j] >= 0 && data_[j] < inputs;
      if (!right) {
        require(false, where, ": x(", j % batch_, ", ", j / batch_, ") must be in 0 .. ", inputs - 1,
                " (inputs() kinds of tokens), got ", data_[j]);
      }
    }
  }

 private:
  const int* data_;
  Index batch_, steps_;
};

}  // namespace recur
