#pragma once
/// \file
/// PyTorch's names: the weights of nn.RNN, nn.GRU, nn.LSTM, nn.Linear, nn.Embedding and nn.LayerNorm, in the files that
/// safetensors.torch.save_file(module.state_dict(), path) writes.
///
///     recur::Sequence net(recur::Stack<recur::Lstm<float>>(8, 32, 2), recur::Readout<float>(32, 1, {.bias = true}));
///     recur::load_pytorch("model.safetensors", net);                    // self.rnn = nn.LSTM(8, 32, 2), self.fc = ...
///     recur::save_pytorch("model.safetensors", net, {.modules = {"rnn", "fc"}});
///
/// A cell is a layer of nn.RNN (Elman with Tanh or Relu), nn.GRU (Gru) or nn.LSTM (Lstm; with proj_size
/// ProjectedLstm), a Stack is a module with num_layers, a Bidirectional one that is bidirectional; a Readout or a Dense
/// is nn.Linear, an Embedding nn.Embedding (whose weight is E^T), a LayerNorm nn.LayerNorm. PyTorch has two biases
/// where recur has one: they are summed when loaded, which changes no output; saved, the second is zero. (Of a GRU's n,
/// the two are two in recur as well.) Without biases (bias=False) b is loaded as zero, and saved as two.

#include "../layers/bidirectional.hpp"
#include "../layers/stack.hpp"
#include "../cells/dense.hpp"
#include "../cells/elman.hpp"
#include "../cells/gru.hpp"
#include "../cells/lstm.hpp"
#include "../cells/projected_lstm.hpp"
#include "../layers/sequence.hpp"
#include "network.hpp"

#include <set>

namespace recur::inline RECUR_ISA {

/// Options of load_pytorch() and save_pytorch().
struct PytorchOptions {
  /// The module that each layer of a Sequence (but Dropout) is: "rnn" for tensors "rnn.weight_ih_l0" and so on, "" for
  /// names without a prefix. Several cells in a row that are the layers of one module name it each. Where it is left
  /// out, cells are in the only module of the file that has such, and the other kinds of layers likewise, if need be in
  /// the only one of the right shape; when saving, they are "rnn", "fc", "embedding" and "norm".
  std::vector<std::string> modules = {};
  /// Whether the file may hold modules that are none of these.
  bool ignore_others = false;
};

namespace detail {

/// Which blocks of rows of U, W and b are PyTorch's gates, in its order, for input weights and recurrent ones.
template <class Rule>
struct PytorchGates;
template <>
struct PytorchGates<ElmanRule<Tanh>> {
  static constexpr std::array input{0}, hidden{0}, input_bias{0}, hidden_bias{0};
};
template <>
struct PytorchGates<ElmanRule<Relu>> : PytorchGates<ElmanRule<Tanh>> {};
template <>
struct PytorchGates<LstmRule<>> {  // i, f, g, o
  static constexpr std::array input{0, 1, 2, 3}, hidden{0, 1, 2, 3}, input_bias{0, 1, 2, 3}, hidden_bias{0, 1, 2, 3};
};
template <>
struct PytorchGates<ProjectedLstmRule> : PytorchGates<LstmRule<>> {};
template <>
struct PytorchGates<GruRule<>> {  // r, z, n of n, r, z; r, z, q; n, r, z, q
  static constexpr std::array input{1, 2, 0}, hidden{0, 1, 2}, input_bias{1, 2, 0}, hidden_bias{1, 2, 3};
};

/// One of PyTorch's tensors, and where it is in a network: its g-th block of `height` rows is the gates[g]-th of a
/// matrix.
struct PytorchTensor {
  enum Role { weight, bias, first_bias, second_bias };
  std::string name;
  Index height;
  std::span<const int> gates;
  Role role = weight;
  std::span<const int> gates_of_first = {};  // where this is the second bias

