#pragma once
/// \file
/// A cell going through a series, forward and back: the bulk products, and the loops over time.

#include "../layers/layer_of.hpp"
#include "step.hpp"

#include <utility>

namespace recur::inline RECUR_ISA {

namespace detail {
template <class Rule, class Scalar>
struct Recurrence;
template <class Rule, class Scalar>
class CellInfluence;
}  // namespace detail

/// What forward of a cell leaves for bptt: the records of a series, the initial one of each sequence first, and the
/// memory that both work in.
template <class Scalar>
class CellWorkspace {
 public:
  /// (blocks H, P before them where h is projected, a row for each norm) x (N + columns of all steps): of N sequences
  /// of one length T these are N T.
  ConstMatrixView<Scalar> records() const { return records_.view(); }
  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    f(records_), f(d_records_), f(d_final_), f(derived_), f(d_vectors_), f(h_before_), f(U_), f(W_), f(halfway_), f(R_);
  }

 private:
  template <class, class>
  friend struct detail::Recurrence;
  template <class, class>
  friend class detail::CellInfluence;

  /// Number j of what a forward of one step read: of x_1, or of the one-hot vector that a token stands for.
  Scalar input(Index j) const {
    if (tokens_) return *tokens_ == j ? Scalar(1) : Scalar(0);
    return x_[j];
  }

  template <Rule, class, int, int, int>
  friend class Cell;
  template <class, class>
  friend class AnyCell;

  detail::EmptiedByMove<Index> batch_;
  DropoutSeed seed_;           // of random bits of this call of forward
  bool of_tokens_ = false;     // whether backward has looked columns of dL/dU up
  bool learns_apart_ = false;  // whether the gradient of parameters is formed elsewhere: see CellInfluence
  const Scalar* x_ = nullptr;  // what forward read: one of both
  const int* tokens_ = nullptr;
  detail::Buffer<Scalar> records_;
  detail::Buffer<Scalar> d_records_;                // dL/d(record) of the step before a chunk, and of the chunk
  detail::Buffer<Scalar> d_final_;                  // dL/d(final state)
  detail::Buffer<Scalar> derived_;                  // what follows from P
  detail::Buffer<Scalar> d_vectors_;                // dL/dP, or dL/d(what follows from it), sequence by sequence
  detail::Buffer<Scalar> h_before_;                 // h_<t-1> of a chunk, for unequal lengths
  detail::PackBuffer<Scalar> U_, W_, halfway_, R_;  // forward as they are, backward transposed
};

namespace detail {

/// The parameters of a cell where they lie, with sizes that are known when the program runs: all cells of one rule look
/// alike so, and share what is compiled for them. Scalar is const where they are only read.
template <class Rule_, class Scalar_>
struct CellView {
  using Rule = Rule_;
  using Scalar = std::remove_const_t<Scalar_>;
  using Matrix = std::conditional_t<std::is_const_v<Scalar_>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
  using Vector = Eigen::Map<std::conditional_t<std::is_const_v<Scalar_>, const VectorOf<Scalar>, VectorOf<Scalar>>>;
  static constexpr int hidden_at_compile_time = Dynamic, outputs_at_compile_time = Dynamic;

  Matrix U, W;
  Vector b;
  Matrix P, R;
  const Rule& rule;

  explicit CellView(auto& cell) : CellView(cell, view(cell.W)) {}
  /// The same with another W.
  CellView(auto& cell, Matrix other_W)
      : U(view(cell.U)), W(other_W), b(cell.b.data(), cell.b.size()), P(view(cell.P)), R(view(cell.R)),
        rule(cell.rule) {}
  Index hidden() const { return is_projected<Rule> ? R.cols() : W.cols() / made_blocks<Rule>().count; }
  Index outputs() const { return W.cols(); }

 private:
  static Matrix view(auto& m) { return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.rows())}; }
};

/// The parts of a layer that Cell passes on: see Layer.
template <class Rule, class Scalar>
struct Recurrence : RuleSizes<Rule> {
  using Sizes = RuleSizes<Rule>;
  using Sizes::derived, Sizes::from_bias, Sizes::from_hidden, Sizes::from_halfway, Sizes::from_shared,
      Sizes::is_projected, Sizes::made_blocks, Sizes::own_vectors, Sizes::random, Sizes::vectors;
  using Workspace = CellWorkspace<Scalar>;
  using Gradient = CellView<Rule, Scalar>;

