#pragma once
/// \file
/// How long the sequences of a batch are, where that differs.

#include "matrix.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace recur {

namespace detail {

/// Throws unless there is a length in 0 .. steps for each sequence of the batch.
inline void require_lengths(const char* where, std::span<const Index> lengths, Index batch, Index steps) {
  require(std::ssize(lengths) == batch, where, ": lengths must be ", batch, " (one for each sequence), got ",
          std::ssize(lengths));
  for (Index n = 0; n < batch; ++n) {
    const Index length = lengths[static_cast<std::size_t>(n)];
    require(length >= 0 && length <= steps, where, ": lengths[", n, "] must be in 0 .. ", steps, " (steps), got ",
            length);
  }
}

/// The lengths of sequences, or of what a window leaves of them.
struct LengthsView {
  const Index* data = nullptr;  // null where all sequences have all steps
  Index before = 0;             // steps before the window

  Index of(Index n, Index steps) const { return data ? std::clamp<Index>(data[n] - before, 0, steps) : steps; }
};

}  // namespace detail

}  // namespace recur
