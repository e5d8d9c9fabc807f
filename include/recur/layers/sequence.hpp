#pragma once
/// \file
/// Layers in a row, as one network.

#include "layer_of.hpp"

#include <array>

namespace recur::inline RECUR_ISA {

/// The outputs of each layer are the inputs of the next:
///
///     recur::Sequence net(recur::Elman<float>(1, 8), recur::Readout<float>(8, 1));
///
/// A Sequence is itself a layer: it has what Cell has, with the workspaces and states of its layers as tuples.
template <class... Layers>
class Sequence : public LayerOf<Sequence<Layers...>, Layers...> {
  static_assert(sizeof...(Layers) > 0, "a Sequence needs at least one layer");

 public:
  /// The number of layers.
  static constexpr std::size_t depth = sizeof...(Layers);
  /// Layer I's type, the type of numbers, and the sizes of the first layer's inputs and of the last layer's outputs.
  ///@{
  template <std::size_t I>
  using Layer = std::tuple_element_t<I, std::tuple<Layers...>>;
  using Scalar = typename Layer<0>::Scalar;
  static constexpr int inputs_at_compile_time = Layer<0>::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = Layer<depth - 1>::outputs_at_compile_time;
  ///@}

  /// The layers, from the input to the output.
  std::tuple<Layers...> layers;

  /// Sizes as the template arguments give them. Throws std::invalid_argument as the other constructor does.
  Sequence()
    requires(std::is_default_constructible_v<Layers> && ...)
  {
    require_neighbours();
  }
  /// Throws std::invalid_argument unless each layer has as many inputs as the one before it has outputs.
  explicit Sequence(Layers... layers_) : layers(std::move(layers_)...) { require_neighbours(); }

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
  /// What Layer asks for.
  ///@{
  static auto& children(auto& net) { return net.layers; }

  static constexpr const char* name = "Sequence";
  ///@}

  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    const auto in_sequence = []<class... L>(L... each) { return recur::Sequence<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return in_sequence(each.template cast<Other>()...); }, layers);
  }

  /// The outputs of layer I in the last forward, of sequences without lengths, by a trace that keeps all steps. Throws
  /// std::invalid_argument for others, and where the trace has not been through forward or is of another network.
  template <std::size_t I>
  SeriesView<const Scalar> output_of(const Trace<Sequence>& trace) const {
    require(trace.batch() > 0, "output_of: the trace must have been through forward, got an empty one");
    require(!trace.layout().has_unequal_lengths(), "output_of: only for sequences of one length");
    require(trace.segments() == 1, "output_of: only for a trace that keeps all steps, got one of ", trace.segments(),
            " segments");
    this->require_workspace("output_of", trace.workspace());
    const SeriesView<const Scalar> y = layer<I>().output_columns(trace.workspace().template of<I>());
    return {y.data(), y.features(), trace.batch(), trace.steps(), y.stride()};
  }

  // ---- A layer: see Layer ----

  /// The layers' workspaces, and dL/d(input) of a chunk.
  struct Workspace : WorkspaceOf<Layers...> {
    std::array<Series<Scalar>, depth - 1> dx;  ///< dL/d(input) of all layers but the first, for a chunk of steps
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const {
      WorkspaceOf<Layers...>::for_each_buffer(f);
      for (const auto& each : dx) f(each);
    }
  };

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    Index features = this->inputs();
    this->for_each_child([&](auto i, const auto& each) {
      each.require_shapes(where);
      detail::require_in_a_row(where, i, features, each.inputs());
      features = each.outputs();
    });
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    this->for_each_child([&](auto i, const auto& each, auto& its) { each.prepare_forward(pass.in_a_row(i == 0), its); },
                         work);
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    this->for_each_child(
        [&](auto i, const auto& each, auto& its) { run_forward(each, chunk, input_of<i>(x, work), its); }, work);
  }
  auto output_columns(const Workspace& work) const {
    return layer<depth - 1>().output_columns(work.template of<depth - 1>());
  }
  void prepare_backward(const Pass& pass, Workspace& work) const {
    this->for_each_child(
        [&](auto i, const auto& each, auto& its) {
          if constexpr (i > 0) work.dx[i - 1].resize(each.inputs(), 1, most_columns(Sequence::causal, pass.layout));
          each.prepare_backward(pass.in_a_row(i == 0), its);
        },
        work);
  }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      Sequence& gradient, SeriesView<Scalar> dx) const {
    backward_from<depth - 1>(chunk, x, dy, work, gradient, dx);
  }
  ///@}

  // ---- One step of one sequence, for Stream, through the layers from I on: returns where y_t begins ----

  /// For Stream: one step through layers I, I + 1 ... Returns where y_t begins.
  template <std::size_t I = 0>
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    const Scalar* const y = layer<I>().step(x, std::get<I>(memory));
    if constexpr (I + 1 < depth) {
      using Output = VectorOf<Scalar, Layer<I>::outputs_at_compile_time>;
      return step<I + 1>(Eigen::Map<const Output>(y, layer<I>().outputs()), memory);
    } else {
      return y;
    }
  }

 private:
  /// What layer I reads: x, or what the layer before it wrote.
  template <std::size_t I>
  auto input_of(const auto& x, const Workspace& work) const {
    if constexpr (I == 0) {
      return x;
    } else {
      return SeriesView<const Scalar>(layer<I - 1>().output_columns(work.template of<I - 1>()));
    }
  }
  /// Layers I .. 0.
  template <std::size_t I>
  void backward_from(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                     Sequence& gradient, SeriesView<Scalar> dx) const {
    SeriesView<Scalar> d_input = dx;
    if constexpr (I > 0) {
      d_input = SeriesView<Scalar>(work.dx[I - 1]).window(0, chunk.columns());
      chunk.set_zero(d_input);
    }
    run_backward(layer<I>(), chunk, input_of<I>(x, work), dy, work.template of<I>(), gradient.template layer<I>(),
                 d_input);
    if constexpr (I > 0) backward_from<I - 1>(chunk, x, d_input, work, gradient, dx);
  }

  void require_neighbours() const {
    this->for_each_child([&](auto i, const auto& here) {
      if constexpr (i + 1 < depth) {
        using Here = Layer<i>;
        using Next = Layer<i + 1>;
        static_assert(std::is_same_v<typename Here::Scalar, typename Next::Scalar>,
                      "Sequence: all layers must have the same scalar type");
        static_assert(Here::outputs_at_compile_time == Dynamic || Next::inputs_at_compile_time == Dynamic ||
                          Here::outputs_at_compile_time == Next::inputs_at_compile_time,
                      "Sequence: a layer must have as many inputs as the layer before it has outputs");
        const Index outputs = here.outputs(), inputs = layer<i + 1>().inputs();
        require(inputs == outputs, "Sequence: layer ", Index(i + 1), " must have ", outputs,
                " inputs (the outputs of layer ", Index(i), "), got ", inputs);
      }
    });
  }
};

}  // namespace recur::inline RECUR_ISA
