// PyTorch's names and layouts. That its numbers come of them is for oracles/pytorch.test.cpp and oracles/round_trip.py
// to say.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/io/pytorch.hpp>

using namespace recur;
using namespace recur_test;

namespace {

MatrixOf<float> numbered(Index rows, Index cols, float first) {
  MatrixOf<float> matrix(rows, cols);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) matrix(i, j) = first + static_cast<float>(i * cols + j);
  return matrix;
}
/// A module of PyTorch's, with `gates` gates, 3 inputs and 2 hidden units.
void add_module(SafetensorsWriter& file, const std::string& prefix, Index gates, const std::string& layer = "_l0",
                Index inputs = 3, bool biases = true) {
  file.add(prefix + "weight_ih" + layer, numbered(gates * 2, inputs, 1));
  file.add(prefix + "weight_hh" + layer, numbered(gates * 2, 2, 101));
  if (!biases) return;
  file.add(prefix + "bias_ih" + layer, numbered(gates * 2, 1, 201));
  file.add(prefix + "bias_hh" + layer, numbered(gates * 2, 1, 301));
}
Safetensors opened(const SafetensorsWriter& file) { return Safetensors::parse(file.bytes(), "model"); }

/// What load_pytorch() says; the network is as it was.
template <class Net>
std::string refusal(const SafetensorsWriter& file, const Net& zero, const PytorchOptions& options = {}) {
  std::mt19937 rng(1);
  const auto before = randomized(zero, rng);
  auto net = before;
  const auto message = message_of<std::runtime_error>([&] { load_pytorch(opened(file), net, options); });
  return (same_parameters(net, before) ? "" : "(something was changed) ") + message;
}

}  // namespace

TEST_CASE("Gates go where they belong, and the two biases are summed", "[io][pytorch]") {
  SECTION("nn.RNN") {
    SafetensorsWriter file;
    add_module(file, "", 1);
    Elman<float, Relu> cell(3, 2);
    load_pytorch(opened(file), cell);
    CHECK(cell.U == numbered(2, 3, 1));
    CHECK(cell.W == numbered(2, 2, 101));
    CHECK(cell.b == VectorOf<float>(numbered(2, 1, 201) + numbered(2, 1, 301)));
  }
  SECTION("nn.LSTM: i, f, g, o") {
    SafetensorsWriter file;
    add_module(file, "", 4);
    Lstm<float> cell(3, 2);
    load_pytorch(opened(file), cell);
    CHECK(cell.U == numbered(8, 3, 1));
    CHECK(cell.W == numbered(8, 2, 101));
    CHECK(cell.b == VectorOf<float>(numbered(8, 1, 201) + numbered(8, 1, 301)));
  }
  SECTION("nn.LSTM with proj_size") {
    SafetensorsWriter file;
    file.add("weight_ih_l0", numbered(12, 4, 1));
    file.add("weight_hh_l0", numbered(12, 2, 101));
    file.add("weight_hr_l0", numbered(2, 3, 401));
    ProjectedLstm<float> cell(4, 3, 2);
    load_pytorch(opened(file), cell);
    CHECK(cell.W == numbered(12, 2, 101));
    CHECK(cell.R == numbered(2, 3, 401));
    CHECK(refusal(file, ProjectedLstm<float>(4, 3, 4)) ==
          "model: tensor 'weight_hh_l0' must have shape [12, 4], got [12, 2]");
    CHECK(refusal(file, Lstm<float>(4, 3)) == "model: tensor 'weight_hh_l0' must have shape [12, 3], got [12, 2]");
  }
  SECTION("nn.GRU: r, z, n; U's rows are n, r, z, W's r, z, q, and b's n, r, z, q") {
    SafetensorsWriter file;
    add_module(file, "", 3);
    Gru<float, 3, 2> cell;
    load_pytorch(opened(file), cell);
    const auto U = numbered(6, 3, 1);
    CHECK(cell.U.topRows<2>() == U.bottomRows(2));
    CHECK(cell.U.bottomRows<4>() == U.topRows(4));
    CHECK(cell.W == numbered(6, 2, 101));
    VectorOf<float> b(8);
    b << 205, 206, 201 + 301, 202 + 302, 203 + 303, 204 + 304, 305, 306;
    CHECK(cell.b == b);
  }
  SECTION("nn.Linear") {
    SafetensorsWriter file;
    file.add("weight", numbered(2, 3, 1));
    file.add("bias", numbered(2, 1, 7));
    Readout<float> readout(3, 2, {.bias = true});
    load_pytorch(opened(file), readout);
    CHECK(readout.V == numbered(2, 3, 1));
    CHECK(readout.c == VectorOf<float>(numbered(2, 1, 7)));
    Dense<float, Identity> dense(3, 2);
    load_pytorch(opened(file), dense);
    CHECK(dense.U == numbered(2, 3, 1));
    CHECK(dense.b == VectorOf<float>(numbered(2, 1, 7)));
  }
}

