#pragma once
/// \file
/// How layers go through a series: in chunks of steps that stay in the cache, all layers through one chunk before the
/// next, each thread with its own sequences. This is the manual for writing a layer, which has
///
///     Scalar, State, Records (what forward leaves for backward, and for_each_buffer(f), which calls f(buffer) for all
///     that holds memory), Plan (what one call shares: packed weights)
///     causal            whether y_t depends on x_1 .. x_t alone: if not, it is given all steps as one chunk
///     takes_tokens      whether x may be tokens
///     inputs(), outputs(), inputs_at_compile_time, outputs_at_compile_time, visit, cast, Trace = recur::Trace<Layer>
///     description(), visit_layers where it is made of layers
///     Memory, memory(), set_state, get_state, step                              for Stream, where it is causal
///
/// and the parts of going forward and backward, which LayerAccess calls: they may be private. Series are columns here,
/// in the order of Steps; x, dy and y are those of all steps or of the chunk, as it says:
///
///     require_forward(features, batch, initial), require_backward(records, steps, d_final)             throw
///     plan = begin_forward(steps, dropping, records, initial)                      once, by one thread
///     forward_steps(plan, chunk, x of all steps, records)                          for each chunk, by each thread
///     output_columns(records)                                                      y of all steps
///     set_zero(state, batch), final_state_of(records, steps, state)
///     plan = begin_backward(steps, records, want_dx)                               once, by one thread
///     backward_steps(plan, chunk, x of all steps, records, dy of the chunk, d_final, gradient, dx of the chunk)
///                                                                 adds to dx; dy and dx may be empty
///     begin_d_initial(steps, d_final, d_initial)                                   once, by one thread
///     add_d_initial(records, steps, d_initial)                                     after step 0's chunk, by one thread
///     end_backward(records, gradient)                                              once, by one thread
///
/// With several threads, each calls forward_steps and backward_steps, and writes only the columns of its own sequences,
/// until it has waited at team.barrier() for the others: then it may read theirs, and write its rows of the gradient.
/// Backward, whatever has read dy waits at its end, before anybody goes on to the next chunk and writes there again: a
/// column is another thread's then, where lengths differ. All wait equally often.

#include "parameters.hpp"
#include "series.hpp"
#include "steps.hpp"
#include "team.hpp"
#include "tokens.hpp"

#include <cstdint>

namespace recur::inline RECUR_ISA::detail {

/// How many columns, of all sequences of a batch, are in a chunk: enough to make the bulk products efficient, few
/// enough to be still in the cache when the recurrence comes to them. Backward more, for there all gradients of weights
/// are read and written once a chunk.
inline constexpr Index forward_columns = 256, backward_columns = 512;

/// The columns of the largest chunk that backward_steps is given.
template <class Layer>
Index most_columns(const Steps& steps) {
  return Layer::causal ? std::min(steps.columns(), std::max(backward_columns, steps.batch())) : steps.columns();
}

/// The sequences, in the order of Steps, that are a member's: such that all have about the same to do.
inline Team::Share share_of_sequences(const Team& team, const Steps& steps) {
  constexpr Index grain = 4;
  const Index N = steps.batch();
  if (!steps.ragged() || team.size == 1) return team.share(N, grain);
  const auto end_of = [&](Index members) {
    Index end = 0;
    for (Index done = 0; end < N && done * team.size < steps.columns() * members; ++end) done += steps.length(end);
    return members == team.size ? N : std::min(N, (end + grain / 2) / grain * grain);
  };
  const Index first = team.member == 0 ? 0 : end_of(team.member);
  return {first, end_of(team.member + 1) - first};
}

/// Steps first .. end - 1, for one member of a team. As Team, it is another type with OpenMP than without: what takes
/// it may wait.
template <class Team_>
struct ChunkOf {
  const Steps& steps;
  const Team_& team;
  Team::Share sequences;  ///< this member's
  Index first, end;
  bool from_later = false;  ///< backward: whether the gradient of the chunk that follows counts
  bool has_loss = true;     ///< backward: whether dy and d_final count at these steps

  Index column() const { return steps.column(first); }
  Index columns() const { return steps.column(end) - column(); }
  /// This member's columns of step t, counted from the first column of the step.
  Team::Share own(Index t) const {
    const Index stop = std::min(sequences.first + sequences.count, steps.alive(t));
    return {sequences.first, std::max<Index>(0, stop - sequences.first)};
  }
  /// f(first column, columns) for this member's columns, counted from the chunk's first, in pieces that are contiguous.
  template <class F>
  void for_own_columns(const F& f) const {
    if (team.size == 1) return f(Index(0), columns());
    for (Index t = first; t < end; ++t)
      if (const auto columns_of_step = own(t); columns_of_step.count > 0)
        f(steps.column(t) - column() + columns_of_step.first, columns_of_step.count);
  }
};
using Chunk = ChunkOf<Team>;

/// Random bits for the layers that leave something out in training, the same whatever the number of threads.
struct Dropping {
  bool on = false;
  std::uint64_t seed = 0;

