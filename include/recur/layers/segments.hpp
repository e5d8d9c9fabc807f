#pragma once
/// \file
/// A series in segments, for a trace that keeps the records of one of them at a time: where they are, and between which
/// of them states are kept.

#include "chunk.hpp"

#include <vector>

namespace recur::inline RECUR_ISA {

/// How much of a series a trace keeps. By default all: the records of every step.
///
///     auto trace = net.trace({.memory = 64 << 20});
///
/// Otherwise forward keeps the records of a segment of the steps, and the states before some others, and bptt, from the
/// last segment to the first, goes forward again through each and then back: the same gradient, to the bit, for about
/// one more forward. At most one of the two is given.
struct TraceOptions {
  /// Bytes that trace.bytes() is to stay within, y_1 .. y_T included, which forward returns. What fits is kept whole;
  /// else segments are as long as leaves room for a state before each; with still less memory states are kept before
  /// some of them, and steps between are gone through several times (A. Griewank, "Achieving logarithmic growth of
  /// temporal and spatial complexity in reverse automatic differentiation", 1992; A. Gruslys et al., "Memory-efficient
  /// backpropagation through time", 2016). 0: without a bound.
  Index memory = 0;
  /// A state is kept every so many steps, rounded up to whole chunks of bptt, of 512 columns of all sequences. 0: not.
  Index every = 0;
};

namespace detail {

/// How a series is cut.
struct Segmentation {
  Index chunks = 0;  // of bptt, in a segment
  Index every = 0;   // or: steps, at least
  Index states = 0;  // that may be kept at once

  bool operator==(const Segmentation&) const = default;
  /// Whether there is one segment, of all steps.
  bool is_whole() const { return chunks == 0 && every == 0; }

  /// Where the segment that ends at `end` begins, not before `floor`: where a chunk of bptt does, so that all sums are
  /// formed in the same order.
  Index begin(const BatchLayout& layout, Index floor, Index end) const {
    if (is_whole()) return floor;
    Index first = end;
    for (Index k = 0; first > floor && (k < chunks || end - first < every); ++k)
      first = std::max(floor, layout.begin_of_run(first, backward_columns));
    return first;
  }
  /// Where the segments of steps first .. end - 1 begin, none of them on both sides of `within`; then their end.
  void edges(const BatchLayout& layout, Index first, Index within, Index end, std::vector<Index>& all) const {
    all.assign(1, end);
    while (all.back() > within) all.push_back(begin(layout, within, all.back()));
    while (all.back() > first) all.push_back(begin(layout, first, all.back()));
    if (first == end) all.push_back(end);
    std::reverse(all.begin(), all.end());
  }
};

/// Of `segments`, before the first of which there is a state, how many to go forward before the next state is kept,
/// where `states` may be, that one included: so that in all as few segments as possible are gone through again
/// (A. Griewank, 1992).
inline Index to_next_state(Index segments, Index states) {
  if (segments < 2 || states < 2) return std::max<Index>(1, segments - 1);
  // reach: how many segments can be done with so many states, where none is gone through more than `times` times.
  Index times = 0, reach = 1, reach_before = 0;
  while (reach < segments) {
    ++times;
    reach_before = reach;
    reach = reach * (states + times) / times;
  }
  const Index with_one_less = reach_before * states / (states + times - 1);  // the reach of states - 1, times - 1
  return std::min(reach_before, segments - with_one_less);
}

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
