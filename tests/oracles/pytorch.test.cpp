// The numbers of PyTorch's nn.RNN, nn.GRU and nn.LSTM, from files: every *.safetensors in the folder that the
// environment variable RECUR_ORACLES names, or of those kept with the tests.
#include "oracle_files.hpp"

#include <recur/io/pytorch.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// h and c of all layers and directions: [layers * directions, N, H] each.
template <class Net>
typename Net::State states(const Net& net, const Safetensors& file, const std::string& before,
                           const std::string& after) {
  using Scalar = typename Net::Scalar;
  auto state = net.state(file.shape(before + "h" + after).at(1));
  Index i = 0;
  visit_state(
      [&](auto& block) {
        const auto h = slice<Scalar>(file, before + "h" + after, i);
        block.topRows(h.rows()) = h;
        if (block.rows() > h.rows()) block.bottomRows(h.rows()) = slice<Scalar>(file, before + "c" + after, i);
        ++i;
      },
      state);
  REQUIRE(i == file.shape(before + "h" + after)[0]);
  return state;
}

template <class Net>
void run(const Safetensors& file, double tolerance) {
  using Scalar = typename Net::Scalar;
  Agreement agree(file, tolerance);

  // The parameters alone, as a file of PyTorch's.
  SafetensorsWriter parameters;
  for (const auto& [name, tensor] : file.tensors())
    if (name.starts_with("weight_") || name.starts_with("bias_")) parameters.add(name, tensor);
  Net net(file.shape("x").at(2), file.shape("h0").at(2), std::stoi(file.metadata("layers")));
  load_pytorch(Safetensors::parse(parameters.bytes(), file.name()), net);

  const auto x = series<Scalar>(file, "x");
  auto trace = net.trace();
  const auto y = net.forward(x, trace, states(net, file, "", "0"));
  agree("y", y.matrix(), columns<Scalar>(file, "y"));
  const auto final = net.final_state(trace), their_final = states(net, file, "", "n");
  visit_state([&](const auto& ours, const auto& theirs) { agree("hn", ours, theirs); }, final, their_final);

  auto gradient = zeros_like(net);
  Series<Scalar> dx;
  auto d_initial = net.state(x.batch());
  const auto d_final = states(net, file, "d", "n");
  bptt(net, x, trace, series<Scalar>(file, "dy"), gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  agree("grad.x", dx.matrix(), columns<Scalar>(file, "grad.x"));
  const auto their_d_initial = states(net, file, "grad.", "0");
  visit_state([&](const auto& ours, const auto& theirs) { agree("grad.h0", ours, theirs); }, d_initial,
              their_d_initial);
  detail::PytorchWalk({""}, [&](const detail::PytorchTensor& tensor, const auto& matrix) {
    if (!file.contains("grad." + tensor.name)) return;  // without biases
    const auto theirs = file.matrix<Scalar>("grad." + tensor.name, tensor.rows(), matrix.cols());
    for (std::size_t g = 0; g < tensor.gates.size(); ++g)
      agree("grad." + tensor.name, matrix.middleRows(tensor.gates[g] * tensor.height, tensor.height),
            theirs.middleRows(Index(g) * tensor.height, tensor.height));
  }).visit(std::as_const(gradient));
  agree.report();
}

template <class Cell>
void run_directions(const Safetensors& file, double tolerance) {
  const auto& bidirectional = file.metadata("bidirectional");
  REQUIRE((bidirectional == "true" || bidirectional == "false"));
  if (bidirectional == "true") {
    run<Stack<Bidirectional<Cell>>>(file, tolerance);
  } else {
    run<Stack<Cell>>(file, tolerance);
  }
}

template <class Scalar>
void run_cells(const Safetensors& file, double tolerance) {
  const auto& cell = file.metadata("cell");
  INFO(file.name() << ": cell " << cell);
  if (cell == "rnn_tanh") return run_directions<Elman<Scalar>>(file, tolerance);
  if (cell == "rnn_relu") return run_directions<Elman<Scalar, Relu>>(file, tolerance);
  if (cell == "lstm") return run_directions<Lstm<Scalar>>(file, tolerance);
  if (cell == "gru") return run_directions<Gru<Scalar>>(file, tolerance);
  FAIL("unknown cell");
}

}  // namespace

TEST_CASE("What nn.RNN, nn.GRU and nn.LSTM compute, recur computes", "[oracles][pytorch]") {
  const char* const given = std::getenv("RECUR_ORACLES");
  const auto files = oracles_in(given ? given : RECUR_TEST_ORACLES);
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    const auto& dtype = file.tensor("x").dtype;
    INFO(file.name() << ": " << dtype);
    REQUIRE((dtype == "F64" || dtype == "F32"));
    if (dtype == "F64") {
      run_cells<double>(file, 1e-11);
    } else {
      run_cells<float>(file, 5e-5);
    }
  }
}
