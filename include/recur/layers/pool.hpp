#pragma once
/// \file
/// A whole sequence in one vector: the mean or the largest of what has come, or both ends of it.

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// What Pool makes of the steps that have come.
enum class Pooling {
  mean,     ///< y_t = 1/t (x_1 + ... + x_t)
  largest,  ///< y_t = max(x_1, ..., x_t), for each feature
  ends      ///< y_t = the first half of the features of x_t, and the second half of those of x_1
};

/// The mean or maximum over the steps so far, so that a sequence's last step has that over the whole sequence; for
/// networks of many inputs and one output, whose loss is a ManyToOne:
///
///     recur::Sequence net(recur::Bidirectional(forward, backward), recur::Pool<float>(2 * H, recur::Pooling::mean),
///                         recur::Readout<float>(2 * H, classes));
///
/// After a Bidirectional layer, `ends` has the final hidden states of both directions at the last step: h_T of the one
/// that goes forward, and that of the other, which has come to the first step. The state is y_t, then t.
template <class Scalar_ = float, int Features = Dynamic>
class Pool : public LayerOf<Pool<Scalar_, Features>> {
 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Features, outputs_at_compile_time = Features;
  using State = MatrixOf<Scalar>;  ///< F + 1 numbers for each sequence
  ///@}

  /// Sizes as the template arguments give them.
  explicit Pool(Pooling how)
    requires(Features != Dynamic)
      : Pool(Features, how) {}
  /// Throws std::invalid_argument unless features > 0, equal to a size that is fixed, and even for `ends`.
  Pool(Index features, Pooling how) : features_(features), how_(how) {
    require(features > 0, "Pool: features > 0 expected, got ", features);
    detail::require_fixed("Pool: features", features, Features);
    require(how != Pooling::ends || features % 2 == 0, "Pool: an even number of features expected for ends, got ",
            features);
  }

  Index inputs() const { return features_; }          ///< F
  Index outputs() const { return features_; }         ///< F
  Index state_size() const { return features_ + 1; }  ///< y_t and t
  Pooling how() const { return how_; }                ///< what it makes of the steps
  /// "Pool mean 32 -> 32": see describe.hpp.
  std::string description() const {
    return std::string("Pool ") +
           (how_ == Pooling::mean      ? "mean"
            : how_ == Pooling::largest ? "largest"
                                       : "ends") +
           detail::describe_sizes(inputs(), outputs());
  }
  /// The same layer for numbers of another type.
  template <class Other>
  Pool<Other, Features> cast() const {
    return {features_, how_};
  }

  // ---- A layer: see Layer ----

