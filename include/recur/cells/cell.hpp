#pragma once
/// \file
/// A rule with its parameters, and one step of it. recurrence.hpp goes through a series.

#include "activation.hpp"
#include "recurrence.hpp"

#include <array>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Throws as the constructor of Cell does, for what no type fixes.
inline void require_cell_sizes(Index inputs, Index hidden, Index outputs, Index shared, Index blocks) {
  require(inputs > 0 && hidden > 0, "Cell: inputs > 0 and hidden > 0 expected, got ", inputs, " and ", hidden);
  require(outputs > 0, "Cell: outputs > 0 expected, got ", outputs);
  require(inputs > shared, "Cell: inputs > ", shared, " expected (the last of them have no weights), got ", inputs);
  checked_product("Cell: blocks x hidden x inputs", blocks, hidden, inputs);
  checked_product("Cell: blocks x hidden x hidden", blocks, hidden, hidden);
  checked_product("Cell: blocks x hidden x outputs", blocks, hidden, outputs);
}

}  // namespace detail

/// The records of two steps, this one's and that of the step before: what a Stream keeps of a cell.
template <class Record>
class CellMemory {
  template <Rule, class, int, int, int>
  friend class Cell;
  struct Aligned {
    alignas(alignment<Record>) Record record;
  };
  std::array<Aligned, 2> records_;
  std::size_t now_ = 0;
};

/// A recurrent layer: for t = 1 .. T, from a state that is zero or given,
///
///     a_t   = b + W h_<t-1> + U x_t
///     state = rule(a_t, state_<t-1>)
///
/// with the input weights U: (G_u H) x I, the recurrent weights W: (G_w H) x H and the bias b: (G H), for a rule whose
/// inputs reach G_u blocks, whose hidden state reaches G_w, and of which G blocks have a bias: all 1 for the Elman
/// network, all 4 for the LSTM; for a rule without a product with h_<t-1> G_w is 0, and there is no W.
/// `cell.U` and its like are plain Eigen matrices. Sizes are given to the constructor, or fixed as template arguments.
/// All parameters start at zero.
///
/// Of a rule whose hidden state is projected, h_t = R q_t with R: P x H, the outputs and h_t have P numbers, and W is
/// (G_w H) x P. For all others P is H, or as many times H as h has blocks (2 for the LRU).
template <Rule Rule_, class Scalar_ = float, int Inputs = Dynamic, int Hidden = Dynamic,
          int Outputs = times(detail::made_blocks<Rule_>().count, Hidden)>
class Cell : public LayerOf<Cell<Rule_, Scalar_, Inputs, Hidden, Outputs>> {
  using Sizes = detail::RuleSizes<Rule_>;
  static_assert(detail::is_projected<Rule_> || Outputs == times(detail::made_blocks<Rule_>().count, Hidden),
                "Cell: only rules whose hidden state is projected have other outputs than hidden units");
  static_assert(Inputs == Dynamic || Inputs > Sizes::from_shared.count,
                "Cell: more inputs expected than numbers that all units share, which have no weights");
  static_assert(detail::compiles<&detail::call_pointwise<Rule_, Scalar_>>);  // the rule is pointwise
  /// The rows of so many blocks of a record, and of h where it is projected; Dynamic where they are not known.
  static constexpr int rows_of_blocks(int count) {
    if (!detail::is_projected<Rule_>) return times(count, Hidden);
    return Hidden == Dynamic || Outputs == Dynamic ? Dynamic : Outputs + count * Hidden;
  }
  /// The same of a whole record.
  static constexpr int record_rows = rows_of_blocks(Sizes::blocks) == Dynamic
                                         ? Dynamic
                                         : rows_of_blocks(Sizes::blocks) + static_cast<int>(Sizes::norms.size());

 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Rule = Rule_;
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Inputs, outputs_at_compile_time = Outputs;
  static constexpr int hidden_at_compile_time = Hidden;
  static constexpr int shared = Sizes::from_shared.count;  ///< the last rows of x, which have no weights
  static constexpr bool causal = true, takes_tokens = shared == 0;
  ///@}
  static constexpr int blocks = Sizes::blocks;                      ///< of H rows, in a record
  static constexpr int recurrent = Sizes::recurrent;                ///< blocks of H rows of W, 0 where there is none
  static constexpr bool is_projected = detail::is_projected<Rule>;  ///< whether h_t = R q_t

