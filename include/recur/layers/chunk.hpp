#pragma once
/// \file
/// How layers go through a series: in chunks of steps that stay in the cache, all layers through one chunk before the
/// next, each thread with its own sequences.

#include "../base/parameters.hpp"
#include "../kernels/team.hpp"
#include "../series/batch_layout.hpp"
#include "../series/series.hpp"
#include "../series/tokens.hpp"

#include <cstdint>

namespace recur::inline RECUR_ISA {

namespace detail {

/// How many columns, of all sequences of a batch, are in a chunk: enough to make the bulk products efficient, few
/// enough to be still in the cache when the recurrence comes to them. Backward more, for there all gradients of weights
/// are read and written twice a chunk.
inline constexpr Index forward_columns = 128, backward_columns = 512;
/// The columns whose multiply-adds decide how many threads there are: see team_size.
inline constexpr Index team_columns = 256;

/// The sequences, in the order of BatchLayout, that are a member's: such that all have about the same to do.
inline Team::Share share_of_sequences(const Team& team, const BatchLayout& layout) {
  constexpr Index grain = 4;
  const Index N = layout.batch();
  if (!layout.has_unequal_lengths() || team.size == 1) return team.share(N, grain);
  const auto end_of = [&](Index members) {
    Index end = 0;
    for (Index done = 0; end < N && done * team.size < layout.columns() * members; ++end) done += layout.steps_of(end);
    return members == team.size ? N : std::min(N, (end + grain / 2) / grain * grain);
  };
  const Index first = team.member == 0 ? 0 : end_of(team.member);
  return {first, end_of(team.member + 1) - first};
}

}  // namespace detail

/// The columns of the largest chunk that `backward_steps` of a layer, causal or not, is given, of all steps of the
/// series.
inline Index most_columns(bool causal, const BatchLayout& layout) {
  const Index all = layout.column(layout.steps()) - layout.column(0);
  return causal ? std::min(all, std::max(detail::backward_columns, layout.batch())) : all;
}

/// Random bits for layers with dropout, the same for any number of threads.
struct DropoutSeed {
  bool on = false;         ///< whether forward is for training
  std::uint64_t seed = 0;  ///< the state of a SplitMix64 generator

  /// The seed of the next layer with dropout.
  std::uint64_t next() { return seed += 0x9e3779b97f4a7c15u; }

  /// f(i, a number uniform in [0, 1)) for i = 0 .. count - 1, from a generator of its own for each `major` and `minor`:
  /// a step and a sequence, say (SplitMix64: G. L. Steele et al., 2014).
  void draw(Index major, Index minor, Index count, auto&& f) const {
    const auto mix = [](std::uint64_t z) {
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      return z ^ (z >> 31);
    };
    std::uint64_t state = mix(mix(mix(seed) + static_cast<std::uint64_t>(major)) + static_cast<std::uint64_t>(minor));
    for (Index i = 0; i < count; ++i) f(i, static_cast<double>(mix(state += 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53);
  }
};

/// One call of forward or bptt: what layers are told before it starts.
struct Pass {
  const BatchLayout& layout;  ///< where the steps of the batch lie
  DropoutSeed& dropout;       ///< forward: each layer with dropout takes the next
  bool of_tokens = false;     ///< whether x are tokens
  bool wants_dx = false;      ///< backward: whether dL/dx is asked for
  /// backward: whether it goes on, after other steps of the same series: what finish_backward is to add to the gradient
  /// is then kept
  bool goes_on = false;

  /// The same for one of several layers in a row, of which the first alone reads x.
  Pass in_a_row(bool first) const { return {layout, dropout, of_tokens && first, wants_dx || !first, goes_on}; }
};

/// Steps first .. end - 1, for one member of a team of threads. Templated on Team: code that is compiled with and
/// without OpenMP must not share a symbol, since it may wait at a barrier.
template <class Team_>
struct ChunkOf {
  const BatchLayout& layout;      ///< where the steps of the batch lie
  const Team_& team;              ///< the threads of this call
  detail::Team::Share sequences;  ///< this member's
  /// the chunk's first step
  Index first, end;         ///< one past its last step
  bool from_later = false;  ///< backward: whether the gradient of the chunk that follows counts
  bool has_loss = true;     ///< backward: whether dL/d(final state) counts at these steps

  /// The chunk's first column of the series, and how many columns it has.
  ///@{
  Index column() const { return layout.column(first); }
  Index columns() const { return layout.column(end) - column(); }
  ///@}
  /// This member's columns of step t, counted from the first column of the step.
  detail::Team::Share own(Index t) const {
    const Index stop = std::min(sequences.first + sequences.count, layout.active(t));
    return {sequences.first, std::max<Index>(0, stop - sequences.first)};
  }
  /// f(first column, columns) for this member's columns, counted from the chunk's first, in pieces that are contiguous.
  template <class F>
  void for_own_columns(const F& f) const {
    if (team.size == 1) return f(Index(0), columns());
    for (Index t = first; t < end; ++t)
      if (const auto columns_of_step = own(t); columns_of_step.count > 0)
        f(layout.column(t) - column() + columns_of_step.first, columns_of_step.count);
  }
  /// Sets this member's columns of a series of the chunk to zero.
  template <class Scalar>
  void set_zero(SeriesView<Scalar> of_chunk) const {
    if (of_chunk.empty()) return;
    for_own_columns([&](Index column, Index count) { of_chunk.columns(column, count).setZero(); });
  }
  /// Of the columns of a series, those of this chunk.
  template <class Scalar>
  SeriesView<Scalar> of(const SeriesView<Scalar>& all) const {
    return all.window(column(), columns());
  }
  /// Waits until all members of the team are here.
  void barrier() const { team.barrier(); }
  /// This member's part of so many rows of a gradient.
  detail::Team::Share share_of_rows(Index rows) const { return team.share(rows, 16); }
};
/// A chunk for the threads of this translation unit.
using Chunk = ChunkOf<detail::Team>;

}  // namespace recur::inline RECUR_ISA
