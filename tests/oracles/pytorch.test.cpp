// The numbers of PyTorch's nn.RNN, nn.GRU and nn.LSTM, from files: every *.safetensors in the folder that the
// environment variable RECUR_ORACLES names, or of those kept with the tests.
#include "oracle_files.hpp"
#include "oracles/modules/module.hpp"

using namespace recur;
using namespace recur_test;

namespace {

/// h and c of all layers and directions: [layers * directions, N, H] each, where it is projected h of P.
States states(const Safetensors& file, const std::string& before, const std::string& after) {
  States result;
  const std::string h = before + "h" + after, c = before + "c" + after;
  for (Index i = 0; i < file.shape(h)[0]; ++i) {
    auto state = slice(file, h, i);
    if (file.contains(c)) state = stacked(state, slice(file, c, i));
    result.push_back(state);
  }
  return result;
}

/// The module of a file's cell.
Module module_of(const Safetensors& file) {
  const auto &cell = file.metadata("cell"), &bidirectional = file.metadata("bidirectional");
  INFO(file.name() << ": cell " << cell);
  REQUIRE((bidirectional == "true" || bidirectional == "false"));
  const auto of_scalar = file.tensor("x").dtype == "F64" ? module_in_double : module_in_float;
  const auto module = of_scalar(cell, bidirectional == "true");
  REQUIRE(module);
  return module;
}

void run(Module module, const Safetensors& file, double tolerance) {
  Agreement agree(file, tolerance);

  // The parameters alone, as a file of PyTorch's.
  SafetensorsWriter parameters;
  for (const auto& [name, tensor] : file.tensors())
    if (name.starts_with("weight_") || name.starts_with("bias_")) parameters.add(name, tensor);
  const auto computed = module({.parameters = Safetensors::parse(parameters.bytes(), file.name()),
                                .inputs = file.shape("x").at(2),
                                .hidden = file.shape(file.contains("c0") ? "c0" : "h0").at(2),
                                .outputs = file.shape("h0").at(2),
                                .layers = std::stoi(file.metadata("layers")),
                                .x = series(file, "x"),
                                .dy = series(file, "dy"),
                                .initial = states(file, "", "0"),
                                .d_final = states(file, "d", "n")});

  const auto agree_in_each = [&](const std::string& name, const States& ours, const States& theirs) {
    REQUIRE(ours.size() == theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) agree(name, ours[i], theirs[i]);
  };
  agree("y", computed.y, columns(file, "y"));
  agree_in_each("hn", computed.final, states(file, "", "n"));
  agree("grad.x", computed.dx, columns(file, "grad.x"));
  agree_in_each("grad.h0", computed.d_initial, states(file, "grad.", "0"));
  for (const auto& [tensor, ours] : computed.gradients) {
    if (!file.contains("grad." + tensor.name)) continue;  // without biases
    const auto theirs = file.matrix<double>("grad." + tensor.name, tensor.rows(), ours.cols());
    for (std::size_t g = 0; g < tensor.gates.size(); ++g)
      agree("grad." + tensor.name, ours.middleRows(tensor.gates[g] * tensor.height, tensor.height),
            theirs.middleRows(Index(g) * tensor.height, tensor.height));
  }
  agree.report();
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
    run(module_of(file), file, dtype == "F64" ? 1e-11 : 5e-5);
  }
}