  /// States and their gradients: F + 1 rows.
  struct Workspace {
    detail::Buffer<Scalar> states;    ///< N columns of initial ones, then one for each column of x
    detail::Buffer<Scalar> d_states;  ///< N columns of the step before a chunk, then those of the chunk
    detail::Buffer<Scalar> d_final;   ///< dL/d(final state)
    Index batch = 0;                  ///< N
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { f(states), f(d_states), f(d_final); }
  };
  /// What Stateful asks for.
  ///@{
  auto states(auto& work) const { return work.states.view(); }
  auto d_states(auto& work) const { return work.d_states.view(); }
  static auto& d_final(auto& work) { return work.d_final; }
  ///@}
  /// Throws std::invalid_argument where the workspace has other shapes than this layer's.
  void require_workspace(const char* where, const Workspace& work) const {
    require_equal(where, "the trace's states", work.states.rows(), "state_size()", state_size());
  }
  /// What Layer asks for.
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.batch = pass.layout.batch();
    work.states.resize(state_size(), work.batch + pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) const {
    auto states = work.states.view();
    for_own_steps(chunk, [&](Index before, Index now, Index column) {
      step_forward(x.columns(chunk.column() + column, 1).data(), states.col(before).data(), states.col(now).data());
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const {
    const auto states = work.states.view();
    return {states.data() + state_size() * work.batch, features_, 1, states.cols() - work.batch, state_size()};
  }
  void prepare_backward(const Pass& pass, Workspace& work) const {
    work.d_states.resize(state_size(), work.batch + most_columns(true, pass.layout));
  }
  void backward_steps(const Chunk& chunk, SeriesView<const Scalar> x, SeriesView<const Scalar> dy, Workspace& work,
                      Pool&, SeriesView<Scalar> dx) const {
    const auto states = std::as_const(work.states).view();
    auto d_states = work.d_states.view();
    const Index begin = chunk.layout.record(chunk.first);
    for_own_steps<true>(chunk, [&](Index before, Index now, Index column) {
      Scalar* const d = d_states.col(now - begin).data();
      if (!dy.empty()) Eigen::Map<VectorOf<Scalar>>(d, features_) += dy.columns(column, 1).col(0);
      step_backward(x.columns(chunk.column() + column, 1).data(), states.col(before).data(), d,
                    d_states.col(before - begin).data(), dx.empty() ? nullptr : dx.columns(column, 1).data());
    });
    chunk.barrier();
  }
  ///@}

  // ---- One step of one sequence, for Stream: returns where y_t begins, in the memory ----

  /// For Stream: y_t and t, and a step.
  ///@{
  auto memory() const { return VectorOf<Scalar>(VectorOf<Scalar>::Zero(state_size())); }
  static void clear(VectorOf<Scalar>& state) { state.setZero(); }
  auto& state_in(const char* where, auto& state) const {
    require(state.size() == state_size(), where, ": the network has other shapes than when the stream was made");
    return state;
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, VectorOf<Scalar>& state) const noexcept {
    require(state.size() == state_size() && x.rows() == inputs(),
            "step: the network has other shapes than when the stream was made");
    step_forward(x.data(), state.data(), state.data());
    return state.data();
  }
  ///@}

 private:
  /// f(column of the state before, of the state, of the chunk) for this member's columns, step after step.
  template <bool backwards = false>
  static void for_own_steps(const Chunk& chunk, auto&& f) {
    const BatchLayout& layout = chunk.layout;
    for (Index k = 0; k < chunk.end - chunk.first; ++k) {
      const Index t = backwards ? chunk.end - 1 - k : chunk.first + k;
      const auto own = chunk.own(t);
      for (Index n = own.first; n < own.first + own.count; ++n)
        f(layout.record(t) + n, layout.record(t + 1) + n, layout.column(t) - chunk.column() + n);
    }
  }
  /// Whether feature i of y_t is that of the step before.
  bool keeps(Index i, bool first, Scalar x, Scalar before) const {
    if (first) return false;
    if (how_ == Pooling::ends) return i >= features_ / 2;
    return before >= x || detail::is_nan(before);
  }
  void step_forward(const Scalar* x, const Scalar* before, Scalar* now) const {
    const Scalar steps = std::max(before[features_], Scalar(0));
    for (Index i = 0; i < features_; ++i) {
      if (how_ == Pooling::mean) {
        now[i] = before[i] * (steps / (steps + 1)) + x[i] / (steps + 1);
      } else {
        now[i] = keeps(i, steps == 0, x[i], before[i]) ? before[i] : x[i];
      }
    }
    now[features_] = steps + 1;
  }
  /// d: dL/d(state), d_before += that of the step before, dx += dL/dx where it is asked for.
  void step_backward(const Scalar* x, const Scalar* before, const Scalar* d, Scalar* d_before, Scalar* dx) const {
    const Scalar steps = std::max(before[features_], Scalar(0));
    Scalar d_steps = d[features_];
    for (Index i = 0; i < features_; ++i) {
      if (how_ == Pooling::mean) {
        d_before[i] += d[i] * (steps / (steps + 1));
        if (dx) dx[i] += d[i] / (steps + 1);
        d_steps += d[i] * (before[i] - x[i]) / ((steps + 1) * (steps + 1));
      } else if (keeps(i, steps == 0, x[i], before[i])) {
        d_before[i] += d[i];
      } else if (dx) {
        dx[i] += d[i];
      }
    }
    if (before[features_] > 0) d_before[features_] += d_steps;
  }

  Index features_;
  Pooling how_;
};

}  // namespace recur::inline RECUR_ISA
