#pragma once
/// \file
/// How the parameters of a cell have influenced its state so far: what real-time recurrent learning carries from step
/// to step. See training/online.hpp.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// How Online learns: what is carried of the influence of all earlier steps, and what is left out.
enum class OnlineMethod {
  /// Exact where each unit sees its own past alone, SnAp-1 for other cells, and for those without that the immediate
  /// form.
  best,
  /// All of it (R. J. Williams, D. Zipser, 1989). For cells without a product with h_<t-1> each parameter influences
  /// its own unit alone: memory and time are a few times those of a step (N. Zucchet et al., 2023). For all others
  /// memory is that of as many gradients as the state has numbers, and time as many products with them: for small H.
  exact,
  /// Of a parameter's influence that on its own unit, and on that through its own past alone (SnAp-1: J. Menick et al.,
  /// "Practical real time recurrent learning with a sparse approximation", 2021). Exact for cells without a product
  /// with h_<t-1>. Not for cells with norms or a projection, in which no part of the state belongs to one unit.
  snap1,
  /// Nothing: each step's gradient goes back to the state before it and no further (truncated BPTT with a window of 1).
  immediate
};

namespace detail {

/// Whether each unit of a rule sees its own past alone.
template <class Rule>
inline constexpr bool is_diagonal =
    !has_from_hidden<Rule> && !has_halfway<Rule> && !is_projected<Rule> && norms_of<Rule>().size() == 0;
/// Whether states belong to units.
template <class Rule>
inline constexpr bool has_own_states = !is_projected<Rule> && norms_of<Rule>().size() == 0;

/// d(state) / d(parameters, initial state) of one cell and one sequence.
///
/// The rule's backward, called with unit vectors for dL/ds_t, side by side as the sequences of a batch, gives the
/// Jacobian of a step: D = ds_t / ds_<t-1> and A = ds_t / da_t. Then J_t = D J_<t-1> + A (x_t, h_<t-1>, 1), for each
/// weight the number that it is multiplied by. Where states belong to units, and no other unit's are seen, a unit
/// vector of each block of the state does for all units at once, and D and A are numbers for each unit.
template <class Rule, class Scalar>
class CellInfluence {
  using Recurrence = detail::Recurrence<Rule, Scalar>;
  using Sizes = RuleSizes<Rule>;
  using Numbers = Eigen::Map<Eigen::Array<Scalar, Dynamic, 1>>;
  using ConstNumbers = Eigen::Map<const Eigen::Array<Scalar, Dynamic, 1>>;

 public:
  /// Of a cell, none yet. Throws std::invalid_argument where the method is not for it.
  CellInfluence(const auto& cell, OnlineMethod method) {
    require(method != OnlineMethod::snap1 || has_own_states<Rule>,
            "Online: OnlineMethod::snap1 is for cells whose states belong to units, not for ", describe(cell, "this"),
            ", which has norms or a projection");
    if (Rule::state.count == 0 && !is_projected<Rule>) method = OnlineMethod::immediate;  // no past
    if (method == OnlineMethod::best) method = has_own_states<Rule> ? OnlineMethod::snap1 : OnlineMethod::immediate;
    if (method == OnlineMethod::immediate) return;
    by_units_ = is_diagonal<Rule> || method == OnlineMethod::snap1;
    const Recurrence of(cell);
    const Index states = of.step.end_of_states() - of.step.begin_of_states();
    units_ = by_units_ ? Rule::state.count : states;
    Index columns = 0;
    for_weights(of, nullptr, nullptr, [&](Index rows, Index cols, auto&&...) {
      columns = add(columns,
                    checked_product("Online: rows x columns of weights", by_units_ ? rows / of.hidden() : rows, cols));
    });
    of_vectors_ = columns;
    columns += by_units_ ? Sizes::own_vectors : Sizes::own_vectors * of.hidden();
    of_initial_ = columns;
    columns += units_;
    J_.resize(states, columns);
    if (!by_units_) next_.resize(states, together);
    d_now_.resize(of.step.record_rows(), units_);
    d_before_.resize(of.step.record_rows(), units_);
    sums_.resize(of.hidden(), Sizes::own_vectors * units_);
    if (by_units_ && Sizes::from_hidden.count + Sizes::from_halfway.count > 0)
      own_W_.resize(cell.W.rows(), cell.W.cols()).setZero();
    clear(of.hidden());
  }

