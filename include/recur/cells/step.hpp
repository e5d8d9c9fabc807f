#pragma once
/// \file
/// One step of a cell: a rule between its products.

#include "../kernels/gemm.hpp"
#include "../kernels/team.hpp"
#include "../series/tokens.hpp"
#include "rule.hpp"

namespace recur::inline RECUR_ISA::detail {

/// What follows from a rule about its parameters and records.
template <class Rule>
struct RuleSizes {
  static constexpr int blocks = static_cast<int>(Rule::blocks);  ///< of H rows, in a record
  static constexpr int vectors = vectors_of<Rule>();             ///< of H numbers: the rule's own parameters
  static constexpr bool is_projected = detail::is_projected<Rule>;
  static constexpr BlockRange made_block{detail::made_block<Rule>(), 1};  ///< of h, or what h is projected from
  static constexpr bool made_is_carried =
      Rule::state.first <= made_block.first && made_block.end() <= Rule::state.end();
  static constexpr BlockRange pre_activations = detail::pre_activations<Rule>;
  static constexpr BlockRange from_hidden = detail::from_hidden<Rule>(), from_halfway = detail::from_halfway<Rule>();
  static constexpr int recurrent = from_hidden.count + from_halfway.count;  ///< blocks of rows of W
};

/// The left sides of a step's products.
template <class Hidden, class Halfway, class Projection>
struct StepProducts {
  Hidden hidden;
  Halfway halfway;
  Projection projection;
};
/// The types follow from the arguments.
template <class Hidden, class Halfway, class Projection>
StepProducts(Hidden, Halfway, Projection) -> StepProducts<Hidden, Halfway, Projection>;

/// A step of a cell, which has U, W, b, P, R, its rule and its sizes at compile time. Records are columns, one for each
/// sequence: the blocks, before them h_t where it is projected. Where H is known when compiling, and there is one
/// column, it is straight-line code.
template <class Cell>
struct Step : RuleSizes<typename Cell::Rule> {
  using Rule = typename Cell::Rule;
  using Scalar = typename Cell::Scalar;
  using Sizes = RuleSizes<Rule>;
  using Sizes::blocks, Sizes::from_hidden, Sizes::from_halfway, Sizes::is_projected, Sizes::made_block,
      Sizes::made_is_carried, Sizes::pre_activations, Sizes::vectors;
  static constexpr int Hidden = Cell::hidden_at_compile_time, Outputs = Cell::outputs_at_compile_time;

  const Cell& cell;

  EIGEN_ALWAYS_INLINE Index hidden() const { return cell.hidden(); }
  EIGEN_ALWAYS_INLINE Index outputs() const { return cell.outputs(); }

  /// The row where block k begins, or that after the last block.
  EIGEN_ALWAYS_INLINE Index row_of(Index k) const { return (is_projected ? outputs() : 0) + k * hidden(); }
  /// The row where h begins.
  EIGEN_ALWAYS_INLINE Index row_of_h() const { return is_projected ? 0 : row_of(made_block.first); }
  Index record_rows() const { return row_of(blocks); }
  /// The first row of the states, and one past their last.
  ///@{
  Index begin_of_states() const { return is_projected ? 0 : row_of(Rule::state.first); }
  Index end_of_states() const { return row_of(Rule::state.end()); }
  ///@}

  /// Rows begin .. end - 1 of records, in `count` columns from `column` on. Only two types come of it: expressions of
  /// expressions would each be compiled anew.
  static auto part(auto&& records, Index begin, Index end, Index column, Index count) {
    using Data = std::remove_reference_t<decltype(*records.data())>;
    using View = std::conditional_t<std::is_const_v<Data>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
    const Index stride = records.colStride();
    return View(records.data() + column * stride + begin, end - begin, count, Eigen::OuterStride<>(stride));
  }
  /// Whole records; of them the rows of some blocks; of h; of the states.
  ///@{
  auto columns(auto&& records, Index column, Index count) const {
    return part(records, 0, record_rows(), column, count);
  }
  auto rows(auto&& records, BlockRange range, Index column, Index count) const {
    return part(records, row_of(range.first), row_of(range.end()), column, count);
  }
  auto rows(auto&& records, BlockRange range) const { return rows(records, range, 0, records.cols()); }
  auto rows_of_h(auto&& records, Index column, Index count) const {
    return part(records, row_of_h(), row_of_h() + outputs(), column, count);
  }
  auto rows_of_h(auto&& records) const { return rows_of_h(records, 0, records.cols()); }
  auto states(auto&& records) const { return part(records, begin_of_states(), end_of_states(), 0, records.cols()); }
  ///@}

