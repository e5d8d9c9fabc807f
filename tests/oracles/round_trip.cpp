// The C++ side of round_trip.py, which says what it does: loads PyTorch's parameters, prints y, saves them again.
#include <recur/io/pytorch.hpp>

#include <iostream>

using namespace recur;

namespace {

template <class Net>
void run(const Safetensors& in, Net net, const PytorchOptions& options, char** argv) {
  using Scalar = typename Net::Scalar;
  load_pytorch(in, net, options);
  const auto file = Safetensors::read(argv[2]);
  const auto& shape = file.shape("x");
  const auto x = file.values<Scalar>("x");
  auto trace = net.trace();
  const auto y = net.forward(SeriesView<const Scalar>(x.data(), shape.at(2), shape.at(1), shape.at(0)), trace);
  std::cout.precision(std::numeric_limits<Scalar>::max_digits10);
  std::cout << y.matrix().transpose() << '\n';
  save_pytorch(argv[3], net, options);
}

template <class Layer>
void run_stack(const Safetensors& in, char** argv) {
  const auto number = [&](const char* name) { return std::stol(in.metadata(name)); };
  const auto module = [&](const char* name) {
    const auto& prefix = in.metadata(name);
    return prefix.substr(0, prefix.find('.'));
  };
  const Stack<Layer> stack(number("inputs"), number("hidden"), number("layers"));
  if (in.metadata("readout").empty()) return run(in, stack, {.modules = {module("prefix")}}, argv);
  const Readout<typename Layer::Scalar> readout(stack.outputs(), number("outputs"), {.bias = true});
  run(in, Sequence(stack, readout), {.modules = {module("prefix"), module("readout")}}, argv);
}

template <class Cell>
void run_cell(const Safetensors& in, char** argv) {
  if (in.metadata("bidirectional") == "true") {
    run_stack<Bidirectional<Cell>>(in, argv);
  } else {
    run_stack<Cell>(in, argv);
  }
}

template <class Scalar>
void run_scalar(const Safetensors& in, char** argv) {
  const auto& cell = in.metadata("cell");
  if (cell == "rnn_tanh") return run_cell<Elman<Scalar>>(in, argv);
  if (cell == "rnn_relu") return run_cell<Elman<Scalar, Relu>>(in, argv);
  if (cell == "lstm") return run_cell<Lstm<Scalar>>(in, argv);
  if (cell == "gru") return run_cell<Gru<Scalar>>(in, argv);
  in.fail("unknown cell " + quote(cell));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    require(argc == 4, "usage: round_trip in.safetensors x.safetensors out.safetensors");
    const auto in = Safetensors::read(argv[1]);
    if (in.tensors().begin()->second.dtype == "F32") {
      run_scalar<float>(in, argv);
    } else {
      run_scalar<double>(in, argv);
    }
  } catch (const std::exception& error) {
    std::cerr << "round_trip: " << error.what() << '\n';
    return 1;
  }
}
