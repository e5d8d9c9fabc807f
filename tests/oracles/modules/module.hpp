// PyTorch's modules, as pytorch.test.cpp runs them. A network takes the compiler a while: those of each scalar
// type are in a file of their own, and what reads and compares their numbers knows none of them.
#pragma once

#include <recur/io/pytorch.hpp>
#include <recur/recur.hpp>

namespace recur_test {

/// Those of all layers and directions, in their order.
using States = std::vector<recur::MatrixOf<double>>;

/// What a module is given. All numbers are in double, which holds those of float as they are.
struct Given {
  const recur::Safetensors& parameters;
  recur::Index inputs, hidden, outputs, layers;  // outputs: of one direction
  recur::Series<double> x, dy;
  States initial, d_final;
};

/// What it makes of them.
struct Computed {
  recur::MatrixOf<double> y, dx;
  States final, d_initial;
  std::vector<std::pair<recur::detail::PytorchTensor, recur::MatrixOf<double>>> gradients;
};

using Module = Computed (*)(const Given&);

/// The module of a cell of PyTorch's, "lstm" say, in one direction or both; none where there is no such cell.
Module module_in_double(const std::string& cell, bool bidirectional);
Module module_in_float(const std::string& cell, bool bidirectional);

template <class Layer>
Layer layer_of(const Given& given, recur::Index inputs) {
  if constexpr (requires(Layer& layer) { layer.back; }) {
    const auto half = layer_of<typename Layer::Layer>(given, inputs);
    return Layer(half, half);
  } else if constexpr (Layer::is_projected) {
    return Layer(inputs, given.hidden, given.outputs);
  } else {
    return Layer(inputs, given.hidden);
  }
}
template <class Net>
Net made(const Given& given) {
  std::vector<typename Net::Layer> layers{layer_of<typename Net::Layer>(given, given.inputs)};
  while (std::ssize(layers) < given.layers)
    layers.push_back(layer_of<typename Net::Layer>(given, layers.back().outputs()));
  return Net(std::move(layers));
}

template <class Net>
Computed compute(const Given& given) {
  using Scalar = typename Net::Scalar;
  auto net = made<Net>(given);
  recur::load_pytorch(given.parameters, net);

  const auto x = given.x.template cast<Scalar>(), dy = given.dy.template cast<Scalar>();
  auto initial = net.state(x.batch()), d_final = initial, d_initial = initial;
  const auto set = [](auto& state, const States& blocks) {
    std::size_t i = 0;
    recur::visit_state([&](auto& block) { block = blocks.at(i++).template cast<Scalar>(); }, state);
    recur::require(i == blocks.size(), "one state for each layer and direction expected");
  };
  const auto blocks_of = [](const auto& state) {
    States blocks;
    recur::visit_state([&](const auto& block) { blocks.push_back(block.template cast<double>()); }, state);
    return blocks;
  };
  set(initial, given.initial);
  set(d_final, given.d_final);

  Computed result;
  auto trace = net.trace();
  result.y = net.forward(x, trace, initial).matrix().template cast<double>();
  result.final = blocks_of(net.final_state(trace));
  auto gradient = zeros_like(net);
  recur::Series<Scalar> dx;
  bptt(net, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  result.dx = dx.matrix().template cast<double>();
  result.d_initial = blocks_of(d_initial);
  recur::detail::PytorchWalk({""}, [&](const recur::detail::PytorchTensor& tensor, const auto& matrix) {
    result.gradients.emplace_back(tensor, matrix.template cast<double>());
  }).visit(std::as_const(gradient));
  return result;
}

template <class Cell>
Module in_directions(bool bidirectional) {
  using recur::Stack, recur::Bidirectional;
  return bidirectional ? compute<Stack<Bidirectional<Cell>>> : compute<Stack<Cell>>;
}
template <class Scalar>
Module module_of(const std::string& cell, bool bidirectional) {
  if (cell == "rnn_tanh") return in_directions<recur::Elman<Scalar>>(bidirectional);
  if (cell == "rnn_relu") return in_directions<recur::Elman<Scalar, recur::Relu>>(bidirectional);
  if (cell == "lstm") return in_directions<recur::Lstm<Scalar>>(bidirectional);
  if (cell == "lstm_proj") return in_directions<recur::ProjectedLstm<Scalar>>(bidirectional);
  if (cell == "gru") return in_directions<recur::Gru<Scalar>>(bidirectional);
  return nullptr;
}

}  // namespace recur_test