  /// None again: the state that is then is the initial one.
  void clear(Index hidden) {
    if (units_ == 0) return;
    auto J = J_.view();
    J.setZero();
    for (Index k = 0; k < units_; ++k) {
      if (by_units_) {
        J.block(k * hidden, of_initial_ + k, hidden, 1).setOnes();
      } else {
        J(k, of_initial_ + k) = 1;
      }
    }
  }

  /// One step further: `work` is that of a forward of one step, from which nothing has changed since.
  void advance(const auto& cell, const CellWorkspace<Scalar>& work) {
    if (units_ == 0) return;
    if (own_W_.rows() > 0) {  // of W what each unit multiplies its own h by
      auto own = own_W_.view();
      const Index H = cell.hidden();
      for (Index i = 0; i < own.rows(); ++i)
        for (Index j = i % H; j < own.cols(); j += H) own(i, j) = cell.W(i, j);
      step_back(Recurrence(cell, std::as_const(own_W_).view()), work);
    } else {
      step_back(Recurrence(cell), work);
    }
    const Recurrence of(cell);
    by_units_ ? advance_by_units(of, work) : advance_whole(of, work);
  }

  /// Adds dL/ds_t ds_t/d(parameters) to a gradient, and dL/ds_t ds_t/ds_0 to dL/ds_0.
  void add_to(const auto& cell, const auto& d_state, CellWorkspace<Scalar>& work, auto& gradient,
              auto& d_initial) const {
    if (units_ == 0) return;
    const Recurrence of(cell);
    const Index H = of.hidden();
    const auto J = J_.view();
    const ConstNumbers ds(d_state.data(), d_state.rows());
    const auto add_column = [&](Index column, Numbers to) {  // by units: to of all units
      const Scalar* const from = J.data() + column * J.rows();
      for_parts(0, H, [&]<int Rows>(Index i) {
        Eigen::Array<Scalar, Rows, 1> sum = numbers_at<Rows>(to.data() + i);
        for (Index k = 0; k < own_states; ++k)
          sum += numbers_at<Rows>(from + k * H + i) * numbers_at<Rows>(ds.data() + k * H + i);
        numbers_at<Rows>(to.data() + i) = sum;
      });
    };
    const auto add_columns = [&](Index first, Numbers to) {  // whole: to of as many columns
      for (Index c = 0; c < to.size(); ++c) to[c] += J.col(first + c).dot(ds.matrix());
    };
    Index first = 0;
    typename Recurrence::Gradient g(gradient);
    for_weights(of, &work, &g, [&](Index rows, Index cols, auto&&, auto&&, Scalar* to, Index stride) {
      for (Index j = 0; j < cols; ++j) {
        if (by_units_) {
          for (Index k = 0; k < rows / H; ++k) add_column(first++, Numbers(to + j * stride + k * H, H));
        } else {
          add_columns(first, Numbers(to + j * stride, rows));
          first += rows;
        }
      }
    });
    if constexpr (Sizes::own_vectors > 0) {
      auto sums = work.d_vectors_.resize(H, Sizes::own_vectors);
      sums.setZero();
      for (int v = 0; v < Sizes::own_vectors; ++v) {
        Numbers to(sums.data() + v * H, H);
        by_units_ ? add_column(of_vectors_ + v, to) : add_columns(of_vectors_ + v * H, to);
      }
      of.finish_backward(work, g);
    }
    for (Index k = 0; k < units_; ++k) {
      if (by_units_) {
        add_column(of_initial_ + k, Numbers(d_initial.data() + k * H, H));
      } else {
        add_columns(of_initial_ + k, Numbers(d_initial.data() + k, 1));
      }
    }
  }

  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    f(J_), f(next_), f(d_now_), f(d_before_), f(sums_), f(own_W_), f(D_), f(W_), f(halfway_), f(R_);
  }
  /// What has to be kept to go on: states x columns.
  ///@{
  MatrixView<Scalar> matrix() { return J_.view(); }
  ConstMatrixView<Scalar> matrix() const { return J_.view(); }
  ///@}