  std::uint64_t next() { return seed += 0x9e3779b97f4a7c15u; }
};

/// Calls the parts of layers. Who uses a layer has nothing to do with them, and so they may be private: a layer then
/// says `friend detail::LayerAccess`.
struct LayerAccess {
  template <class L>
  static void require_forward(const L& layer, Index features, Index batch, const typename L::State& initial) {
    layer.require_forward(features, batch, initial);
  }
  template <class L>
  static void require_backward(const L& layer, const typename L::Records& records, const Steps& steps,
                               const typename L::State& d_final) {
    layer.require_backward(records, steps, d_final);
  }
  template <class L>
  static auto begin_forward(const L& layer, const Steps& steps, Dropping& dropping, typename L::Records& records,
                            const typename L::State& initial) {
    return layer.begin_forward(steps, dropping, records, initial);
  }
  template <class L>
  static void forward_steps(const L& layer, const typename L::Plan& plan, const Chunk& chunk, const auto& x,
                            typename L::Records& records) {
    layer.forward_steps(plan, chunk, x, records);
  }
  template <class L>
  static auto output_columns(const L& layer, const typename L::Records& records) {
    return layer.output_columns(records);
  }
  template <class L>
  static void set_zero(const L& layer, typename L::State& state, Index batch) {
    layer.set_zero(state, batch);
  }
  template <class L>
  static void final_state_of(const L& layer, const typename L::Records& records, const Steps& steps,
                             typename L::State& state) {
    layer.final_state_of(records, steps, state);
  }
  template <class L>
  static auto begin_backward(const L& layer, const Steps& steps, typename L::Records& records, bool want_dx) {
    return layer.begin_backward(steps, records, want_dx);
  }
  template <class L>
  static void backward_steps(const L& layer, const typename L::Plan& plan, const Chunk& chunk, const auto& x,
                             typename L::Records& records, SeriesView<const typename L::Scalar> dy,
                             const typename L::State& d_final, L& gradient, SeriesView<typename L::Scalar> dx) {
    layer.backward_steps(plan, chunk, x, records, dy, d_final, gradient, dx);
  }
  template <class L>
  static void begin_d_initial(const L& layer, const Steps& steps, const typename L::State& d_final,
                              typename L::State& d_initial) {
    layer.begin_d_initial(steps, d_final, d_initial);
  }
  template <class L>
  static void add_d_initial(const L& layer, const typename L::Records& records, const Steps& steps,
                            typename L::State& d_initial) {
    layer.add_d_initial(records, steps, d_initial);
  }
  template <class L>
  static void end_backward(const L& layer, typename L::Records& records, L& gradient) {
    layer.end_backward(records, gradient);
  }
};

/// All steps through one layer.
template <class Layer>
void forward_chunks(const Layer& layer, const typename Layer::Plan& plan, const Chunk& whole, const auto& x,
                    typename Layer::Records& records) {
  if constexpr (Layer::causal) {
    for (Chunk chunk = whole; chunk.first < whole.end; chunk.first = chunk.end) {
      chunk.end = std::min(whole.end, whole.steps.end_of_run(chunk.first, forward_columns));
      LayerAccess::forward_steps(layer, plan, chunk, x, records);
    }
  } else {
    LayerAccess::forward_steps(layer, plan, whole, x, records);
  }
}
/// All steps, or some, through one layer from the last to the first; dy and dx are of these steps. A layer adds to dx,
/// which is to be made zero first where it is `fresh`.
template <class Layer, class Scalar = typename Layer::Scalar>
void backward_chunks(const Layer& layer, const typename Layer::Plan& plan, const Chunk& whole, const auto& x,
                     typename Layer::Records& records, SeriesView<const std::type_identity_t<Scalar>> dy,
                     const typename Layer::State& d_final, Layer& gradient, SeriesView<std::type_identity_t<Scalar>> dx,
                     bool fresh) {
  const auto run = [&](const Chunk& chunk) {
    const auto part = [&](const auto& all) {
      return all.empty() ? all : all.window(chunk.column() - whole.column(), chunk.columns());
    };
    const auto dx_of_chunk = part(dx);
    if (fresh && !dx.empty())
      chunk.for_own_columns([&](Index first, Index count) { dx_of_chunk.columns(first, count).setZero(); });
    LayerAccess::backward_steps(layer, plan, chunk, x, records, part(dy), d_final, gradient, dx_of_chunk);
  };
  if constexpr (Layer::causal) {
    for (Chunk chunk = whole; chunk.end > whole.first; chunk.end = chunk.first) {
      chunk.first = std::max(whole.first, whole.steps.begin_of_run(chunk.end, backward_columns));
      run(chunk);
      chunk.from_later = true;
    }
  } else {
    run(whole);
  }
}

/// What a layer has to do for a chunk.
template <class Layer>
double multiply_adds(const Layer& layer, const Steps& steps) {
  return static_cast<double>(parameter_count(layer)) * static_cast<double>(std::min(steps.columns(), forward_columns));
}

}  // namespace recur::inline RECUR_ISA::detail
