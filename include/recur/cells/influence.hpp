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
  /// its own unit alone: memory and time are a few times those of a step (N. Zucchet et al., 2023), and time less where
  /// several steps are worked out together: see OnlineOptions. For all others memory is that of as many gradients as
  /// the state has numbers, and time as many products with them: for small H.
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
/// and the whole gradient is formed in one pass over both, for one step or for several that have waited for it.
template <class Rule, class Scalar>
class CellInfluence {
  using Recurrence = detail::Recurrence<Rule, Scalar>;
  using Sizes = RuleSizes<Rule>;

 public:
  /// Of a cell, none yet; where states belong to units, J goes on by so many steps at once. Throws
  /// std::invalid_argument where the method is not for it.
  CellInfluence(const auto& cell, OnlineMethod method, Index every) {
    require(method != OnlineMethod::snap1 || has_own_states<Rule>,
            "Online: OnlineMethod::snap1 is for cells whose states belong to units, not for ", describe(cell, "this"),
            ", which has norms or a projection");
    if (Rule::state.count == 0 && !is_projected<Rule>) method = OnlineMethod::immediate;  // no past
    if (method == OnlineMethod::best) method = has_own_states<Rule> ? OnlineMethod::snap1 : OnlineMethod::immediate;
    if (method == OnlineMethod::immediate) return;
    by_units_ = is_diagonal<Rule> || method == OnlineMethod::snap1;
    if (by_units_) every_ = every;
    const Recurrence of(cell);
    const Index H = of.hidden(), states = of.step.end_of_states() - of.step.begin_of_states();
    units_ = by_units_ ? Rule::state.count : states;
    Index columns = 0, numbers = 1;
    for_weights(of, nullptr, [&](Index rows, Index cols, auto&&...) {
      columns = add(columns, checked_product("Online: rows x columns of weights", by_units_ ? rows / H : rows, cols));
      numbers = add(numbers, cols);
    });
    columns += by_units_ ? Sizes::own_vectors : Sizes::own_vectors * H;
    of_initial_ = columns;
    columns += units_;
    J_.resize(states, columns);
    if (!by_units_) next_.resize(states, together);
    const Index unit_vectors = checked_product("Online: units x every", Index(units_), every_);
    d_now_.resize(of.step.record_rows(), unit_vectors);
    d_before_.resize(of.step.record_rows(), units_);
    sums_.resize(H, Sizes::own_vectors * unit_vectors);
    multiplied_.resize(numbers, every_);
    if (by_units_) {
      d_.resize(of.step.record_rows(), every_);
      d_states_.resize(states, every_);
      decays_.resize(states, unit_vectors);
      d_vectors_.resize(H, Sizes::own_vectors * every_);
      zeros_.resize(H, 1).setZero();
      panel_.resize(std::min(H, std::max<Index>(64, 1024 / every_ / 8 * 8)), every_ > 1 ? Panel::of_unit(every_) : 0);
      if (Sizes::from_hidden.count + Sizes::from_halfway.count > 0)
        own_W_.resize(cell.W.rows(), cell.W.cols()).setZero();
    }
    clear(H);
  }

