#pragma once
/// \file
/// A rule with its parameters, unrolled over a series.

#include "rules/elman.hpp"
#include "unroll.hpp"
#include "weights.hpp"

#include <array>
#include <utility>

namespace recur {

/// A recurrent layer: for t = 1 .. T, from a state that is zero or given,
///
///     a_t   = b + W h_<t-1> + U x_t
///     state = rule(a_t, state_<t-1>)
///
/// with the parameters U, W and b (see Weights). `cell.U` and its like are plain Eigen matrices.
template <Rule Rule_, class Scalar_ = float, int Inputs = Dynamic, int Hidden = Dynamic>
class Cell : public Weights<Rule_, Scalar_, Inputs, Hidden> {
  using Base = Weights<Rule_, Scalar_, Inputs, Hidden>;
  using Base::add_inputs, Base::advance, Base::retreat, Base::fill_bias, Base::rows, Base::blocks_of,
      Base::require_shapes;
  using Base::hidden_block, Base::pre_activations, Base::whole;

 public:
  using Base::b, Base::blocks, Base::hidden, Base::inputs, Base::P, Base::rule, Base::U, Base::vectors, Base::W;
  using typename Base::Rule, typename Base::Scalar;
  static constexpr int inputs_at_compile_time = Inputs;
  static constexpr int outputs_at_compile_time = Hidden;

  /// What is carried from step to step: the rule's state blocks for N sequences, (states H) x N; for the Elman network
  /// h_0, H x N. One of no columns stands for zero.
  using State = Matrix<Scalar, times(Rule::state.count, Hidden), Dynamic>;
  /// What one step keeps, (blocks H) x N; for the Elman network h_t.
  template <int Batch = Dynamic>
  using Record = Matrix<Scalar, times(blocks, Hidden), Batch>;

  /// What forward leaves for bptt.
  using Trace = recur::Trace<Scalar>;

  using Base::Base;
  Index outputs() const { return hidden(); }

  /// The same cell with its parameters in another type.
  template <class Other>
  Cell<Rule, Other, Inputs, Hidden> cast() const {
    Cell<Rule, Other, Inputs, Hidden> result(inputs(), hidden(), rule);
    result.U = U.template cast<Other>();
    result.W = W.template cast<Other>();
    result.b = b.template cast<Other>();
    result.P = P.template cast<Other>();
    return result;
  }

  Trace trace() const { return {}; }
  /// The zero state of a batch, to be filled.
  State state(Index batch) const { return State::Zero(Rule::state.count * hidden(), batch); }
  /// A zero record for step().
  template <int Batch = Dynamic>
  Record<Batch> record(Index batch = Batch == Dynamic ? 1 : Batch) const {
    return Record<Batch>::Zero(blocks * hidden(), batch);
  }

  /// One step: from x_t, I x N, and the record of the step before to that of this one, both (blocks H) x N. For the
  /// Elman network the records are h_<t-1> and h_t. Allocates nothing.
  /// Throws std::invalid_argument where shapes differ; where they are fixed, that is an error when compiling.
  template <class X, class Before, class Now>
  void step(const Eigen::PlainObjectBase<X>& x, const Eigen::PlainObjectBase<Before>& before,
            Eigen::PlainObjectBase<Now>& now) const {
    constexpr int batch = Now::ColsAtCompileTime;
    static_assert(fits(X::RowsAtCompileTime, Inputs), "step: x must have as many rows as the cell has inputs");
    static_assert(
        fits(Before::RowsAtCompileTime, times(blocks, Hidden)) && fits(Now::RowsAtCompileTime, times(blocks, Hidden)),
        "step: a record must have as many rows as the rule's blocks times the cell's hidden units");
    static_assert(fits(X::ColsAtCompileTime, batch) && fits(Before::ColsAtCompileTime, batch),
                  "step: x and both records must have one column for each sequence of the batch");
    static_assert((!X::IsRowMajor || X::IsVectorAtCompileTime) &&
                      (!Before::IsRowMajor || Before::IsVectorAtCompileTime) &&
                      (!Now::IsRowMajor || Now::IsVectorAtCompileTime),
                  "step: x and both records must be column-major");
    require_shapes("step");
    require_equal("step", "x.rows()", x.rows(), "inputs()", inputs());
    require_equal("step", "before.rows()", before.rows(), "blocks * hidden()", blocks * hidden());
    require_equal("step", "now.rows()", now.rows(), "blocks * hidden()", blocks * hidden());
    require_equal("step", "before.cols()", before.cols(), "x.cols()", x.cols());
    require_equal("step", "now.cols()", now.cols(), "x.cols()", x.cols());
    require(static_cast<const void*>(before.data()) != static_cast<const void*>(now.data()),
            "step: before and now must be two records, got one");

    if (now.cols() == 1) {
      step_in_place<Order::interleaved, batch>(x, before, now);
    } else {
      step_in_place<Order::in_sequence, batch>(x, before, now);
    }
  }

