#pragma once
/// \file
/// A rule with its parameters, unrolled over a series.

#include "rules/elman.hpp"
#include "series.hpp"
#include "weights.hpp"

#include <algorithm>
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
  using Base::advance, Base::retreat, Base::fill_bias, Base::in_place, Base::rows, Base::blocks_of,
      Base::require_shapes;
  using Base::hidden_block, Base::pre_activations, Base::whole;

 public:
  using Base::b, Base::blocks, Base::hidden, Base::inputs, Base::P, Base::rule, Base::U, Base::W;
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

    fill_bias(now);
    add_product(in_place(U), x, rows(now, Rule::from_input));
    advance(in_place(W), this->template blocks_of<batch>(before), rows(before, hidden_block), now,
            this->template blocks_of<batch>(now));
  }

  /// All steps of x, I x N at each of T steps, from `initial` (zero where it has no columns). Gives h_1 .. h_T, H x N
  /// each: a view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series; the trace is then as it was.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, Trace& trace, const State& initial = {}) const {
    require_forward(x, x.features(), initial);
    const Index N = x.batch(), T = x.steps();
    auto records = trace.resize(blocks * hidden(), N, T);
    records.leftCols(N).setZero();
    if (initial.cols() > 0) rows(records, Rule::state, 0, N) = initial;

    // All of b + U x_t for a chunk of steps, then the recurrence through them.
    const auto u = trace.packed_U.of(U, N * T);
    const auto w = trace.packed_W.of(W, N);
    for (Index t = 0; t < T;) {
      const Index count = std::min(detail::steps_in_chunk(N), T - t);
      auto chunk = rows(records, whole, N * (t + 1), N * count);
      fill_bias(chunk);
      add_product(u, x.window(t, count).matrix(), rows(chunk, Rule::from_input));
      for (const Index end = t + count; t < end; ++t) {
        const auto before = rows(std::as_const(records), whole, N * t, N);
        auto now = rows(records, whole, N * (t + 1), N);
        advance(w, blocks_of(before), rows(before, hidden_block), now, blocks_of(now));
      }
    }
    return output(trace);
  }

  /// The checks of forward, by themselves: x stands for a series of that many features.
  void require_forward(SeriesView<const Scalar> x, Index features, const State& initial) const {
    require_shapes("forward");
    require(!x.empty(), "forward: x must have at least one step of one sequence, got features ", x.features(),
            ", batch ", x.batch(), ", steps ", x.steps());
    require_equal("forward", "x.features()", features, "inputs()", inputs());
    require_state("forward", "initial", initial, x.batch());
  }
  /// The checks of backward.
  void require_backward(SeriesView<const Scalar> x, const Trace& trace, const State& d_final) const {
    require_shapes("bptt");
    require_trace("bptt", trace);
    require_same_steps("bptt", "x", x, "the trace", trace);
    require_state("bptt", "d_final", d_final, trace.batch());
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
  void backward(SeriesView<const Scalar> x, Trace& trace, SeriesView<const Scalar> dy, Cell& gradient,
                SeriesView<Scalar> dx = {}, const State& d_final = {}, State* d_initial = nullptr) const {
    const Index N = trace.batch(), T = trace.steps(), longest = std::min(detail::steps_in_chunk(N), T);
    const auto records = trace.records();
    // dL/d(record) of a chunk of steps, with that of the step before the chunk in the first N columns.
    auto d_records = trace.d_records.resize(blocks * hidden(), N * (longest + 1));
    rows(d_records, Rule::state, 0, N).setZero();
    if (d_final.cols() > 0) rows(d_records, Rule::state, 0, N) = d_final;

    const auto w = trace.packed_W.transpose_of(W, N);
    const auto u = dx.empty() ? Panels<Scalar>{} : trace.packed_U.transpose_of(U, N * T);
    for (Index end = T; end > 0;) {
      const Index count = std::min(longest, end), first = end - count;
      auto d_chunk = rows(d_records, whole, N, N * count);
      // dL/d(states): from outside, and for the last step what has come back through time.
      rows(d_chunk, Rule::state).setZero();
      if (!dy.empty()) rows(d_chunk, hidden_block) = dy.window(first, count).matrix();
      rows(d_records, Rule::state, N * count, N) += rows(d_records, Rule::state, 0, N);
      rows(d_records, Rule::state, 0, N).setZero();

      for (Index t = count; t-- > 0;) {
        auto d_before = rows(d_records, whole, N * t, N);
        auto d_now = rows(d_records, whole, N * (t + 1), N);
        retreat(w, blocks_of(rows(records, whole, N * (first + t), N)),
                blocks_of(rows(records, whole, N * (first + t + 1), N)), blocks_of(d_now), blocks_of(d_before),
                rows(d_now, Rule::from_hidden), rows(d_before, hidden_block), gradient);
      }

      // dL/dW += d_t h_<t-1>^T, dL/dU += d_t x_t^T, dL/db += d_t, dL/dx_t = U^T d_t: in bulk.
      const auto x_chunk = x.window(first, count).matrix();
      const auto d_from_input = rows(d_chunk, Rule::from_input);
      add_outer_product(rows(d_chunk, Rule::from_hidden), rows(records, hidden_block, N * first, N * count),
                        gradient.W);
      add_outer_product(d_from_input, x_chunk, gradient.U);
      for (Index j = 0; j < d_chunk.cols(); ++j) gradient.b += rows(d_chunk, pre_activations).col(j);
      if (!dx.empty()) {
        auto dx_chunk = dx.window(first, count).matrix();
        dx_chunk.setZero();
        add_product(u, d_from_input, dx_chunk);
      }
      end = first;
    }
    if (d_initial) *d_initial = rows(d_records, Rule::state, 0, N);
  }

 private:
  static constexpr bool fits(int size, int expected) {
    return size == Dynamic || expected == Dynamic || size == expected;
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
