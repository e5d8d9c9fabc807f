#pragma once
/// \file
/// Residual connections (K. He et al., 2016).

#include "layer_of.hpp"

#include <algorithm>

namespace recur::inline RECUR_ISA {

/// y_t = x_t + inner's y_t, around any layer with as many outputs as inputs (K. He, X. Zhang, S. Ren, J. Sun, "Deep
/// residual learning for image recognition", 2016). Gradients go past the layer as they are: many in a row still learn.
///
///     recur::Residual layer(recur::Lstm<float>(8, 8));
///     recur::Stack<recur::Residual<recur::Lstm<float>>> stack(8, 8, 6);
///
/// x, y_t and inner's y_t: F x N. The state is inner's. x is a series, never tokens: there is nothing to add to.
template <class Inner>
class Residual : public LayerOf<Residual<Inner>, Inner> {
 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  using Scalar = typename Inner::Scalar;
  static constexpr int inputs_at_compile_time =
      std::max(Inner::inputs_at_compile_time, Inner::outputs_at_compile_time);  // Dynamic is the least of all
  static constexpr int outputs_at_compile_time = inputs_at_compile_time;
  static constexpr bool takes_tokens = false;
  ///@}
  static_assert(Inner::inputs_at_compile_time == Dynamic || Inner::outputs_at_compile_time == Dynamic ||
                    Inner::inputs_at_compile_time == Inner::outputs_at_compile_time,
                "Residual: the layer must have as many outputs as inputs");

  Inner inner;  ///< what x goes past

  /// Sizes as the template arguments give them. Throws std::invalid_argument as the others do.
  Residual()
    requires(std::is_default_constructible_v<Inner>)
  {
    require_same_sizes("Residual");
  }
  /// Inner(inputs, hidden). Throws std::invalid_argument as Inner does, and unless that has as many outputs as inputs.
  Residual(Index inputs, Index hidden)
    requires(std::is_constructible_v<Inner, Index, Index>)
      : Residual(Inner(inputs, hidden)) {}
  /// Throws std::invalid_argument unless it has as many outputs as inputs.
  explicit Residual(Inner inner_) : inner(std::move(inner_)) { require_same_sizes("Residual"); }

  /// Children, name and parameters: see Layer.
  ///@{
  static auto children(auto& layer) { return std::tie(layer.inner); }
  static constexpr const char* name = "Residual";
  static void visit(auto&& f, const Name& whole, auto&... layers) {
    Inner::visit(f, Name(whole, "inner"), layers.inner...);
  }
  ///@}
  /// The same layer with its parameters in another type.
  template <class Other>
  auto cast() const {
    return recur::Residual<decltype(inner.template cast<Other>())>(inner.template cast<Other>());
  }

  // ---- A layer: see Layer ----

  /// y_1 .. y_T as columns, and inner's workspace.
  using Workspace = WorkspaceWithOutput<Scalar, Inner>;

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    inner.require_shapes(where);
    require_same_sizes(where);
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(this->outputs(), 1, pass.layout.columns());
    inner.prepare_forward(pass, work.template of<0>());
  }
  void forward_steps(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) const {
    run_forward(inner, chunk, x, work.template of<0>());
    const auto x_chunk = chunk.of(x);
    const auto of_inner = chunk.of(SeriesView<const Scalar>(inner.output_columns(work.template of<0>())));
    const auto y = chunk.of(SeriesView<Scalar>(work.y));
    chunk.for_own_columns([&](Index column, Index columns) {
      y.columns(column, columns) = x_chunk.columns(column, columns) + of_inner.columns(column, columns);
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }

  /// dL/dx_t += dL/dy_t, then inner's part, which waits for the other threads once it has read dL/dy
  void backward_steps(const Chunk& chunk, SeriesView<const Scalar> x, SeriesView<const Scalar> dy, Workspace& work,
                      Residual& gradient, SeriesView<Scalar> dx) const {
    if (!dy.empty() && !dx.empty()) {
      chunk.for_own_columns(
          [&](Index column, Index columns) { dx.columns(column, columns) += dy.columns(column, columns); });
    }
    run_backward(inner, chunk, x, dy, work.template of<0>(), gradient.inner, dx);
  }
  ///@}

  // ---- One step of one sequence, for Stream: returns where y_t begins, in the memory ----

  /// For Stream: inner's memory and y_t, and a step.
  ///@{
  auto memory() const { return std::tuple(inner.memory(), Output(Output::Zero(this->outputs()))); }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& y = std::get<1>(memory);
    const Scalar* const of_inner = inner.step(x, std::get<0>(memory));
    require(y.size() == x.rows() && y.size() == inner.outputs(),
            "step: the network has other shapes than when the stream was made");
    y = x + Eigen::Map<const Output>(of_inner, y.size());
    return y.data();
  }
  ///@}

 private:
  using Output = VectorOf<Scalar, outputs_at_compile_time>;

  void require_same_sizes(const char* where) const {
    require(inner.inputs() == inner.outputs(), where, ": the layer must have as many outputs as inputs (",
            inner.inputs(), "), got ", inner.outputs());
  }
};

}  // namespace recur::inline RECUR_ISA