  Index rows() const { return std::ssize(gates) * height; }
  std::string other_bias() const {  // bias_ih_l0 of bias_hh_l0
    std::string other = name;
    return other.replace(other.rfind("bias_") + 5, 2, role == second_bias ? "ih" : "hh");
  }
};

template <class Layer>
inline constexpr bool is_dense = false;
template <class F, class Scalar, int Inputs, int Outputs>
inline constexpr bool is_dense<Cell<DenseRule<F>, Scalar, Inputs, Outputs>> = true;

/// The kinds of modules.
enum class PytorchKind { cells, linear, embedding, norm };

template <class Layer>
constexpr PytorchKind pytorch_kind() {
  if constexpr (requires(Layer& layer) { layer.V; } || is_dense<std::remove_const_t<Layer>>) return PytorchKind::linear;
  if constexpr (requires(Layer& layer) { layer.E; }) return PytorchKind::embedding;
  if constexpr (requires(Layer& layer) { layer.gain; }) return PytorchKind::norm;
  return PytorchKind::cells;
}
/// The shape of a module's weight, in PyTorch's order.
template <class Layer>
std::vector<Index> pytorch_shape(const Layer& layer) {
  switch (pytorch_kind<Layer>()) {
    case PytorchKind::norm: return {layer.outputs()};
    case PytorchKind::embedding: return {layer.inputs(), layer.outputs()};
    default: return {layer.outputs(), layer.inputs()};
  }
}

/// Walks over a network: f(PytorchTensor, matrix) for each of PyTorch's tensors.
template <class F>
class PytorchWalk {
 public:
  PytorchWalk(std::vector<std::string> modules, F f) : modules_(std::move(modules)), f_(std::move(f)) {}

  template <class Layer>
  void visit(Layer& layer) {
    if constexpr (is_sequence<Layer>) {
      std::apply([&](auto&... each) { (visit(each), ...); }, layer.layers);
    } else if constexpr (has_weights<Layer>) {
      visit(layer, modules_.at(module_++));
    }
  }

  template <class Layer>
  static constexpr bool is_sequence = requires(Layer& layer) { std::get<0>(layer.layers); };
  /// Whether a layer is a module, as all are but Dropout; DropConnect is its cell.
  template <class Layer>
  static constexpr bool has_weights =
      !requires(Layer& layer) { layer.probability(); } || requires(Layer& layer) { layer.cell; };

 private:
  template <class Layer>
  void visit(Layer& layer, const std::string& module) {
    const std::string prefix = module.empty() ? "" : module + ".";
    if constexpr (is_dense<std::remove_const_t<Layer>>) {
      f_(PytorchTensor{prefix + "weight", layer.outputs(), whole}, layer.U);
      f_(PytorchTensor{prefix + "bias", layer.outputs(), whole, PytorchTensor::bias}, layer.b);
    } else if constexpr (pytorch_kind<Layer>() == PytorchKind::linear) {
      f_(PytorchTensor{prefix + "weight", layer.outputs(), whole}, layer.V);
      if (layer.has_bias()) f_(PytorchTensor{prefix + "bias", layer.outputs(), whole, PytorchTensor::bias}, layer.c);
    } else if constexpr (pytorch_kind<Layer>() == PytorchKind::embedding) {
      auto weight = layer.E.transpose();
      f_(PytorchTensor{prefix + "weight", layer.inputs(), whole}, weight);
    } else if constexpr (pytorch_kind<Layer>() == PytorchKind::norm) {
      f_(PytorchTensor{prefix + "weight", layer.outputs(), whole, PytorchTensor::bias}, layer.gain);
      f_(PytorchTensor{prefix + "bias", layer.outputs(), whole, PytorchTensor::bias}, layer.bias);
    } else if constexpr (requires { layer.layers; }) {
      for (auto& each : layer.layers) visit(each, module);
    } else {
      const std::string number = "_l" + std::to_string(layers_[module]++);
      if constexpr (requires { layer.back; }) {
        visit_cell(layer.ahead, prefix, number);
        visit_cell(layer.back, prefix, number + "_reverse");
      } else {
        visit_cell(layer, prefix, number);
      }
    }
  }
  template <class Cell>
  void visit_cell(Cell& cell, const std::string& prefix, const std::string& number) {
    if constexpr (requires { cell.cell; }) {
      visit_cell(cell.cell, prefix, number);
    } else {
      visit_plain_cell(cell, prefix, number);
    }
  }
  template <class Cell>
  void visit_plain_cell(Cell& cell, const std::string& prefix, const std::string& number) {
    using Gates = PytorchGates<typename Cell::Rule>;
    static_assert(
        requires { Gates::input; },
        "PyTorch has no such cell: only Elman with Tanh or Relu, Gru, Lstm and ProjectedLstm");
    const Index H = cell.hidden();
    f_(PytorchTensor{prefix + "weight_ih" + number, H, Gates::input}, cell.U);
    f_(PytorchTensor{prefix + "weight_hh" + number, H, Gates::hidden}, cell.W);
    f_(PytorchTensor{prefix + "bias_ih" + number, H, Gates::input_bias, PytorchTensor::first_bias}, cell.b);
    f_(PytorchTensor{prefix + "bias_hh" + number, H, Gates::hidden_bias, PytorchTensor::second_bias, Gates::input_bias},
       cell.b);
    if constexpr (is_projected<typename Cell::Rule>)
      f_(PytorchTensor{prefix + "weight_hr" + number, cell.outputs(), whole}, cell.R);
  }

