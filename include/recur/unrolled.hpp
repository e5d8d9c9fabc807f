#pragma once
/// \file
/// A rule with its weights going through a series: the parts that unroll.hpp calls.

#include "unroll.hpp"
#include "weights.hpp"

#include <utility>

namespace recur::inline RECUR_ISA {

/// Everything of a Cell that has to do with time.
template <Rule Rule_, class Scalar_, int Inputs, int Hidden>
class Unrolled : public Weights<Rule_, Scalar_, Inputs, Hidden> {
  using Base = Weights<Rule_, Scalar_, Inputs, Hidden>;

 public:
  using Base::b, Base::blocks, Base::hidden, Base::inputs, Base::P, Base::U, Base::vectors, Base::W;
  using typename Base::Rule, typename Base::Scalar;

  /// What is carried from step to step: the rule's state blocks for N sequences, (states H) x N; for the Elman network
  /// h_0, H x N. One of no columns stands for zero.
  using State = MatrixOf<Scalar, times(Rule::state.count, Hidden), Dynamic>;
  using Records = recur::Records<Scalar>;
  static constexpr bool causal = true, takes_tokens = true;

  using Base::Base;

  /// U and the parts of W, or their transposes.
  struct Plan {
    Panels<Scalar> u, hidden, halfway;
  };

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State& state, Index batch) const { state.setZero(Rule::state.count * hidden(), batch); }
  void require_forward(Index features, Index batch, const State& initial) const {
    require_shapes("forward");
    require_equal("forward", "x.features()", features, "inputs()", inputs());
    require_state("forward", "initial", initial, batch);
  }
  void require_backward(const Records& records, const Steps& steps, const State& d_final) const {
    require_shapes("bptt");
    require_records("bptt", records);
    require_state("bptt", "d_final", d_final, steps.batch());
  }

  Plan begin_forward(const Steps& steps, detail::Dropping&, Records& kept, const State& initial) const {
    const Index N = steps.batch();
    auto records = kept.resize(blocks * hidden(), N, steps.columns());
    records.leftCols(N).setZero();
    if (initial.cols() > 0) {
      auto state = rows(records, Rule::state, 0, N);
      for (Index k = 0; k < N; ++k) state.col(k) = initial.col(steps.sequence(k));
    }
    Plan plan{kept.packed_U.for_columns(U, steps.columns()),
              kept.packed_W.for_steps(rows_for_hidden(), N, steps.steps()),
              {}};
    if constexpr (detail::has_halfway<Rule>)
      plan.halfway = kept.packed_halfway.for_steps(rows_for_halfway(), N, steps.steps());
    return plan;
  }