  /// The types of U, W, b, P and R.
  ///@{
  using MatrixU =
      MatrixOf<Scalar, times(Rule::from_input.count, Hidden), Inputs == Dynamic ? Dynamic : Inputs - shared>;
  using MatrixW = MatrixOf<Scalar, times(recurrent, Hidden), Outputs>;
  using VectorB = VectorOf<Scalar, times(Sizes::from_bias.count, Hidden)>;
  using MatrixP = MatrixOf<Scalar, Hidden, Sizes::vectors>;
  using MatrixR = MatrixOf<Scalar, is_projected ? Outputs : 0, Hidden>;
  ///@}
  alignas(alignment<MatrixU>) MatrixU U;  ///< input weights, (G_u H) x I
  alignas(alignment<MatrixW>) MatrixW W;  ///< recurrent weights, (G_w H) x P
  alignas(alignment<VectorB>) VectorB b;  ///< bias, G H
  alignas(alignment<MatrixP>) MatrixP P;  ///< the rule's own parameters, where it has some
  alignas(alignment<MatrixR>) MatrixR R;  ///< P x H, where h_t is projected
  [[no_unique_address]] Rule rule;        ///< with its constants

  /// What is carried from step to step: the rule's state blocks for N sequences, (states H) x N, before them h where it
  /// is projected, (P + states H) x N; for the Elman network h_0, H x N. A state without columns stands for zero.
  using State = MatrixOf<Scalar, rows_of_blocks(Rule::state.count), Dynamic>;
  /// What one step keeps, (blocks H) x N, or (P + blocks H) x N, and a row for each norm; for the Elman network h_t.
  template <int Batch = Dynamic>
  using Record = MatrixOf<Scalar, record_rows, Batch>;

  /// Sizes as the template arguments give them.
  Cell()
    requires(Inputs != Dynamic && Hidden != Dynamic && Outputs != Dynamic)
      : rule() {
    set_zero(Inputs, Hidden, Outputs);
  }
  /// Throws std::invalid_argument unless inputs > 0 and hidden > 0, equal to sizes that are fixed, and where a matrix
  /// would have too many numbers.
  Cell(Index inputs, Index hidden, Rule rule_ = {})
    requires(!is_projected)
      : rule(rule_) {
    if constexpr (Sizes::made_blocks.count > 1)
      detail::checked_product("Cell: blocks x hidden", Sizes::made_blocks.count, std::max<Index>(hidden, 0));
    set_zero(inputs, hidden, Sizes::made_blocks.count * hidden);
  }
  /// The same for a rule whose hidden state is projected; outputs > 0.
  Cell(Index inputs, Index hidden, Index outputs, Rule rule_ = {})
    requires(is_projected)
      : rule(rule_) {
    set_zero(inputs, hidden, outputs);
  }

  Index inputs() const { return U.cols() + shared; }  ///< I, and as many as have no weights
  Index hidden() const { return is_projected ? R.cols() : W.cols() / Sizes::made_blocks.count; }  ///< H
  Index outputs() const { return W.cols(); }  ///< P, or H for each block of h
  /// "Elman tanh 8 -> 32", "projected LSTM of 64 8 -> 32": see describe.hpp.
  std::string description() const {
    std::string text = detail::describe_rule(rule);
    if (is_projected) text.append(" of ").append(std::to_string(hidden()));
    return text + detail::describe_sizes(inputs(), outputs());
  }

  /// f(name, U ...), then W where there is one, b, P where the rule has parameters of its own, and R where h_t is
  /// projected.
  static void visit(auto&& f, const Name& name, auto&... cells) {
    f(Name(name, "U"), cells.U...);
    if constexpr (recurrent > 0) f(Name(name, "W"), cells.W...);
    if constexpr (Sizes::from_bias.count > 0) f(Name(name, "b"), cells.b...);
    if constexpr (Sizes::vectors > 0) f(Name(name, "P"), cells.P...);
    if constexpr (is_projected) f(Name(name, "R"), cells.R...);
  }
  /// Whether the rule draws random bits in training, as ZoneoutRule: see Rule.
  bool differs_in_training() const {
    bool differs = false;
    if constexpr (Sizes::random.count > 0)
      for (int k = 0; k < Sizes::random.count; ++k) differs = differs || rule.probability(k) > 0;
    return differs;
  }
  /// The same cell with its parameters in another type.
  template <class Other>
  Cell<Rule, Other, Inputs, Hidden, Outputs> cast() const {
    using Result = Cell<Rule, Other, Inputs, Hidden, Outputs>;
    Result result = [&] {
      if constexpr (is_projected) {
        return Result(inputs(), hidden(), outputs(), rule);
      } else {
        return Result(inputs(), hidden(), rule);
      }
    }();
    visit([](const Name&, auto& to, const auto& from) { to = from.template cast<Other>(); }, Name(), result, *this);
    return result;
  }

  // ---- One step ----

  /// A zero record for step().
  template <int Batch = Dynamic>
  Record<Batch> record(Index batch = Batch == Dynamic ? 1 : Batch) const {
    return Record<Batch>::Zero(stepper().record_rows(), batch);
  }