  /// Some blocks of rows of W.
  template <int Count>
  auto rows_of_W(int first) const {
    using Rows = MatrixOf<Scalar, times(Count, Hidden), Outputs>;
    return Eigen::Map<const Rows, Eigen::Unaligned, Eigen::OuterStride<>>(
        cell.W.data() + first * hidden(), Count * hidden(), outputs(), Eigen::OuterStride<>(cell.W.colStride()));
  }
  /// The rows of W that meet h_<t-1>, and those of the second product inside the step, where the rule has one.
  auto rows_for_hidden() const { return rows_of_W<from_hidden.count>(0); }
  auto rows_for_halfway() const { return rows_of_W<from_halfway.count>(from_hidden.count); }

  /// a_t = b + U x_t, for x_t in columns, or as tokens whose columns of U are looked up.
  void project_inputs(const auto& u, const auto& x, auto& records) const {
    begin_unreached(records);
    set_product(u, x, cell.b.data() + begin_of_inputs(), rows(records, Rule::from_input));
  }
  void project_inputs(const auto&, const int* tokens, auto& records) const {
    begin_unreached(records);
    auto a = rows(records, Rule::from_input);
    for (Index j = 0; j < a.cols(); ++j) a.col(j) = cell.b.segment(begin_of_inputs(), a.rows()) + cell.U.col(tokens[j]);
  }
  /// The same for one step of one sequence. Keeps sizes known at compile time, so that loops unroll.
  EIGEN_ALWAYS_INLINE void project_input(const auto& u, const auto& x, auto& record) const {
    Eigen::Map<VectorOf<Scalar, times(pre_activations.count, Hidden)>>(record.data() + row_of(pre_activations.first),
                                                                       cell.b.size()) = cell.b;
    auto a = rows(record, Rule::from_input);
    if constexpr (std::is_same_v<std::decay_t<decltype(x)>, Token>) {
      a.col(0) += cell.U.col(x.id);
    } else {
      add_product(u, x, a);
    }
  }

