#pragma once
/// \file
/// A rule with its parameters, unrolled over a series.

#include "activation.hpp"
#include "describe.hpp"
#include "layer.hpp"
#include "unrolled.hpp"

#include <array>

namespace recur::inline RECUR_ISA {

/// A recurrent layer: for t = 1 .. T, from a state that is zero or given,
///
///     a_t   = b + W h_<t-1> + U x_t
///     state = rule(a_t, state_<t-1>)
///
/// with the parameters U, W and b (see Weights). `cell.U` and its like are plain Eigen matrices.
template <Rule Rule_, class Scalar_ = float, int Inputs = Dynamic, int Hidden = Dynamic>
class Cell : public Unrolled<Rule_, Scalar_, Inputs, Hidden>, public LayerOf<Cell<Rule_, Scalar_, Inputs, Hidden>> {
  using Base = Unrolled<Rule_, Scalar_, Inputs, Hidden>;
  using Base::rows, Base::require_shapes, Base::require_state;

 public:
  using Base::b, Base::blocks, Base::hidden, Base::inputs, Base::P, Base::rule, Base::U, Base::W;
  using typename Base::Rule, typename Base::Scalar, typename Base::State;
  using Trace = recur::Trace<Cell>;
  static constexpr int inputs_at_compile_time = Inputs;
  static constexpr int outputs_at_compile_time = Hidden;

  /// What one step keeps, (blocks H) x N; for the Elman network h_t.
  template <int Batch = Dynamic>
  using Record = MatrixOf<Scalar, times(blocks, Hidden), Batch>;

  using Base::Base;
  Index outputs() const { return hidden(); }
  /// "Elman tanh 8 -> 32": see describe.hpp.
  std::string description() const { return detail::describe_rule(rule) + detail::describe_sizes(inputs(), hidden()); }

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
    require(static_cast<const void*>(x.data()) != static_cast<const void*>(now.data()),
            "step: x and now must be two matrices, got one");

    if (now.cols() == 1) {
      step_in_place<Order::interleaved, batch>(x, before, now);
    } else {
      step_in_place<Order::in_sequence, batch>(x, before, now);
    }
  }

  /// The records of two steps, this one's and that of the step before: what a Stream keeps.
  class Memory {
    friend Cell;
    struct Aligned {
      alignas(alignment<Record<1>>) Record<1> record;
    };
    std::array<Aligned, 2> records_;
    std::size_t now_ = 0;
  };
  Memory memory() const {
    Memory memory;
    memory.records_.fill({record<1>()});
    return memory;
  }
  void set_state(Memory& memory, const State& state) const {
    require_memory("reset", memory);
    require_state("reset", "state", state, 1);
    memory.records_[memory.now_].record.setZero();
    if (state.cols() > 0) rows(memory.records_[memory.now_].record, Rule::state) = state;
  }
  void get_state(const Memory& memory, State& state) const {
    require_memory("state", memory);
    state = rows(memory.records_[memory.now_].record, Rule::state);
  }
  /// One step of one sequence, x_t a vector or a Token. Gives where h_t begins. For Stream.
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, Memory& memory) const noexcept {
    const auto& before = memory.records_[memory.now_].record;
    auto& now = memory.records_[memory.now_ ^= 1].record;
    require_memory("step", memory);
    if constexpr (requires { x.rows(); })
      require(x.rows() == inputs(), "step: the network has other shapes than when the stream was made");
    step_in_place<Order::interleaved, 1>(x, before, now, memory.now_ != 0);
    return now.data() + Rule::h * hidden();
  }

 private:
  /// U, W and b are public: somebody may have given them other shapes since a stream was made.
  void require_memory(const char* where, const Memory& memory) const {
    require_shapes(where);
    require(memory.records_[0].record.rows() == blocks * hidden(), where,
            ": the network has other shapes than when the stream was made");
  }
  static constexpr bool fits(int size, int expected) {
    return size == Dynamic || expected == Dynamic || size == expected;
  }

  /// Weights are read where they lie: used once, they are not worth packing.
  template <Order order, int Batch>
  EIGEN_ALWAYS_INLINE void step_in_place(const auto& x, const auto& before, auto& now, bool backwards = false) const {
    const auto u = in_place(U, Order::in_sequence);
    if constexpr (Batch == 1) {
      this->begin_step(u, x, now);
    } else {
      this->begin_steps(u, x, now);
    }
    const detail::Products w{in_place(this->rows_for_hidden(), order), in_place(this->rows_for_halfway(), order)};
    this->template advance<Batch>(w, before, now, backwards);
  }
};

}  // namespace recur::inline RECUR_ISA