  /// None again: the state that is then is the initial one.
  void clear(Index hidden) {
    is_open_ = is_learnt_ = false;
    first_ = end_ = 0;
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
    const Recurrence of(cell);
    remember_multiplied(of, work);
    if (own_W_.rows() > 0) {  // of W what each unit multiplies its own h by
      auto own = own_W_.view();
      const Index H = cell.hidden();
      for (Index i = 0; i < own.rows(); ++i)
        for (Index j = i % H; j < own.cols(); j += H) own(i, j) = cell.W(i, j);
      step_back(Recurrence(cell, std::as_const(own_W_).view()), work);
    } else {
      step_back(of, work);
    }
    is_open_ = true;
  }
  /// After backward of the step, whose d_before is dL/ds_<t-1>: adds dL/ds_<t-1> J_<t-1> to a gradient, and
  /// dL/ds_<t-1> ds_<t-1>/ds_0 to dL/ds_0. Where states belong to units, this is only remembered: finish() adds it,
  /// with what the step itself adds.
  void learn(const auto& cell, CellWorkspace<Scalar>& work, auto& gradient, auto& d_initial) {
    if (units_ == 0) return;
    const Recurrence of(cell);
    if (by_units_) {
      const Index rows = of.step.record_rows(), states = d_states_.rows();
      const Scalar* const d = work.d_records_.data();
      std::copy_n(d + of.step.begin_of_states(), states, d_states_.view().data() + end_ * states);
      std::copy_n(d + work.d_records_.rows(), rows, d_.view().data() + end_ * rows);
      if constexpr (Sizes::own_vectors > 0)
        d_vectors_.view().middleCols(end_ * Sizes::own_vectors, Sizes::own_vectors) = work.d_vectors_.view();
      is_learnt_ = true;
      close(cell, work, gradient, d_initial);
    } else {
      typename Recurrence::Gradient to(gradient);
      add_whole(of, work, to, d_initial.data());
    }
  }
  /// An open step is not learnt from: by units it joins those that wait, otherwise J goes on by it. `work` has gone
  /// nowhere since.
  void pass_over(const auto& cell, CellWorkspace<Scalar>& work, auto& gradient, auto& d_initial) {
    if (!is_open_) return;
    if (by_units_) {
      d_states_.view().col(end_).setZero();
      d_.view().col(end_).setZero();
      d_vectors_.view().middleCols(end_ * Sizes::own_vectors, Sizes::own_vectors).setZero();
      close(cell, work, gradient, d_initial);
    } else {
      go_on_whole(Recurrence(cell));
      is_open_ = false;
    }
  }
  /// Brings J, the gradient and dL/ds_0 forward by all steps that wait. An open step stays open.
  void finish(const auto& cell, CellWorkspace<Scalar>& work, auto& gradient, auto& d_initial) {
    if (first_ < end_) {
      const Recurrence of(cell);
      typename Recurrence::Gradient to(gradient);
      is_learnt_ ? go_on_by_units<true>(of, work, to, d_initial.data())
                 : go_on_by_units<false>(of, work, to, d_initial.data());
    }
    is_learnt_ = false;
    if (!is_open_) end_ = 0;
    first_ = end_;
  }

  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    f(J_), f(next_), f(d_now_), f(d_before_), f(sums_), f(multiplied_), f(d_), f(d_states_), f(d_vectors_), f(decays_),
        f(panel_), f(zeros_);
    f(own_W_), f(D_), f(W_), f(halfway_), f(R_);
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

  /// The last step has been learnt from, or will not be: it waits, until there are enough of them.
  void close(const auto& cell, CellWorkspace<Scalar>& work, auto& gradient, auto& d_initial) {
    is_open_ = false;
    end_ = end_ + 1;
    if (end_ == every_) finish(cell, work, gradient, d_initial);
  }

  /// f(rows, columns, the first of these rows in a record, where the numbers begin that columns are multiplied by,
  /// where the gradient begins, its stride) for U, W, its halfway rows, b and R.
  static void for_weights(const Recurrence& of, typename Recurrence::Gradient* to, auto&& f) {
    const auto& step = of.step;
    const Index H = of.hidden();
    Index first = 1;  // after the 1 of b
    const auto each = [&](Index rows, Index cols, Index row, auto* gradient, Index gradient_row) {
      if (rows > 0)
        f(rows, cols, row, first, gradient ? gradient->data() + gradient_row : nullptr,
          gradient ? gradient->rows() : 0);
      first += cols;
    };
    each(Rule::from_input.count * H, of.cell.U.cols(), step.row_of(Rule::from_input.first), to ? &to->U : nullptr, 0);
    if constexpr (Sizes::from_hidden.count > 0)
      each(Sizes::from_hidden.count * H, of.cell.W.cols(), step.row_of(Sizes::from_hidden.first), to ? &to->W : nullptr,
           0);
    if constexpr (has_halfway<Rule>)
      each(Sizes::from_halfway.count * H, of.cell.W.cols(), step.row_of(Sizes::from_halfway.first),
           to ? &to->W : nullptr, Sizes::from_hidden.count * H);
    if constexpr (is_projected<Rule>) each(of.cell.outputs(), H, step.row_of_h(), to ? &to->R : nullptr, 0);
    if (Sizes::from_bias.count > 0)
      f(Sizes::from_bias.count * H, 1, step.row_of(Sizes::from_bias.first), 0, to ? to->b.data() : nullptr, 0);
  }
  /// The numbers that the columns of weights are multiplied by in the last step, in the order of for_weights: 1, x_t,
  /// h_<t-1>, and what products within the step have read.
  void remember_multiplied(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    const auto& step = of.step;
    const Scalar* const before = work.records_.data();
    const Scalar* const now = before + work.records_.rows();
    Scalar* to = multiplied_.view().data() + end_ * multiplied_.rows();
    *to++ = 1;
    for (Index j = 0; j < of.cell.U.cols(); ++j) *to++ = work.input(j);
    if constexpr (Sizes::from_hidden.count > 0) to = std::copy_n(before + step.row_of_h(), of.cell.W.cols(), to);
    if constexpr (has_halfway<Rule>) to = std::copy_n(now + step.row_of(Rule::halfway), of.cell.W.cols(), to);
    if constexpr (is_projected<Rule>) std::copy_n(now + step.row_of(Sizes::made_blocks.first), of.hidden(), to);
  }

