#pragma once
/// \file
/// How layers go through a series: in chunks of steps that stay in the cache, all layers through one chunk before the
/// next, each thread with its own sequences. A layer has the parts, and this the order in which they run:
///
///     plan = begin_forward(batch, steps, trace, initial)                            once, by one thread
///     forward_steps(plan, team, x, trace, first, count)                             for each chunk, by each thread
///     plan = begin_backward(batch, steps, longest, trace, want_dx, d_final)
///     backward_steps(plan, team, x, trace, dy, gradient, dx, first, count)          from the last chunk to the first
///     end_backward(trace, gradient, d_initial)
///
/// where dy and dx are those of the chunk alone. A plan is what the products of one call share: packed weights.
///
/// With several threads, each calls forward_steps and backward_steps, and writes only the columns that are its own by
/// team.share(batch, 4), until it has waited at team.barrier() for the others: then it may read theirs, and write its rows
/// of the gradient; after that it waits once more, before anybody goes on to the next chunk. All wait equally often.

#include "parameters.hpp"
#include "series.hpp"
#include "team.hpp"
#include "tokens.hpp"

#include <algorithm>

namespace recur::detail {

/// How many columns, of all sequences of a batch, are in a chunk: enough to make the bulk products efficient, few enough
/// to be still in the cache when the recurrence comes to them. Backward more, for there all gradients of weights are
/// read and written once a chunk.
inline constexpr Index forward_columns = 128, backward_columns = 256;
inline Index steps_in_chunk(Index columns, Index batch) { return std::max<Index>(1, columns / batch); }

/// f(first column, columns) for the columns of `count` steps that are this member's, in pieces that are contiguous.
template <class F>
void for_own_columns(const Team& team, Index batch, Index count, const F& f) {
  if (team.size == 1) return f(Index(0), batch * count);
  const auto own = team.share(batch, 4);
  for (Index t = 0; t < count; ++t) f(batch * t + own.first, own.count);
}

/// What a layer has to do for a chunk.
template <class Layer, class X>
double multiply_adds(const Layer& layer, const X& x) {
  const Index columns = std::min(x.batch() * x.steps(), backward_columns);
  return static_cast<double>(parameter_count(layer)) * static_cast<double>(columns);
}

template <class Layer, class X>
auto forward(const Layer& layer, const X& x, typename Layer::Trace& trace, const typename Layer::State& initial) {
  x.require_inputs("forward", layer.inputs());
  layer.require_forward(layer.inputs(), x.batch(), initial);
  const Index T = x.steps(), longest = steps_in_chunk(forward_columns, x.batch());
  const auto plan = layer.begin_forward(x.batch(), T, trace, initial);
  in_team(x.batch(), multiply_adds(layer, x), [&](const Team& team) {
    for (Index first = 0; first < T; first += longest)
      layer.forward_steps(plan, team, x, trace, first, std::min(longest, T - first));
  });
  return layer.output(trace);
}

template <class Layer, class X>
void backward(const Layer& layer, const X& x, typename Layer::Trace& trace, SeriesView<const typename Layer::Scalar> dy,
              Layer& gradient, SeriesView<typename Layer::Scalar> dx, const typename Layer::State& d_final,
              typename Layer::State* d_initial) {
  const Index T = x.steps(), longest = std::min(steps_in_chunk(backward_columns, x.batch()), T);
  const auto plan = layer.begin_backward(x.batch(), T, longest, trace, !dx.empty(), d_final);
  in_team(x.batch(), multiply_adds(layer, x), [&](const Team& team) {
    for (Index end = T, count = 0; end > 0; end -= count) {
      count = std::min(longest, end);
      const Index first = end - count;
      layer.backward_steps(plan, team, x, trace, dy.empty() ? dy : dy.window(first, count), gradient,
                           dx.empty() ? dx : dx.window(first, count), first, count);
    }
  });
  layer.end_backward(trace, gradient, d_initial);
}

}  // namespace recur::detail