  /// One step: from x_t, I x N, and the record of the step before to that of this one, both of record()'s shape. For
  /// the Elman network the records are h_<t-1> and h_t. Allocates nothing.
  /// Throws std::invalid_argument where shapes differ; where they are fixed, that is an error when compiling.
  template <class X, class Before, class Now>
  void step(const Eigen::PlainObjectBase<X>& x, const Eigen::PlainObjectBase<Before>& before,
            Eigen::PlainObjectBase<Now>& now) const {
    constexpr int batch = Now::ColsAtCompileTime;
    static_assert(fits(X::RowsAtCompileTime, Inputs), "step: x must have as many rows as the cell has inputs");
    static_assert(fits(Before::RowsAtCompileTime, record_rows) && fits(Now::RowsAtCompileTime, record_rows),
                  "step: a record must have as many rows as the rule's blocks times the cell's hidden units");
    static_assert(fits(X::ColsAtCompileTime, batch) && fits(Before::ColsAtCompileTime, batch),
                  "step: x and both records must have one column for each sequence of the batch");
    static_assert((!X::IsRowMajor || X::IsVectorAtCompileTime) &&
                      (!Before::IsRowMajor || Before::IsVectorAtCompileTime) &&
                      (!Now::IsRowMajor || Now::IsVectorAtCompileTime),
                  "step: x and both records must be column-major");
    require_shapes("step");
    require_equal("step", "x.rows()", x.rows(), "inputs()", inputs());
    constexpr bool has_norms = Sizes::norms.size() > 0;
    const char* const rows = is_projected && has_norms ? "outputs() + blocks * hidden() + norms"
                             : is_projected            ? "outputs() + blocks * hidden()"
                             : has_norms               ? "blocks * hidden() + norms"
                                                       : "blocks * hidden()";
    require_equal("step", "before.rows()", before.rows(), rows, stepper().record_rows());
    require_equal("step", "now.rows()", now.rows(), rows, stepper().record_rows());
    require_equal("step", "before.cols()", before.cols(), "x.cols()", x.cols());
    require_equal("step", "now.cols()", now.cols(), "x.cols()", x.cols());
    require(static_cast<const void*>(before.data()) != static_cast<const void*>(now.data()),
            "step: before and now must be two records, got one");
    require(static_cast<const void*>(x.data()) != static_cast<const void*>(now.data()),
            "step: x and now must be two matrices, got one");

    if (now.cols() == 1) {
      step_in_place<detail::Accumulation::interleaved, batch>(x, before, now);
    } else {
      step_in_place<detail::Accumulation::in_sequence, batch>(x, before, now);
    }
  }

