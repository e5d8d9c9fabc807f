#pragma once
/// \file
/// The lengths of the sequences of a batch.

#include "../base/require.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Throws std::invalid_argument unless there is a length in 0 .. steps for each sequence of the batch.
inline void require_lengths(const char* where, std::span<const Index> lengths, Index batch, Index steps) {
  require(std::ssize(lengths) == batch, where, ": lengths must be ", batch, " (one for each sequence), got ",
          std::ssize(lengths));
  for (Index n = 0; n < batch; ++n) {
    const Index length = lengths[static_cast<std::size_t>(n)];
    require(length >= 0 && length <= steps, where, ": lengths[", n, "] must be in 0 .. ", steps, " (steps), got ",
            length);
  }
}

/// How many steps each sequence has from the first step of a series on: its length; more than the series has where the
/// series is a window, and the sequence goes on after it.
struct LengthsView {
  const Index* data = nullptr;  // null where all sequences go through all steps of the series, and `after` more
  Index before = 0;             // steps that data counts before the first
  Index after = 0;

  Index left(Index n, Index steps) const { return data ? std::max<Index>(0, data[n] - before) : steps + after; }
  Index of(Index n, Index steps) const { return std::min(left(n, steps), steps); }
  bool ends(Index n, Index steps) const { return left(n, steps) <= steps; }
  /// Steps first .. first + count - 1 of a series of `steps` steps.
  LengthsView window(Index first, Index count, Index steps) const {
    return {data, before + first, after + steps - first - count};
  }
};

}  // namespace detail

/// The sizes of a view of a batch, and where its sequences end. View is the class that inherits it.
template <class View>
class BatchView {
 public:
  /// The same where sequence n ends after lengths[n] steps. The lengths are viewed, not copied.
  /// Throws std::invalid_argument unless there are N of them, each in 0 .. T.
  View with_lengths(std::span<const Index> lengths) const {
    detail::require_lengths("with_lengths", lengths, batch_, steps_);
    return with({lengths.data()});
  }
  /// The same as a window of longer sequences: of sequence n there are left[n] steps from the first step on, those
  /// after the window included. They are viewed, not copied.
  /// Throws std::invalid_argument unless there are N of them, none negative.
  View with_steps_left(std::span<const Index> left) const {
    detail::require_lengths("with_steps_left", left, batch_, std::numeric_limits<Index>::max());
    return with({left.data()});
  }
  /// The same as a window that so many steps of each sequence follow. Not for sequences with lengths, of which
  /// with_steps_left() says it. Throws std::invalid_argument where steps < 0.
  View followed_by(Index steps) const {
    require(steps >= 0, "followed_by: steps >= 0 expected, got ", steps);
    return with({lengths_.data, lengths_.before, steps});
  }

  Index batch() const { return batch_; }              ///< N
  Index steps() const { return steps_; }              ///< T
  bool has_lengths() const { return lengths_.data; }  ///< whether sequences may end before step T
  /// The steps of sequence n.
  Index length(Index n) const { return lengths_.of(n, steps_); }
  /// The steps of sequence n from the first step on, those after this window included.
  Index steps_left(Index n) const { return lengths_.left(n, steps_); }
  /// Whether sequence n ends within these steps: not where this is a window, and it goes on after it.
  bool ends(Index n) const { return lengths_.ends(n, steps_); }
  /// The steps of all sequences together.
  Index all_lengths() const {
    if (!has_lengths()) return batch_ * steps_;
    Index sum = 0;
    for (Index n = 0; n < batch_; ++n) sum += length(n);
    return sum;
  }

 protected:
  /// Empty.
  BatchView() = default;
  /// Of N sequences of T steps, each of all of them.
  BatchView(Index batch, Index steps) : batch_(batch), steps_(steps) {}
  /// The same with these lengths.
  View with(const detail::LengthsView& lengths) const {
    View result = static_cast<const View&>(*this);
    result.lengths_ = lengths;
    return result;
  }

  Index batch_ = 0;              ///< N
  Index steps_ = 0;              ///< T
  detail::LengthsView lengths_;  ///< where sequences end
};

}  // namespace recur::inline RECUR_ISA