  static constexpr std::array whole{0};
  std::vector<std::string> modules_;
  std::size_t module_ = 0;
  std::map<std::string, int> layers_;
  F f_;
};

/// name(layer) for each module of a network.
template <class Layer>
void name_modules(const Layer& layer, auto&& name) {
  using Walk = PytorchWalk<int>;
  if constexpr (Walk::is_sequence<const Layer>) {
    std::apply([&](const auto&... each) { (name_modules(each, name), ...); }, layer.layers);
  } else if constexpr (Walk::has_weights<const Layer>) {
    name(layer);
  }
}

/// The modules of a file that may be of this kind; if several are, those of the right shape.
inline std::vector<std::string> modules_in(const Safetensors& file, PytorchKind kind, const std::vector<Index>& shape) {
  const std::string last = kind == PytorchKind::cells ? "weight_ih_l0" : "weight";
  std::vector<std::string> modules, right;
  for (const auto& [name, tensor] : file.tensors()) {
    if (tensor.shape.size() != (kind == PytorchKind::norm ? 1u : 2u)) continue;
    if (name != last && !name.ends_with("." + last)) continue;
    modules.push_back(name == last ? "" : name.substr(0, name.size() - last.size() - 1));
    if (tensor.shape == shape) right.push_back(modules.back());
  }
  return kind != PytorchKind::cells && right.size() == 1 ? right : modules;
}

/// The modules that the user has named, or default_name(layer).
template <class Net>
std::vector<std::string> modules_of(const Net& net, const char* where, const PytorchOptions& options,
                                    auto&& default_name) {
  std::vector<std::string> modules;
  name_modules(net, [&](const auto& layer) {
    modules.push_back(options.modules.empty() ? default_name(layer) : std::string());
  });
  if (options.modules.empty()) return modules;
  require(options.modules.size() == modules.size(), where, ": modules must be ", modules.size(),
          " (one for each layer but Dropout), got ", options.modules.size());
  return options.modules;
}

}  // namespace detail

/// Loads a network's parameters from PyTorch's. Whatever number type the file has is converted.
/// Throws std::runtime_error where the file cannot be read, and where a tensor of the network is missing, has another
/// shape, or is not finite, or one of the file belongs to no layer: it names the tensor, and what was expected and what
/// came. The network is then as it was.
/// Throws std::invalid_argument where `.modules` are not one for each layer.
template <class Net>
void load_pytorch(const Safetensors& file, Net& net, const PytorchOptions& options = {}) {
  using detail::PytorchTensor;
  const auto modules = detail::modules_of(net, "load_pytorch", options, [&]<class L>(const L& layer) {
    const auto found = detail::modules_in(file, detail::pytorch_kind<L>(), detail::pytorch_shape(layer));
    std::string names;
    for (const auto& name : found) names += (names.empty() ? "" : ", ") + quote(name);
    if (found.size() > 1) file.fail("has several modules that may be meant, name them in .modules: " + names);
    return found.empty() ? std::string() : found[0];
  });

  Net loaded = net;
  std::set<std::string> used;
  const auto load = [&](const PytorchTensor& tensor, auto& matrix) {
    const bool one_of_two = tensor.role == PytorchTensor::first_bias || tensor.role == PytorchTensor::second_bias;
    if (tensor.role == PytorchTensor::first_bias) matrix.setZero();
    if (one_of_two && !file.contains(tensor.name) && !file.contains(tensor.other_bias())) return;
    const auto values = file.matrix<typename Net::Scalar>(tensor.name, tensor.rows(), matrix.cols());
    detail::require_finite(file, tensor.name, values);
    if (!used.insert(tensor.name).second)
      file.fail("tensor " + quote(tensor.name) + " must be of one layer, got two of the network's");
    for (std::size_t g = 0; g < tensor.gates.size(); ++g) {
      auto rows = matrix.middleRows(tensor.gates[g] * tensor.height, tensor.height);
      const auto its = values.middleRows(static_cast<Index>(g) * tensor.height, tensor.height);
      if (one_of_two) {
        rows += its;
      } else {
        rows = its;
      }
    }
    if (tensor.role == PytorchTensor::second_bias && !detail::all_finite(matrix))
      file.fail("tensors " + quote(tensor.other_bias()) + " and " + quote(tensor.name) +
                " must have a sum that is finite, got " + detail::not_finite(matrix));
  };
  detail::PytorchWalk(modules, load).visit(loaded);

  for (const auto& [name, tensor] : file.tensors()) {
    const bool in_modules = std::any_of(modules.begin(), modules.end(), [&, &tensor_name = name](const auto& module) {
      return module.empty() || tensor_name.starts_with(module + ".");
    });
    if (used.count(name) == 0 && (in_modules || !options.ignore_others))
      file.fail("tensor " + quote(name) + " of shape " + text_of_shape(tensor.shape) +
                " is of no layer of the network");
  }
  net = std::move(loaded);
}
/// The same from the file at `path`.
template <class Net>
void load_pytorch(const std::filesystem::path& path, Net& net, const PytorchOptions& options = {}) {
  load_pytorch(Safetensors::read(path), net, options);
}

/// Saves a network's parameters as PyTorch's: load_state_dict(safetensors.torch.load_file(path)) takes them. Written
/// wholly or not at all. Throws std::invalid_argument where a parameter is NaN or infinite, and std::runtime_error
/// where the file cannot be written. The old file is then as it was.
template <class Net>
void save_pytorch(const std::filesystem::path& path, const Net& net, const PytorchOptions& options = {}) {
  using detail::PytorchTensor;
  const auto modules = detail::modules_of(net, "save_pytorch", options, [&]<class L>(const L&) {
    const bool alone = !detail::PytorchWalk<int>::template is_sequence<const Net>;
    constexpr std::array names{"rnn", "fc", "embedding", "norm"};
    return std::string(alone ? "" : names.at(static_cast<std::size_t>(detail::pytorch_kind<L>())));
  });
  detail::require_finite("save_pytorch", net);
  SafetensorsWriter file;
  file.set_metadata("format", "pt");
  detail::PytorchWalk(modules, [&](const PytorchTensor& tensor, const auto& matrix) {
    MatrixOf<typename Net::Scalar> values = MatrixOf<typename Net::Scalar>::Zero(tensor.rows(), matrix.cols());
    for (std::size_t g = 0; g < tensor.gates.size(); ++g) {
      const auto& first = tensor.gates_of_first;
      if (std::find(first.begin(), first.end(), tensor.gates[g]) != first.end()) continue;
      values.middleRows(static_cast<Index>(g) * tensor.height, tensor.height) =
          matrix.middleRows(tensor.gates[g] * tensor.height, tensor.height);
    }
    std::vector<Index> shape{values.rows()};
    if (tensor.role == PytorchTensor::weight) shape.push_back(values.cols());
    file.add(tensor.name, values, shape);
  }).visit(net);
  file.write(path);
}

}  // namespace recur::inline RECUR_ISA