  CellView<Rule, const Scalar> cell;
  Step<CellView<Rule, const Scalar>> step{{}, cell};

  /// Of a cell; of one with another W.
  explicit Recurrence(const auto&... of) : cell(of...) {}
  Recurrence(const Recurrence&) = delete;

  static constexpr bool h_is_carried = is_projected || Sizes::made_are_carried;

  Index hidden() const { return cell.hidden(); }

  auto states(auto& work) const { return step.states(work.records_.view()); }
  auto d_states(auto& work) const { return step.states(work.d_records_.view()); }
  static auto& d_final(auto& work) { return work.d_final_; }
  void require_workspace(const char* where, const Workspace& work) const {
    require(work.records_.rows() == step.record_rows(), where, ": the trace must be of this network, with records of ",
            step.record_rows(), " rows, got one of ", work.records_.rows());
  }

  void prepare_forward(const Pass& pass, Workspace& work) const {
    const BatchLayout& layout = pass.layout;
    const Index N = layout.batch();
    if constexpr (random.count > 0) work.seed_ = {pass.dropout.on, pass.dropout.next()};
    work.batch_ = N;
    work.learns_apart_ = false;
    work.records_.resize(step.record_rows(), N + layout.columns()).leftCols(N).setZero();
    work.U_.for_columns(cell.U, layout.columns());
    if constexpr (from_hidden.count > 0) work.W_.for_steps(step.rows_for_hidden(), N, layout.steps());
    if constexpr (has_halfway<Rule>) work.halfway_.for_steps(step.rows_for_halfway(), N, layout.steps());
    if constexpr (is_projected) work.R_.for_steps(cell.R, N, layout.steps());
    derive(work);
  }

