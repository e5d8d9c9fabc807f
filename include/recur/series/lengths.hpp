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
  static LengthsView of_window(const char* where, std::span<const Index> left, Index batch) {
    require_lengths(where, left, batch, std::numeric_limits<Index>::max());
    return {left.data()};
  }
  /// Steps first .. first + count - 1 of a series of `steps` steps.
  LengthsView window(Index first, Index count, Index steps) const {
    return {data, before + first, after + steps - first - count};
  }
};

}  // namespace detail

}  // namespace recur::inline RECUR_ISA
