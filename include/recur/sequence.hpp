#pragma once
/// \file
/// Layers in a row, as one network.

#include "cell.hpp"
#include "readout.hpp"

#include <array>
#include <tuple>

namespace recur {

/// The outputs of each layer are the inputs of the next:
///
///     recur::Sequence net(recur::Elman<float>(1, 8), recur::Readout<float>(8, 1));
///
/// A Sequence is itself a layer: it has what Cell has, with the traces and states of its layers as tuples.
template <class... Layers>
class Sequence {
  static_assert(sizeof...(Layers) > 0, "a Sequence needs at least one layer");

 public:
  static constexpr std::size_t depth = sizeof...(Layers);
  template <std::size_t I>
  using Layer = std::tuple_element_t<I, std::tuple<Layers...>>;
  using Scalar = typename Layer<0>::Scalar;
  static constexpr int inputs_at_compile_time = Layer<0>::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = Layer<depth - 1>::outputs_at_compile_time;

  /// The states of the layers, in their order; `std::get<0>(state)` is that of the first.
  using State = std::tuple<typename Layers::State...>;

  /// What forward leaves for bptt, layer by layer.
  class Trace {
   public:
    /// The trace of one layer.
    template <std::size_t I>
    const auto& layer() const {
      return std::get<I>(layers_);
    }

   private:
    friend Sequence;
    std::tuple<typename Layers::Trace...> layers_;
    std::array<Series<Scalar>, depth - 1> dx_;  // dL/d(input) of all layers but the first
  };

  std::tuple<Layers...> layers;

  Sequence()
    requires(std::is_default_constructible_v<Layers> && ...)
  {
    require_neighbours(std::make_index_sequence<depth - 1>());
  }
  explicit Sequence(Layers... layers_) : layers(std::move(layers_)...) {
    require_neighbours(std::make_index_sequence<depth - 1>());
  }

  /// One layer: `net.layer<0>()`.
  template <std::size_t I>
  auto& layer() {
    return std::get<I>(layers);
  }
  template <std::size_t I>
  const auto& layer() const {
    return std::get<I>(layers);
  }

  Index inputs() const { return layer<0>().inputs(); }
  Index outputs() const { return layer<depth - 1>().outputs(); }

  static void visit(auto&& f, const Name& name, auto&... sequences) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (visit_layer<I>(f, Name(name, I), sequences...), ...);
    }(std::make_index_sequence<depth>());
  }

  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    const auto in_sequence = []<class... L>(L... each) { return recur::Sequence<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return in_sequence(each.template cast<Other>()...); }, layers);
  }

  Trace trace() const { return {}; }
  /// The zero state of a batch, to be filled.
  State state(Index batch) const {
    return std::apply([&](const auto&... each) { return State(each.state(batch)...); }, layers);
  }

  /// The outputs y_1 .. y_T of the last layer for the inputs x_1 .. x_T, from `initial` (zero where it is left out): a
  /// view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, Trace& trace, const State& initial = {}) const {
    require_forward(x, x.features(), initial);
    return forward_from<0>(x, trace, initial);
  }

  /// The checks of forward, of all layers before any of them runs.
  void require_forward(SeriesView<const Scalar> x, Index features, const State& initial) const {
    for_each_layer([&](auto i) {
      layer<i>().require_forward(x, features, std::get<i>(initial));
      features = layer<i>().outputs();
    });
  }
  /// The checks of backward.
  void require_backward(SeriesView<const Scalar> x, const Trace& trace, const State& d_final) const {
    for_each_layer([&](auto i) { layer<i>().require_backward(x, trace.template layer<i>(), std::get<i>(d_final)); });
  }

  /// The outputs of the last forward.
  SeriesView<const Scalar> output(const Trace& trace) const { return output_of<depth - 1>(trace); }

  /// The state after the last step of the last forward.
  void final_state(const Trace& trace, State& state) const {
    for_each_layer([&](auto i) { layer<i>().final_state(trace.template layer<i>(), std::get<i>(state)); });
  }
  State final_state(const Trace& trace) const {
    State state;
    final_state(trace, state);
    return state;
  }

  /// Backpropagation through time, as Cell::backward. Users call bptt(), which checks.
  void backward(SeriesView<const Scalar> x, Trace& trace, SeriesView<const Scalar> dy, Sequence& gradient,
                SeriesView<Scalar> dx = {}, const State& d_final = {}, State* d_initial = nullptr) const {
    backward_from<depth - 1>(x, trace, dy, gradient, dx, d_final, d_initial);
  }

 private:
  template <std::size_t I>
  static void visit_layer(auto&& f, const Name& name, auto&... sequences) {
    Layer<I>::visit(f, name, sequences.template layer<I>()...);
  }
  static void for_each_layer(auto&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (f(std::integral_constant<std::size_t, I>()), ...);
    }(std::make_index_sequence<depth>());
  }

  template <std::size_t... I>
  void require_neighbours(std::index_sequence<I...>) const {
    (require_neighbour<I>(), ...);
  }
  template <std::size_t I>
  void require_neighbour() const {
    static_assert(std::is_same_v<typename Layer<I>::Scalar, typename Layer<I + 1>::Scalar>,
                  "Sequence: all layers must have the same scalar type");
    static_assert(Layer<I>::outputs_at_compile_time == Dynamic || Layer<I + 1>::inputs_at_compile_time == Dynamic ||
                      Layer<I>::outputs_at_compile_time == Layer<I + 1>::inputs_at_compile_time,
                  "Sequence: a layer must have as many inputs as the layer before it has outputs");
    require(layer<I + 1>().inputs() == layer<I>().outputs(), "Sequence: layer ", I + 1, " must have ",
            layer<I>().outputs(), " inputs (the outputs of layer ", I, "), got ", layer<I + 1>().inputs());
  }

  template <std::size_t I>
  SeriesView<const Scalar> forward_from(SeriesView<const Scalar> x, Trace& trace, const State& initial) const {
    const auto y = layer<I>().forward(x, std::get<I>(trace.layers_), std::get<I>(initial));
    if constexpr (I + 1 < depth) {
      return forward_from<I + 1>(y, trace, initial);
    } else {
      return y;
    }
  }

  template <std::size_t I>
  SeriesView<const Scalar> output_of(const Trace& trace) const {
    return layer<I>().output(std::get<I>(trace.layers_));
  }

  template <std::size_t I>
  void backward_from(SeriesView<const Scalar> x, Trace& trace, SeriesView<const Scalar> dy, Sequence& gradient,
                     SeriesView<Scalar> dx, const State& d_final, State* d_initial) const {
    const auto back = [&](SeriesView<const Scalar> input, SeriesView<Scalar> d_input) {
      layer<I>().backward(input, std::get<I>(trace.layers_), dy, gradient.template layer<I>(), d_input,
                          std::get<I>(d_final), d_initial ? &std::get<I>(*d_initial) : nullptr);
    };
    if constexpr (I == 0) {
      back(x, dx);
    } else {
      auto& d_input = trace.dx_[I - 1];
      d_input.resize(layer<I>().inputs(), x.batch(), x.steps());
      back(output_of<I - 1>(trace), d_input);
      backward_from<I - 1>(x, trace, d_input, gradient, dx, d_final, d_initial);
    }
  }
};

}  // namespace recur
