#pragma once
/// \file
/// Layers side by side, which all read the same x: Parallel, whose outputs are stacked, and Sum, whose are added.

#include "layer_of.hpp"

#include <algorithm>

namespace recur::inline RECUR_ISA {

namespace detail {

/// What Parallel and Sum have in common: Self is the one or the other, `stacks` whether it stacks outputs.
template <template <class...> class Self, bool stacks, class... Layers>
class SideBySide : public LayerOf<Self<Layers...>, Layers...> {
  using Base = LayerOf<Self<Layers...>, Layers...>;
  // The size that all must have, where one of the types fixes it: Dynamic is the least of all.
  template <int... Sizes>
  static constexpr int fixed = std::max({Sizes...});
  template <int... Sizes>
  static constexpr bool alike = ((Sizes == Dynamic || Sizes == fixed<Sizes...>) && ...);

 public:
  /// The number of layers.
  static constexpr std::size_t depth = sizeof...(Layers);
  /// Layer I's type, the type of numbers, and sizes and constants: see Layer.
  ///@{
  template <std::size_t I>
  using Layer = std::tuple_element_t<I, std::tuple<Layers...>>;
  using Scalar = typename Layer<0>::Scalar;
  static constexpr int inputs_at_compile_time = fixed<Layers::inputs_at_compile_time...>;
  static constexpr int outputs_at_compile_time = !stacks ? fixed<Layers::outputs_at_compile_time...>
                                                 : std::min({Layers::outputs_at_compile_time...}) == Dynamic
                                                     ? Dynamic
                                                     : (Layers::outputs_at_compile_time + ...);
  static constexpr bool takes_tokens = (Layers::takes_tokens && ...);
  ///@}
  static_assert((std::is_same_v<typename Layers::Scalar, Scalar> && ...),
                "Parallel and Sum: all layers must have the same scalar type");
  static_assert(alike<Layers::inputs_at_compile_time...>, "Parallel and Sum: all layers must have the same inputs");
  static_assert(stacks || alike<Layers::outputs_at_compile_time...>, "Sum: all layers must have the same outputs");

  /// The layers, in the order of their outputs.
  std::tuple<Layers...> layers;

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
  /// The outputs of all layers, or of each.
  Index outputs() const {
    if constexpr (!stacks) return layer<0>().outputs();
    return std::apply([](const auto&... each) { return (each.outputs() + ...); }, layers);
  }
  /// The layers, as children: see Layer.
  static auto& children(auto& all) { return all.layers; }
  /// The same layers with their parameters in another type.
  template <class Other>
  auto cast() const {
    const auto side_by_side = []<class... L>(L... each) { return Self<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return side_by_side(each.template cast<Other>()...); }, layers);
  }

  // ---- A layer: see Layer ----

  /// y_1 .. y_T as columns, and the layers' workspaces.
  using Workspace = WorkspaceWithOutput<Scalar, Layers...>;

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    Base::require_shapes(where);
    require_alike(where);
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(outputs(), 1, pass.layout.columns());
    Base::prepare_forward(pass, work);
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    const auto y = chunk.of(SeriesView<Scalar>(work.y));
    for_each_part(
        [&](auto i, const auto& each, Index row, auto& its) {
          run_forward(each, chunk, x, its);
          const auto y_each = chunk.of(SeriesView<const Scalar>(each.output_columns(its)));
          chunk.for_own_columns([&](Index column, Index columns) {
            put(i, y_each.columns(column, columns), y.columns(column, columns).middleRows(row, each.outputs()));
          });
        },
        work);
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }

