#pragma once
/// \file
/// Two layers, of which one reads a series from its end (M. Schuster, K. Paliwal, 1997).

#include "../describe.hpp"
#include "../layer.hpp"

namespace recur::inline RECUR_ISA {

/// y_t = (ahead's y_t, back's y_t), where back reads x_T .. x_1, as PyTorch's bidirectional layers: for a sequence that
/// has a length it starts there.
///
///     recur::Bidirectional<recur::Lstm<float>> layer(inputs, hidden);                      // 2 hidden outputs
///     recur::Stack<recur::Bidirectional<recur::Lstm<float>>> stack(inputs, hidden, 2);
///
/// The state is that of ahead, then that of back. It wants to know the whole series: there is no Stream of it, and no
/// truncated BPTT.
template <class Layer_>
class Bidirectional : public LayerOf<Bidirectional<Layer_>> {
 public:
  using Layer = Layer_;
  using Scalar = typename Layer::Scalar;
  using State = std::tuple<typename Layer::State, typename Layer::State>;
  using Trace = recur::Trace<Bidirectional>;
  static constexpr int inputs_at_compile_time = Layer::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = times(2, Layer::outputs_at_compile_time);
  static constexpr bool causal = false, takes_tokens = Layer::takes_tokens;

  /// What forward leaves for bptt: what both keep, and what back reads and gives in the order of its time.
  class Records {
   public:
    const typename Layer::Records& ahead() const { return ahead_; }
    const typename Layer::Records& back() const { return back_; }
    Index bytes() const { return detail::bytes_of(*this); }
    void for_each_buffer(auto&& f) const {
      ahead_.for_each_buffer(f), back_.for_each_buffer(f);
      f(x_), f(dx_), f(dy_), f(tokens_), f(y_);
    }

   private:
    friend Bidirectional;
    typename Layer::Records ahead_, back_;
    Series<Scalar> x_, dx_, dy_;  // of back
    Tokens tokens_;
    Series<Scalar> y_;  // of both
  };

  Layer ahead, back;

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

  Index inputs() const { return ahead.inputs(); }
  Index outputs() const { return 2 * ahead.outputs(); }
  /// "Bidirectional(LSTM ..., LSTM ...)": see describe.hpp.
  std::string description() const { return detail::describe_layers("Bidirectional", std::tie(ahead, back)); }

  static void visit(auto&& f, const Name& name, auto&... layers) {
    Layer::visit(f, Name(name, "ahead"), layers.ahead...);
    Layer::visit(f, Name(name, "back"), layers.back...);
  }
  static void visit_layers(auto& layer, auto&& f) {
    f(layer.ahead);
    f(layer.back);
  }

  /// The same layer with its parameters in another type.
  template <class Other>
  auto cast() const {
    return recur::Bidirectional<decltype(ahead.template cast<Other>())>(ahead.template cast<Other>(),
                                                                        back.template cast<Other>());
  }

  struct Memory {};  ///< for Stream, which does not take it

  struct Plan {
    typename Layer::Plan ahead, back;
  };

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State& state, Index batch) const {
    detail::LayerAccess::set_zero(ahead, std::get<0>(state), batch);
    detail::LayerAccess::set_zero(back, std::get<1>(state), batch);
  }
  void require_forward(Index features, Index batch, const State& initial) const {
    detail::LayerAccess::require_forward(ahead, features, batch, std::get<0>(initial));
    detail::LayerAccess::require_forward(back, features, batch, std::get<1>(initial));
  }
  void require_backward(const Records& records, const Steps& steps, const State& d_final) const {
    detail::LayerAccess::require_backward(ahead, records.ahead_, steps, std::get<0>(d_final));
    detail::LayerAccess::require_backward(back, records.back_, steps, std::get<1>(d_final));
  }