TEST_CASE("Without biases b is zero", "[io][pytorch]") {
  SafetensorsWriter file;
  add_module(file, "", 4, "_l0", 3, false);
  std::mt19937 rng(1);
  auto cell = randomized(Lstm<float>(3, 2), rng);
  load_pytorch(opened(file), cell);
  CHECK(cell.b.isZero(0));
  CHECK(cell.U == numbered(8, 3, 1));
}

TEMPLATE_TEST_CASE("What is saved is what is loaded, for every kind of network", "[io][pytorch]", float, double) {
  const Folder folder;
  const auto path = folder / "model.safetensors";
  const auto check = [&](auto zero, const PytorchOptions& options = {}) {
    std::mt19937 rng(1);
    const auto net = randomized(zero, rng);
    save_pytorch(path, net, options);
    auto loaded = zero;
    load_pytorch(path, loaded, options);
    CHECK(same_parameters(loaded, net));
    return Safetensors::read(path);
  };
  check(Elman<TestType>(3, 1));
  check(Elman<TestType, Relu>(1, 2));
  check(ProjectedLstm<TestType>(3, 4, 2));
  check(Sequence(Gru<TestType>(3, 4), Dense<TestType, Relu>(4, 6), Dense<TestType>(6, 5), Readout<TestType>(5, 2)),
        {.modules = {"rnn", "head.0", "head.2", "head.4"}});
  check(Stack<Gru<TestType>>(3, 2, 3));
  const auto both_ways = check(Stack<Bidirectional<Lstm<TestType>>>(3, 2, 2));
  CHECK(both_ways.tensors().size() == 16);
  CHECK(both_ways.shape("weight_ih_l1_reverse") == std::vector<Index>{8, 4});
  CHECK(both_ways.metadata("format") == "pt");
  CHECK(check(Bidirectional<Lstm<TestType, 1, 2>>()).shape("weight_ih_l0_reverse") == std::vector<Index>{8, 1});

  // DropConnect is its cell.
  const auto dropped =
      check(Sequence(DropConnect(Lstm<TestType>(3, 2), 0.5),
                     Bidirectional(DropConnect(Gru<TestType>(2, 2), 0.1), DropConnect(Gru<TestType>(2, 2), 0.1)),
                     Readout<TestType>(4, 1)),
            {.modules = {"first", "second", "fc"}});
  CHECK(dropped.shape("first.weight_hh_l0") == std::vector<Index>{8, 2});
  CHECK(dropped.contains("second.weight_hh_l0_reverse"));

  const Sequence whole(Stack<Lstm<TestType>>(3, 2, 2, {.dropout = 0.5}), Dropout<TestType>(2, 0.5),
                       Readout<TestType>(2, 1, {.bias = true}));
  CHECK(check(whole).contains("fc.bias"));
  const auto named = check(whole, {.modules = {"encoder.rnn", "head"}});
  CHECK(named.shape("head.weight") == std::vector<Index>{1, 2});
  CHECK(named.contains("encoder.rnn.bias_hh_l1"));

  // Layers of fixed sizes in a row are the layers of one module, or of several.
  const Sequence<Lstm<TestType, 3, 2>, Lstm<TestType, 2, 2>, Readout<TestType, 2, 1>> fixed;
  CHECK(check(fixed).contains("rnn.weight_hh_l1"));
  CHECK(check(fixed, {.modules = {"rnn", "rnn", "fc"}}).contains("rnn.weight_hh_l1"));
  CHECK(check(fixed, {.modules = {"a", "b", "c"}}).contains("b.weight_hh_l0"));
}