  /// Each layer adds to dL/dx, and waits for the other threads once it has read its rows of dL/dy.
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      Self<Layers...>& gradient, SeriesView<Scalar> dx) const {
    for_each_part(
        [&](auto, const auto& each, Index row, auto& its, auto& d) {
          SeriesView<const Scalar> dy_each;
          if (!dy.empty()) dy_each = {dy.data() + row, each.outputs(), 1, dy.columns(), dy.stride()};
          run_backward(each, chunk, x, dy_each, its, d, dx);
        },
        work, gradient);
  }
  ///@}

  // ---- One step of one sequence, for Stream: returns where y_t begins, in the memory ----

  /// For Stream: the layers' memories and y_t, and a step.
  ///@{
  auto memory() const {
    using Output = VectorOf<Scalar, outputs_at_compile_time>;
    return std::tuple_cat(Base::memory(), std::tuple<Output>(Output::Zero(outputs())));
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& y = std::get<depth>(memory);
    require(y.size() == outputs(), "step: the network has other shapes than when the stream was made");
    if constexpr (requires { x.data(); })
      require(!detail::overlap_of_vectors(x, y), "step: x must not be what the step before gave, which is overwritten");
    for_each_part(
        [&](auto i, const auto& each, Index row, auto& its) {
          constexpr int size = Layer<i>::outputs_at_compile_time;
          put(i, Eigen::Map<const VectorOf<Scalar, size>>(each.step(x, its), each.outputs()),
              y.template segment<size>(row, each.outputs()));
        },
        memory);
    return y.data();
  }
  ///@}

 protected:
  SideBySide() { require_alike(Self<Layers...>::name); }
  explicit SideBySide(Layers... layers_) : layers(std::move(layers_)...) { require_alike(Self<Layers...>::name); }

 private:
  /// f(i, layer, the first of its rows of y, part ...) for each layer.
  void for_each_part(auto&& f, auto&... others) const {
    Index row = 0;
    this->for_each_child(
        [&](auto i, const auto& each, auto&... parts) {
          f(i, each, row, parts...);
          if constexpr (stacks) row += each.outputs();
        },
        others...);
  }
  /// What layer i gives, into its rows of y; of a sum the first is put there, and the others are added.
  static void put(auto i, const auto& from, auto&& to) {
    if constexpr (stacks || i == 0) {
      to = from;
    } else {
      to += from;
    }
  }
  void require_alike(const char* where) const {
    this->for_each_child([&](auto i, const auto& each) {
      const auto require_as_first = [&](const char* what, Index got, Index expected) {
        require(got == expected, where, ": layer ", Index(i), " must have ", expected, what, " (as layer 0), got ",
                got);
      };
      require_as_first(" inputs", each.inputs(), layer<0>().inputs());
      if constexpr (!stacks) require_as_first(" outputs", each.outputs(), layer<0>().outputs());
    });
  }
};

}  // namespace detail

/// y_t = (y^1_t, y^2_t, ...): layers that all read x_t, their outputs on top of each other. x: I x N for all, y_t: the
/// sum of their outputs x N. With a Dropout of p = 0 among them, x itself is part of y.
///
///     recur::Parallel both(recur::Lstm<float>(3, 8), recur::Gru<float>(3, 4));   // 3 inputs, 12 outputs
///     both.layer<1>().U                                                          // of the GRU
///
/// As of a Sequence, the layers are a tuple, `layers`, and so are their states. x may be tokens where all read them.
template <class... Layers>
class Parallel : public detail::SideBySide<Parallel, true, Layers...> {
  using Base = detail::SideBySide<recur::Parallel, true, Layers...>;

 public:
  static constexpr const char* name = "Parallel";  ///< see describe.hpp
  /// Sizes as the template arguments give them. Throws std::invalid_argument as the other constructor does.
  Parallel()
    requires(std::is_default_constructible_v<Layers> && ...)
  = default;
  /// Throws std::invalid_argument unless all have the same number of inputs.
  explicit Parallel(Layers... layers_) : Base(std::move(layers_)...) {}
};

/// y_t = y^1_t + y^2_t + ...: layers that all read x_t, their outputs added, in their order. x: I x N for all, y_t and
/// what each gives: O x N. A recurrence with D x beside it, y_t = h_t + D x_t:
///
///     recur::Sum net(recur::Elman<float>(3, 8), recur::Readout<float>(3, 8));
///     net.layer<1>().V                                                           // D
///
/// As of a Sequence, the layers are a tuple, `layers`, and so are their states. x may be tokens where all read them.
template <class... Layers>
class Sum : public detail::SideBySide<Sum, false, Layers...> {
  using Base = detail::SideBySide<recur::Sum, false, Layers...>;

 public:
  static constexpr const char* name = "Sum";  ///< see describe.hpp
  /// Sizes as the template arguments give them. Throws std::invalid_argument as the other constructor does.
  Sum()
    requires(std::is_default_constructible_v<Layers> && ...)
  = default;
  /// Throws std::invalid_argument unless all have the same number of inputs, and of outputs.
  explicit Sum(Layers... layers_) : Base(std::move(layers_)...) {}
};

}  // namespace recur::inline RECUR_ISA