  Plan begin_forward(const Steps& steps, detail::Dropping& dropping, Records& records, const State& initial) const {
    records.y_.resize(outputs(), 1, steps.columns());
    return {detail::LayerAccess::begin_forward(ahead, steps, dropping, records.ahead_, std::get<0>(initial)),
            detail::LayerAccess::begin_forward(back, steps, dropping, records.back_, std::get<1>(initial))};
  }
  void forward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& records) const {
    detail::forward_chunks(ahead, plan.ahead, chunk, x, records.ahead_);
    detail::forward_chunks(back, plan.back, chunk, reversed(chunk, x, records), records.back_);
    const auto y_ahead = detail::LayerAccess::output_columns(ahead, records.ahead_).matrix();
    const auto y_back = detail::LayerAccess::output_columns(back, records.back_).matrix();
    auto y = records.y_.matrix();
    for_own_columns(chunk, [&](Index column, Index mirrored) {
      y.col(column).head(ahead.outputs()) = y_ahead.col(column);
      y.col(column).tail(back.outputs()) = y_back.col(mirrored);
    });
  }
  SeriesView<const Scalar> output_columns(const Records& records) const { return records.y_; }
  void final_state_of(const Records& records, const Steps& steps, State& state) const {
    detail::LayerAccess::final_state_of(ahead, records.ahead_, steps, std::get<0>(state));
    detail::LayerAccess::final_state_of(back, records.back_, steps, std::get<1>(state));
  }

  Plan begin_backward(const Steps& steps, Records& records, bool want_dx) const {
    records.dy_.resize(back.outputs(), 1, steps.columns());
    if (want_dx) records.dx_.resize(inputs(), 1, steps.columns());
    return {detail::LayerAccess::begin_backward(ahead, steps, records.ahead_, want_dx),
            detail::LayerAccess::begin_backward(back, steps, records.back_, want_dx)};
  }
  void backward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& records,
                      SeriesView<const Scalar> dy, const State& d_final, Bidirectional& gradient,
                      SeriesView<Scalar> dx) const {
    SeriesView<const Scalar> dy_ahead, dy_back;
    if (!dy.empty()) {
      auto mirror = records.dy_.matrix();
      for_own_columns(chunk, [&](Index column, Index mirrored) {
        mirror.col(mirrored) = dy.matrix().col(column).tail(back.outputs());
      });
      dy_ahead = {dy.data(), ahead.outputs(), 1, dy.columns(), dy.stride()};
      dy_back = records.dy_;
    }
    const auto dx_back = dx.empty() ? dx : SeriesView<Scalar>(records.dx_);
    detail::backward_chunks(ahead, plan.ahead, chunk, x, records.ahead_, dy_ahead, std::get<0>(d_final), gradient.ahead,
                            dx, false);
    detail::backward_chunks(back, plan.back, chunk, reversed(chunk, x, records), records.back_, dy_back,
                            std::get<1>(d_final), gradient.back, dx_back, true);
    if (dx.empty()) return;
    for_own_columns(chunk,
                    [&](Index column, Index mirrored) { dx.matrix().col(column) += dx_back.matrix().col(mirrored); });
  }
  void begin_d_initial(const Steps& steps, const State& d_final, State& d_initial) const {
    detail::LayerAccess::begin_d_initial(ahead, steps, std::get<0>(d_final), std::get<0>(d_initial));
    detail::LayerAccess::begin_d_initial(back, steps, std::get<1>(d_final), std::get<1>(d_initial));
  }
  void add_d_initial(const Records& records, const Steps& steps, State& d_initial) const {
    detail::LayerAccess::add_d_initial(ahead, records.ahead_, steps, std::get<0>(d_initial));
    detail::LayerAccess::add_d_initial(back, records.back_, steps, std::get<1>(d_initial));
  }
  void end_backward(Records& records, Bidirectional& gradient) const {
    detail::LayerAccess::end_backward(ahead, records.ahead_, gradient.ahead);
    detail::LayerAccess::end_backward(back, records.back_, gradient.back);
  }

  /// f(column, where it is when its sequence runs from its end to its beginning) for this member's columns.
  static void for_own_columns(const detail::Chunk& chunk, auto&& f) {
    const Steps& steps = chunk.steps;
    for (Index t = 0; t < steps.steps(); ++t) {
      const auto own = chunk.own(t);
      for (Index k = own.first; k < own.first + own.count; ++k)
        f(steps.column(t) + k, steps.column(steps.length(k) - 1 - t) + k);
    }
  }

  /// x as back reads it: each member moves its own sequences, once there is room.
  static SeriesView<const Scalar> reversed(const detail::Chunk& chunk, SeriesView<const Scalar> x, Records& records) {
    if (chunk.team.member == 0) records.x_.resize(x.features(), 1, x.columns());
    chunk.team.barrier();
    auto mirror = records.x_.matrix();
    for_own_columns(chunk, [&](Index column, Index mirrored) { mirror.col(mirrored) = x.matrix().col(column); });
    return records.x_;
  }
  static TokensView reversed(const detail::Chunk& chunk, const TokensView& x, Records& records) {
    if (chunk.team.member == 0) records.tokens_.resize(1, x.steps());
    chunk.team.barrier();
    for_own_columns(chunk, [&](Index column, Index mirrored) { records.tokens_(0, mirrored) = x.data()[column]; });
    return records.tokens_;
  }
};

}  // namespace recur::inline RECUR_ISA
