#pragma once
/// \file
/// N identical layers, with N known at run time.

#include "dropout.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace recur::inline RECUR_ISA {

/// Options of Stack.
struct StackOptions {
  double dropout = 0;     ///< after each layer but the last: see Dropout
  bool one_mask = false;  ///< of dropout, for all steps of a sequence
};

/// Layers of one type, each reading the outputs of the one before it, as PyTorch's nn.LSTM(inputs, hidden, num_layers,
/// dropout):
///
///     recur::Stack<recur::Lstm<float>> stack(inputs, hidden, 3, {.dropout = 0.2});
///     stack.layers[1].W                                                // of the second
///
/// The layers' sizes are known only at run time; layers of fixed sizes in a row are a Sequence.
template <class Layer_>
class Stack : public LayerOf<Stack<Layer_>> {
 public:
  /// Its layers' type, and that of their numbers.
  ///@{
  using Layer = Layer_;
  using Scalar = typename Layer::Scalar;
  ///@}
  /// The states of the layers, in their order; none at all stand for zero.
  using State = std::vector<typename Layer::State>;
  static_assert(Layer::inputs_at_compile_time == Dynamic && Layer::outputs_at_compile_time == Dynamic,
                "Stack: its layers' sizes must be Dynamic; layers of fixed sizes in a row are a Sequence");
  /// Constants of Layer.
  ///@{
  static constexpr int inputs_at_compile_time = Dynamic, outputs_at_compile_time = Dynamic;
  static constexpr bool causal = Layer::causal, takes_tokens = Layer::takes_tokens;
  ///@}

  std::vector<Layer> layers;  ///< at least one, from the input to the output

  /// Layer(inputs, hidden), then Layer(outputs of the one before, hidden) ...
  /// Throws std::invalid_argument unless count > 0, and as Layer and Dropout do.
  Stack(Index inputs, Index hidden, Index count, StackOptions options = {})
      : Stack(made(inputs, hidden, count), options) {}
  /// Throws std::invalid_argument unless there is one at least, and each has as many inputs as the one before has
  /// outputs.
  explicit Stack(std::vector<Layer> layers_, StackOptions options = {})
      : layers(std::move(layers_)),
        dropout_(layers.empty() ? 1 : layers.front().outputs(), options.dropout, {.one_mask = options.one_mask}) {
    require(!layers.empty(), "Stack: at least one layer expected, got none");
    for (std::size_t l = 1; l < layers.size(); ++l)
      require(layers[l].inputs() == layers[l - 1].outputs() && layers[l].outputs() == outputs(), "Stack: layer ", l,
              " must have ", layers[l - 1].outputs(), " inputs and ", outputs(), " outputs, got ", layers[l].inputs(),
              " and ", layers[l].outputs());
  }

  /// Sizes, the number of layers, the probability of dropout, and the layers as children: see Layer.
  ///@{
  Index inputs() const { return layers.front().inputs(); }
  Index outputs() const { return layers.front().outputs(); }
  Index depth() const { return std::ssize(layers); }
  double dropout() const { return dropout_.probability(); }
  static auto& children(auto& stack) { return stack.layers; }
  ///@}
  /// "Stack(LSTM ..., LSTM ...)": see describe.hpp.
  std::string description() const {
    const std::string mask = dropout_.one_mask() ? " one mask" : "";
    return detail::describe_each(dropout() > 0 ? "Stack with dropout " + describe(dropout()) + mask : "Stack", layers);
  }

  /// f(name, parameters ...) for each block of each layer; of stacks of different depths, of the layers that all have.
  static void visit(auto&& f, const Name& name, auto&... stacks) {
    for (std::size_t l = 0; l < std::min({stacks.layers.size()...}); ++l)
      Layer::visit(f, Name(name, l), stacks.layers[l]...);
  }
  /// The same stack with its parameters in another type.
  template <class Other>
  auto cast() const {
    using OtherLayer = decltype(layers.front().template cast<Other>());
    std::vector<OtherLayer> others;
    for (const auto& each : layers) others.push_back(each.template cast<Other>());
    return Stack<OtherLayer>(std::move(others), {.dropout = dropout(), .one_mask = dropout_.one_mask()});
  }

  // ---- A layer: see Layer ----

  /// The workspaces of the layers and of dropout, and dL/d(input) of a chunk.
  class Workspace {
   public:
    const typename Layer::Workspace& layer(Index l) const {
      return layers_[static_cast<std::size_t>(l)];
    }  ///< of layer l
    /// The layers' workspaces, and f(buffer) for everything that holds memory.
    ///@{
    auto& children() { return layers_; }
    const auto& children() const { return layers_; }
    void for_each_buffer(auto&& f) const {
      for (const auto& each : layers_) each.for_each_buffer(f);
      for (const auto& each : dropouts_) each.for_each_buffer(f);
      for (const auto& each : d_) f(each);
    }
    ///@}

