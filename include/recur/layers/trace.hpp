#pragma once
/// \file
/// What forward stores for bptt: the records of all steps, or, within a budget of memory, those of some of them.

#include "../series/reader.hpp"
#include "layer.hpp"
#include "segments.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {

/// Series without the padding, where lengths are unequal: columns in the order of BatchLayout.
template <class Scalar>
struct Unpadded {
  Series<Scalar> x, y, dy, dx;
  Series<Scalar> part, d_part;  // of x, and of dL/dy, with the padding, where these are not in memory as a whole
  Tokens tokens, token_part;

  /// Steps first .. end - 1 of a series, which begins with step `from_step`.
  static void unpad(const BatchLayout& layout, Index first, Index end, SeriesView<const Scalar> from, Index from_step,
                    Series<Scalar>& to) {
    to.resize(from.features(), 1, layout.column(end) - layout.column(first));
    for (Index t = first; t < end; ++t)
      for (Index k = 0; k < layout.active(t); ++k)
        to.matrix().col(layout.column(t) - layout.column(first) + k) =
            from.matrix().col((t - from_step) * from.batch() + layout.sequence(k));
  }
  static void unpad(const BatchLayout& layout, Index first, Index end, const TokensView& from, Index from_step,
                    Tokens& to) {
    to.resize(1, layout.column(end) - layout.column(first));
    for (Index t = first; t < end; ++t)
      for (Index k = 0; k < layout.active(t); ++k)
        to(0, layout.column(t) - layout.column(first) + k) =
            from.data()[(t - from_step) * from.batch() + layout.sequence(k)];
  }
  /// The way back. `from` begins with step `first`; steps that `to` has, and no sequence, are left as they are.
  static void pad(const BatchLayout& layout, Index first, Index end, SeriesView<const Scalar> from,
                  SeriesView<Scalar> to, Index to_step) {
    for (Index t = first; t < end; ++t) {
      auto step = to[t - to_step];
      if (layout.active(t) < layout.batch()) step.setZero();
      for (Index k = 0; k < layout.active(t); ++k)
        step.col(layout.sequence(k)) = from.matrix().col(layout.column(t) - layout.column(first) + k);
    }
  }

  /// The steps of the layout's window of x, as columns, in the order of BatchLayout.
  ///@{
  SeriesView<const Scalar> columns_of(SeriesView<const Scalar> of, const BatchLayout& layout, Index) {
    if (!layout.has_unequal_lengths()) return flat(of, layout.first(), layout.end());
    unpad(layout, layout.first(), layout.end(), of, 0, x);
    return x;
  }
  TokensView columns_of(const TokensView& of, const BatchLayout& layout, Index) {
    if (!layout.has_unequal_lengths()) return {of.data() + layout.first() * of.batch(), 1, layout.columns()};
    unpad(layout, layout.first(), layout.end(), of, 0, tokens);
    return tokens;
  }
  SeriesView<const Scalar> columns_of(const SeriesReader<Scalar>& of, const BatchLayout& layout, Index inputs) {
    part.resize(inputs, of.batch(), layout.end() - layout.first());
    of.read(layout.first(), part);
    if (!layout.has_unequal_lengths()) return flat(SeriesView<const Scalar>(part), 0, part.steps());
    unpad(layout, layout.first(), layout.end(), part, layout.first(), x);
    return x;
  }
  TokensView columns_of(const TokensReader& of, const BatchLayout& layout, Index inputs) {
    token_part.resize(of.batch(), layout.end() - layout.first());
    of.read(layout.first(), token_part);
    for (Index t = layout.first(); t < layout.end(); ++t)
      for (Index k = 0; k < layout.active(t); ++k) {
        const Index n = layout.sequence(k);
        const int token = token_part(n, t - layout.first());
        if (token < 0 || token >= inputs)
          require(false, "TokensReader: x(", n, ", ", t, ") must be in 0 .. ", inputs - 1,
                  " (inputs() kinds of tokens), got ", token);
      }
    if (!layout.has_unequal_lengths()) return {token_part.data(), 1, layout.columns()};
    unpad(layout, layout.first(), layout.end(), token_part, layout.first(), tokens);
    return tokens;
  }
  ///@}
  /// Steps first .. end - 1, as columns.
  template <class S>
  static SeriesView<S> flat(const SeriesView<S>& of, Index first, Index end) {
    return {of.data() + first * of.batch() * of.stride(), of.features(), 1, (end - first) * of.batch(), of.stride()};
  }
  void for_each_buffer(auto&& f) const { f(x), f(y), f(dy), f(dx), f(part), f(d_part), f(tokens), f(token_part); }
};

