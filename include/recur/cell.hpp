#pragma once
/// \file
/// A rule with its parameters, unrolled over a series.

#include "packed.hpp"
#include "parameters.hpp"
#include "rules/elman.hpp"
#include "series.hpp"

#include <algorithm>

namespace recur {

namespace detail {

/// How many steps of a batch are projected, or differentiated, at once: enough columns to make the bulk products
/// efficient, few enough to be still in the cache when the recurrence comes to them.
inline Index steps_in_chunk(Index batch) { return std::max<Index>(1, 128 / batch); }

}  // namespace detail

/// A recurrent layer: for t = 1 .. T, from a state that is zero or given,
///
///     a_t   = b + W h_<t-1> + U x_t
///     state = rule(a_t, state_<t-1>)
///
/// with the input weights U: (G_u H) x I, the recurrent weights W: (G_w H) x H and the bias b: (G H), for a rule whose
/// inputs reach G_u blocks, whose hidden state reaches G_w and that has G pre-activation blocks altogether: all 1 for the
/// Elman network. Sizes are given to the constructor, or fixed as template arguments. All parameters start at zero.
template <Rule Rule_, class Scalar_ = float, int Inputs = Dynamic, int Hidden = Dynamic>
class Cell {
 public:
  using Rule = Rule_;
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Inputs;
  static constexpr int outputs_at_compile_time = Hidden;
  static constexpr int blocks = static_cast<int>(Rule::blocks);
  static constexpr int vectors = detail::vectors_of<Rule>();
  static constexpr BlockRange pre_activations = detail::pre_activations<Rule>;

  /// What is carried from step to step: the rule's state blocks for N sequences, (states H) x N; for the Elman network
  /// h_0, H x N. One of no columns stands for zero.
  using State = Matrix<Scalar, times(Rule::state.count, Hidden), Dynamic>;
  /// What one step keeps, (blocks H) x N; for the Elman network h_t.
  template <int Batch = Dynamic>
  using Record = Matrix<Scalar, times(blocks, Hidden), Batch>;

  /// The records of a series, the initial state first: what forward leaves for backward. Also keeps the memory that
  /// both work in, so that neither allocates when it is called again.
  class Trace {
   public:
    Index batch() const { return batch_; }
    Index steps() const { return steps_; }
    /// (blocks H) x N (T + 1).
    ConstMatrixView<Scalar> records() const { return records_.view(); }

   private:
    friend Cell;
    Index batch_ = 0, steps_ = 0;
    detail::Buffer<Scalar> records_, d_records_;
    Packed<Scalar> packed_U_, packed_W_;
  };

  Matrix<Scalar, times(Rule::from_input.count, Hidden), Inputs> U;
  Matrix<Scalar, times(Rule::from_hidden.count, Hidden), Hidden> W;
  Vector<Scalar, times(pre_activations.count, Hidden)> b;
  Matrix<Scalar, Hidden, vectors> P;  ///< the rule's own parameters, where it has some
  [[no_unique_address]] Rule rule;

  Cell()
    requires(Inputs != Dynamic && Hidden != Dynamic)
      : Cell(Inputs, Hidden) {}
  Cell(Index inputs, Index hidden, Rule rule_ = {}) : rule(rule_) {
    require(inputs > 0 && hidden > 0, "Cell: inputs > 0 and hidden > 0 expected, got ", inputs, " and ", hidden);
    require(Inputs == Dynamic || inputs == Inputs, "Cell: inputs must be ", Inputs, " (fixed by its type), got ",
            inputs);
    require(Hidden == Dynamic || hidden == Hidden, "Cell: hidden must be ", Hidden, " (fixed by its type), got ",
            hidden);
    U.setZero(Rule::from_input.count * hidden, inputs);
    W.setZero(Rule::from_hidden.count * hidden, hidden);
    b.setZero(pre_activations.count * hidden);
    P.setZero(hidden, vectors);
  }

