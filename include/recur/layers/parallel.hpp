#pragma once
/// \file
/// Layers side by side, which all read the same.

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {

/// What Parallel and Sum have in common: the outputs are stacked, or added.
template <class Self, bool stacked, class... Layers>
class SideBySide : public LayerOf<Self, Layers...> {
  static_assert(sizeof...(Layers) > 0, "layers side by side: at least one is needed");
  static_assert(
      (std::is_same_v<typename Layers::Scalar, typename std::tuple_element_t<0, std::tuple<Layers...>>::Scalar> && ...),
      "layers side by side: all must have the same scalar type");

 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  template <std::size_t I>
  using Layer = std::tuple_element_t<I, std::tuple<Layers...>>;
  using Scalar = typename Layer<0>::Scalar;
  using Workspace = WorkspaceWithOutput<Scalar, Layers...>;
  static constexpr bool takes_tokens = (Layers::takes_tokens && ...);
  static constexpr int inputs_at_compile_time = Layer<0>::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = !stacked ? Layer<0>::outputs_at_compile_time
                                                 : ((Layers::outputs_at_compile_time == Dynamic) || ...)
                                                     ? Dynamic
                                                     : (Layers::outputs_at_compile_time + ...);
  ///@}

  /// The layers, in their order.
  std::tuple<Layers...> layers;

  SideBySide() { require_alike(Self::name); }
  explicit SideBySide(Layers... layers_) : layers(std::move(layers_)...) { require_alike(Self::name); }

  /// One layer: `net.layer<0>()`.
  template <std::size_t I>
  auto& layer() {
    return std::get<I>(layers);
  }
  /// The same, to be read.
  template <std::size_t I>
  const auto& layer() const {
    return std::get<I>(layers);
  }
  /// The sum of the layers' outputs where they are stacked, else those of each.
  Index outputs() const {
    if constexpr (!stacked) return layer<0>().outputs();
    return std::apply([](const auto&... each) { return (each.outputs() + ...); }, layers);
  }

  /// What Layer asks for.
  ///@{
  static auto& children(auto& net) { return net.layers; }
  void require_shapes(const char* where) const {
    this->for_each_child([&](auto, const auto& each) { each.require_shapes(where); });
    require_alike(where);
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(outputs(), 1, pass.layout.columns());
    this->for_each_child([&](auto, const auto& each, auto& its) { each.prepare_forward(pass, its); }, work);
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    const auto y = chunk.of(SeriesView<Scalar>(work.y));
    Index row = 0;
    this->for_each_child(
        [&](auto i, const auto& each, auto& its) {
          run_forward(each, chunk, x, its);
          const auto from = chunk.of(SeriesView<const Scalar>(each.output_columns(its)));
          chunk.for_own_columns([&](Index column, Index columns) {
            auto to = y.columns(column, columns).middleRows(row, each.outputs());
            if constexpr (stacked || i == 0) {
              to = from.columns(column, columns);
            } else {
              to += from.columns(column, columns);
            }
          });
          if (stacked) row += each.outputs();
        },
        work);
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work, Self& gradient,
                      SeriesView<Scalar> dx) const {
    Index row = 0;
    this->for_each_child(
        [&](auto, const auto& each, auto& its, auto& d) {
          SeriesView<const Scalar> its_dy;
          if (!dy.empty()) its_dy = {dy.data() + row, each.outputs(), 1, dy.columns(), dy.stride()};
          run_backward(each, chunk, x, its_dy, its, d, dx);
          if (stacked) row += each.outputs();
        },
        work, gradient);
  }
  auto memory() const {
    using Output = VectorOf<Scalar, outputs_at_compile_time>;
    return std::tuple_cat(LayerOf<Self, Layers...>::memory(), std::tuple(Output(Output::Zero(outputs()))));
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& y = std::get<sizeof...(Layers)>(memory);
    require(y.size() == outputs(), "step: the network has other shapes than when the stream was made");
    if constexpr (requires { x.data(); })
      require(x.data() != y.data(), "step: x must not be what the step before gave, which is overwritten");
    Index row = 0;
    this->for_each_child(
        [&](auto i, const auto& each, auto& its) {
          const Eigen::Map<const VectorOf<Scalar>> from(each.step(x, its), each.outputs());
          if constexpr (stacked || i == 0) {
            y.segment(row, from.size()) = from;
          } else {
            y += from;
          }
          if (stacked) row += from.size();
        },
        memory);
    return y.data();
  }
  ///@}

 private:
  void require_alike(const char* where) const {
    constexpr auto fits = [](int a, int b) { return a == Dynamic || b == Dynamic || a == b; };
    static_assert((fits(Layers::inputs_at_compile_time, inputs_at_compile_time) && ...),
                  "layers side by side: all must have as many inputs as the first");
    static_assert(stacked || (fits(Layers::outputs_at_compile_time, outputs_at_compile_time) && ...),
                  "Sum: all layers must have as many outputs as the first");
    this->for_each_child([&](auto i, const auto& each) {
      const bool alike = each.inputs() == this->inputs() && (stacked || each.outputs() == outputs());
      require(alike, where, ": layer ", Index(i), " must have ", this->inputs(), " inputs",
              stacked ? "" : " and " + std::to_string(outputs()) + " outputs", " (as layer 0), got ", each.inputs(),
              stacked ? "" : " and " + std::to_string(each.outputs()));
    });
  }
};

}  // namespace detail

/// y_t = (the first layer's y_t, the second's, ...), one above the other. All layers read the same x:
///
///     recur::Parallel net(recur::Lstm<float>(8, 32), recur::MinGru<float>(8, 16));        // 8 -> 48
template <class... Layers>
class Parallel : public detail::SideBySide<Parallel<Layers...>, true, Layers...> {
 public:
  /// What Layer asks for.
  static constexpr const char* name = "Parallel";
  /// Sizes as the template arguments give them.
  Parallel()
    requires(std::is_default_constructible_v<Layers> && ...)
  = default;
  /// Throws std::invalid_argument unless all have as many inputs.
  explicit Parallel(Layers... layers_) : detail::SideBySide<Parallel, true, Layers...>(std::move(layers_)...) {}
  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    const auto side_by_side = []<class... L>(L... each) { return recur::Parallel<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return side_by_side(each.template cast<Other>()...); }, this->layers);
  }
};

/// y_t = the first layer's y_t + the second's + ... All layers read the same x: an ensemble, or what goes around a
/// layer,
///
///     recur::Sum net(recur::Sequence(recur::Lru<float>(8, 32), recur::Readout<float>(64, 4)),
///                    recur::Readout<float>(8, 4));                                            // + D x_t
template <class... Layers>
class Sum : public detail::SideBySide<Sum<Layers...>, false, Layers...> {
 public:
  /// What Layer asks for.
  static constexpr const char* name = "Sum";
  /// Sizes as the template arguments give them.
  Sum()
    requires(std::is_default_constructible_v<Layers> && ...)
  = default;
  /// Throws std::invalid_argument unless all have as many inputs, and as many outputs.
  explicit Sum(Layers... layers_) : detail::SideBySide<Sum, false, Layers...>(std::move(layers_)...) {}
  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    const auto side_by_side = []<class... L>(L... each) { return recur::Sum<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return side_by_side(each.template cast<Other>()...); }, this->layers);
  }
};

}  // namespace recur::inline RECUR_ISA
