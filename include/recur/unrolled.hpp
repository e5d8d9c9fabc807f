#pragma once
/// \file
/// A rule with its weights going through a series: the parts that unroll.hpp calls.

#include "unroll.hpp"
#include "weights.hpp"

#include <utility>

namespace recur {

/// Everything of a Cell that has to do with time.
template <Rule Rule_, class Scalar_, int Inputs, int Hidden>
class Unrolled : public Weights<Rule_, Scalar_, Inputs, Hidden> {
  using Base = Weights<Rule_, Scalar_, Inputs, Hidden>;

 public:
  using Base::b, Base::blocks, Base::hidden, Base::inputs, Base::P, Base::U, Base::vectors, Base::W;
  using typename Base::Rule, typename Base::Scalar;

  /// What is carried from step to step: the rule's state blocks for N sequences, (states H) x N; for the Elman network
  /// h_0, H x N. One of no columns stands for zero.
  using State = Matrix<Scalar, times(Rule::state.count, Hidden), Dynamic>;
  /// What forward leaves for bptt.
  using Trace = recur::Trace<Scalar>;

  using Base::Base;

  /// U and W, or their transposes.
  struct Plan {
    Panels<Scalar> u, w;
  };

  void require_forward(Index features, Index batch, const State& initial) const {
    require_shapes("forward");
    require_equal("forward", "x.features()", features, "inputs()", inputs());
    require_state("forward", "initial", initial, batch);
  }
  void require_backward(const auto& x, const Trace& trace, const State& d_final) const {
    require_shapes("bptt");
    require_trace("bptt", trace);
    require_same_steps("bptt", "x", x, "the trace", trace);
    require_state("bptt", "d_final", d_final, trace.batch());
  }

  Plan begin_forward(Index N, Index T, Trace& trace, const State& initial) const {
    auto records = trace.resize(blocks * hidden(), N, T);
    records.leftCols(N).setZero();
    if (initial.cols() > 0) rows(records, Rule::state, 0, N) = initial;
    return {trace.packed_U.for_columns(U, N * T), trace.packed_W.for_steps(W, N, T)};
  }

  /// All of b + U x_t, then the recurrence.
  void forward_steps(const Plan& plan, const detail::Team& team, const auto& x, Trace& trace, Index first,
                     Index count) const {
    const Index N = trace.batch();
    auto records = trace.records();
    detail::for_own_columns(team, N, count, [&](Index column, Index columns) {
      auto a = rows(records, whole, N * (first + 1) + column, columns);
      fill_bias(a);
      add_inputs(plan.u, x.columns(N * first + column, columns), rows(a, Rule::from_input));
    });
    const auto own = team.share(N, 4);
    for (Index t = first; t < first + count; ++t) {
      const auto before = rows(std::as_const(records), whole, N * t + own.first, own.count);
      auto now = rows(records, whole, N * (t + 1) + own.first, own.count);
      advance(plan.w, blocks_of(before), rows(before, hidden_block), now, blocks_of(now), t % 2 != 0);
    }
  }

  Plan begin_backward(Index N, Index T, Index longest, Trace& trace, bool want_dx, const State& d_final) const {
    // dL/d(record) of a chunk of steps, with that of the step before the chunk in the first N columns.
    auto d_records = trace.d_records.resize(blocks * hidden(), N * (longest + 1));
    rows(d_records, Rule::state, 0, N).setZero();
    if (d_final.cols() > 0) rows(d_records, Rule::state, 0, N) = d_final;
    trace.d_vectors.resize(hidden(), vectors * N).setZero();
    return {want_dx ? trace.packed_U.transpose_of(U, N * T) : Panels<Scalar>{}, trace.packed_W.transpose_of(W, N, T)};
  }

