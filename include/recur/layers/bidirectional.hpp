#pragma once
/// \file
/// Two layers, one for each time direction (M. Schuster, K. Paliwal, 1997).

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// y_t = (ahead's y_t, back's y_t), where back reads x_T .. x_1, as PyTorch's bidirectional layers: for a sequence that
/// has a length it starts there.
///
///     recur::Bidirectional<recur::Lstm<float>> layer(inputs, hidden);                      // 2 hidden outputs
///     recur::Stack<recur::Bidirectional<recur::Lstm<float>>> stack(inputs, hidden, 2);
///
/// The state is that of ahead, then that of back. It needs the whole series: there is no Stream of it, and no truncated
/// BPTT.
template <class Layer_>
class Bidirectional : public LayerOf<Bidirectional<Layer_>, Layer_, Layer_> {
 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  using Layer = Layer_;
  using Scalar = typename Layer::Scalar;
  static constexpr int inputs_at_compile_time = Layer::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = times(2, Layer::outputs_at_compile_time);
  static constexpr bool causal = false;
  ///@}

  /// reads x_1 .. x_T
  Layer ahead, back;  ///< reads x_T .. x_1

  /// Sizes as the template arguments give them.
  Bidirectional()
    requires(std::is_default_constructible_v<Layer>)
  = default;
  /// Layer(inputs, hidden), twice.
  Bidirectional(Index inputs, Index hidden) : ahead(inputs, hidden), back(inputs, hidden) {}
  /// Throws std::invalid_argument unless both have the same sizes.
  Bidirectional(Layer ahead_, Layer back_) : ahead(std::move(ahead_)), back(std::move(back_)) {
    require(ahead.inputs() == back.inputs() && ahead.outputs() == back.outputs(), "Bidirectional: back must have ",
            ahead.inputs(), " inputs and ", ahead.outputs(), " outputs (as ahead), got ", back.inputs(), " and ",
            back.outputs());
  }

  /// Sizes, children, name and parameters: see Layer.
  ///@{
  Index inputs() const { return ahead.inputs(); }
  Index outputs() const { return 2 * ahead.outputs(); }
  static auto children(auto& layer) { return std::tie(layer.ahead, layer.back); }
  static constexpr const char* name = "Bidirectional";
  static void visit(auto&& f, const Name& whole, auto&... layers) {
    Layer::visit(f, Name(whole, "ahead"), layers.ahead...);
    Layer::visit(f, Name(whole, "back"), layers.back...);
  }
  ///@}
  /// The same layer with its parameters in another type.
  template <class Other>
  auto cast() const {
    return recur::Bidirectional<decltype(ahead.template cast<Other>())>(ahead.template cast<Other>(),
                                                                        back.template cast<Other>());
  }

  // ---- A layer: see Layer ----

  /// The halves' workspaces, what back reads and writes in the order of its time, and y.
  struct Workspace : WorkspaceOf<Layer, Layer> {
    /// Of back, in the order of its time.
    ///@{
    Series<Scalar> x, dx, dy;
    ///@}
    Tokens tokens;     ///< of back, in the order of its time, where x are tokens
    Series<Scalar> y;  ///< of both
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const {
      WorkspaceOf<Layer, Layer>::for_each_buffer(f);
      f(x), f(dx), f(dy), f(tokens), f(y);
    }
  };

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    ahead.require_shapes(where);
    back.require_shapes(where);
    require_equal(where, "back.inputs()", back.inputs(), "ahead.inputs()", ahead.inputs());
    require_equal(where, "back.outputs()", back.outputs(), "ahead.outputs()", ahead.outputs());
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(outputs(), 1, pass.layout.columns());
    prepare_reversed(pass, work);
    ahead.prepare_forward(pass, work.template of<0>());
    back.prepare_forward(pass, work.template of<1>());
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    run_forward(ahead, chunk, x, work.template of<0>());
    run_forward(back, chunk, reversed(chunk, x, work), work.template of<1>());
    const auto y_ahead = ahead.output_columns(work.template of<0>()).matrix();
    const auto y_back = back.output_columns(work.template of<1>()).matrix();
    auto y = work.y.matrix();
    for_own_columns(chunk, [&](Index column, Index mirrored) {
      y.col(column).head(ahead.outputs()) = y_ahead.col(column);
      y.col(column).tail(back.outputs()) = y_back.col(mirrored);
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }

  void prepare_backward(const Pass& pass, Workspace& work) const {
    prepare_reversed(pass, work);  // bptt may be given x in its other form: one-hot vectors for tokens
    work.dy.resize(back.outputs(), 1, pass.layout.columns());
    if (pass.wants_dx) work.dx.resize(inputs(), 1, pass.layout.columns());
    ahead.prepare_backward(pass, work.template of<0>());
    back.prepare_backward(pass, work.template of<1>());
  }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      Bidirectional& gradient, SeriesView<Scalar> dx) const {
    SeriesView<const Scalar> dy_ahead, dy_back;
    if (!dy.empty()) {
      auto mirror = work.dy.matrix();
      for_own_columns(chunk, [&](Index column, Index mirrored) {
        mirror.col(mirrored) = dy.matrix().col(column).tail(back.outputs());
      });
      dy_ahead = {dy.data(), ahead.outputs(), 1, dy.columns(), dy.stride()};
      dy_back = work.dy;
    }
    const auto dx_back = dx.empty() ? dx : SeriesView<Scalar>(work.dx);
    chunk.set_zero(dx_back);
    run_backward(ahead, chunk, x, dy_ahead, work.template of<0>(), gradient.ahead, dx);
    run_backward(back, chunk, reversed(chunk, x, work), dy_back, work.template of<1>(), gradient.back, dx_back);
    if (dx.empty()) return;
    for_own_columns(chunk,
                    [&](Index column, Index mirrored) { dx.matrix().col(column) += dx_back.matrix().col(mirrored); });
  }
  ///@}

 private:
  void prepare_reversed(const Pass& pass, Workspace& work) const {
    if (pass.of_tokens) {
      work.tokens.resize(1, pass.layout.columns());
    } else {
      work.x.resize(inputs(), 1, pass.layout.columns());
    }
  }
  /// f(column, where it is when its sequence runs from its end to its beginning) for this member's columns.
  static void for_own_columns(const Chunk& chunk, auto&& f) {
    const BatchLayout& layout = chunk.layout;
    for (Index t = 0; t < layout.steps(); ++t) {
      const auto own = chunk.own(t);
      for (Index k = own.first; k < own.first + own.count; ++k)
        f(layout.column(t) + k, layout.column(layout.length(k) - 1 - t) + k);
    }
  }
  /// x as back reads it: each member moves its own sequences.
  static SeriesView<const Scalar> reversed(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) {
    auto mirror = work.x.matrix();
    for_own_columns(chunk, [&](Index column, Index mirrored) { mirror.col(mirrored) = x.matrix().col(column); });
    return work.x;
  }
  static TokensView reversed(const Chunk& chunk, const TokensView& x, Workspace& work) {
    for_own_columns(chunk, [&](Index column, Index mirrored) { work.tokens(0, mirrored) = x.data()[column]; });
    return work.tokens;
  }
};

}  // namespace recur::inline RECUR_ISA