  /// The Jacobian of the step: d_before, d_now and sums, for unit vectors of dL/ds_t.
  void step_back(const Recurrence& of, const CellWorkspace<Scalar>& work) {
    const auto& step = of.step;
    const Index H = of.hidden(), rows = step.record_rows();
    const auto of_step = [&](Buffer<Scalar>& buffer, Index cols) {
      return MatrixView<Scalar>(buffer.view().data() + end_ * cols * buffer.rows(), buffer.rows(), cols,
                                Eigen::OuterStride<>(buffer.rows()));
    };
    auto d_now = of_step(d_now_, units_), d_before = d_before_.view();
    auto sums = of_step(sums_, Sizes::own_vectors * units_);
    d_now.setZero();
    d_before.setZero();
    sums.setZero();
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
                                     d_now, sums, 0, false);
    if (by_units_) of_step(decays_, units_) = step.states(d_before);
  }

  /// Over the steps 1 .. n that wait, of a column of J whose immediate influence is x_t A_t:
  ///
  ///     J_n = P_0 J_0 + sum_t x_t P_t A_t                        P_n = 1, P_<t-1> = P_t D_t
  ///     gradient += C_0 J_0 + sum_t x_t (d_t + C_t A_t)          C_n = 0, C_<t-1> = dL_t/ds_<t-1> + C_t D_t
  ///
  /// where D, P and C belong to units. So what all columns of A have in common is worked out once, and a weight costs
  /// one multiplication and addition of a step for each number of its unit's state, and one for the gradient.
  struct Steps {
    const Scalar* D;  // of the last step, d(states), of unit vectors
    Index D_of_unit, D_of_step;
    const Scalar* d_states;  // dL_t/ds_<t-1>
    Index d_states_of_step;
    const Scalar* A;  // d(record), of unit vectors
    Index A_of_unit, A_of_step;
    const Scalar* d;  // dL/d(record)
    Index d_of_step;
    Index hidden, count;
  };
  /// One step, for which P_0 is D, and C_0 dL/ds_0: read where they are, for `Rows` units.
  struct OneStep {
    Steps from;

    static constexpr Index count() { return 1; }
    template <int Rows>
    auto at(Index i) const {
      struct Numbers {
        const Scalar *D, *d_states, *of_A, *of_d;
        Index D_of_unit, A_of_unit, hidden;
        auto P(Index k, Index l) const { return numbers_at<Rows>(D + k * D_of_unit + l * hidden); }
        auto C(Index k) const { return numbers_at<Rows>(d_states + k * hidden); }
        auto A(Index, Index k) const { return numbers_at<Rows>(of_A + k * A_of_unit); }
        auto d(Index) const { return numbers_at<Rows>(of_d); }
      };
      return Numbers{from.D + i,     from.d_states + i, from.A + i, from.d + i,
                     from.D_of_unit, from.A_of_unit,    from.hidden};
    }
  };
  /// Several, worked out: of eight units, or of one, P_0 and C_0, then P_t A_t and d_t + C_t A_t of each step.
  struct Panel {
    Scalar* numbers;
    Index steps;

    static constexpr Index of_all_steps = own_states * own_states + own_states, of_a_step = own_states + 1;
    static Index of_unit(Index steps) { return of_all_steps + steps * of_a_step; }
    Index count() const { return steps; }
    template <int Rows>
    auto at(Index i) const {
      struct Numbers {
        Scalar* own;
        auto P(Index k, Index l) const { return numbers_at<Rows>(own + (k * own_states + l) * Rows); }
        auto C(Index k) const { return numbers_at<Rows>(own + (own_states * own_states + k) * Rows); }
        auto A(Index t, Index k) const { return numbers_at<Rows>(own + (of_all_steps + t * of_a_step + k) * Rows); }
        auto d(Index t) const { return A(t, own_states); }
      };
      return Numbers{numbers + i * of_unit(steps)};
    }

    template <bool learns>
    void fill(Steps from, Index units) const {
      for_parts(0, units, [&]<int Rows>(Index i) {
        using Numbers = Eigen::Array<Scalar, Rows, 1>;
        using OfStates = std::array<Numbers, own_states>;
        const auto in = [](Index k) { return std::size_t(k); };
        const auto to = at<Rows>(i);
        std::array<OfStates, own_states> P, D;
        OfStates C, C_before, A;
#pragma GCC unroll 8
        for (Index k = 0; k < own_states; ++k) {
          C[in(k)].setZero();
#pragma GCC unroll 8
          for (Index l = 0; l < own_states; ++l) P[in(k)][in(l)].setConstant(k == l ? Scalar(1) : Scalar(0));
        }
        Steps of = from;  // of step t
        for (Index t = from.count; t-- > 0;) {
          const auto own = OneStep{of}.template at<Rows>(i);
          Numbers d = Numbers::Zero();
          if constexpr (learns) d = own.d(0);
#pragma GCC unroll 8
          for (Index k = 0; k < own_states; ++k) {
            A[in(k)] = own.A(0, k);
            if constexpr (learns) d += C[in(k)] * A[in(k)];
            if constexpr (learns) C_before[in(k)] = own.C(k);
#pragma GCC unroll 8
            for (Index l = 0; l < own_states; ++l) D[in(k)][in(l)] = own.P(k, l);
          }
          to.d(t) = d;
#pragma GCC unroll 8
          for (Index k = 0; k < own_states; ++k) {
            Numbers sum = P[in(k)][0] * A[0];
            OfStates row;
#pragma GCC unroll 8
            for (Index l = 0; l < own_states; ++l) {
              row[in(l)] = P[in(k)][0] * D[0][in(l)];
              if constexpr (learns) C_before[in(l)] += C[in(k)] * D[in(k)][in(l)];
            }
#pragma GCC unroll 8
            for (Index m = 1; m < own_states; ++m) {
              sum += P[in(k)][in(m)] * A[in(m)];
#pragma GCC unroll 8
              for (Index l = 0; l < own_states; ++l) row[in(l)] += P[in(k)][in(m)] * D[in(m)][in(l)];
            }
            to.A(t, k) = sum;
            P[in(k)] = row;
          }
          if constexpr (learns) C = C_before;
          if (t > 0)
            of.D -= of.D_of_step, of.d_states -= of.d_states_of_step, of.A -= of.A_of_step, of.d -= of.d_of_step;
        }
#pragma GCC unroll 8
        for (Index k = 0; k < own_states; ++k) {
#pragma GCC unroll 8
          for (Index l = 0; l < own_states; ++l) to.P(k, l) = P[in(k)][in(l)];
          if constexpr (learns) to.C(k) = C[in(k)];
        }
      });
    }
  };

  /// Columns of J, of the gradient, and what they are multiplied by, for some units.
  struct Columns {
    Scalar* J;
    Index J_stride;
    Scalar* to;
    Index to_stride;
    const Scalar* x;
    Index x_of_step, hidden, units;
  };
  /// `Count` of them. By value and inlined, so that what is stored changes nothing of it.
  template <int Count, bool learns>
  static void go_on(Columns of, auto steps) {
    for_parts(0, of.units, [=]<int Rows>(Index i) __attribute__((always_inline)) {
      using Numbers = Eigen::Array<Scalar, Rows, 1>;
      const auto own = steps.template at<Rows>(i);
      std::array<std::array<Numbers, own_states>, Count> next;
      std::array<Numbers, Count> sum;
#pragma GCC unroll 8
      for (int c = 0; c < Count; ++c) {
        auto& next_c = next[std::size_t(c)];
        auto& sum_c = sum[std::size_t(c)];
        if constexpr (learns) sum_c = numbers_at<Rows>(of.to + c * of.to_stride + i);
#pragma GCC unroll 8
        for (Index l = 0; l < own_states; ++l) {
          const Numbers old = numbers_at<Rows>(of.J + c * of.J_stride + l * of.hidden + i);
          if constexpr (learns) sum_c += own.C(l) * old;
#pragma GCC unroll 8
          for (Index k = 0; k < own_states; ++k) {
            if (l == 0) {
              next_c[std::size_t(k)] = own.P(k, 0) * old;
            } else {
              next_c[std::size_t(k)] += own.P(k, l) * old;
            }
          }
        }
      }
      const Scalar* x = of.x;
      for (Index t = 0; t < steps.count(); ++t, x += of.x_of_step) {
#pragma GCC unroll 8
        for (int c = 0; c < Count; ++c) {
#pragma GCC unroll 8
          for (Index k = 0; k < own_states; ++k) next[std::size_t(c)][std::size_t(k)] += x[c] * own.A(t, k);
          if constexpr (learns) sum[std::size_t(c)] += x[c] * own.d(t);
        }
      }
#pragma GCC unroll 8
      for (int c = 0; c < Count; ++c) {
#pragma GCC unroll 8
        for (Index k = 0; k < own_states; ++k)
          numbers_at<Rows>(of.J + c * of.J_stride + k * of.hidden + i) = next[std::size_t(c)][std::size_t(k)];
        if constexpr (learns) numbers_at<Rows>(of.to + c * of.to_stride + i) = sum[std::size_t(c)];
      }
    });
  }
  template <bool learns>
  static void go_on(Columns of, Index count, const auto& steps) {
    constexpr int abreast = own_states <= 2 ? 4 : 2;  // columns that share what is read of units
    const auto next = [&]<int Count>(std::integral_constant<int, Count>) {
      go_on<Count, learns>(of, steps);
      of.J += Count * of.J_stride;
      if constexpr (learns) of.to += Count * of.to_stride;
      of.x += Count;
    };
    for (; count >= abreast; count -= abreast) next(std::integral_constant<int, abreast>());
    for (; count > 0; --count) next(std::integral_constant<int, 1>());
  }
  /// All columns of J, and all of the gradient.
  template <bool learns>
  void go_on_by_units(const Recurrence& of, CellWorkspace<Scalar>& work, typename Recurrence::Gradient& gradient,
                      Scalar* d_initial) {
    const Index H = of.hidden(), count = end_ - first_, last = end_ - 1, rows = d_now_.rows();
    const auto at = [](const Buffer<Scalar>& buffer, Index t, Index of_step = 1) {
      return buffer.data() + t * of_step * buffer.rows();
    };
    const Steps steps{at(decays_, last, units_),
                      decays_.rows(),
                      units_ * decays_.rows(),
                      at(d_states_, last),
                      d_states_.rows(),
                      at(d_now_, last, units_),
                      rows,
                      units_ * rows,
                      at(d_, last),
                      rows,
                      H,
                      count};
    auto sums = work.d_vectors_.view();
    if constexpr (learns) sums.setZero();
    for (Index first = 0; first < H; first += panel_.rows()) {
      const Index units = std::min(H - first, panel_.rows());
      const auto prepare = [&](Steps own) {
        own.D += first, own.d_states += first, own.A += first, own.d += first;
        if (count > 1) Panel{panel_.view().data(), count}.template fill<learns>(own, units);
        return own;
      };
      const auto go = [&](const Steps& own, Index number, Index column, Index stride, Scalar* to, Index to_stride,
                          const Scalar* x) {
        const Columns columns{J_.view().data() + column * J_.rows() + first,
                              stride * J_.rows(),
                              learns ? to + first : nullptr,
                              to_stride,
                              x,
                              multiplied_.rows(),
                              H,
                              units};
        count > 1 ? go_on<learns>(columns, number, Panel{panel_.view().data(), count})
                  : go_on<learns>(columns, number, OneStep{own});
      };
      Index column = 0;
      Steps own = steps;
      for (Index block = 0; block < Rule::blocks; ++block) {
        const Index row_of_block = of.step.row_of(block);
        bool is_prepared = false;
        column = 0;
        for_weights(of, &gradient, [&](Index all, Index cols, Index row, Index number, Scalar* to, Index stride) {
          const Index k = (row_of_block - row) / H, blocks = all / H;
          if (row_of_block >= row && k < blocks) {
            if (!std::exchange(is_prepared, true)) {
              own = steps;
              own.A += row_of_block, own.d += row_of_block;
              own = prepare(own);
            }
            go(own, cols, column + k, blocks, to + k * H, stride, at(multiplied_, first_) + number);
          }
          column += blocks * cols;
        });
      }
      own = steps;  // of the initial state, which no step adds to
      own.A = own.d = zeros_.data();
      own.A_of_unit = own.A_of_step = own.d_of_step = 0;
      own = prepare(own);
      for (Index k = 0; k < units_; ++k)
        go(own, 1, of_initial_ + k, 0, learns ? d_initial + k * H : nullptr, 0, at(multiplied_, first_));
      for (Index v = 0; v < Sizes::own_vectors; ++v) {
        own = steps;
        own.A = at(sums_, last, Sizes::own_vectors * units_) + v * units_ * H;
        own.A_of_unit = H;
        own.A_of_step = Sizes::own_vectors * units_ * H;
        own.d = at(d_vectors_, last, Sizes::own_vectors) + v * H;
        own.d_of_step = Sizes::own_vectors * H;
        own = prepare(own);
        go(own, 1, column++, 0, learns ? sums.data() + v * H : nullptr, 0, at(multiplied_, first_));
      }
    }
    if constexpr (learns && Sizes::own_vectors > 0) {
      if (every_ > 1) of.derive(work);  // P may be another since
      of.add_vectors(work, gradient);
    }
  }

  void go_on_whole(const Recurrence& of) {
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
    for_weights(of, nullptr, [&](Index rows, Index cols, Index row, Index number, auto&&...) {
      for (Index j = 0; j < cols; ++j, column += rows)
        J.middleCols(column, rows) += multiplied_.data()[number + j] * d_now.middleRows(row, rows).transpose();
    });
    for (int v = 0; v < Sizes::own_vectors; ++v, column += H)
      J.middleCols(column, H) += sums_.view().middleCols(v * units_, units_).transpose();
  }
  void add_whole(const Recurrence& of, CellWorkspace<Scalar>& work, typename Recurrence::Gradient& gradient,
                 Scalar* d_initial) const {
    const auto J = J_.view();
    const Eigen::Map<const VectorOf<Scalar>> ds(work.d_records_.data() + of.step.begin_of_states(), J.rows());
    Index column = 0;
    const auto add = [&](Index count, Scalar* to) {
      for (Index i = 0; i < count; ++i) to[i] += J.col(column++).dot(ds);
    };
    for_weights(of, &gradient, [&](Index rows, Index cols, Index, Index, Scalar* to, Index stride) {
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

  bool by_units_ = false;
  Index every_ = 1;
  EmptiedByMove<Index> units_ = 0;    // unit vectors; 0 where nothing is carried
  Index of_initial_ = 0;              // the first column of J for s_0
  EmptiedByMove<bool> is_open_;       // whether the last step is neither learnt from nor passed over
  EmptiedByMove<bool> is_learnt_;     // whether any of the steps that wait has been learnt from
  EmptiedByMove<Index> first_, end_;  // steps first .. end - 1 wait; the open one has number end
  Buffer<Scalar> J_, next_;           // states x columns; by units, a column is of all units
  Buffer<Scalar> d_before_;           // dL/d(record before a step), of unit vectors
  // Of each step that waits: of unit vectors dL/d(record), of it that of the states before, and of vectors; the numbers
  // that weights are multiplied by; and of L_t dL/d(record), that of the states before, and of vectors.
  Buffer<Scalar> d_now_, decays_, sums_, multiplied_, d_, d_states_, d_vectors_;
  Buffer<Scalar> panel_, zeros_, own_W_;
  PackBuffer<Scalar> D_, W_, halfway_, R_;
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
