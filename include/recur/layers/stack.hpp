#pragma once
/// \file
/// Any number of like layers, chosen when the program runs.

#include "../cell.hpp"
#include "dropout.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace recur::inline RECUR_ISA {

struct StackOptions {
  double dropout = 0;  ///< after each layer but the last: see Dropout
};

/// Layers of one type, each reading what the one before it gives, as PyTorch's nn.LSTM(inputs, hidden, num_layers,
/// dropout):
///
///     recur::Stack<recur::Lstm<float>> stack(inputs, hidden, 3, {.dropout = 0.2});
///     stack.layers[1].W                                                // of the second
///
/// The layers' sizes are known only at run time; layers of fixed sizes in a row are a Sequence.
template <class Layer_>
class Stack : public LayerOf<Stack<Layer_>> {
 public:
  using Layer = Layer_;
  using Scalar = typename Layer::Scalar;
  /// The states of the layers, in their order; none at all stand for zero.
  using State = std::vector<typename Layer::State>;
  using Trace = recur::Trace<Stack>;
  static_assert(Layer::inputs_at_compile_time == Dynamic && Layer::outputs_at_compile_time == Dynamic,
                "Stack: its layers' sizes must be Dynamic; layers of fixed sizes in a row are a Sequence");
  static constexpr int inputs_at_compile_time = Dynamic, outputs_at_compile_time = Dynamic;
  static constexpr bool causal = Layer::causal, takes_tokens = Layer::takes_tokens;

  /// What forward leaves for bptt, layer by layer.
  class Records {
   public:
    const typename Layer::Records& layer(Index l) const { return layers_[static_cast<std::size_t>(l)]; }
    Index bytes() const { return detail::bytes_of(*this); }
    void for_each_buffer(auto&& f) const {
      for (const auto& each : layers_) each.for_each_buffer(f);
      for (const auto& each : dropouts_) each.for_each_buffer(f);
      for (const auto& each : d_) f(each);
    }

   private:
    friend Stack;
    std::vector<typename Layer::Records> layers_;
    std::vector<typename Dropout<Scalar>::Records> dropouts_;  // of all but the last
    std::vector<typename Layer::Plan> plans_;
    std::array<Series<Scalar>, 2> d_;  // dL/d(what is between two layers), of a chunk
  };

  std::vector<Layer> layers;

  /// Layer(inputs, hidden), then Layer(outputs of the one before, hidden) ...
  /// Throws std::invalid_argument unless count > 0, and as Layer and Dropout do.
  Stack(Index inputs, Index hidden, Index count, StackOptions options = {})
      : Stack(made(inputs, hidden, count), options) {}
  /// Throws std::invalid_argument unless there is one at least, and each has as many inputs as the one before has
  /// outputs.
  explicit Stack(std::vector<Layer> layers_, StackOptions options = {})
      : layers(std::move(layers_)), dropout_(layers.empty() ? 1 : layers.front().outputs(), options.dropout) {
    require(!layers.empty(), "Stack: at least one layer expected, got none");
    for (std::size_t l = 1; l < layers.size(); ++l)
      require(layers[l].inputs() == layers[l - 1].outputs() && layers[l].outputs() == outputs(), "Stack: layer ", l,
              " must have ", layers[l - 1].outputs(), " inputs and ", outputs(), " outputs, got ", layers[l].inputs(),
              " and ", layers[l].outputs());
  }

  Index inputs() const { return layers.front().inputs(); }
  Index outputs() const { return layers.front().outputs(); }
  Index depth() const { return std::ssize(layers); }
  double dropout() const { return dropout_.probability(); }
  /// "Stack(LSTM ..., LSTM ...)": see describe.hpp.
  std::string description() const {
    return detail::describe_each(dropout() > 0 ? "Stack with dropout " + describe(dropout()) : "Stack", layers);
  }

