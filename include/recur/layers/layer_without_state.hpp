#pragma once
/// \file
/// What layers have in common whose y_t depends on x_t alone: the way of a series' columns through them.

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// A layer without a state: class Self : public LayerWithoutState<Self, Scalar>, with Scalar, sizes and parameters as
/// any Layer, and with four functions of columns, which x has many of. A whole one, without parameters:
///
///     struct Square : recur::LayerWithoutState<Square, float> {                                 // y_t = x_t^2
///       using Scalar = float;
///       Index inputs() const { return 8; }
///       Index outputs() const { return 8; }
///       void forward_columns(const auto& x, auto& y, Workspace&, Index) const { y = x.cwiseAbs2(); }
///       void add_dx(const auto& x, const auto& dy, auto& dx, const Workspace&, Index) const {
///         dx += 2 * x.cwiseProduct(dy);
///       }
///       void step_column(const auto& x, auto& y) const { y = x.cwiseAbs2(); }
///     };
///
/// x, y, dy and dx are matrices of some steps of some sequences, which begin with that column of the workspace's y. One
/// with parameters has also
///
///     void add_gradient(const auto& x, const auto& dy, Self& gradient, const Workspace&, Index column, share) const
///
/// which adds to rows share.first .. share.first + share.count - 1 of the gradient; dy has these rows alone, the
/// outputs'. A layer that keeps more than y has a Workspace derived from this one, and a prepare_forward that sizes it.
/// Where takes_tokens is true, x may be a pointer to the columns' tokens, and of step_column a Token.
template <class Self, class Scalar>
class LayerWithoutState : public LayerOf<Self> {
 public:
  /// y_1 .. y_T as columns.
  struct Workspace {
    Series<Scalar> y;  ///< O x columns
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { f(y); }
  };

  /// Of a layer without parameters.
  void add_gradient(const auto&...) const {}

  // ---- What Layer asks for ----

  /// Throws std::invalid_argument where the workspace has other shapes than this layer's.
  void require_workspace(const char* where, const Workspace& work) const {
    require_equal(where, "the trace's outputs", work.y.features(), "outputs()", self().outputs());
  }
  /// What Layer asks for.
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(self().outputs(), 1, pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, const auto& x, auto& work) const {
    chunk.for_own_columns([&](Index column, Index columns) {
      column += chunk.column();
      auto y = SeriesView<Scalar>(work.y).columns(column, columns);
      self().forward_columns(x.columns(column, columns), y, work, column);
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, auto& work, Self& gradient,
                      SeriesView<Scalar> dx) const {
    if (dy.empty()) return;
    if (!dx.empty()) {
      chunk.for_own_columns([&](Index column, Index columns) {
        auto dx_own = dx.columns(column, columns);
        const Index of_all = chunk.column() + column;
        self().add_dx(x.columns(of_all, columns), dy.columns(column, columns), dx_own, std::as_const(work), of_all);
      });
    }
    chunk.barrier();
    const auto share = chunk.share_of_rows(self().outputs());
    self().add_gradient(x.columns(chunk.column(), chunk.columns()), detail::some_rows(dy.matrix(), share), gradient,
                        std::as_const(work), chunk.column(), share);
    chunk.barrier();
  }
  ///@}
  /// For Stream: y_t, and a step, which returns where y_t begins, in the memory.
  ///@{
  auto memory() const {
    using Vector = VectorOf<Scalar, Self::outputs_at_compile_time>;
    return Vector(Vector::Zero(self().outputs()));
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& y) const noexcept {
    self().require_shapes("step");
    bool same = y.size() == self().outputs();
    if constexpr (requires { x.rows(); }) {
      same = same && x.rows() == self().inputs();
      require(x.data() != y.data(), "step: x must not be what the step before gave, which is overwritten");
    }
    require(same, "step: the network has other shapes than when the stream was made");
    self().step_column(x, y);
    return y.data();
  }
  ///@}

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace recur::inline RECUR_ISA