  Index inputs() const { return U.cols(); }
  Index hidden() const { return W.cols(); }
  Index outputs() const { return hidden(); }

  static void visit(auto&& f, const Name& name, auto&... cells) {
    f(Name(name, "U"), cells.U...);
    f(Name(name, "W"), cells.W...);
    f(Name(name, "b"), cells.b...);
    if constexpr (vectors > 0) f(Name(name, "P"), cells.P...);
  }

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
    static_assert(fits(Before::RowsAtCompileTime, times(blocks, Hidden)) &&
                      fits(Now::RowsAtCompileTime, times(blocks, Hidden)),
                  "step: a record must have as many rows as the rule's blocks times the cell's hidden units");
    static_assert(fits(X::ColsAtCompileTime, batch) && fits(Before::ColsAtCompileTime, batch),
                  "step: x and both records must have one column for each sequence of the batch");
    static_assert((!X::IsRowMajor || X::IsVectorAtCompileTime) && (!Before::IsRowMajor || Before::IsVectorAtCompileTime) &&
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
    advance(in_place(W), blocks_of<batch>(before), rows(before, hidden_block), now, blocks_of<batch>(now));
  }

  /// All steps of x, I x N at each of T steps, from `initial` (zero where it has no columns). Gives h_1 .. h_T, H x N each:
  /// a view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series; the trace is then as it was.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, Trace& trace, const State& initial = {}) const {
    require_forward(x, x.features(), initial);
    const Index N = x.batch(), T = x.steps();
    trace.batch_ = N;
    trace.steps_ = T;
    auto records = trace.records_.resize(blocks * hidden(), N * (T + 1));
    records.leftCols(N).setZero();
    if (initial.cols() > 0) rows(records, Rule::state, 0, N) = initial;

    // All of b + U x_t for a chunk of steps, then the recurrence through them.
    const auto u = trace.packed_U_.of(U, N * T);
    const auto w = trace.packed_W_.of(W, N);
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
    require(!x.empty(), "forward: x must have at least one step of one sequence, got features ", x.features(), ", batch ",
            x.batch(), ", steps ", x.steps());
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