  void backward_steps(const Plan& plan, const detail::Team& team, const auto& x, Trace& trace,
                      SeriesView<const Scalar> dy, Unrolled& gradient, SeriesView<Scalar> dx, Index first,
                      Index count) const {
    const Index N = trace.batch();
    const auto records = std::as_const(trace).records();
    auto d_records = trace.d_records.view();
    auto d_chunk = rows(d_records, whole, N, N * count);
    const auto own = team.share(N, 4);
    // dL/d(states): from outside, and for the last step what has come back through time.
    detail::for_own_columns(team, N, count, [&](Index column, Index columns) {
      rows(d_chunk, Rule::state, column, columns).setZero();
      if (!dy.empty()) rows(d_chunk, hidden_block, column, columns) = dy.columns(column, columns);
    });
    auto d_back = rows(d_records, Rule::state, own.first, own.count);
    rows(d_records, Rule::state, N * count + own.first, own.count) += d_back;
    d_back.setZero();

    for (Index t = count; t-- > 0;) {
      auto d_before = rows(d_records, whole, N * t + own.first, own.count);
      auto d_now = rows(d_records, whole, N * (t + 1) + own.first, own.count);
      retreat(plan.w, blocks_of(rows(records, whole, N * (first + t) + own.first, own.count)),
              blocks_of(rows(records, whole, N * (first + t + 1) + own.first, own.count)), blocks_of(d_now),
              blocks_of(d_before), rows(d_now, Rule::from_hidden), rows(d_before, hidden_block), trace, own.first,
              (first + t) % 2 != 0);
    }
    if (!dx.empty()) {  // dL/dx_t = U^T d_t
      detail::for_own_columns(team, N, count, [&](Index column, Index columns) {
        auto dx_own = dx.columns(column, columns);
        dx_own.setZero();
        add_product(plan.u, rows(d_chunk, Rule::from_input, column, columns), dx_own);
      });
    }
    team.barrier();
    // In bulk, each thread some rows: dL/dW += d_t h_<t-1>^T, dL/dU += d_t x_t^T, dL/db += d_t.
    const auto share_of = [&](BlockRange range) { return team.share(range.count * hidden(), 16); };
    const auto share_W = share_of(Rule::from_hidden), share_U = share_of(Rule::from_input);
    const auto share_b = share_of(pre_activations);
    add_outer_product(detail::some_rows(rows(d_chunk, Rule::from_hidden), share_W),
                      rows(records, hidden_block, N * first, N * count), detail::some_rows(gradient.W, share_W));
    gradient.add_outer_inputs(detail::some_rows(rows(d_chunk, Rule::from_input), share_U),
                              x.columns(N * first, N * count), share_U);
    const auto d_b = detail::some_rows(rows(d_chunk, pre_activations), share_b);
    for (Index j = 0; j < d_b.cols(); ++j) gradient.b.segment(share_b.first, share_b.count) += d_b.col(j);
    team.barrier();
  }

  void end_backward(Trace& trace, Unrolled& gradient, State* d_initial) const {
    const Index N = trace.batch();
    if constexpr (vectors > 0) {
      for (Index j = 0; j < vectors * N; ++j) gradient.P.col(j / N) += trace.d_vectors.view().col(j);
    }
    if (d_initial) *d_initial = rows(trace.d_records.view(), Rule::state, 0, N);
  }

 protected:
  using Base::add_inputs, Base::advance, Base::retreat, Base::fill_bias, Base::rows, Base::blocks_of,
      Base::require_shapes;
  using Base::hidden_block, Base::pre_activations, Base::whole;

  void require_state(const char* where, const char* what, const State& state, Index batch) const {
    const bool right = state.cols() == 0 || (state.rows() == Rule::state.count * hidden() && state.cols() == batch);
    if (!right) {
      require(false, where, ": ", what, " must be ", Rule::state.count * hidden(), "x", batch,
              " (states * hidden() x batch), got ", shape(state));
    }
  }
  void require_trace(const char* where, const Trace& trace) const {
    require(trace.steps() > 0, where, ": the trace must have been through forward, got an empty one");
    require(trace.records().rows() == blocks * hidden(), where, ": the trace must be of this network, with records of ",
            blocks * hidden(), " rows, got one of ", trace.records().rows());
  }
};

}  // namespace recur
