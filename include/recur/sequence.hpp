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

    /// The memory it holds: what the traces of its layers hold, and an amount that does not grow with T.
    Index bytes() const {
      Index bytes = 0;
      for (const auto& dx : dx_) bytes += dx.bytes();
      std::apply([&](const auto&... each) { ((bytes += each.bytes()), ...); }, layers_);
      return bytes;
    }

   private:
    friend Sequence;
    std::tuple<typename Layers::Trace...> layers_;
    std::array<Series<Scalar>, depth - 1> dx_;  // dL/d(input) of all layers but the first, for a chunk of steps
  };

  std::tuple<Layers...> layers;

  Sequence()
    requires(std::is_default_constructible_v<Layers> && ...)
  {
    require_neighbours();
  }
  explicit Sequence(Layers... layers_) : layers(std::move(layers_)...) { require_neighbours(); }

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
  std::string description() const { return detail::describe_layers("Sequence", layers); }  ///< see describe.hpp

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

  /// The outputs y_1 .. y_T of the last layer for the inputs x_1 .. x_T, a series or tokens, from `initial` (zero where
  /// it is left out): a view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, Trace& trace, const State& initial = {}) const {
    return detail::forward(*this, x, trace, initial);
  }
  SeriesView<const Scalar> forward(TokensView x, Trace& trace, const State& initial = {}) const {
    static_assert(
        requires(const Layer<0>& first, typename Layer<0>::Trace& its) { first.forward(x, its); },
        "forward: tokens are for networks whose first layer is a Cell");
    return detail::forward(*this, x, trace, initial);
  }

  /// The outputs of the last forward.
  SeriesView<const Scalar> output(const Trace& trace) const {
    return layer<depth - 1>().output(trace.template layer<depth - 1>());
  }

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
  void backward(const auto& x, Trace& trace, SeriesView<const Scalar> dy, Sequence& gradient,
                SeriesView<Scalar> dx = {}, const State& d_final = {}, State* d_initial = nullptr) const {
    detail::backward(*this, x, trace, dy, gradient, dx, d_final, d_initial);
  }

  /// What a Stream keeps.
  using Memory = std::tuple<typename Layers::Memory...>;
  Memory memory() const {
    return std::apply([](const auto&... each) { return Memory(each.memory()...); }, layers);
  }
  void set_state(Memory& memory, const State& state) const {
    for_each_layer([&](auto i) { layer<i>().set_state(std::get<i>(memory), std::get<i>(state)); });
  }
  void get_state(const Memory& memory, State& state) const {
    for_each_layer([&](auto i) { layer<i>().get_state(std::get<i>(memory), std::get<i>(state)); });
  }
  /// One step of one sequence, through the layers from I on. Gives where y_t begins. For Stream.
  template <std::size_t I = 0>
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, Memory& memory) const noexcept {
    const Scalar* const y = layer<I>().step(x, std::get<I>(memory));
    if constexpr (I + 1 < depth) {
      using Output = Vector<Scalar, Layer<I>::outputs_at_compile_time>;
      return step<I + 1>(Eigen::Map<const Output>(y, layer<I>().outputs()), memory);
    } else {
      return y;
    }
  }

  // ---- What follows is for unroll.hpp, which says when it is called ----

  using Plan = std::tuple<typename Layers::Plan...>;

  void require_forward(Index features, Index batch, const State& initial) const {
    for_each_layer([&](auto i) {
      layer<i>().require_forward(features, batch, std::get<i>(initial));
      features = layer<i>().outputs();
    });
  }
  void require_backward(const auto& x, const Trace& trace, const State& d_final) const {
    for_each_layer([&](auto i) { layer<i>().require_backward(x, trace.template layer<i>(), std::get<i>(d_final)); });
  }
  Plan begin_forward(Index N, Index T, Trace& trace, const State& initial) const {
    Plan plan;
    for_each_layer([&](auto i) {
      std::get<i>(plan) = layer<i>().begin_forward(N, T, std::get<i>(trace.layers_), std::get<i>(initial));
    });
    return plan;
  }
  void forward_steps(const Plan& plan, const detail::Team& team, const auto& x, Trace& trace, Index first,
                     Index count) const {
    for_each_layer([&](auto i) {
      layer<i>().forward_steps(std::get<i>(plan), team, input_of<i>(x, trace), std::get<i>(trace.layers_), first,
                               count);
    });
  }
  Plan begin_backward(Index N, Index T, Index longest, Trace& trace, bool want_dx, const State& d_final) const {
    Plan plan;
    for_each_layer([&](auto i) {
      if constexpr (i > 0) trace.dx_[i - 1].resize(layer<i>().inputs(), N, longest);
      std::get<i>(plan) =
          layer<i>().begin_backward(N, T, longest, std::get<i>(trace.layers_), i > 0 || want_dx, std::get<i>(d_final));
    });
    return plan;
  }
  void backward_steps(const Plan& plan, const detail::Team& team, const auto& x, Trace& trace,
                      SeriesView<const Scalar> dy, Sequence& gradient, SeriesView<Scalar> dx, Index first,
                      Index count) const {
    for_each_layer([&](auto from_last) {
      constexpr std::integral_constant<std::size_t, depth - 1 - from_last> i;
      SeriesView<const Scalar> d_output = dy;
      SeriesView<Scalar> d_input = dx;
      if constexpr (i + 1 < depth) d_output = SeriesView<Scalar>(trace.dx_[i]).window(0, count);
      if constexpr (i > 0) d_input = SeriesView<Scalar>(trace.dx_[i - 1]).window(0, count);
      layer<i>().backward_steps(std::get<i>(plan), team, input_of<i>(x, trace), std::get<i>(trace.layers_), d_output,
                                gradient.template layer<i>(), d_input, first, count);
    });
  }
  void end_backward(Trace& trace, Sequence& gradient, State* d_initial) const {
    for_each_layer([&](auto i) {
      layer<i>().end_backward(std::get<i>(trace.layers_), gradient.template layer<i>(),
                              d_initial ? &std::get<i>(*d_initial) : nullptr);
    });
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

  void require_neighbours() const {
    for_each_layer([&](auto i) {
      if constexpr (i + 1 < depth) {
        using Here = Layer<i>;
        using Next = Layer<i + 1>;
        static_assert(std::is_same_v<typename Here::Scalar, typename Next::Scalar>,
                      "Sequence: all layers must have the same scalar type");
        static_assert(Here::outputs_at_compile_time == Dynamic || Next::inputs_at_compile_time == Dynamic ||
                          Here::outputs_at_compile_time == Next::inputs_at_compile_time,
                      "Sequence: a layer must have as many inputs as the layer before it has outputs");
        const Index outputs = layer<i>().outputs(), inputs = layer<i + 1>().inputs();
        require(inputs == outputs, "Sequence: layer ", Index(i + 1), " must have ", outputs,
                " inputs (the outputs of layer ", Index(i), "), got ", inputs);
      }
    });
  }

  /// What layer I reads: x, or what the layer before it wrote.
  template <std::size_t I>
  auto input_of(const auto& x, const Trace& trace) const {
    if constexpr (I == 0) {
      return x;
    } else {
      return layer<I - 1>().output(trace.template layer<I - 1>());
    }
  }
};

}  // namespace recur