  /// Of stacks of different depths, which somebody may have mixed up, the layers that all of them have.
  static void visit(auto&& f, const Name& name, auto&... stacks) {
    for (std::size_t l = 0; l < std::min({stacks.layers.size()...}); ++l)
      Layer::visit(f, Name(name, l), stacks.layers[l]...);
  }
  static void visit_layers(auto& stack, auto&& f) {
    for (auto& each : stack.layers) f(each);
  }

  /// The same stack with its parameters in another type.
  template <class Other>
  auto cast() const {
    using OtherLayer = decltype(layers.front().template cast<Other>());
    std::vector<OtherLayer> others;
    for (const auto& each : layers) others.push_back(each.template cast<Other>());
    return Stack<OtherLayer>(std::move(others), {.dropout = dropout()});
  }

  /// What a Stream keeps.
  using Memory = std::vector<typename Layer::Memory>;
  Memory memory() const {
    Memory memory;
    for (const auto& each : layers) memory.push_back(each.memory());
    return memory;
  }
  void set_state(Memory& memory, const State& state) const {
    require_memory("reset", memory);
    require_depth("reset", "state", state);
    for_each_layer([&](auto l, const auto& layer) { layer.set_state(memory[l], of(state, l)); });
  }
  void get_state(const Memory& memory, State& state) const {
    require_memory("state", memory);
    state.resize(layers.size());
    for_each_layer([&](auto l, const auto& layer) { layer.get_state(memory[l], state[l]); });
  }
  /// One step of one sequence. Gives where y_t begins. For Stream.
  const Scalar* step(const auto& x, Memory& memory) const noexcept {
    require_memory("step", memory);
    const Scalar* y = layers[0].step(x, memory[0]);
    for (std::size_t l = 1; l < layers.size(); ++l)
      y = layers[l].step(Eigen::Map<const VectorOf<Scalar>>(y, outputs()), memory[l]);
    return y;
  }