 private:
  static constexpr Index together = 64;                                     // columns of J at once
  static constexpr Index own_states = std::max(1, int(Rule::state.count));  // of a unit

  static Index add(Index a, Index b) {
    Index sum = 0;
    require(!__builtin_add_overflow(a, b, &sum), "Online: the network has too many parameters");
    return sum;
  }

  /// f(rows, columns, the first of these rows in a record, what column j is multiplied by, where the gradient begins,
  /// its stride) for U, W, its halfway rows, b and R.
  static void for_weights(const Recurrence& of, const CellWorkspace<Scalar>* work, typename Recurrence::Gradient* to,
                          auto&& f) {
    const auto& step = of.step;
    const Index H = of.hidden();
    const Scalar* const before = work ? work->records_.data() : nullptr;
    const Scalar* const now = work ? before + work->records_.rows() : nullptr;
    const auto at = [](auto* matrix, Index row) { return matrix ? matrix->data() + row : nullptr; };
    const auto each = [&](BlockRange range, Index cols, auto&& factor, auto* gradient, Index row, Index stride) {
      if (range.count > 0) f(range.count * H, cols, step.row_of(range.first), factor, at(gradient, row), stride);
    };
    each(
        Rule::from_input, of.cell.U.cols(), [&](Index j) { return work->input(j); }, to ? &to->U : nullptr, 0,
        of.cell.U.rows());
    each(
        Sizes::from_hidden, of.cell.W.cols(), [&](Index j) { return before[step.row_of_h() + j]; },
        to ? &to->W : nullptr, 0, of.cell.W.rows());
    if constexpr (has_halfway<Rule>)
      each(
          Sizes::from_halfway, of.cell.W.cols(), [&](Index j) { return now[step.row_of(Rule::halfway) + j]; },
          to ? &to->W : nullptr, Sizes::from_hidden.count * H, of.cell.W.rows());
    each(Sizes::from_bias, 1, [](Index) { return Scalar(1); }, to ? &to->b : nullptr, 0, 0);
    if constexpr (is_projected<Rule>)
      f(
          of.cell.outputs(), H, step.row_of_h(),
          [&](Index j) { return now[step.row_of(Sizes::made_blocks.first) + j]; }, at(to ? &to->R : nullptr, 0),
          of.cell.R.rows());
  }

  /// The Jacobian of the step: d_before, d_now and sums, for unit vectors of dL/ds_t.
  void step_back(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    const auto& step = of.step;
    const Index H = of.hidden(), rows = step.record_rows();
    auto d_now = d_now_.view(), d_before = d_before_.view();
    d_now.setZero();
    d_before.setZero();
    sums_.view().setZero();
    for (Index k = 0; k < units_; ++k) {
      if (by_units_) {
        d_now.block(step.begin_of_states() + k * H, k, H, 1).setOnes();
      } else {
        d_now(step.begin_of_states() + k, k) = 1;
      }
    }
    const auto same = [&](Index column) {  // the same record for all unit vectors
      return ConstMatrixView<Scalar>(work.records_.data() + column * rows, rows, units_, Eigen::OuterStride<>(0));
    };
    if constexpr (Sizes::from_hidden.count > 0) W_.transpose_of(step.rows_for_hidden(), units_);
    if constexpr (has_halfway<Rule>) halfway_.transpose_of(step.rows_for_halfway(), units_);
    if constexpr (is_projected<Rule>) R_.transpose_of(of.cell.R, units_);
    of.step_with(work).step_backward(StepProducts{W_.lhs(), halfway_.lhs(), R_.lhs()}, same(0), same(1), d_before,
                                     d_now, sums_.view(), 0, false);
  }

