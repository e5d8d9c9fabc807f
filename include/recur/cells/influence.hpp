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
/// vector of each block of the state does for all units at once, and D and A are numbers for each unit: then J goes on
/// and the whole gradient is formed in one pass over both.
template <class Rule, class Scalar>
class CellInfluence {
  using Recurrence = detail::Recurrence<Rule, Scalar>;
  using Sizes = RuleSizes<Rule>;

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
    columns += by_units_ ? Sizes::own_vectors : Sizes::own_vectors * of.hidden();
    of_initial_ = columns;
    columns += units_;
    J_.resize(states, columns);
    if (!by_units_) next_.resize(states, together);
    d_now_.resize(of.step.record_rows(), units_);
    d_before_.resize(of.step.record_rows(), units_);
    sums_.resize(of.hidden(), Sizes::own_vectors * units_);
    zeros_.resize(of.hidden(), 1).setZero();
    if (by_units_ && Sizes::from_hidden.count + Sizes::from_halfway.count > 0)
      own_W_.resize(cell.W.rows(), cell.W.cols()).setZero();
    clear(of.hidden());
  }

  /// None again: the state that is then is the initial one.
  void clear(Index hidden) {
    is_behind_ = false;
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

  /// The Jacobian of a step, of which `work` has been through forward.
  void step(const auto& cell, CellWorkspace<Scalar>& work) {
    if (units_ == 0) return;
    work.learns_apart_ = by_units_;
    if (own_W_.rows() > 0) {  // of W what each unit multiplies its own h by
      auto own = own_W_.view();
      const Index H = cell.hidden();
      for (Index i = 0; i < own.rows(); ++i)
        for (Index j = i % H; j < own.cols(); j += H) own(i, j) = cell.W(i, j);
      step_back(Recurrence(cell, std::as_const(own_W_).view()), work);
    } else {
      step_back(Recurrence(cell), work);
    }
    is_behind_ = true;
  }
  /// J of the step before to that of the last one, if learn() has not done so. `work` has gone nowhere since.
  void catch_up(const auto& cell, CellWorkspace<Scalar>& work) {
    if (!is_behind_) return;
    const Recurrence of(cell);
    by_units_ ? go_on_by_units<false>(of, work, nullptr, nullptr) : go_on_whole(of, work);
    is_behind_ = false;
  }
  /// After backward of the step, whose d_before is dL/ds_<t-1>: adds dL/ds_<t-1> J_<t-1> to a gradient, and
  /// dL/ds_<t-1> ds_<t-1>/ds_0 to dL/ds_0. Where states belong to units, also what the step itself adds.
  void learn(const auto& cell, CellWorkspace<Scalar>& work, auto& gradient, auto& d_initial) {
    if (units_ == 0) return;
    const Recurrence of(cell);
    typename Recurrence::Gradient to(gradient);
    if (by_units_) {
      go_on_by_units<true>(of, work, &to, d_initial.data());
      is_behind_ = false;
    } else {
      add_whole(of, work, to, d_initial.data());
    }
  }

  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    f(J_), f(next_), f(d_now_), f(d_before_), f(sums_), f(zeros_), f(own_W_), f(D_), f(W_), f(halfway_), f(R_);
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
  /// dL/ds_<t-1>, and dL/d(record of the step), of backward.
  ///@{
  static const Scalar* d_before(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    return work.d_records_.data() + of.step.begin_of_states();
  }
  static const Scalar* d_now(const CellWorkspace<Scalar>& work) {
    return work.d_records_.data() + work.d_records_.rows();
  }
  ///@}

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

  /// Columns of J that have their immediate influence in common, but for the numbers x that it is multiplied by:
  ///
  ///     J_t = D J_<t-1> + x A                     of all units, state by state
  ///     gradient += x d + dL/ds_<t-1> J_<t-1>     where it is learnt from
  struct Columns {
    Index first, stride;        // in J
    const Scalar* A;            // d(record of the step), of unit vectors,
    Index A_stride;             // from one to the next,
    const Scalar* d = nullptr;  // and of L
    Scalar* to = nullptr;       // of the gradient
    Index to_stride = 0;
  };
  /// By value: so they stay in registers, whatever is stored meanwhile.
  template <int Count, bool learns>
  void go_on(Columns columns, const Scalar* D, const Scalar* ds, std::array<Scalar, Count> x, Index H) {
    Scalar* const J = J_.view().data() + columns.first * J_.rows();
    const Index stride = columns.stride * J_.rows(), D_stride = d_before_.rows();
    for_parts(0, H, [&]<int Rows>(Index i) {
      using Numbers = Eigen::Array<Scalar, Rows, 1>;
      std::array<std::array<Numbers, own_states>, own_states> own_D;
      std::array<Numbers, own_states> own_A, own_ds;
      Numbers own_d;
      for (Index k = 0; k < own_states; ++k) {
        for (Index l = 0; l < own_states; ++l)
          own_D[std::size_t(k)][std::size_t(l)] = numbers_at<Rows>(D + k * D_stride + l * H + i);
        own_A[std::size_t(k)] = numbers_at<Rows>(columns.A + k * columns.A_stride + i);
        if constexpr (learns) own_ds[std::size_t(k)] = numbers_at<Rows>(ds + k * H + i);
      }
      if constexpr (learns) own_d = numbers_at<Rows>(columns.d + i);
      for (int c = 0; c < Count; ++c) {
        Scalar* const at = J + c * stride + i;
        std::array<Numbers, own_states> old;
        for (Index l = 0; l < own_states; ++l) old[std::size_t(l)] = numbers_at<Rows>(at + l * H);
        if constexpr (learns) {
          Scalar* const to = columns.to + c * columns.to_stride + i;
          Numbers sum = numbers_at<Rows>(to) + x[std::size_t(c)] * own_d;
          for (Index l = 0; l < own_states; ++l) sum += own_ds[std::size_t(l)] * old[std::size_t(l)];
          numbers_at<Rows>(to) = sum;
        }
        for (Index k = 0; k < own_states; ++k) {
          Numbers sum = x[std::size_t(c)] * own_A[std::size_t(k)];
          for (Index l = 0; l < own_states; ++l) sum += own_D[std::size_t(k)][std::size_t(l)] * old[std::size_t(l)];
          numbers_at<Rows>(at + k * H) = sum;
        }
      }
    });
  }
  /// All columns of J, and all of the gradient.
  template <bool learns>
  void go_on_by_units(const Recurrence& of, CellWorkspace<Scalar>& work, typename Recurrence::Gradient* gradient,
                      Scalar* d_initial) {
    const Index H = of.hidden();
    const Scalar* const D = d_before_.data() + of.step.begin_of_states();  // of unit vector k, block l
    const Scalar* const ds = learns ? d_before(of, work) : nullptr;
    constexpr int abreast = 4;  // columns that share what is loaded of units
    Index column = 0;
    for_weights(of, &work, gradient, [&](Index rows, Index cols, Index row, auto&& factor, Scalar* to, Index stride) {
      const Index blocks = rows / H;
      for (Index k = 0; k < blocks; ++k) {
        Columns columns{column + k, blocks, d_now_.data() + row + k * H, d_now_.rows()};
        if constexpr (learns)
          columns.d = d_now(work) + row + k * H, columns.to = to + k * H, columns.to_stride = stride;
        const auto go_on_with = [&]<int Count>(Index j, std::integral_constant<int, Count>) {
          std::array<Scalar, Count> x;
          for (int c = 0; c < Count; ++c) x[std::size_t(c)] = factor(j + c);
          go_on<Count, learns>(columns, D, ds, x, H);
          columns.first += Count * blocks;
          if constexpr (learns) columns.to += Count * stride;
        };
        Index j = 0;
        for (; j + abreast <= cols; j += abreast) go_on_with(j, std::integral_constant<int, abreast>());
        for (; j < cols; ++j) go_on_with(j, std::integral_constant<int, 1>());
      }
      column += blocks * cols;
    });
    for (int v = 0; v < Sizes::own_vectors; ++v) {
      Columns columns{column++, 0, sums_.data() + v * units_ * H, H, zeros_.data()};  // backward has added d
      if constexpr (learns) columns.to = work.d_vectors_.view().data() + v * H;
      go_on<1, learns>(columns, D, ds, {1}, H);
    }
    if constexpr (learns) of.add_vectors(work, *gradient);
    for (Index k = 0; k < units_; ++k) {
      Columns columns{column++, 0, zeros_.data(), 0, zeros_.data()};
      if constexpr (learns) columns.to = d_initial + k * H;
      go_on<1, learns>(columns, D, ds, {0}, H);
    }
  }

  void go_on_whole(const Recurrence& of, const CellWorkspace<Scalar>& work) {
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
  void add_whole(const Recurrence& of, CellWorkspace<Scalar>& work, typename Recurrence::Gradient& gradient,
                 Scalar* d_initial) const {
    const auto J = J_.view();
    const Eigen::Map<const VectorOf<Scalar>> ds(d_before(of, work), J.rows());
    Index column = 0;
    const auto add = [&](Index count, Scalar* to) {
      for (Index i = 0; i < count; ++i) to[i] += J.col(column++).dot(ds);
    };
    for_weights(of, &work, &gradient, [&](Index rows, Index cols, auto&&, auto&&, Scalar* to, Index stride) {
      for (Index j = 0; j < cols; ++j) add(rows, to + j * stride);
    });
    if constexpr (Sizes::own_vectors > 0) {
      auto sums = work.d_vectors_.resize(of.hidden(), Sizes::own_vectors);
      sums.setZero();
      add(sums.size(), sums.data());
      of.add_vectors(work, gradient);
    }
    add(units_, d_initial);
  }

  bool by_units_ = false, is_behind_ = false;
  Index units_ = 0;          // unit vectors; 0 where nothing is carried
  Index of_initial_ = 0;     // the first column of J for s_0
  Buffer<Scalar> J_, next_;  // states x columns; by units, a column is of all units
  Buffer<Scalar> d_now_, d_before_, sums_;
  Buffer<Scalar> own_W_, zeros_;
  PackBuffer<Scalar> D_, W_, halfway_, R_;
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