  /// The records of two steps, this one's and that of the step before: what a Stream keeps.
  class Memory {
    friend Cell;
    std::array<Record<1>, 2> records_;
    int now_ = 0;
  };
  Memory memory() const {
    Memory memory;
    memory.records_.fill(record());
    return memory;
  }
  void reset(Memory& memory) const noexcept { memory.records_[memory.now_].setZero(); }
  void set_state(Memory& memory, const State& state) const {
    require_state("set_state", "state", state, 1);
    reset(memory);
    if (state.cols() > 0) rows(memory.records_[memory.now_], Rule::state) = state;
  }
  void get_state(const Memory& memory, State& state) const { state = rows(memory.records_[memory.now_], Rule::state); }
  /// One step of one sequence, x_t a vector or a Token. Gives where h_t begins. For Stream, which checks.
  EIGEN_STRONG_INLINE const Scalar* step(const auto& x, Memory& memory) const noexcept {
    const auto& before = memory.records_[memory.now_];
    auto& now = memory.records_[memory.now_ ^= 1];
    step_in_place<Order::interleaved, 1>(x, before, now);
    return now.data() + Rule::h * hidden();
  }

  /// All steps of x, I x N at each of T steps, from `initial` (zero where it has no columns). Gives h_1 .. h_T, H x N
  /// each: a view of the trace, valid until the trace is used again. x is a series, or tokens.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series; the trace is then as it was.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, Trace& trace, const State& initial = {}) const {
    return detail::forward(*this, x, trace, initial);
  }
  SeriesView<const Scalar> forward(TokensView x, Trace& trace, const State& initial = {}) const {
    return detail::forward(*this, x, trace, initial);
  }

  /// h_1 .. h_T of the last forward.
  SeriesView<const Scalar> output(const Trace& trace) const {
    const auto records = trace.records();
    return {records.data() + records.rows() * trace.batch() + Rule::h * hidden(), hidden(), trace.batch(),
            trace.steps(), records.rows()};
  }
  /// The state after the last step of the last forward.
  void final_state(const Trace& trace, State& state) const {
    require_trace("final_state", trace);
    state = rows(trace.records(), Rule::state, trace.batch() * trace.steps(), trace.batch());
  }
  State final_state(const Trace& trace) const {
    State state;
    final_state(trace, state);
    return state;
  }

  /// Backpropagation through time: from dL/dh_1 .. dL/dh_T (all zero where dy is empty) and dL/d(final state) (zero
  /// where it has no columns), *adds* dL/dU, dL/dW, dL/db to `gradient`, and writes dL/dx and dL/d(initial state)
  /// where they are asked for: a dx that is not empty, a d_initial that is not null. x is what forward was given.
  /// Users call bptt(), which checks.
  void backward(const auto& x, Trace& trace, SeriesView<const Scalar> dy, Cell& gradient, SeriesView<Scalar> dx = {},
                const State& d_final = {}, State* d_initial = nullptr) const {
    detail::backward(*this, x, trace, dy, gradient, dx, d_final, d_initial);
  }

  // ---- What follows is for unroll.hpp, which says when it is called ----

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
    return {trace.packed_U.of(U, N * T), trace.packed_W.of(W, N, T)};
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
                      SeriesView<const Scalar> dy, Cell& gradient, SeriesView<Scalar> dx, Index first,
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
              blocks_of(d_before), rows(d_now, Rule::from_hidden), rows(d_before, hidden_block),
              Summed<Scalar, Hidden>(trace.d_vectors.view(), N, own.first), (first + t) % 2 != 0);
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

  void end_backward(Trace& trace, Cell& gradient, State* d_initial) const {
    const Index N = trace.batch();
    if constexpr (vectors > 0) {
      for (Index j = 0; j < vectors * N; ++j) gradient.P.col(j / N) += trace.d_vectors.view().col(j);
    }
    if (d_initial) *d_initial = rows(trace.d_records.view(), Rule::state, 0, N);
  }

 private:
  static constexpr bool fits(int size, int expected) {
    return size == Dynamic || expected == Dynamic || size == expected;
  }

  /// Weights are read where they lie: used once, they are not worth packing.
  template <Order order, int Batch>
  EIGEN_STRONG_INLINE void step_in_place(const auto& x, const auto& before, auto& now) const {
    fill_bias(now);
    add_inputs(in_place(U, Order::in_sequence), x, rows(now, Rule::from_input));
    advance(in_place(W, order), this->template blocks_of<Batch>(before), rows(before, hidden_block), now,
            this->template blocks_of<Batch>(now));
  }

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

/// The Elman network, PyTorch's nn.RNN: h_t = f(b + W h_<t-1> + U x_t).
template <class Scalar = float, Activation F = Tanh, int Inputs = Dynamic, int Hidden = Dynamic>
using Elman = Cell<ElmanRule<F>, Scalar, Inputs, Hidden>;

}  // namespace recur
