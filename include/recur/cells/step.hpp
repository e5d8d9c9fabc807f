#pragma once
/// \file
/// One step of a cell: a rule between its products.

#include "../kernels/gemm.hpp"
#include "../kernels/norm.hpp"
#include "../kernels/team.hpp"
#include "../series/tokens.hpp"
#include "pieces.hpp"
#include "rule.hpp"

namespace recur::inline RECUR_ISA::detail {

/// What follows from a rule about its parameters and records.
template <class Rule>
struct RuleSizes {
  static constexpr int blocks = static_cast<int>(Rule::blocks);        ///< of H rows, in a record
  static constexpr int vectors = vectors_of<Rule>();                   ///< of H numbers: the rule's own parameters
  static constexpr int derived = derived_of<Rule>();                   ///< of H numbers: what follows from these
  static constexpr int own_vectors = derived > 0 ? derived : vectors;  ///< what the functions of a step are given
  static constexpr bool is_projected = detail::is_projected<Rule>;
  static constexpr BlockRange made_blocks = detail::made_blocks<Rule>();  ///< of h, or what h is projected from
  static constexpr bool made_are_carried = Rule::state.contains(made_blocks);
  static constexpr BlockRange from_bias = detail::from_bias<Rule>(), from_shared = detail::from_shared<Rule>();
  static constexpr BlockRange random = random_of<Rule>();
  static constexpr auto norms = norms_of<Rule>();  ///< each has a row at the end of a record: 1 / deviation
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
  using Sizes::blocks, Sizes::derived, Sizes::from_bias, Sizes::from_hidden, Sizes::from_halfway, Sizes::from_shared,
      Sizes::is_projected, Sizes::made_blocks, Sizes::made_are_carried, Sizes::norms, Sizes::own_vectors, Sizes::random,
      Sizes::vectors;
  static constexpr int Hidden = Cell::hidden_at_compile_time, Outputs = Cell::outputs_at_compile_time;

  const Cell& cell;
  const Scalar* derived_vectors = nullptr;  ///< where they are; else they are computed where they are needed

  EIGEN_ALWAYS_INLINE Index hidden() const { return cell.hidden(); }
  EIGEN_ALWAYS_INLINE Index outputs() const { return cell.outputs(); }

  /// The row where block k begins, or that after the last block.
  EIGEN_ALWAYS_INLINE Index row_of(Index k) const { return (is_projected ? outputs() : 0) + k * hidden(); }
  /// The row where h begins.
  EIGEN_ALWAYS_INLINE Index row_of_h() const { return is_projected ? 0 : row_of(made_blocks.first); }
  Index record_rows() const { return row_of(blocks) + static_cast<Index>(norms.size()); }
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
    set_probabilities(records);
    set_shared(x, records);
    auto a = rows(records, Rule::from_input);
    if constexpr (inputs_have_bias) {
      set_product(u, weighted(x), cell.b.data() + begin_of_inputs(), a);
    } else {
      set_product(u, weighted(x), a);
    }
  }
  void project_inputs(const auto&, const int* tokens, auto& records) const {
    begin_unreached(records);
    set_probabilities(records);
    auto a = rows(records, Rule::from_input);
    for (Index j = 0; j < a.cols(); ++j) {
      a.col(j) = cell.U.col(tokens[j]);
      if constexpr (inputs_have_bias) a.col(j) += cell.b.segment(begin_of_inputs(), a.rows());
    }
  }
  /// The same for one step of one sequence. Keeps sizes known at compile time, so that loops unroll.
  EIGEN_ALWAYS_INLINE void project_input(const auto& u, const auto& x, auto& record) const {
    if constexpr (from_bias.count > 0)
      Eigen::Map<VectorOf<Scalar, times(from_bias.count, Hidden)>>(record.data() + row_of(from_bias.first),
                                                                   cell.b.size()) = cell.b;
    if constexpr (!from_bias.contains(pre_activations<Rule>)) {
      for_blocks([&](BlockRange block, bool of_bias, bool) {
        if (!of_bias) rows(record, block).setZero();
      });
    }
    set_probabilities(record);
    auto a = rows(record, Rule::from_input);
    if constexpr (std::is_same_v<std::decay_t<decltype(x)>, Token>) {
      a.col(0) += cell.U.col(x.id);
    } else {
      add_product(u, weighted(x), a);
      set_shared(x, record);
    }
  }
  /// Blocks of random bits: their probabilities.
  EIGEN_ALWAYS_INLINE void set_probabilities(auto& records) const {
    for (int k = 0; k < random.count; ++k) {
      if constexpr (random.count > 0)
        rows(records, BlockRange{random.first + k, 1}).setConstant(static_cast<Scalar>(cell.rule.probability(k)));
    }
  }
  /// Blocks of the numbers that all units share: the last rows of x.
  EIGEN_ALWAYS_INLINE void set_shared(const auto& x, auto& records) const {
    for (int k = 0; k < from_shared.count; ++k) {
      auto shared = rows(records, BlockRange{from_shared.first + k, 1});
      for (Index j = 0; j < shared.cols(); ++j) shared.col(j).setConstant(x(cell.U.cols() + k, j));
    }
  }
  /// The rows of x that have weights.
  EIGEN_ALWAYS_INLINE decltype(auto) weighted(auto&& x) const {
    if constexpr (from_shared.count == 0) {
      return (x);
    } else if constexpr (std::decay_t<decltype(x)>::ColsAtCompileTime == 1) {
      constexpr int rows = std::decay_t<decltype(cell.U)>::ColsAtCompileTime;
      return x.template head<rows>(cell.U.cols());
    } else {
      return x.topRows(cell.U.cols());
    }
  }