  /// All of b + U x_t, then the recurrence.
  void forward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& kept) const {
    auto records = kept.matrix();
    const Steps& steps = chunk.steps;
    chunk.for_own_columns([&](Index column, Index columns) {
      auto a = rows(records, whole, steps.record(chunk.first + 1) + column, columns);
      this->begin_steps(plan.u, x.columns(chunk.column() + column, columns), a);
    });
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      if (own.count == 0) break;
      const auto before = rows(std::as_const(records), whole, steps.record(t) + own.first, own.count);
      auto now = rows(records, whole, steps.record(t + 1) + own.first, own.count);
      this->template advance<Dynamic>(plan, before, now, t % 2 != 0);
    }
  }

  /// h_1 .. h_T, as columns.
  SeriesView<const Scalar> output_columns(const Records& kept) const {
    const auto records = kept.matrix();
    const Index N = kept.batch();
    return {records.data() + records.rows() * N + Rule::h * hidden(), hidden(), 1, records.cols() - N, records.rows()};
  }
  void final_state_of(const Records& kept, const Steps& steps, State& state) const {
    require_records("final_state", kept);
    state.resize(Rule::state.count * hidden(), steps.batch());
    const auto last = rows(kept.matrix(), Rule::state);
    for (Index k = 0; k < steps.batch(); ++k) state.col(steps.sequence(k)) = last.col(steps.last_record(k));
  }

  Plan begin_backward(const Steps& steps, Records& kept, bool want_dx) const {
    const Index N = steps.batch();
    // dL/d(record) of a chunk of steps, with that of the step before the chunk in the first columns.
    // Columns, of h_before too, are a cache line further apart than they are high: sizes that are powers of two would
    // put all into the same few lines of the cache.
    constexpr Index line = 64 / sizeof(Scalar);
    kept.d_records.resize(blocks * hidden() + line, N + detail::most_columns<Unrolled>(steps));
    kept.d_vectors.resize(hidden(), vectors * N).setZero();
    if (moves_hidden(steps)) kept.h_before.resize(hidden() + line, detail::most_columns<Unrolled>(steps));
    Plan plan{{}, kept.packed_W.transpose_of(rows_for_hidden(), N, steps.steps()), {}};
    if (want_dx) plan.u = kept.packed_U.transpose_of(U, steps.columns());
    if constexpr (detail::has_halfway<Rule>)
      plan.halfway = kept.packed_halfway.transpose_of(rows_for_halfway(), N, steps.steps());
    return plan;
  }

  void backward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& kept,
                      SeriesView<const Scalar> dy, const State& d_final, Unrolled& gradient,
                      SeriesView<Scalar> dx) const {
    const Steps& steps = chunk.steps;
    const detail::Team& team = chunk.team;
    const auto records = std::as_const(kept).matrix();
    auto d_records = kept.d_records.view();
    const auto d_column = [&](Index t) { return steps.record(t) - steps.record(chunk.first); };
    auto d_chunk = rows(d_records, whole, d_column(chunk.first + 1), chunk.columns());
    begin_d_states(chunk, d_chunk, d_records, dy, d_final);

    for (Index t = chunk.end; t-- > chunk.first;) {
      const auto own = chunk.own(t);
      if (own.count == 0) continue;
      const auto before = rows(records, whole, steps.record(t) + own.first, own.count);
      const auto now = rows(records, whole, steps.record(t + 1) + own.first, own.count);
      auto d_before = rows(d_records, whole, d_column(t) + own.first, own.count);
      auto d_now = rows(d_records, whole, d_column(t + 1) + own.first, own.count);
      retreat(plan, before, now, d_before, d_now, kept.d_vectors.view(), own.first, t % 2 != 0);
    }
    if (!dx.empty()) {  // dL/dx_t += U^T d_t
      chunk.for_own_columns([&](Index column, Index columns) {
        add_product(plan.u, rows(d_chunk, Rule::from_input, column, columns), dx.columns(column, columns));
      });
    }
    const auto h_before = hidden_before(chunk, records, kept);
    team.barrier();
    // In bulk, each thread some rows: dL/dW += d_t h_<t-1>^T, dL/dU += d_t x_t^T, dL/db += d_t.
    const auto share_of = [&](BlockRange range) { return team.share(range.count * hidden(), 16); };
    const auto share_W = share_of(Rule::from_hidden), share_U = share_of(Rule::from_input);
    const auto share_b = share_of(pre_activations);
    add_outer_product(detail::some_rows(rows(d_chunk, Rule::from_hidden), share_W), h_before,
                      detail::some_rows(gradient.W, share_W));
    if constexpr (detail::has_halfway<Rule>) {
      auto share = share_of(from_halfway);
      const auto d = detail::some_rows(rows(d_chunk, from_halfway), share);
      share.first += Rule::from_hidden.count * hidden();
      const BlockRange halfway{Rule::halfway, 1};
      add_outer_product(d, rows(records, halfway, steps.record(chunk.first + 1), chunk.columns()),
                        detail::some_rows(gradient.W, share));
    }
    gradient.add_outer_inputs(detail::some_rows(rows(d_chunk, Rule::from_input), share_U),
                              x.columns(chunk.column(), chunk.columns()), share_U);
    const auto d_b = detail::some_rows(rows(d_chunk, pre_activations), share_b);
    for (Index j = 0; j < d_b.cols(); ++j) gradient.b.segment(share_b.first, share_b.count) += d_b.col(j);
    team.barrier();
  }

  void begin_d_initial(const Steps& steps, const State& d_final, State& d_initial) const {
    set_zero(d_initial, steps.batch());
    if (d_final.cols() == 0) return;
    for (Index k = steps.alive(0); k < steps.batch(); ++k)
      d_initial.col(steps.sequence(k)) = d_final.col(steps.sequence(k));  // of sequences without a step
  }
  void add_d_initial(const Records& kept, const Steps& steps, State& d_initial) const {
    const auto d = rows(kept.d_records.view(), Rule::state);
    for (Index k = 0; k < steps.alive(0); ++k) d_initial.col(steps.sequence(k)) += d.col(k);
  }
  void end_backward(Records& kept, Unrolled& gradient) const {
    if constexpr (vectors > 0) {
      const auto sums = kept.d_vectors.view();
      const Index N = sums.cols() / vectors;
      for (Index j = 0; j < vectors * N; ++j) gradient.P.col(j / N) += sums.col(j);
    }
  }

 protected:
  using Base::from_halfway, Base::hidden_block, Base::pre_activations, Base::whole;
  using Base::retreat, Base::rows, Base::rows_for_halfway, Base::rows_for_hidden, Base::require_shapes;

  /// dL/d(states) of a chunk, before it goes back through time: what comes from outside, and from the steps after it.
  void begin_d_states(const detail::Chunk& chunk, auto& d_chunk, auto& d_records, SeriesView<const Scalar> dy,
                      const State& d_final) const {
    const Steps& steps = chunk.steps;
    chunk.for_own_columns([&](Index column, Index columns) {
      rows(d_chunk, Rule::state, column, columns).setZero();
      if (!dy.empty()) rows(d_chunk, hidden_block, column, columns) = dy.columns(column, columns);
    });
    if (chunk.has_loss && d_final.cols() > 0) {
      for (Index t = chunk.first; t < chunk.end; ++t) {  // for sequences that end with step t
        const auto own = chunk.own(t);
        for (Index k = std::max(own.first, steps.alive(t + 1)); k < own.first + own.count; ++k)
          rows(d_chunk, Rule::state, steps.column(t) - chunk.column() + k, 1) += d_final.col(steps.sequence(k));
      }
    }
    // What has come back from the chunk after this one lies where it left it, at the beginning.
    const auto last = chunk.own(chunk.end - 1), before = chunk.own(chunk.first > 0 ? chunk.first - 1 : 0);
    if (chunk.from_later)
      rows(d_chunk, Rule::state, steps.column(chunk.end - 1) - chunk.column() + last.first, last.count) +=
          rows(d_records, Rule::state, last.first, last.count);
    rows(d_records, Rule::state, before.first, before.count).setZero();
  }

  /// Whether h_<t-1> is copied to lie close together: where sequences end between two steps, and where each would have
  /// a page of its own.
  bool moves_hidden(const Steps& steps) const {
    return steps.ragged() || blocks * hidden() * static_cast<Index>(sizeof(Scalar)) >= 4096;
  }
  /// h_<t-1> for each column of a chunk.
  ConstMatrixView<Scalar> hidden_before(const detail::Chunk& chunk, const auto& records, Records& kept) const {
    const Steps& steps = chunk.steps;
    if (!moves_hidden(steps)) return rows(records, hidden_block, steps.record(chunk.first), chunk.columns());
    auto together = kept.h_before.view();
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      if (own.count == 0) break;
      rows(together, BlockRange{0, 1}, steps.column(t) - chunk.column() + own.first, own.count) =
          rows(records, hidden_block, steps.record(t) + own.first, own.count);
    }
    return {together.data(), hidden(), chunk.columns(), Eigen::OuterStride<>(together.colStride())};
  }

  void require_records(const char* where, const Records& records) const {
    require(records.matrix().rows() == blocks * hidden(), where,
            ": the trace must be of this network, with records of ", blocks * hidden(), " rows, got one of ",
            records.matrix().rows());
  }
  void require_state(const char* where, const char* what, const State& state, Index batch) const {
    const bool right = state.cols() == 0 || (state.rows() == Rule::state.count * hidden() && state.cols() == batch);
    if (!right) {
      require(false, where, ": ", what, " must be ", Rule::state.count * hidden(), "x", batch,
              " (states * hidden() x batch), got ", shape(state));
    }
  }
};

}  // namespace recur::inline RECUR_ISA