   private:
    friend Stack;
    std::vector<typename Layer::Workspace> layers_;
    std::vector<typename Dropout<Scalar>::Workspace> dropouts_;  // of all but the last
    std::array<Series<Scalar>, 2> d_;                            // dL/d(what is between two layers), of a chunk
  };

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      layers[l].require_shapes(where);
      detail::require_in_a_row(where, l, l == 0 ? inputs() : outputs(), layers[l].inputs());
      require(layers[l].outputs() == outputs(), where, ": layer ", l, " must have ", outputs(),
              " outputs, as the first, got ", layers[l].outputs());
    }
    require(dropout() == 0 || dropout_.outputs() == outputs(), where, ": dropout must be of ", outputs(),
            " features, as the layers, got ", dropout_.outputs());
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.layers_.resize(layers.size());
    work.dropouts_.resize(dropout() > 0 ? layers.size() - 1 : 0);
    for (std::size_t l = 0; l < layers.size(); ++l) {
      layers[l].prepare_forward(pass.in_a_row(l == 0), work.layers_[l]);
      if (l < work.dropouts_.size()) dropout_.prepare_forward(pass, work.dropouts_[l]);
    }
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      if (l == 0) {
        run_forward(layers[l], chunk, x, work.layers_[l]);
      } else {
        run_forward(layers[l], chunk, input_of(l, work), work.layers_[l]);
      }
      if (l < work.dropouts_.size())
        dropout_.forward_steps(chunk, layers[l].output_columns(work.layers_[l]), work.dropouts_[l]);
    }
  }
  auto output_columns(const Workspace& work) const { return layers.back().output_columns(work.layers_.back()); }
  void prepare_backward(const Pass& pass, Workspace& work) const {
    for (auto& d : work.d_)
      if (layers.size() > 1) d.resize(outputs(), 1, most_columns(causal, pass.layout));
    for (std::size_t l = 0; l < layers.size(); ++l) layers[l].prepare_backward(pass.in_a_row(l == 0), work.layers_[l]);
  }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work, Stack& gradient,
                      SeriesView<Scalar> dx) const {
    std::size_t side = 0;  // of d_: one is read while the other is written
    const auto next = [&] {
      const auto d = SeriesView<Scalar>(work.d_[side ^= 1]).window(0, chunk.columns());
      chunk.set_zero(d);
      return d;
    };
    for (std::size_t l = layers.size() - 1; l > 0; --l) {
      const auto d_input = next();
      run_backward(layers[l], chunk, input_of(l, work), dy, work.layers_[l], gradient.layers[l], d_input);
      dy = d_input;
      if (work.dropouts_.empty()) continue;
      const auto d_dropped = next();
      run_backward(dropout_, chunk, layers[l - 1].output_columns(work.layers_[l - 1]), dy, work.dropouts_[l - 1],
                   gradient.dropout_, d_dropped);
      dy = d_dropped;
    }
    run_backward(layers[0], chunk, x, dy, work.layers_[0], gradient.layers[0], dx);
  }
  ///@}

  // ---- One step of one sequence, for Stream: returns where y_t begins ----

  /// For Stream: the layers' memories, and a step through all of them.
  ///@{
  auto memory() const {
    std::vector<decltype(layers.front().memory())> memory;
    for (const auto& each : layers) memory.push_back(each.memory());
    return memory;
  }
  const Scalar* step(const auto& x, auto& memory) const noexcept {
    require(memory.size() == layers.size(), "step: the network has other shapes than when the stream was made");
    const Scalar* y = layers[0].step(x, memory[0]);
    for (std::size_t l = 1; l < layers.size(); ++l)
      y = layers[l].step(Eigen::Map<const VectorOf<Scalar>>(y, outputs()), memory[l]);
    return y;
  }
  ///@}

 private:
  static std::vector<Layer> made(Index inputs, Index hidden, Index count) {
    require(count > 0, "Stack: count > 0 expected, got ", count);
    std::vector<Layer> layers;
    for (Index l = 0; l < count; ++l) layers.emplace_back(l == 0 ? inputs : layers.back().outputs(), hidden);
    return layers;
  }
  /// What layer l > 0 reads.
  SeriesView<const Scalar> input_of(std::size_t l, const Workspace& work) const {
    if (!work.dropouts_.empty()) return dropout_.output_columns(work.dropouts_[l - 1]);
    return layers[l - 1].output_columns(work.layers_[l - 1]);
  }

  Dropout<Scalar> dropout_;
};

}  // namespace recur::inline RECUR_ISA
