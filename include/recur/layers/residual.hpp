#pragma once
/// \file
/// A layer and a way around it (K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016).

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// y_t = x_t + inner's y_t, around any layer with as many outputs as inputs:
///
///     recur::Residual layer(recur::Lstm<float>(32, 32));
template <class Inner>
class Residual : public LayerOf<Residual<Inner>, Inner> {
  static constexpr int Features = Inner::inputs_at_compile_time;
  static_assert(Features == Dynamic || Inner::outputs_at_compile_time == Dynamic ||
                    Features == Inner::outputs_at_compile_time,
                "Residual: the layer must have as many outputs as inputs");

 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  using Scalar = typename Inner::Scalar;
  using Workspace = WorkspaceWithOutput<Scalar, Inner>;
  static constexpr int inputs_at_compile_time = Features, outputs_at_compile_time = Features;
  static constexpr bool takes_tokens = false;
  static constexpr const char* name = "Residual";
  ///@}
  /// The layer that is gone around.
  Inner inner;

  /// Sizes as the template arguments give them.
  Residual()
    requires(std::is_default_constructible_v<Inner>)
  = default;
  /// Throws std::invalid_argument unless the layer has as many outputs as inputs.
  explicit Residual(Inner inner_) : inner(std::move(inner_)) { require_as_many(""); }

  /// f("inner....", parameters ...).
  static void visit(auto&& f, const Name& whole, auto&... layers) {
    Inner::visit(f, Name(whole, "inner"), layers.inner...);
  }
  /// The same layer with its parameters in another type.
  template <class Other>
  auto cast() const {
    return recur::Residual<decltype(inner.template cast<Other>())>(inner.template cast<Other>());
  }

  /// What Layer asks for.
  ///@{
  static auto children(auto& layer) { return std::tie(layer.inner); }
  void require_shapes(const char* where) const {
    inner.require_shapes(where);
    require_as_many(where);
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    inner.prepare_forward(pass, work.template of<0>());
    work.y.resize(inner.outputs(), 1, pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) const {
    run_forward(inner, chunk, x, work.template of<0>());
    const auto x_chunk = chunk.of(x);
    const auto of_inner = chunk.of(SeriesView<const Scalar>(inner.output_columns(work.template of<0>())));
    const auto y = chunk.of(SeriesView<Scalar>(work.y));
    chunk.for_own_columns([&](Index j, Index n) { y.columns(j, n) = x_chunk.columns(j, n) + of_inner.columns(j, n); });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }
  void backward_steps(const Chunk& chunk, SeriesView<const Scalar> x, SeriesView<const Scalar> dy, Workspace& work,
                      Residual& gradient, SeriesView<Scalar> dx) const {
    if (!dy.empty() && !dx.empty())
      chunk.for_own_columns([&](Index j, Index n) { dx.columns(j, n) += dy.columns(j, n); });
    run_backward(inner, chunk, x, dy, work.template of<0>(), gradient.inner, dx);
  }
  auto memory() const {
    return std::tuple(inner.memory(), VectorOf<Scalar, Features>(VectorOf<Scalar, Features>::Zero(inner.outputs())));
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& y = std::get<1>(memory);
    const Scalar* const of_inner = inner.step(x, std::get<0>(memory));
    require(y.size() == inner.outputs() && x.rows() == y.size(),
            "step: the network has other shapes than when the stream was made");
    require(x.data() != y.data(), "step: x must not be what the step before gave, which is overwritten");
    y = Eigen::Map<const VectorOf<Scalar, Features>>(of_inner, y.size()) + x;
    return y.data();
  }
  ///@}

 private:
  void require_as_many(const std::string& where) const {
    require(inner.inputs() == inner.outputs(), where.empty() ? "Residual" : where,
            ": the layer must have as many outputs as inputs (", inner.inputs(), "), got ", inner.outputs());
  }
};

}  // namespace recur::inline RECUR_ISA