  /// a_t += W h_<t-1>, then the rule, then h_t where it is projected; now holds b + U x_t.
  template <int Batch>
  EIGEN_ALWAYS_INLINE void step_forward(const auto& w, const auto& before, auto& now, bool backwards = false) const {
    if constexpr (from_hidden.count > 0)
      add_product(w.hidden, vectors_of<Batch, Outputs>(before, row_of_h(), outputs()), rows(now, from_hidden),
                  backwards);
    normalise<false>(now);
    if constexpr (stops_halfway<Rule>()) {
      for_pieces(
          now.cols(), [&](auto&... pieces) __attribute__((always_inline)) { cell.rule.forward_halfway(pieces...); },
          before, now);
      if constexpr (has_halfway<Rule>)
        add_product(w.halfway, vectors_of<Batch, Hidden>(now, row_of(Rule::halfway), hidden()), rows(now, from_halfway),
                    backwards);
      normalise<true>(now);
    }
    for_pieces(
        now.cols(), [&](auto&... pieces) __attribute__((always_inline)) { cell.rule.forward(pieces...); }, before, now);
    if constexpr (is_projected) {
      auto h = rows_of_h(now);
      h.setZero();
      add_product(w.projection, vectors_of<Batch, Hidden>(now, row_of(made_blocks.first), hidden()), h, backwards);
    }
  }

  /// The rule's derivative, then dL/dh_<t-1> += W^T dL/da_t. `own_sums` is where dL/dP is summed, for each sequence
  /// apart, so that the order of the sum does not depend on who comes first: for each vector H x N, of which these
  /// sequences' columns begin at `first`.
  void step_backward(const auto& w_transposed, const auto& before, const auto& now, auto& d_before, auto& d_now,
                     MatrixView<Scalar> own_sums, Index first, bool backwards) const {
    if constexpr (is_projected) {
      auto d_projected = rows(d_now, made_blocks);
      if constexpr (!made_are_carried) d_projected.setZero();  // else it has what comes from later steps
      add_product(w_transposed.projection, rows_of_h(d_now), d_projected, backwards);
    }
    // The rule's function; of its own parameters it is given the sums after what they are.
    const auto go_back = [&](const auto& function) {
      if constexpr (own_vectors > 0) {
        for_pieces(
            now.cols(),
            [&](auto& of_before, auto& of_now, auto& d_of_now, auto& d_of_before, auto& d_own, auto& own)
                __attribute__((always_inline)) { function(of_before, of_now, d_of_now, d_of_before, own, d_own); },
            before, now, d_now, d_before, OwnSums{own_sums, first});
      } else {
        for_pieces(now.cols(), function, before, now, d_now, d_before);
      }
    };
    go_back([&](auto&... pieces) __attribute__((always_inline)) { cell.rule.backward(pieces...); });
    if constexpr (stops_halfway<Rule>()) {
      go_back_through_norms<true>(now, d_now);
      if constexpr (has_halfway<Rule>) {
        auto d_halfway = rows(d_now, BlockRange{Rule::halfway, 1});
        d_halfway.setZero();
        add_product(w_transposed.halfway, rows(d_now, from_halfway), d_halfway, backwards);
      }
      go_back([&](auto&... pieces) __attribute__((always_inline)) { cell.rule.backward_halfway(pieces...); });
    }
    go_back_through_norms<false>(now, d_now);
    if constexpr (from_hidden.count > 0)
      add_product(w_transposed.hidden, rows(d_now, from_hidden), rows_of_h(d_before), backwards);
  }

 private:
  /// Whether b is added where U x_t is.
  static constexpr bool inputs_have_bias = from_bias.contains(Rule::from_input);