  /// For Stream: what it keeps, at first two zero records.
  ///@{
  using Memory = CellMemory<Record<1>>;
  Memory memory() const {
    Memory memory;
    memory.records_.fill({record<1>()});
    return memory;
  }
  ///@}
  /// Sets the state to zero. Throws std::invalid_argument where the cell's shapes have changed since memory().
  void clear(Memory& memory) const {
    require_memory("reset", memory);
    memory.records_[memory.now_].record.setZero();
  }
  /// The state in the memory, to be read or written. Throws as clear() does; `where` begins the message.
  auto state_in(const char* where, auto& memory) const {
    require_memory(where, memory);
    return stepper().states(memory.records_[memory.now_].record);
  }
  /// One step of one sequence, x_t a vector or a Token. Returns where h_t begins. For Stream.
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, Memory& memory) const noexcept {
    const auto& before = memory.records_[memory.now_].record;
    auto& now = memory.records_[memory.now_ ^= 1].record;
    require_memory("step", memory);
    if constexpr (requires { x.rows(); })
      require(x.rows() == inputs(), "step: the network has other shapes than when the stream was made");
    step_in_place<detail::Accumulation::interleaved, 1>(x, before, now, memory.now_ != 0);
    return now.data() + stepper().row_of_h();
  }

  // ---- A layer: see Layer ----

  /// The memory that a call works in; and what goes through series, with this W or another.
  ///@{
  using Workspace = CellWorkspace<Scalar>;
  using Recurrence = detail::Recurrence<Rule, Scalar>;
  ///@}

  /// Throws std::invalid_argument where U, W, b, P and R, which are public, have shapes that do not fit.
  void require_shapes(const char* where) const {
    constexpr int made = Sizes::made_blocks.count;
    const bool right = hidden() > 0 && outputs() > 0 && (is_projected || outputs() == made * hidden()) &&
                       U.cols() > 0 && U.rows() == Rule::from_input.count * hidden() &&
                       W.rows() == recurrent * hidden() && b.size() == Sizes::from_bias.count * hidden();
    require(right, where, ": U must be ", Rule::from_input.count, " H x I, W ", recurrent,
            is_projected ? " H x P, b "
            : made == 2  ? " H x 2 H, b "
                         : " H x H, b ",
            Sizes::from_bias.count, " H, got U ", shape(U), ", W ", shape(W), ", b ", shape(b));
    require_equal(where, "P.rows()", P.rows(), "hidden()", hidden());
    if constexpr (Sizes::norms.size() > 0)
      require(rule.epsilon > 0, where, ": the rule's epsilon must be > 0, got ", rule.epsilon);
    for (int k = 0; k < Sizes::random.count; ++k) {
      if constexpr (Sizes::random.count > 0)
        require(rule.probability(k) >= 0 && rule.probability(k) < 1, where, ": the rule's probability ", k,
                " must be >= 0 and < 1, got ", rule.probability(k));
    }
    if constexpr (is_projected) require_equal(where, "R.rows()", R.rows(), "outputs()", outputs());
  }
  /// Throws std::invalid_argument where the workspace was not prepared by a cell of these sizes.
  void require_workspace(const char* where, const Workspace& work) const {
    Recurrence(*this).require_workspace(where, work);
  }
  /// What Layer asks for.
  ///@{
  Index state_size() const { return stepper().end_of_states() - stepper().begin_of_states(); }
  auto states(auto& work) const { return Recurrence(*this).states(work); }
  auto d_states(auto& work) const { return Recurrence(*this).d_states(work); }
  auto& d_final(auto& work) const { return Recurrence::d_final(work); }

  /// Where the matrix of the gradient begins that bptt has added to in the columns of tokens alone: null, where x was
  /// no tokens.
  static const void* looked_up(const Workspace& work, const Cell& gradient) {
    return work.of_tokens_ ? gradient.U.data() : nullptr;
  }

  void prepare_forward(const Pass& pass, Workspace& work) const { Recurrence(*this).prepare_forward(pass, work); }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    Recurrence(*this).forward_steps(chunk, x, work);
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const {
    return Recurrence(*this).output_columns(work);
  }
  void prepare_backward(const Pass& pass, Workspace& work) const { Recurrence(*this).prepare_backward(pass, work); }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work, Cell& gradient,
                      SeriesView<Scalar> dx) const {
    Recurrence(*this).backward_steps(chunk, x, dy, work, typename Recurrence::Gradient(gradient), dx);
  }
  void finish_backward(Workspace& work, Cell& gradient) const {
    Recurrence(*this).finish_backward(work, typename Recurrence::Gradient(gradient));
  }
  ///@}

 private:
  /// U, W and b are public: their shapes may have changed since the stream was made.
  void require_memory(const char* where, const Memory& memory) const {
    require_shapes(where);
    require(memory.records_[0].record.rows() == stepper().record_rows(), where,
            ": the network has other shapes than when the stream was made");
  }
  static constexpr bool fits(int size, int expected) {
    return size == Dynamic || expected == Dynamic || size == expected;
  }

  /// All parameters, of these sizes.
  void set_zero(Index inputs, Index hidden, Index outputs) {
    detail::require_cell_sizes(inputs, hidden, outputs, shared, blocks);
    detail::require_fixed("Cell: inputs", inputs, Inputs);
    detail::require_fixed("Cell: hidden", hidden, Hidden);
    detail::require_fixed("Cell: outputs", outputs, Outputs);
    if constexpr (Inputs == Dynamic || Hidden == Dynamic || Outputs == Dynamic) detail::require_units_alike();
    U.setZero(Rule::from_input.count * hidden, inputs - shared);
    W.setZero(recurrent * hidden, outputs);
    b.setZero(Sizes::from_bias.count * hidden);
    P.setZero(hidden, Sizes::vectors);
    R.setZero(is_projected ? outputs : 0, hidden);
  }

  EIGEN_ALWAYS_INLINE detail::Step<Cell> stepper() const { return {{}, *this}; }

  /// Weights are read where they lie: used once, they are not worth packing.
  template <detail::Accumulation order, int Batch>
  EIGEN_ALWAYS_INLINE void step_in_place(const auto& x, const auto& before, auto& now, bool backwards = false) const {
    const auto step = stepper();
    const auto u = detail::in_place(U, detail::Accumulation::in_sequence);
    if constexpr (Batch == 1) {
      step.project_input(u, x, now);
    } else {
      step.project_inputs(u, x, now);
    }
    const detail::StepProducts w{detail::in_place(step.rows_for_hidden(), order),
                                 detail::in_place(step.rows_for_halfway(), order), detail::in_place(R, order)};
    step.template step_forward<Batch>(w, before, now, backwards);
  }
};

}  // namespace recur::inline RECUR_ISA