  /// All of b + U x_t, then the recurrence.
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    if (chunk.team.member == 0) remember(x, work);
    auto records = work.records_.view();
    const BatchLayout& layout = chunk.layout;
    chunk.for_own_columns([&](Index column, Index columns) {
      auto a = step.columns(records, layout.record(chunk.first + 1) + column, columns);
      step.project_inputs(work.U_.lhs(), x.columns(chunk.column() + column, columns), a);
    });
    if constexpr (random.count > 0)
      if (work.seed_.on) draw_random(chunk, work);
    const auto products = products_of(work);
    const auto one = step_with(work);
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      if (own.count == 0) break;
      const auto before = step.columns(std::as_const(records), layout.record(t) + own.first, own.count);
      auto now = step.columns(records, layout.record(t + 1) + own.first, own.count);
      one.template step_forward<Dynamic>(products, before, now, t % 2 != 0);
    }
  }

  /// h_1 .. h_T, as columns.
  SeriesView<const Scalar> output_columns(const Workspace& work) const {
    const auto records = work.records();
    const Index N = work.batch_;
    return {records.data() + records.rows() * N + step.row_of_h(), cell.outputs(), 1, records.cols() - N,
            records.rows()};
  }

  void prepare_backward(const Pass& pass, Workspace& work) const {
    const BatchLayout& layout = pass.layout;
    const Index N = layout.batch(), columns = most_columns(true, layout);
    work.of_tokens_ = pass.of_tokens;
    // Columns, of h_before too, are a cache line further apart than they are high: sizes that are powers of two would
    // put all into the same few lines of the cache.
    constexpr Index line = 64 / sizeof(Scalar);
    work.d_records_.resize(step.record_rows() + line, N + columns);
    if (!pass.goes_on) work.d_vectors_.resize(hidden(), own_vectors * N).setZero();
    derive(work);
    if (from_hidden.count > 0 && layout.has_unequal_lengths()) work.h_before_.resize(cell.outputs() + line, columns);
    if constexpr (from_hidden.count > 0) work.W_.transpose_of(step.rows_for_hidden(), N, layout.steps());
    if (pass.wants_dx) work.U_.transpose_of(cell.U, columns);
    if constexpr (has_halfway<Rule>) work.halfway_.transpose_of(step.rows_for_halfway(), N, layout.steps());
    if constexpr (is_projected) work.R_.transpose_of(cell.R, N, layout.steps());
  }

  /// Back through time, then dL/dx and, in bulk, the gradients of the weights.
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      Gradient gradient, SeriesView<Scalar> dx) const {
    const BatchLayout& layout = chunk.layout;
    const auto records = std::as_const(work).records();
    auto d_records = work.d_records_.view();
    const auto d_column = [&](Index t) { return layout.record(t) - layout.record(chunk.first); };
    auto d_chunk = step.columns(d_records, d_column(chunk.first + 1), chunk.columns());
    chunk.for_own_columns([&](Index column, Index columns) {
      auto d_h = step.rows_of_h(d_chunk, column, columns);
      if constexpr (!h_is_carried) d_h.setZero();  // else it has what comes from later steps
      if (!dy.empty()) d_h += dy.columns(column, columns);
    });
    const auto products = products_of(work);
    const auto one = step_with(work);
    for (Index t = chunk.end; t-- > chunk.first;) {
      const auto own = chunk.own(t);
      if (own.count == 0) continue;
      const auto before = step.columns(records, layout.record(t) + own.first, own.count);
      const auto now = step.columns(records, layout.record(t + 1) + own.first, own.count);
      auto d_before = step.columns(d_records, d_column(t) + own.first, own.count);
      auto d_now = step.columns(d_records, d_column(t + 1) + own.first, own.count);
      one.step_backward(products, before, now, d_before, d_now, work.d_vectors_.view(), own.first, t % 2 != 0);
    }
    if (!dx.empty()) {  // dL/dx_t += U^T d_t
      chunk.for_own_columns([&](Index column, Index columns) {
        auto dx_own = dx.columns(column, columns);
        add_product(work.U_.lhs(), step.rows(d_chunk, Rule::from_input, column, columns), step.weighted(dx_own));
        for (int k = 0; k < from_shared.count; ++k) {
          const auto d = step.rows(d_chunk, BlockRange{from_shared.first + k, 1}, column, columns);
          for (Index j = 0; j < columns; ++j)
            dx_own(cell.U.cols() + k, j) += sum_of<Scalar>(
                hidden(), [&]<int Rows>(Index i) { return numbers_at<Rows>(d.data() + j * d.colStride() + i); });
        }
      });
    }
    if (work.learns_apart_) return;
    [[maybe_unused]] const auto h_before = hidden_before(chunk, records, work);
    chunk.barrier();
    // In bulk, each thread some rows: dL/dW += d_t h_<t-1>^T, dL/dU += d_t x_t^T, dL/db += d_t, dL/dR += dL/dh_t q_t^T.
    const auto share_of = [&](BlockRange range) { return chunk.share_of_rows(range.count * hidden()); };
    if constexpr (from_hidden.count > 0) {
      const auto share = share_of(from_hidden);
      add_outer_product(some_rows(step.rows(d_chunk, from_hidden), share), h_before, some_rows(gradient.W, share),
                        share.scratch);
    }
    if constexpr (has_halfway<Rule>) {
      auto share = share_of(from_halfway);
      const auto d = some_rows(step.rows(d_chunk, from_halfway), share);
      share.first += from_hidden.count * hidden();
      const BlockRange halfway{Rule::halfway, 1};
      add_outer_product(d, step.rows(records, halfway, layout.record(chunk.first + 1), chunk.columns()),
                        some_rows(gradient.W, share), share.scratch);
    }
    if constexpr (is_projected) {
      const auto share = chunk.share_of_rows(cell.outputs());
      add_outer_product(some_rows(step.rows_of_h(d_chunk), share),
                        step.rows(records, made_blocks, layout.record(chunk.first + 1), chunk.columns()),
                        some_rows(gradient.R, share), share.scratch);
    }
    const auto share_U = share_of(Rule::from_input), share_b = share_of(from_bias);
    add_outer_inputs(some_rows(step.rows(d_chunk, Rule::from_input), share_U),
                     x.columns(chunk.column(), chunk.columns()), gradient, share_U);
    const auto d_b = some_rows(step.rows(d_chunk, from_bias), share_b);
    for (Index j = 0; j < d_b.cols(); ++j) gradient.b.segment(share_b.first, share_b.count) += d_b.col(j);
    chunk.barrier();
  }
  void finish_backward(Workspace& work, Gradient gradient) const {
    if (!work.learns_apart_) add_vectors(work, gradient);
  }

 private:
  friend class CellInfluence<Rule, Scalar>;

  /// dL/dP
  void add_vectors(Workspace& work, Gradient& gradient) const {
    auto sums = work.d_vectors_.view();
    if constexpr (derived > 0) {
      const Index N = sums.cols() / derived;
      for (Index j = 0; j < derived * N; ++j)
        if (j % N > 0) sums.col(j / N * N) += sums.col(j);
      for_pieces<Scalar, Dynamic>(
          0, hidden(), [&](auto own, auto q, auto d_q, auto d_own) { cell.rule.backward_derive(own, q, d_q, d_own); },
          UnitBlocks<const Scalar, vectors>{cell.P.data(), hidden()},
          UnitBlocks<const Scalar, derived>{work.derived_.view().data(), hidden()},
          UnitBlocks<const Scalar, derived>{sums.data(), N * hidden()},
          UnitBlocks<Scalar, vectors>{gradient.P.data(), hidden()});
    } else if constexpr (own_vectors > 0) {
      const Index N = sums.cols() / own_vectors;
      for (Index j = 0; j < own_vectors * N; ++j) gradient.P.col(j / N) += sums.col(j);
    }
  }

  /// Random bits of a chunk: of each step of each sequence.
  void draw_random(const Chunk& chunk, Workspace& work) const {
    auto records = work.records_.view();
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      for (Index k = own.first; k < own.first + own.count; ++k) {
        auto bits = step.rows(records, random, chunk.layout.record(t + 1) + k, 1);
        work.seed_.draw(t, chunk.layout.sequence(k), bits.rows(), [&](Index i, double uniform) {
          bits(i, 0) = uniform < cell.rule.probability(static_cast<int>(i / hidden())) ? Scalar(1) : Scalar(0);
        });
      }
    }
  }
  /// The vectors that follow from P, for all steps of a call.
  void derive(Workspace& work) const {
    if constexpr (derived > 0) {
      for_pieces<Scalar, Dynamic>(
          0, hidden(), [&](auto own, auto q) { cell.rule.derive(own, q); },
          UnitBlocks<const Scalar, vectors>{cell.P.data(), hidden()},
          UnitBlocks<Scalar, derived>{work.derived_.resize(hidden(), derived).data(), hidden()});
    }
  }
  static void remember(SeriesView<const Scalar> x, Workspace& work) { work.x_ = x.data(), work.tokens_ = nullptr; }
  static void remember(const TokensView& x, Workspace& work) { work.tokens_ = x.data(), work.x_ = nullptr; }
  Step<CellView<Rule, const Scalar>> step_with(const Workspace& work) const {
    return {{}, cell, derived > 0 ? work.derived_.view().data() : nullptr};
  }
  static auto products_of(const Workspace& work) {
    return StepProducts{work.W_.lhs(), work.halfway_.lhs(), work.R_.lhs()};
  }

  /// Some rows of dL/dU += d x^T: for tokens, each column of d goes to the column of its token.
  static void add_outer_inputs(const auto& d, const auto& x, Gradient& gradient, Team::Share share) {
    if constexpr (from_shared.count > 0) {
      add_outer_product(d, x.topRows(gradient.U.cols()), some_rows(gradient.U, share), share.scratch);
    } else {
      add_outer_product(d, x, some_rows(gradient.U, share), share.scratch);
    }
  }
  static void add_outer_inputs(const auto& d, const int* tokens, Gradient& gradient, Team::Share share) {
    for (Index j = 0; j < d.cols(); ++j) gradient.U.col(tokens[j]).segment(share.first, share.count) += d.col(j);
  }

  /// h_<t-1> for each column of a chunk. With unequal lengths its columns lie apart, and are copied.
  ConstMatrixView<Scalar> hidden_before(const Chunk& chunk, const auto& records, Workspace& work) const {
    const BatchLayout& layout = chunk.layout;
    if (from_hidden.count == 0 || !layout.has_unequal_lengths())
      return step.rows_of_h(records, layout.record(chunk.first), chunk.columns());
    auto together = work.h_before_.view();
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      if (own.count == 0) break;
      step.part(together, 0, cell.outputs(), layout.column(t) - chunk.column() + own.first, own.count) =
          step.rows_of_h(records, layout.record(t) + own.first, own.count);
    }
    return {together.data(), cell.outputs(), chunk.columns(), Eigen::OuterStride<>(together.colStride())};
  }
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
