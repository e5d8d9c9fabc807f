#pragma once
/// \file
/// What layers have in common whose y_t depends on x_t alone: the way of a series' columns through them.

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// A layer without a state, y_t from x_t alone: class Self : public LayerWithoutState<Self, Scalar>. Besides Scalar,
/// sizes and parameters, as any Layer has them, it has four functions of some columns of x, y, dL/dy and dL/dx, and one
/// of a single column. A whole one:
///
///     struct Square : recur::LayerWithoutState<Square, double> {                                  // y_t = scale x_t^2
///       using Scalar = double;
///       recur::VectorOf<double> scale;
///       recur::Index inputs() const { return scale.size(); }
///       recur::Index outputs() const { return scale.size(); }
///       static void visit(auto&& f, const recur::Name& name, auto&... layers) {
///         f(recur::Name(name, "scale"), layers.scale...);
///       }
///
///       void forward_columns(const auto& x, auto& y, Workspace&, recur::Index) const {
///         y = scale.asDiagonal() * x.cwiseAbs2();
///       }
///       void add_dx(const auto& x, const auto& dy, auto& dx, const Workspace&, recur::Index) const {
///         dx += 2 * (scale.asDiagonal() * x.cwiseProduct(dy));
///       }
///       void add_gradient(const auto& x, const auto& dy, Square& d, const Workspace&, recur::Index,
///                         auto share) const {
///         d.scale.segment(share.first, share.count) +=
///             x.middleRows(share.first, share.count).cwiseAbs2().cwiseProduct(dy).rowwise().sum();
///       }
///       void step_column(const auto& x, auto& y) const { y = scale.asDiagonal() * x.cwiseAbs2(); }
///     };
///
/// The Index is where these columns begin in the workspace's y. Threads share the columns of forward_columns and
/// add_dx; of add_gradient they share the rows of y, of which dy has `share` alone. Without parameters that is
/// `void add_gradient(const auto&...) const {}`. A layer that keeps more than y has a Workspace derived from this one,
/// and a prepare_forward that sizes it. Where takes_tokens is true, x may be a pointer to the columns' tokens, and for
/// step_column a Token. In step_column x is never where y is.
template <class Self, class Scalar>
class LayerWithoutState : public LayerOf<Self> {
 public:
  /// y_1 .. y_T as columns.
  struct Workspace {
    Series<Scalar> y;  ///< O x columns
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { f(y); }
  };

  // ---- What Layer asks for ----

  /// Throws std::invalid_argument where the workspace has other shapes than this layer's.
  void require_workspace(const char* where, const Workspace& work) const {
    require_equal(where, "the trace's outputs", work.y.features(), "outputs()", self().outputs());
  }
  /// Sizes y.
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(self().outputs(), 1, pass.layout.columns());
  }
  /// y of a chunk, by forward_columns.
  void forward_steps(const Chunk& chunk, const auto& x, auto& work) const {
    chunk.for_own_columns([&](Index column, Index columns) {
      column += chunk.column();
      auto y = SeriesView<Scalar>(work.y).columns(column, columns);
      self().forward_columns(x.columns(column, columns), y, work, column);
    });
  }
  /// y of all steps.
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }
  /// dL/dx and the gradient of a chunk, by add_dx and add_gradient.
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
  /// For Stream: y_t.
  auto memory() const {
    using Vector = VectorOf<Scalar, Self::outputs_at_compile_time>;
    return Vector(Vector::Zero(self().outputs()));
  }
  /// For Stream: a step, by step_column. Returns where y_t begins, in the memory.
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& y) const noexcept {
    self().require_shapes("step");
    bool same = y.size() == self().outputs();
    if constexpr (requires { x.rows(); }) {
      same = same && x.rows() == self().inputs();
      require(!detail::overlap_of_vectors(x, y), "step: x must not be what the step before gave, which is overwritten");
    }
    require(same, "step: the network has other shapes than when the stream was made");
    self().step_column(x, y);
    return y.data();
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace recur::inline RECUR_ISA