TEST_CASE("Modules need no names where there is but one of a kind", "[io][pytorch]") {
  SafetensorsWriter file;
  add_module(file, "model.encoder.", 4);
  add_module(file, "model.encoder.", 4, "_l1", 2);
  file.add("model.head.weight", numbered(5, 2, 1));
  Sequence net(Lstm<double>(3, 2), Lstm<double>(2, 2), Readout<double>(2, 5));
  load_pytorch(opened(file), net);
  CHECK(net.layer<1>().W == numbered(8, 2, 101).cast<double>());
  CHECK(net.layer<2>().V == numbered(5, 2, 1).cast<double>());
  file.add("other.weight", numbered(5, 2, 1));
  CHECK(refusal(file, net) ==
        "model: has several modules that may be meant, name them in .modules: 'model.head', 'other'");
  load_pytorch(opened(file), net, {.modules = {"model.encoder", "model.encoder", "model.head"}, .ignore_others = true});
}

TEST_CASE("A tensor is loaded into one layer", "[io][pytorch]") {
  SafetensorsWriter file;
  add_module(file, "rnn.", 4);
  file.add("fc.weight", numbered(2, 2, 1));
  const Sequence net(Lstm<double>(3, 2), Readout<double>(2, 2), Readout<double>(2, 2));
  const std::string message = "model: tensor 'fc.weight' must be of one layer, got two of the network's";
  CHECK(refusal(file, net) == message);
  CHECK(refusal(file, net, {.modules = {"rnn", "fc", "fc"}}) == message);
}

TEST_CASE("Missing, unused and misshapen tensors are errors that name them, and change nothing", "[io][pytorch]") {
  SafetensorsWriter file;
  add_module(file, "rnn.", 4);
  const Lstm<float> cell(3, 2);
  const PytorchOptions rnn{.modules = {"rnn"}};
  CHECK(refusal(file, cell, rnn) == "(something was changed) (nothing was thrown)");
  CHECK(refusal(file, Lstm<float>(4, 2), rnn) == "model: tensor 'rnn.weight_ih_l0' must have shape [8, 4], got [8, 3]");
  CHECK(refusal(file, Gru<float>(3, 2), rnn) == "model: tensor 'rnn.weight_ih_l0' must have shape [6, 3], got [8, 3]");
  CHECK(refusal(file, Stack<Lstm<float>>(3, 2, 2), rnn)
            .starts_with("model: must have a tensor 'rnn.weight_ih_l1', got 'rnn.bias_hh_l0', "));
  CHECK(refusal(file, Bidirectional<Lstm<float>>(3, 2), rnn)
            .starts_with("model: must have a tensor 'rnn.weight_ih_l0_reverse', got "));

  add_module(file, "rnn.", 4, "_l1", 2);
  CHECK(refusal(file, cell, rnn) == "model: tensor 'rnn.bias_hh_l1' of shape [8] is of no layer of the network");
  CHECK(refusal(file, cell, {.modules = {"rnn"}, .ignore_others = true}) ==
        "model: tensor 'rnn.bias_hh_l1' of shape [8] is of no layer of the network");

  SafetensorsWriter with_others;
  add_module(with_others, "rnn.", 4);
  with_others.add("fc.weight", numbered(1, 2, 1));
  CHECK(refusal(with_others, cell, rnn) == "model: tensor 'fc.weight' of shape [1, 2] is of no layer of the network");
  CHECK(refusal(with_others, cell, {.modules = {"rnn"}, .ignore_others = true}) ==
        "(something was changed) (nothing was thrown)");

  SafetensorsWriter one_bias;
  add_module(one_bias, "", 4, "_l0", 3, false);
  one_bias.add("bias_ih_l0", numbered(8, 1, 1));
  CHECK(refusal(one_bias, cell).starts_with("model: must have a tensor 'bias_hh_l0', got "));

  SafetensorsWriter integers;
  const std::vector<std::byte> zeros(8 * 3 * 8);
  integers.add("weight_ih_l0", Tensor{"I64", {8, 3}, zeros});
  CHECK(refusal(integers, cell) ==
        "model: tensor 'weight_ih_l0' must be of F64, F32, F16 or BF16 to be read as numbers, got I64");

  CHECK(message_of([&] {
          Lstm<float> net(3, 2);
          load_pytorch(opened(file), net, {.modules = {"rnn", "fc"}});
        }) == "load_pytorch: modules must be 1 (one for each layer but Dropout), got 2");
}