  void advance_by_units(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    const Index H = of.hidden(), begin = of.step.begin_of_states();
    auto J = J_.view();
    const auto d_now = d_now_.view(), d_before = d_before_.view();
    const Scalar* const D = d_before.data() + begin;  // ds_t[k] / ds_<t-1>[l] of all units: column k, block l
    // J_t = D J_<t-1> + factor * immediate, of all units; column k of `immediate` is that on block k of the state.
    const auto advance = [&](Index column, const Scalar* immediate, Index stride, Scalar factor) {
      Scalar* const to = J.data() + column * J.rows();
      for_parts(0, H, [&]<int Rows>(Index i) {
        std::array<Eigen::Array<Scalar, Rows, 1>, own_states> old;
        for (Index l = 0; l < own_states; ++l) old[std::size_t(l)] = numbers_at<Rows>(to + l * H + i);
        for (Index k = 0; k < own_states; ++k) {
          const Scalar* const of_k = D + k * d_before.rows() + i;
          Eigen::Array<Scalar, Rows, 1> sum = numbers_at<Rows>(of_k) * old[0];
          for (Index l = 1; l < own_states; ++l) sum += numbers_at<Rows>(of_k + l * H) * old[std::size_t(l)];
          if (immediate) sum += factor * numbers_at<Rows>(immediate + k * stride + i);
          numbers_at<Rows>(to + k * H + i) = sum;
        }
      });
    };
    Index column = 0;
    for_weights(of, &work, nullptr, [&](Index rows, Index cols, Index row, auto&& factor, auto&&...) {
      for (Index j = 0; j < cols; ++j)
        for (Index k = 0; k < rows / H; ++k) advance(column++, d_now.data() + row + k * H, d_now.rows(), factor(j));
    });
    for (int v = 0; v < Sizes::own_vectors; ++v) advance(column++, sums_.data() + v * units_ * H, H, 1);
    for (Index k = 0; k < units_; ++k) advance(column++, nullptr, 0, 0);
  }

  void advance_whole(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    const Index H = of.hidden();
    auto J = J_.view();
    const auto d_now = d_now_.view();
    const auto& D = D_.transpose_of(of.step.states(d_before_.view()), together);
    for (Index first = 0; first < J.cols(); first += together) {
      auto old = J.middleCols(first, std::min(together, J.cols() - first));
      auto next = next_.resize(J.rows(), old.cols());
      next.setZero();
      add_product(D, ConstMatrixView<Scalar>(old.data(), old.rows(), old.cols(), Eigen::OuterStride<>(J.rows())), next);
      old = next;
    }
    Index column = 0;
    for_weights(of, &work, nullptr, [&](Index rows, Index cols, Index row, auto&& factor, auto&&...) {
      for (Index j = 0; j < cols; ++j, column += rows)
        J.middleCols(column, rows) += factor(j) * d_now.middleRows(row, rows).transpose();
    });
    for (int v = 0; v < Sizes::own_vectors; ++v, column += H)
      J.middleCols(column, H) += sums_.view().middleCols(v * units_, units_).transpose();
  }

  bool by_units_ = false;
  Index units_ = 0;                        // unit vectors; 0 where nothing is carried
  Index of_vectors_ = 0, of_initial_ = 0;  // the first columns of J for P, or what follows from it, and for s_0
  Buffer<Scalar> J_, next_;                // states x columns; by units, a column is of all units
  Buffer<Scalar> d_now_, d_before_, sums_;
  Buffer<Scalar> own_W_;
  PackBuffer<Scalar> D_, W_, halfway_, R_;
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