/// The bytes of a state.
template <class State>
Index bytes_of_state(const State& state) {
  Index bytes = 0;
  visit_state([&](const auto& s) { bytes += s.size() * static_cast<Index>(sizeof(*s.data())); }, state);
  return bytes;
}

/// What a trace holds whatever its network: where the steps of a series lie, and how far it has been gone through.
template <class Scalar>
struct SeriesMemory {
  EmptiedByMove<Index> batch, steps;
  std::vector<Index> left;  // of each sequence, as in x
  BatchLayout layout;       // of the steps whose records are in the workspace
  BatchLayout next;         // of a series that may yet be refused
  Unpadded<Scalar> unpadded;
  Buffer<Scalar> scratch;  // of each thread, on the way back
  DropoutSeed dropout;
  EmptiedByMove<bool> has_output;

  TraceOptions options;
  Segmentation cut;
  MemoryNeed need;
  std::vector<Index> edges{0, 0}, stretch;  // of the segments, and of those of a stretch of truncated BPTT
  DropoutSeed seed;                         // with which the last forward began
  std::vector<Index> left_of_part;
  // Where there are segments: before which steps states are kept, in their order, the first of them not after the first
  // edge.
  std::vector<Index> kept;

  Index segments() const { return std::max<Index>(1, std::ssize(edges) - 1); }
  /// Bytes of all but the buffers.
  Index bytes_of_tables() const {
    const auto numbers =
        left.capacity() + left_of_part.capacity() + edges.capacity() + stretch.capacity() + kept.capacity();
    return layout.bytes() + next.bytes() + static_cast<Index>(numbers * sizeof(Index));
  }
};

/// Throws as Trace does.
inline void require_options(const TraceOptions& options, bool causal) {
  require(options.memory >= 0 && options.every >= 0, "trace: memory >= 0 and every >= 0 expected, got ", options.memory,
          " and ", options.every);
  require(options.memory == 0 || options.every == 0, "trace: either memory or every may be given, got both");
  require(causal || (options.memory == 0 && options.every == 0),
          "trace: memory and every are for networks that go forward in time alone: each step of one with a "
          "bidirectional layer depends on all the others, whose records it needs");
}

struct OfTrace;

}  // namespace detail

/// What forward stores for bptt: the workspace of a layer or network, with the records of all steps, initial state
/// included, or of a segment of them: see TraceOptions. It is the memory of both, so that neither allocates when it is
/// called again.
template <class Net>
class Trace {
 public:
  /// Types of the network.
  ///@{
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;
  ///@}

  /// Empty; the first forward sizes it.
  Trace() = default;
  /// The same with a bound. Throws std::invalid_argument on options below 0, on both at once, and on any for a
  /// bidirectional network, each step of which depends on all.
  explicit Trace(TraceOptions options) {
    detail::require_options(options, Net::causal);
    memory_.options = options;
  }

  Index batch() const { return memory_.batch; }  ///< N of the last forward
  Index steps() const { return memory_.steps; }  ///< T of the last forward
  /// In how many segments the last forward went through the series; 1 where the records of all steps are kept.
  Index segments() const { return memory_.segments(); }
  /// Whether it has y_1 .. y_T of the last forward: not where bptt() was given a loss, and went forward itself.
  bool has_output() const { return memory_.has_output; }
  /// What the network keeps of the last forward, or of the segment that forward or bptt came to last.
  const typename Net::Workspace& workspace() const { return workspace_; }
  /// Where the steps of the last forward lie in it.
  const BatchLayout& layout() const { return memory_.layout; }
  /// The memory it holds: the records of the longest series, or segment, so far, and an amount that does not grow with
  /// T.
  Index bytes() const {
    Index states = static_cast<Index>(states_.capacity() * sizeof(State));
    for (const State& each : states_) states += detail::bytes_of_state(each);
    return detail::bytes_of(*this) + memory_.bytes_of_tables() + states;
  }
  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    workspace_.for_each_buffer(f);
    memory_.unpadded.for_each_buffer(f);
    f(memory_.scratch);
  }

  /// From here on forward is for training: enables dropout; the mask depends on `seed` and on the number of forward
  /// calls since.
  void train(std::uint64_t seed) { memory_.dropout = {true, seed}; }
  /// Disables dropout, as at first.
  void evaluate() { memory_.dropout = {}; }

 private:
  friend detail::OfTrace;

  detail::SeriesMemory<Scalar> memory_;
  typename Net::Workspace workspace_;
  std::vector<State> states_;  // where there are segments: see detail::StateAt
};

namespace detail {

/// What is in a trace, for those who go through series with it.
struct OfTrace {
  static auto& memory(auto& trace) { return trace.memory_; }
  static auto& workspace(auto& trace) { return trace.workspace_; }
  static auto& states(auto& trace) { return trace.states_; }
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