  /// a_t += W h_<t-1>, then the rule, then h_t where it is projected; now holds b + U x_t.
  template <int Batch>
  EIGEN_ALWAYS_INLINE void step_forward(const auto& w, const auto& before, auto& now, bool backwards = false) const {
    if constexpr (from_hidden.count > 0)
      add_product(w.hidden, vectors_of<Batch, Outputs>(before, row_of_h(), outputs()), rows(now, from_hidden),
                  backwards);
    if constexpr (has_halfway<Rule>) {
      for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
        auto piece_now = piece<Rows>(now, row, column);
        cell.rule.forward_halfway(piece<Rows>(before, row, column), piece_now);
      });
      add_product(w.halfway, vectors_of<Batch, Hidden>(now, row_of(Rule::halfway), hidden()), rows(now, from_halfway),
                  backwards);
    }
    for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
      auto piece_now = piece<Rows>(now, row, column);
      if constexpr (vectors > 0) {
        cell.rule.forward(piece<Rows>(before, row, column), piece_now, own_piece<Rows>(row));
      } else {
        cell.rule.forward(piece<Rows>(before, row, column), piece_now);
      }
    });
    if constexpr (is_projected) {
      auto h = rows_of_h(now);
      h.setZero();
      add_product(w.projection, vectors_of<Batch, Hidden>(now, row_of(made_block.first), hidden()), h, backwards);
    }
  }

  /// The rule's derivative, then dL/dh_<t-1> += W^T dL/da_t. `own_sums` is where dL/dP is summed, for each sequence
  /// apart, so that the order of the sum does not depend on who comes first: for each vector H x N, of which these
  /// sequences' columns begin at `first`.
  void step_backward(const auto& w_transposed, const auto& before, const auto& now, auto& d_before, auto& d_now,
                     MatrixView<Scalar> own_sums, Index first, bool backwards) const {
    if constexpr (is_projected) {
      auto d_projected = rows(d_now, made_block);
      if constexpr (!made_is_carried) d_projected.setZero();  // else it has what comes from later steps
      add_product(w_transposed.projection, rows_of_h(d_now), d_projected, backwards);
    }
    for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
      auto d_piece = piece<Rows>(d_now, row, column), d_piece_before = piece<Rows>(d_before, row, column);
      const auto piece_before = piece<Rows>(before, row, column), piece_now = piece<Rows>(now, row, column);
      if constexpr (vectors > 0) {
        const Index sums = own_sums.size() / vectors;
        Blocks<Scalar, Rows> d_own(own_sums.data() + (first + column) * hidden() + row, sums);
        cell.rule.backward(piece_before, piece_now, d_piece, d_piece_before, own_piece<Rows>(row), d_own);
      } else {
        cell.rule.backward(piece_before, piece_now, d_piece, d_piece_before);
      }
    });
    if constexpr (has_halfway<Rule>) {
      auto d_halfway = rows(d_now, BlockRange{Rule::halfway, 1});
      d_halfway.setZero();
      add_product(w_transposed.halfway, rows(d_now, from_halfway), d_halfway, backwards);
      for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
        auto d_piece = piece<Rows>(d_now, row, column), d_piece_before = piece<Rows>(d_before, row, column);
        cell.rule.backward_halfway(piece<Rows>(before, row, column), piece<Rows>(now, row, column), d_piece,
                                   d_piece_before);
      });
    }
    if constexpr (from_hidden.count > 0)
      add_product(w_transposed.hidden, rows(d_now, from_hidden), rows_of_h(d_before), backwards);
  }

 private:
  /// f.template operator()<Rows>(row, column) for each piece of `columns` columns of H rows: as many rows as a packet
  /// has.
  EIGEN_ALWAYS_INLINE void for_pieces(Index columns, const auto& f) const {
    constexpr int lanes = full_lanes<Scalar>;
    const Index in_packets = hidden() / lanes * lanes;
    for (Index column = 0; column < columns; ++column) {
      for (Index row = 0; row < in_packets; row += lanes) f.template operator()<lanes>(row, column);
      if constexpr (lanes > 1 && (Hidden == Dynamic || Hidden % lanes != 0)) {
        for_strips<Scalar, PacketOf<Scalar, lanes>::narrower, 1>(
            in_packets, hidden(), [&]<int Rows, int>(Index row) { f.template operator()<Rows>(row, column); });
      }
    }
  }
  /// A piece of a record, as the rule sees it.
  template <int Rows>
  EIGEN_ALWAYS_INLINE auto piece(auto& record, Index row, Index column) const {
    using Data = std::remove_pointer_t<decltype(record.data())>;
    return Blocks<Data, Rows>(record.data() + column * record.colStride() + row_of(0) + row, hidden());
  }
  /// The same of the rule's own parameters.
  template <int Rows>
  EIGEN_ALWAYS_INLINE auto own_piece(Index row) const {
    return Blocks<const Scalar, Rows>(cell.P.data() + row, hidden());
  }
  /// `count` rows of records, for a product: of one record a vector of a size known when compiling, if it is.
  template <int Batch, int Size>
  auto vectors_of(const auto& records, Index begin, Index count) const {
    if constexpr (Batch == 1) {
      return Eigen::Map<const VectorOf<Scalar, Size>>(records.data() + begin, count);
    } else {
      return part(records, begin, begin + count, 0, records.cols());
    }
  }
  /// Where in b those blocks begin that inputs reach.
  Index begin_of_inputs() const { return (Rule::from_input.first - pre_activations.first) * hidden(); }
  /// a_t = b where no input reaches.
  void begin_unreached(auto& records) const {
    constexpr BlockRange all = pre_activations, reached = Rule::from_input;
    for (const BlockRange range :
         {BlockRange{all.first, reached.first - all.first}, BlockRange{reached.end(), all.end() - reached.end()}}) {
      if (range.count == 0) continue;
      auto a = rows(records, range);
      for (Index j = 0; j < a.cols(); ++j) a.col(j) = cell.b.segment((range.first - all.first) * hidden(), a.rows());
    }
  }
};

}  // namespace recur::inline RECUR_ISA::detail
