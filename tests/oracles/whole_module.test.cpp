// A whole nn.Module of PyTorch's, loaded in one call: its outputs and all gradients. See
// oracles/make_module_oracles.py for what is in the files.
#include "folder.hpp"
#include "helpers.hpp"
#include "oracle_files.hpp"

#include <recur/io/pytorch.hpp>

using namespace recur;
using namespace recur_test;

namespace {

/// The gradient of sum(y*dy), where y is what the file says.
template <class Net>
Net gradient_of(const Net& net, const Safetensors& file, Agreement& agree) {
  const auto& shape = file.shape("x");  // [T, N]
  const auto numbers = file.values<double>("x");
  const std::vector<int> tokens(numbers.begin(), numbers.end());
  const TokensView x(tokens.data(), shape.at(1), shape.at(0));
  auto trace = net.trace();
  auto gradient = zeros_like(net);
  agree("y", net.forward(x, trace).matrix().template cast<double>(), columns(file, "y"));
  const auto dy = series(file, "dy").template cast<typename Net::Scalar>();
  bptt(net, x, trace, dy, gradient);
  return gradient;
}
/// A gradient, in PyTorch's shapes.
void compare_gradient(const auto& gradient, const std::vector<std::string>& modules, const Safetensors& file,
                      Agreement& agree) {
  const Folder folder;
  save_pytorch(folder / "gradient.safetensors", gradient, {.modules = modules});
  const auto ours = Safetensors::read(folder / "gradient.safetensors");
  for (const auto& [name, tensor] : ours.tensors()) {
    if (name.find("bias_hh") != std::string::npos) continue;  // that of the one bias is with bias_ih
    REQUIRE(file.shape("grad." + name) == tensor.shape);
    agree("grad." + name, columns(ours, name), columns(file, "grad." + name));
  }
}

template <class Scalar>
void run_module(const Safetensors& file, double tolerance) {
  Agreement agree(file, tolerance);
  const std::vector<std::string> modules{"embedding", "rnn", "norm", "head.0", "head.2"};
  Sequence net(Embedding<Scalar>(11, 6, {.padding = 2}), Stack<ProjectedLstm<Scalar>>({{6, 5, 3}, {3, 5, 3}}),
               LayerNorm<Scalar>(3, {.epsilon = 1e-3}), Dense<Scalar>(3, 8), Readout<Scalar>(8, 4, {.bias = true}));
  load_pytorch(file, net, {.modules = modules, .ignore_others = true});
  compare_gradient(gradient_of(net, file, agree), modules, file, agree);
  agree.report();
}

template <class Scalar>
void run_tied(const Safetensors& file, double tolerance) {
  Agreement agree(file, tolerance);
  const std::vector<std::string> modules{"embedding", "rnn"};
  TiedReadout net(Embedding<Scalar>(11, 6, {.padding = 2}), Lstm<Scalar>(6, 6));
  load_pytorch(file, net.body, {.modules = modules, .ignore_others = true});
  net.c = columns(file, "head.bias").template cast<Scalar>();
  const auto gradient = gradient_of(net, file, agree);
  compare_gradient(gradient.body, modules, file, agree);
  agree("grad.head.bias", gradient.c.template cast<double>(), columns(file, "grad.head.bias"));
  agree.report();
}

}  // namespace

TEST_CASE("A whole nn.Module is loaded in one call, and computes the same, gradients too", "[oracles][pytorch]") {
  run_module<double>(Safetensors::read(RECUR_TEST_ORACLES "/whole_module/f64.safetensors"), 1e-11);
  run_module<float>(Safetensors::read(RECUR_TEST_ORACLES "/whole_module/f32.safetensors"), 5e-5);
}

TEST_CASE("A readout that shares an embedding's weights is an nn.Linear that does, gradients too",
          "[oracles][pytorch]") {
  run_tied<double>(Safetensors::read(RECUR_TEST_ORACLES "/whole_module/tied_f64.safetensors"), 1e-11);
  run_tied<float>(Safetensors::read(RECUR_TEST_ORACLES "/whole_module/tied_f32.safetensors"), 5e-5);
}

TEST_CASE("Modules that have one weight each are told apart by its shape, and else must be named",
          "[oracles][pytorch]") {
  const Folder folder;
  std::mt19937 rng(1);
  const auto net_of = [&](Index hidden, Index outputs) {
    Sequence net(Embedding<float>(7, 4), Gru<float>(4, hidden), LayerNorm<float>(hidden),
                 Readout<float>(hidden, outputs));
    initialize(net, rng);
    return net;
  };
  const auto net = net_of(5, 3);
  save_pytorch(folder / "net.safetensors", net);
  auto loaded = zeros_like(net);
  load_pytorch(folder / "net.safetensors", loaded);
  CHECK(same_parameters(loaded, net));

  auto alike = net_of(4, 7);  // both are 7 x 4
  save_pytorch(folder / "alike.safetensors", alike);
  CHECK_THAT(message_of<std::runtime_error>([&] { load_pytorch(folder / "alike.safetensors", alike); }),
             Catch::Matchers::ContainsSubstring(
                 "has several modules that may be meant, name them in .modules: 'embedding', 'fc'"));
  load_pytorch(folder / "alike.safetensors", alike, {.modules = {"embedding", "rnn", "norm", "fc"}});
}
