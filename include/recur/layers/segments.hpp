#pragma once
/// \file
/// A series in segments, for a trace that keeps the records of one of them at a time: where they are, and between which
/// of them states are kept.

#include "../base/describe.hpp"
#include "chunk.hpp"

#include <cmath>
#include <tuple>
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

/// What the memory of a network was measured to be, in bytes, and of what.
struct MemoryNeed {
  Index batch = 0, parameters = 0, states = 0, outputs = 0;
  bool of_tokens = false, for_training = false, unequal = false;
  Index columns = 0;             // of a series of one chunk, 0 of a longer one
  double column = 0, fixed = 0;  // of a column, and of all else

  /// Whether it is that of a series, too, of which another was to be measured.
  bool holds_for(const MemoryNeed& other) const {
    const auto same = [](const MemoryNeed& n) {
      return std::tie(n.batch, n.parameters, n.states, n.outputs, n.of_tokens, n.for_training, n.unequal);
    };
    return same(*this) == same(other) && (columns == 0 || columns == other.columns);
  }
};

/// What a budget of memory is for.
struct MemoryUse {
  Index memory;  // bytes
  const MemoryNeed& need;
  Index steps, inputs;
  bool pads, reads, with_output;   // lengths are unequal; x is read in parts; y is to be there as a whole
  std::size_t number, kept_state;  // bytes of a number, and of a state that is kept, without its numbers
};

/// How a series is cut: what fits into the memory is whole; else into segments as long as leave room for a state before
/// each; else into such as take half of it. `edges` is to work in.
inline Segmentation within_memory(const BatchLayout& layout, const MemoryUse& use, std::vector<Index>& edges) {
  const auto real = [](Index n) { return static_cast<double>(n); };
  const auto bytes = [&](double numbers) { return numbers * static_cast<double>(use.number); };
  const MemoryNeed& need = use.need;
  const double N = real(need.batch), outputs = real(need.outputs), memory = real(use.memory);
  const double x_bytes = need.of_tokens ? sizeof(int) : bytes(real(use.inputs));
  // What each column of a segment takes, each of its N T places of padded series, a state, and all else.
  const double column = need.column + (use.pads ? (need.of_tokens ? 1 : 2) * x_bytes + bytes(outputs) : 0);
  const double place = (use.with_output ? 0 : bytes(outputs * (use.pads ? 2 : 1))) + (use.reads ? x_bytes : 0);
  const double state = static_cast<double>(use.kept_state) + bytes(real(need.states) * N);
  const double y = use.with_output ? bytes(outputs * N * real(use.steps)) : 0;
  const auto of_longest = [&](const Segmentation& cut) {
    cut.edges(layout, 0, 0, layout.steps(), edges);
    double most = 0;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i)
      most = std::max(most, column * real(layout.column(edges[i + 1]) - layout.column(edges[i])) +
                                place * N * real(edges[i + 1] - edges[i]));
    return most;
  };
  const double tables = real(2 * layout.bytes()) + 32 * N;
  if (need.fixed + of_longest({}) + (use.pads ? y : 0) + tables + state <= memory) return {};

  of_longest({.chunks = 1});
  const Index all = std::ssize(edges) - 1;
  // Besides the states that are kept the initial one, that now, the final one, and what bptt has of it.
  const double rest = need.fixed + y + tables + 5 * state + 32 * real(all);
  const auto fits = [&](Index chunks, auto&& limit) {
    const double most = of_longest({.chunks = chunks});
    return rest + most <= limit(state * real(std::ssize(edges) - 1));
  };
  const auto fewer = [](Index chunks) { return chunks - std::max<Index>(1, chunks / 8); };
  for (Index chunks = all; chunks > 0; chunks = fewer(chunks))
    if (fits(chunks, [&](double states) { return memory - states; }))
      return {.chunks = chunks, .states = std::ssize(edges) - 1};
  Index chunks = all;
  while (chunks > 1 && !fits(chunks, [&](double) { return (memory + rest) / 2; })) chunks = fewer(chunks);
  const double left = memory - rest - of_longest({.chunks = chunks});
  if (left < state)
    require(false, use.with_output ? "forward" : "bptt", ": the trace's memory must be at least ",
            describe(std::ceil(memory - left + state)), " bytes",
            use.with_output ? ", of which y_1 .. y_T are " + describe(y) : "", ", got ", use.memory);
  return {.chunks = chunks, .states = static_cast<Index>(left / state)};
}

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
