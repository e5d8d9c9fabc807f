#pragma once
/// \file
/// Layers in a row, as one network.

#include "cell.hpp"
#include "readout.hpp"

#include <array>
#include <tuple>

namespace recur::inline RECUR_ISA {

/// The outputs of each layer are the inputs of the next:
///
///     recur::Sequence net(recur::Elman<float>(1, 8), recur::Readout<float>(8, 1));
///
/// A Sequence is itself a layer: it has what Cell has, with the traces and states of its layers as tuples.
template <class... Layers>
class Sequence : public LayerOf<Sequence<Layers...>> {
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

  static constexpr bool causal = (Layers::causal && ...), takes_tokens = Layer<0>::takes_tokens;
  using Trace = recur::Trace<Sequence>;

  /// What forward leaves for bptt, layer by layer.
  class Records {
   public:
    /// Those of one layer.
    template <std::size_t I>
    const auto& layer() const {
      return std::get<I>(layers_);
    }
    /// The memory it holds: what those of the layers hold, and an amount that does not grow with T.
    Index bytes() const { return detail::bytes_of(*this); }
    void for_each_buffer(auto&& f) const {
      for (const auto& each : dx_) f(each);
      std::apply([&](const auto&... each) { (each.for_each_buffer(f), ...); }, layers_);
    }

   private:
    friend Sequence;
    std::tuple<typename Layers::Records...> layers_;
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

  static void visit_layers(auto& sequence, auto&& f) {
    std::apply([&](auto&... each) { (f(each), ...); }, sequence.layers);
  }

  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    const auto in_sequence = []<class... L>(L... each) { return recur::Sequence<L...>(std::move(each)...); };
    return std::apply([&](const auto&... each) { return in_sequence(each.template cast<Other>()...); }, layers);
  }

  /// The outputs of layer I in the last forward, of sequences without lengths.
  template <std::size_t I>
  SeriesView<const Scalar> output_of(const Trace& trace) const {
    require(trace.batch() > 0, "output_of: the trace must have been through forward, got an empty one");
    require(!trace.order().ragged(), "output_of: only for sequences of one length");
    const auto y = detail::LayerAccess::output_columns(layer<I>(), trace.records().template layer<I>());
    return {y.data(), y.features(), trace.batch(), trace.steps(), y.stride()};
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
      using Output = VectorOf<Scalar, Layer<I>::outputs_at_compile_time>;
      return step<I + 1>(Eigen::Map<const Output>(y, layer<I>().outputs()), memory);
    } else {
      return y;
    }
  }

  using Plan = std::tuple<typename Layers::Plan...>;

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State& state, Index batch) const {
    for_each_layer([&](auto i) { detail::LayerAccess::set_zero(layer<i>(), std::get<i>(state), batch); });
  }
  void require_forward(Index features, Index batch, const State& initial) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::require_forward(layer<i>(), features, batch, std::get<i>(initial));
      features = layer<i>().outputs();
    });
  }
  void require_backward(const Records& records, const Steps& steps, const State& d_final) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::require_backward(layer<i>(), records.template layer<i>(), steps, std::get<i>(d_final));
    });
  }
  Plan begin_forward(const Steps& steps, detail::Dropping& dropping, Records& records, const State& initial) const {
    Plan plan;
    for_each_layer([&](auto i) {
      std::get<i>(plan) = detail::LayerAccess::begin_forward(layer<i>(), steps, dropping, std::get<i>(records.layers_),
                                                             std::get<i>(initial));
    });
    return plan;
  }
  void forward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& records) const {
    for_each_layer([&](auto i) {
      detail::forward_chunks(layer<i>(), std::get<i>(plan), chunk, input_of<i>(x, records),
                             std::get<i>(records.layers_));
    });
  }
  SeriesView<const Scalar> output_columns(const Records& records) const {
    return detail::LayerAccess::output_columns(layer<depth - 1>(), records.template layer<depth - 1>());
  }
  void final_state_of(const Records& records, const Steps& steps, State& state) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::final_state_of(layer<i>(), records.template layer<i>(), steps, std::get<i>(state));
    });
  }
  Plan begin_backward(const Steps& steps, Records& records, bool want_dx) const {
    Plan plan;
    for_each_layer([&](auto i) {
      if constexpr (i > 0) records.dx_[i - 1].resize(layer<i>().inputs(), 1, detail::most_columns<Sequence>(steps));
      std::get<i>(plan) =
          detail::LayerAccess::begin_backward(layer<i>(), steps, std::get<i>(records.layers_), i > 0 || want_dx);
    });
    return plan;
  }
  void backward_steps(const Plan& plan, const detail::Chunk& chunk, const auto& x, Records& records,
                      SeriesView<const Scalar> dy, const State& d_final, Sequence& gradient,
                      SeriesView<Scalar> dx) const {
    for_each_layer([&](auto from_last) {
      constexpr std::integral_constant<std::size_t, depth - 1 - from_last> i;
      SeriesView<const Scalar> d_output = dy;
      SeriesView<Scalar> d_input = dx;
      if constexpr (i + 1 < depth) d_output = SeriesView<Scalar>(records.dx_[i]).window(0, chunk.columns());
      if constexpr (i > 0) d_input = SeriesView<Scalar>(records.dx_[i - 1]).window(0, chunk.columns());
      detail::backward_chunks(layer<i>(), std::get<i>(plan), chunk, input_of<i>(x, records),
                              std::get<i>(records.layers_), d_output, std::get<i>(d_final),
                              gradient.template layer<i>(), d_input, i > 0);
    });
  }
  void begin_d_initial(const Steps& steps, const State& d_final, State& d_initial) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::begin_d_initial(layer<i>(), steps, std::get<i>(d_final), std::get<i>(d_initial));
    });
  }
  void add_d_initial(const Records& records, const Steps& steps, State& d_initial) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::add_d_initial(layer<i>(), records.template layer<i>(), steps, std::get<i>(d_initial));
    });
  }
  void end_backward(Records& records, Sequence& gradient) const {
    for_each_layer([&](auto i) {
      detail::LayerAccess::end_backward(layer<i>(), std::get<i>(records.layers_), gradient.template layer<i>());
    });
  }

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
  auto input_of(const auto& x, const Records& records) const {
    if constexpr (I == 0) {
      return x;
    } else {
      return detail::LayerAccess::output_columns(layer<I - 1>(), records.template layer<I - 1>());
    }
  }
};

}  // namespace recur::inline RECUR_ISA