  /// Backpropagation through time: from dL/dh_1 .. dL/dh_T (all zero where dy is empty) and dL/d(final state) (zero where
  /// it has no columns), *adds* dL/dU, dL/dW, dL/db to `gradient`, and writes dL/dx and dL/d(initial state) where they
  /// are asked for: a dx that is not empty, a d_initial that is not null. x is what forward was given.
  /// Users call bptt(), which checks.
  void backward(SeriesView<const Scalar> x, Trace& trace, SeriesView<const Scalar> dy, Cell& gradient,
                SeriesView<Scalar> dx = {}, const State& d_final = {}, State* d_initial = nullptr) const {
    const Index N = trace.batch(), T = trace.steps(), longest = std::min(detail::steps_in_chunk(N), T);
    const auto records = trace.records();
    // dL/d(record) of a chunk of steps, with that of the step before the chunk in the first N columns.
    auto d_records = trace.d_records_.resize(blocks * hidden(), N * (longest + 1));
    rows(d_records, Rule::state, 0, N).setZero();
    if (d_final.cols() > 0) rows(d_records, Rule::state, 0, N) = d_final;

    const auto w = trace.packed_W_.transpose_of(W, N);
    const auto u = dx.empty() ? Panels<Scalar>{} : trace.packed_U_.transpose_of(U, N * T);
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
      add_outer_product(rows(d_chunk, Rule::from_hidden),
                        rows(records, hidden_block, N * first, N * count), gradient.W);
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
  static constexpr BlockRange whole{0, blocks};
  static constexpr BlockRange hidden_block{static_cast<int>(Rule::h), 1};
  static constexpr bool fits(int size, int expected) { return size == Dynamic || expected == Dynamic || size == expected; }

  /// The rows of some blocks, in `count` columns of records from `column` on. Only two types come of it: expressions of
  /// expressions would each be compiled anew.
  auto rows(auto&& records, BlockRange range, Index column, Index count) const {
    using Data = std::remove_reference_t<decltype(*records.data())>;
    using View = std::conditional_t<std::is_const_v<Data>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
    const Index stride = records.colStride();
    return View(records.data() + column * stride + range.first * hidden(), range.count * hidden(), count,
                Eigen::OuterStride<>(stride));
  }
  auto rows(auto&& records, BlockRange range) const { return rows(records, range, 0, records.cols()); }
  /// A record as the rule sees it.
  template <int Batch = Dynamic>
  auto blocks_of(auto&& record) const {
    using Data = std::remove_pointer_t<decltype(record.data())>;
    return Blocks<Data, Hidden, Batch>(record.data(), hidden(), record.cols(), record.colStride());
  }
  static Panels<Scalar> in_place(const auto& weights) {
    return {weights.data(), weights.rows(), weights.cols(), weights.colStride()};
  }

  void fill_bias(auto&& records) const {
    auto a = rows(records, pre_activations);
    for (Index j = 0; j < a.cols(); ++j) a.col(j) = b;
  }

  /// a_t += W h_<t-1>, then the rule; now holds b + U x_t.
  template <class NowBlocks>
  void advance(const Panels<Scalar>& w, const auto& before, const auto& h_before, auto& now, NowBlocks now_blocks) const {
    add_product(w, h_before, rows(now, Rule::from_hidden));
    if constexpr (vectors > 0) {
      rule.forward(before, now_blocks, Repeated(P, now.cols()));
    } else {
      rule.forward(before, now_blocks);
    }
  }

  /// The rule's derivative, then dL/dh_<t-1> += W^T dL/da_t.
  template <class DNow, class DBefore>
  void retreat(const Panels<Scalar>& w_transposed, const auto& before, const auto& now, DNow d_now, DBefore d_before,
               const auto& d_a, auto&& d_h_before, Cell& gradient) const {
    if constexpr (vectors > 0) {
      Summed d_p(gradient.P);
      rule.backward(before, now, d_now, d_before, Repeated(P, d_a.cols()), d_p);
    } else {
      rule.backward(before, now, d_now, d_before);
    }
    add_product(w_transposed, d_a, d_h_before);
  }

  /// U, W and b are public: somebody may have given them other shapes.
  void require_shapes(const char* where) const {
    const bool right = U.rows() == Rule::from_input.count * hidden() &&
                       W.rows() == Rule::from_hidden.count * hidden() && b.size() == pre_activations.count * hidden();
    require(right, where, ": U must be ", Rule::from_input.count, " H x I, W ", Rule::from_hidden.count, " H x H, b ",
            pre_activations.count, " H, got U ", shape(U), ", W ", shape(W), ", b ", shape(b));
    require_equal(where, "P.rows()", P.rows(), "hidden()", hidden());
  }
  void require_state(const char* where, const char* what, const State& state, Index batch) const {
    const bool right = state.cols() == 0 || (state.rows() == Rule::state.count * hidden() && state.cols() == batch);
    if (!right) {
      require(false, where, ": ", what, " must be ", Rule::state.count * hidden(), "x", batch, " (states * hidden() x batch), got ",
              shape(state));
    }
  }
  void require_trace(const char* where, const Trace& trace) const {
    require(trace.steps() > 0, where, ": the trace must have been through forward, got an empty one");
    require(trace.records().rows() == blocks * hidden(), where,
            ": the trace must be of this network, with records of ", blocks * hidden(), " rows, got one of ",
            trace.records().rows());
  }
};

/// The Elman network, PyTorch's nn.RNN: h_t = f(b + W h_<t-1> + U x_t).
template <class Scalar = float, Activation F = Tanh, int Inputs = Dynamic, int Hidden = Dynamic>
using Elman = Cell<ElmanRule<F>, Scalar, Inputs, Hidden>;

}  // namespace recur