TEST_CASE("What is not finite is neither loaded from PyTorch's tensors nor saved as them", "[io][pytorch]") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const auto after = [&](const std::string& tensor, float value, const auto& net) {
    SafetensorsWriter file;
    for (const auto& [name, cols] : {std::pair("rnn.weight_ih_l0", 3),
                                     {"rnn.weight_hh_l0", 2},
                                     {"rnn.bias_ih_l0", 1},
                                     {"rnn.bias_hh_l0", 1},
                                     {"fc.weight", 2}}) {
      auto matrix = numbered(std::string(name) == "fc.weight" ? 2 : 6, cols, 1);
      if (name == tensor) matrix(1, cols - 1) = value;
      file.add(name, matrix);
    }
    return refusal(file, net);
  };
  const Sequence net(Gru<float>(3, 2), Readout<float>(2, 2));
  CHECK(after("none", 0, net) == "(something was changed) (nothing was thrown)");
  CHECK(after("rnn.weight_ih_l0", nan, net) == "model: tensor 'rnn.weight_ih_l0' must be finite, got nan at (1, 2)");
  CHECK(after("rnn.weight_hh_l0", infinity, net) ==
        "model: tensor 'rnn.weight_hh_l0' must be finite, got inf at (1, 1)");
  CHECK(after("rnn.bias_ih_l0", -infinity, net) == "model: tensor 'rnn.bias_ih_l0' must be finite, got -inf at (1, 0)");
  CHECK(after("rnn.bias_hh_l0", nan, net) == "model: tensor 'rnn.bias_hh_l0' must be finite, got nan at (1, 0)");
  CHECK(after("fc.weight", nan, net) == "model: tensor 'fc.weight' must be finite, got nan at (1, 1)");

  SafetensorsWriter file;  // two finite numbers, whose sum is none
  file.add("weight_ih_l0", numbered(2, 3, 1));
  file.add("weight_hh_l0", numbered(2, 2, 1));
  file.add("bias_ih_l0", VectorOf<float>::Constant(2, 3e38f));
  file.add("bias_hh_l0", VectorOf<float>::Constant(2, 3e38f));
  CHECK(refusal(file, Elman<float>(3, 2)) ==
        "model: tensors 'bias_ih_l0' and 'bias_hh_l0' must have a sum that is finite, got inf at (0, 0)");
  Elman<double> wider(3, 2);
  load_pytorch(opened(file), wider);
  CHECK(wider.b(0) == 2 * double(3e38f));

  const Folder folder;
  const auto path = folder / "model.safetensors";
  save_pytorch(path, net);
  const auto before = read_file(path);
  const auto saved = [&](float value) {
    auto other = net;
    other.layer<0>().W(4, 1) = value;
    return message_of([&] { save_pytorch(path, other); });
  };
  CHECK(saved(nan) == "save_pytorch: 0.W must be finite, got nan at (4, 1)");
  CHECK(saved(infinity) == "save_pytorch: 0.W must be finite, got inf at (4, 1)");
  CHECK(saved(-infinity) == "save_pytorch: 0.W must be finite, got -inf at (4, 1)");
  CHECK((read_file(path) == before));
}