  /// f(block, whether it has a bias, whether inputs reach it) for each block that starts from something.
  EIGEN_ALWAYS_INLINE static void for_blocks(const auto& f) {
    constexpr BlockRange all = span(pre_activations<Rule>, from_bias);
    for (int k = all.first; k < all.end(); ++k) {
      const BlockRange block{k, 1};
      const bool of_bias = from_bias.contains(block), of_inputs = Rule::from_input.contains(block);
      if (of_bias || of_inputs || from_hidden.contains(block) || from_halfway.contains(block))
        f(block, of_bias, of_inputs);
    }
  }
  /// Brings ranges of blocks to mean 0 and variance 1; at the end of the record stands 1 / deviation of each. Those
  /// that products fill come first, and others halfway.
  template <bool late>
  EIGEN_ALWAYS_INLINE void normalise([[maybe_unused]] auto& records) const {
    if constexpr (norms.size() > 0)
      for_norms<late>(records.cols(), [&](Index row, Index count, Index row_of_scale, Index column) {
        Scalar* const begin = records.data() + column * records.colStride();
        Scalar* const x = begin + row;
        const auto moments = Moments<Scalar>::of(x, count, cell.rule.epsilon);
        for_parts(0, count,
                  [&]<int Rows>(Index i) { numbers_at<Rows>(x + i) = moments.template normalised<Rows>(x + i); });
        begin[row_of_scale] = moments.scale;
      });
  }
  /// Of dL/d(what is normalised) makes dL/d(what was).
  template <bool late>
  void go_back_through_norms([[maybe_unused]] const auto& records, [[maybe_unused]] auto& d_records) const {
    if constexpr (norms.size() > 0)
      for_norms<late>(records.cols(), [&](Index row, Index count, Index row_of_scale, Index column) {
        const Scalar* const begin = records.data() + column * records.colStride();
        const Scalar* const n = begin + row;
        Scalar* const d = d_records.data() + column * d_records.colStride() + row;
        through_norm<Scalar>(
            count, begin[row_of_scale], [&]<int Rows>(Index i) { return numbers_at<Rows>(d + i); },
            [&]<int Rows>(Index i) { return numbers_at<Rows>(n + i); },
            [&]<int Rows>(Index i, const auto& dx) { numbers_at<Rows>(d + i) = dx; });
      });
  }
  /// f(first row, rows, row of 1 / deviation, column) for each norm of its kind, and each column.
  template <bool late>
  EIGEN_ALWAYS_INLINE void for_norms(Index columns, const auto& f) const {
    for (std::size_t k = 0; k < norms.size(); ++k) {
      if (is_late<Rule>(norms[k]) != late) continue;
      for (Index column = 0; column < columns; ++column)
        f(row_of(norms[k].first), norms[k].count * hidden(), row_of(blocks) + static_cast<Index>(k), column);
    }
  }

  /// Where the gradients of the rule's own parameters are summed, each sequence apart.
  struct OwnSums {
    MatrixView<Scalar> sums;
    Index first;  ///< sequence
  };
  /// A column of records, or of these.
  ///@{
  EIGEN_ALWAYS_INLINE auto blocks_of(auto& records, Index column) const {
    using Data = std::remove_pointer_t<decltype(records.data())>;
    return UnitBlocks<Data, blocks>{records.data() + column * records.colStride() + row_of(0), hidden()};
  }
  EIGEN_ALWAYS_INLINE auto blocks_of(OwnSums& own, Index column) const {
    return UnitBlocks<Scalar, own_vectors>{own.sums.data() + (own.first + column) * hidden(),
                                           own.sums.size() / own_vectors};
  }
  ///@}
  /// f(piece ..., piece of what the functions of a step are given of the rule's own parameters) of `columns` columns of
  /// records. Every function on the way to the rule's is inlined by force: where one is called, where pieces lie is
  /// looked up in memory for each number.
  EIGEN_ALWAYS_INLINE void for_pieces(Index columns, const auto& f, auto&&... records) const {
    for (Index column = 0; column < columns; ++column) {
      if constexpr (own_vectors == 0) {
        detail::for_pieces<Scalar, Hidden>(
            0, hidden(), [&](auto... pieces) __attribute__((always_inline)) { f(pieces...); },
            blocks_of(records, column)...);
      } else {
        UnitBlocks<const Scalar, std::max(vectors, derived)> own{cell.P.data(), hidden(), vectors};
        if (derived_vectors != nullptr) own.data = derived_vectors, own.blocks = derived;
        detail::for_pieces<Scalar, Hidden>(
            0, hidden(),
            [&](auto of_own, auto... pieces) __attribute__((always_inline)) {
              with_given(of_own, [&](const auto& given) __attribute__((always_inline)) { f(pieces..., given); });
            },
            own, blocks_of(records, column)...);
      }
    }
  }
  /// f(what the functions of a step are given of the rule's own parameters).
  template <int Rows>
  EIGEN_ALWAYS_INLINE void with_given(const Blocks<const Scalar, Rows>& own, const auto& f) const {
    if (derived == 0 || derived_vectors != nullptr) return f(own);
    if constexpr (derived > 0) {
      alignas(64) Scalar numbers[Rows * derived];
      Blocks<Scalar, Rows> q(numbers, Rows);
      cell.rule.derive(own, q);
      f(Blocks<const Scalar, Rows>(numbers, Rows));
    }
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
  Index begin_of_inputs() const { return (Rule::from_input.first - from_bias.first) * hidden(); }
  /// a_t = b, or 0, where no input reaches.
  void begin_unreached(auto& records) const {
    for_blocks([&](BlockRange block, bool of_bias, bool of_inputs) {
      if (of_inputs) return;
      auto a = rows(records, block);
      if (!of_bias) return void(a.setZero());
      for (Index j = 0; j < a.cols(); ++j)
        a.col(j) = cell.b.segment((block.first - from_bias.first) * hidden(), hidden());
    });
  }
};

}  // namespace recur::inline RECUR_ISA::detail