  struct Plan {};  // those of the layers are in the records, where they keep their memory

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State& state, Index batch) const {
    state.resize(layers.size());
    for_each_layer([&](auto l, const auto& layer) { detail::LayerAccess::set_zero(layer, state[l], batch); });
  }
  void require_forward(Index features, Index batch, const State& initial) const {
    require_depth("forward", "initial", initial);
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::require_forward(layer, features, batch, of(initial, l));
      features = layer.outputs();
    });
  }
  void require_backward(const Records& records, const Steps& steps, const State& d_final) const {
    require_depth("bptt", "d_final", d_final);
    require_records("bptt", records);
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::require_backward(layer, records.layers_[l], steps, of(d_final, l));
    });
  }
  Plan begin_forward(const Steps& steps, detail::Dropping& dropping, Records& records, const State& initial) const {
    records.layers_.resize(layers.size());
    records.dropouts_.resize(dropout() > 0 ? layers.size() - 1 : 0);
    records.plans_.resize(layers.size());
    for_each_layer([&](auto l, const auto& layer) {
      records.plans_[l] =
          detail::LayerAccess::begin_forward(layer, steps, dropping, records.layers_[l], of(initial, l));
      if (l < records.dropouts_.size())
        detail::LayerAccess::begin_forward(dropout_, steps, dropping, records.dropouts_[l], NoState{});
    });
    return {};
  }
  void forward_steps(const Plan&, const detail::Chunk& chunk, const auto& x, Records& records) const {
    for_each_layer([&](auto l, const auto& layer) {
      if (l == 0) {
        detail::forward_chunks(layer, records.plans_[l], chunk, x, records.layers_[l]);
      } else {
        detail::forward_chunks(layer, records.plans_[l], chunk, input_of(l, records), records.layers_[l]);
      }
      if (l < records.dropouts_.size())
        detail::LayerAccess::forward_steps(
            dropout_, {}, chunk, detail::LayerAccess::output_columns(layer, records.layers_[l]), records.dropouts_[l]);
    });
  }
  SeriesView<const Scalar> output_columns(const Records& records) const {
    return detail::LayerAccess::output_columns(layers.back(), records.layers_.back());
  }
  void final_state_of(const Records& records, const Steps& steps, State& state) const {
    require_records("final_state", records);
    state.resize(layers.size());
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::final_state_of(layer, records.layers_[l], steps, state[l]);
    });
  }
  Plan begin_backward(const Steps& steps, Records& records, bool want_dx) const {
    for (auto& d : records.d_)
      if (layers.size() > 1) d.resize(outputs(), 1, detail::most_columns<Stack>(steps));
    for_each_layer([&](auto l, const auto& layer) {
      records.plans_[l] = detail::LayerAccess::begin_backward(layer, steps, records.layers_[l], l > 0 || want_dx);
    });
    return {};
  }
  void backward_steps(const Plan&, const detail::Chunk& chunk, const auto& x, Records& records,
                      SeriesView<const Scalar> dy, const State& d_final, Stack& gradient, SeriesView<Scalar> dx) const {
    std::size_t side = 0;  // of d_: one is read while the other is written
    const auto next = [&] { return SeriesView<Scalar>(records.d_[side ^= 1]).window(0, chunk.columns()); };
    for (std::size_t l = layers.size() - 1; l > 0; --l) {
      const auto d_input = next();
      detail::backward_chunks(layers[l], records.plans_[l], chunk, input_of(l, records), records.layers_[l], dy,
                              of(d_final, l), gradient.layers[l], d_input, true);
      dy = d_input;
      if (records.dropouts_.empty()) continue;
      const auto d_dropped = next();
      detail::backward_chunks(dropout_, {}, chunk, d_input, records.dropouts_[l - 1], dy, {}, gradient.dropout_,
                              d_dropped, true);
      dy = d_dropped;
    }
    detail::backward_chunks(layers[0], records.plans_[0], chunk, x, records.layers_[0], dy, of(d_final, 0),
                            gradient.layers[0], dx, false);
  }
  void begin_d_initial(const Steps& steps, const State& d_final, State& d_initial) const {
    d_initial.resize(layers.size());
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::begin_d_initial(layer, steps, of(d_final, l), d_initial[l]);
    });
  }
  void add_d_initial(const Records& records, const Steps& steps, State& d_initial) const {
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::add_d_initial(layer, records.layers_[l], steps, d_initial[l]);
    });
  }
  void end_backward(Records& records, Stack& gradient) const {
    for_each_layer([&](auto l, const auto& layer) {
      detail::LayerAccess::end_backward(layer, records.layers_[l], gradient.layers[l]);
    });
  }

  static std::vector<Layer> made(Index inputs, Index hidden, Index count) {
    require(count > 0, "Stack: count > 0 expected, got ", count);
    std::vector<Layer> layers;
    for (Index l = 0; l < count; ++l) layers.emplace_back(l == 0 ? inputs : layers.back().outputs(), hidden);
    return layers;
  }
  void for_each_layer(auto&& f) const {
    for (std::size_t l = 0; l < layers.size(); ++l) f(l, layers[l]);
  }
  /// What layer l > 0 reads.
  SeriesView<const Scalar> input_of(std::size_t l, const Records& records) const {
    if (!records.dropouts_.empty()) return detail::LayerAccess::output_columns(dropout_, records.dropouts_[l - 1]);
    return detail::LayerAccess::output_columns(layers[l - 1], records.layers_[l - 1]);
  }
  static const typename Layer::State& of(const State& state, std::size_t l) {
    static const typename Layer::State zero{};
    return state.empty() ? zero : state[l];
  }
  void require_memory(const char* where, const Memory& memory) const {
    require(memory.size() == layers.size(), where, ": the network has other shapes than when the stream was made");
  }
  void require_depth(const char* where, const char* what, const State& state) const {
    require(state.empty() || state.size() == layers.size(), where, ": ", what, " must have ", layers.size(),
            " states (one for each layer), got ", state.size());
  }
  void require_records(const char* where, const Records& records) const {
    require(records.layers_.size() == layers.size(), where, ": the trace must be of this network, with ", layers.size(),
            " layers, got one of ", records.layers_.size());
  }

  Dropout<Scalar> dropout_;
};

}  // namespace recur::inline RECUR_ISA
