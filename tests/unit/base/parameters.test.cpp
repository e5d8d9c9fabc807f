#include "catch.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/training/initializer.hpp>
#include <recur/io/network.hpp>
#include <recur/training/optimizer.hpp>
#include <recur/base/parameters.hpp>
#include <recur/cells/elman.hpp>
#include <recur/cells/gru.hpp>
#include <recur/cells/lstm.hpp>
#include <recur/recur.hpp>

#include <numeric>
#include <vector>

using namespace recur;
using recur_test::message_of, recur_test::same_parameters;

namespace {

Sequence<Elman<double>, Elman<double>, Readout<double>> two_layers(bool bias = true) {
  return Sequence(Elman<double>(2, 3), Elman<double>(3, 4), Readout<double>(4, 5, {.bias = bias}));
}

struct Nothing {};

/// Two networks as one model.
struct Translator {
  using Scalar = double;
  Lstm<double> encoder{2, 3};
  Sequence<Elman<double>, Readout<double>> decoder{{2, 3}, {3, 2}};
  static void visit(auto&& f, const Name& name, auto&... models) {
    recur::visit(f, Name(name, "encoder"), models.encoder...);
    recur::visit(f, Name(name, "decoder"), models.decoder...);
  }
  static void visit_layers(auto& model, auto&& f) { f(model.encoder), f(model.decoder); }
};
constexpr Index of_encoder = 4 * 3 * (2 + 3 + 1), of_decoder = 3 * (2 + 3 + 1) + 2 * 3;

Translator random_translator() {
  Translator model;
  std::mt19937 rng(1);
  initialize(model, rng);
  return model;
}

}  // namespace

TEST_CASE("Parameters are visited in their order, under their names", "[parameters]") {
  using Named = std::vector<std::pair<std::string, Index>>;
  const auto named = [](const auto& model) {
    Named result;
    recur::visit([&](const Name& name, const auto& block) { result.emplace_back(name.str(), block.size()); }, model);
    return result;
  };
  CHECK(named(Elman<float>(2, 3)) == Named{{"U", 6}, {"W", 9}, {"b", 3}});
  CHECK(named(Readout<float>(3, 4)) == Named{{"V", 12}});
  CHECK(named(Readout<float>(3, 4, {.bias = true})) == Named{{"V", 12}, {"c", 4}});
  CHECK(named(two_layers()) ==
        Named{{"0.U", 6}, {"0.W", 9}, {"0.b", 3}, {"1.U", 12}, {"1.W", 16}, {"1.b", 4}, {"2.V", 20}, {"2.c", 5}});
  CHECK(named(Sequence(Sequence(Elman<float>(2, 3), Elman<float>(3, 1)), Readout<float>(1, 1))).at(5).first == "0.1.b");
}

TEST_CASE("A name without a parent is its part alone", "[parameters]") {
  const Name root;
  CHECK(root.str().empty());
  const Name twelfth(root, 12), weights(twelfth, "W");
  CHECK(twelfth.str() == "12");
  CHECK(weights.str() == "12.W");
}

TEST_CASE("Several models are visited abreast, and can be written", "[parameters]") {
  auto net = two_layers(), twice = net;
  double count = 0;
  recur::visit([&](const Name&, auto& block) { block.setConstant(++count); }, net);
  const auto& read = net;
  recur::visit([](const Name&, auto& doubled, const auto& block) { doubled = 2 * block; }, twice, read);
  CHECK(net.layer<1>().W == MatrixOf<double>::Constant(4, 4, 5));
  CHECK(twice.layer<1>().W == MatrixOf<double>::Constant(4, 4, 10));
  CHECK(twice.layer<2>().c == VectorOf<double>::Constant(5, 16));
}

TEST_CASE("Parameters are counted", "[parameters]") {
  CHECK(parameter_count(two_layers()) == 6 + 9 + 3 + 12 + 16 + 4 + 20 + 5);
  CHECK(parameter_count(two_layers(false)) == 6 + 9 + 3 + 12 + 16 + 4 + 20);
  CHECK(parameter_count(Elman<float, Tanh, 2, 3>()) == 18);
}

TEST_CASE("zeros_like has the shapes, and leaves the model alone", "[parameters]") {
  auto net = two_layers();
  recur::visit([](const Name&, auto& block) { block.setOnes(); }, net);
  const auto zeros = zeros_like(net);
  recur::visit(
      [](const Name&, const auto& zero, const auto& one) {
        CHECK((zero.rows() == one.rows() && zero.cols() == one.cols()));
        CHECK(zero.isZero(0));
        CHECK(one.isOnes(0));
      },
      zeros, net);
  set_zero(net);
  CHECK(recur_test::same_parameters(net, zeros));
}

TEST_CASE("Models are Parameterized, and other things are not", "[parameters]") {
  STATIC_REQUIRE(Parameterized<Elman<float>>);
  STATIC_REQUIRE(Parameterized<const Readout<double>>);
  STATIC_REQUIRE(Parameterized<Sequence<Elman<float>, Readout<float>>>);
  STATIC_REQUIRE(!Parameterized<Nothing>);
  STATIC_REQUIRE(!Parameterized<MatrixOf<float>>);
}

TEST_CASE("Blocks of states are visited through tuples, and layers without a state are passed over", "[parameters]") {
  const auto net = two_layers();
  auto state = net.state(2), other = state;
  int visited = 0;
  visit_state(
      [&](auto& block, const auto& zero) {
        block.setConstant(++visited);
        CHECK(zero.isZero(0));
      },
      state, other);
  CHECK(visited == 2);
  CHECK(std::get<0>(state) == MatrixOf<double>::Constant(3, 2, 1));
  CHECK(std::get<1>(state) == MatrixOf<double>::Constant(4, 2, 2));
}

TEST_CASE("Models of other shapes are told by the first block that differs", "[parameters]") {
  const auto net = two_layers(), small = Sequence(Elman<double>(2, 3), Elman<double>(3, 4), Readout<double>(4, 1));
  const auto message = [](const auto& model, const auto& expected) {
    return message_of([&] { require_same_shapes("step", "gradient", model, "net", expected); });
  };
  CHECK(message(net, net) == "(nothing was thrown)");
  CHECK(message(small, net) == "step: gradient must have the shapes of net, but 2.V is 1x4, expected 5x4");
  CHECK(message(Elman<double>(4, 2), Elman<double>(4, 3)) ==
        "step: gradient must have the shapes of net, but U is 2x4, expected 3x4");
  CHECK(message(two_layers(false), net) ==
        "step: gradient must have the shapes of net, but has 70 parameters, expected 75");
  CHECK(message(net, two_layers(false)) ==
        "step: gradient must have the shapes of net, but has 75 parameters, expected 70");
}

TEST_CASE("All parameters are one vector, block after block, and back", "[parameters]") {
  auto net = Sequence(Elman<double>(2, 1), Readout<double>(1, 2, {.bias = true}));
  net.layer<0>().U << 1, 2;
  net.layer<0>().W << 3;
  net.layer<0>().b << 4;
  net.layer<1>().V << 5, 6;
  net.layer<1>().c << 7, 8;
  const Eigen::VectorXd counted = Eigen::VectorXd::LinSpaced(8, 1, 8);
  STATIC_REQUIRE(std::is_same_v<decltype(parameters_of(net)), Eigen::VectorXd>);
  CHECK(parameters_of(net) == counted);
  Elman<float> columns(2, 2);
  columns.U << 1, 3,  //
      2, 4;
  CHECK(parameters_of(columns).head(4) == Eigen::Vector4f(1, 2, 3, 4));

  auto other = two_layers();
  std::mt19937 rng(2);
  initialize(other, rng);
  const auto before = other;
  const Eigen::VectorXd vector = parameters_of(other);
  set_zero(other);
  set_parameters(other, vector);
  CHECK(same_parameters(other, before));

  // From any vector: an expression, a row, an array, a Map of other numbers.
  set_parameters(net, 2 * counted);
  CHECK(parameters_of(net) == 2 * counted);
  set_parameters(net, counted.transpose());
  CHECK(parameters_of(net) == counted);
  set_parameters(net, counted.array() + 1);
  CHECK(net.layer<1>().c == Eigen::Vector2d(8, 9));
  const std::vector<float> numbers(8, 0.5f);
  set_parameters(net, Eigen::Map<const Eigen::VectorXf>(numbers.data(), 8));
  CHECK(parameters_of(net) == Eigen::VectorXd::Constant(8, 0.5));
  Elman<float, Tanh, 1, 1> fixed;
  set_parameters(fixed, Eigen::Vector3d(1, 2, 0.1));
  CHECK((fixed.U(0, 0) == 1 && fixed.W(0, 0) == 2 && fixed.b(0) == 0.1f));

  const auto unchanged = net;
  CHECK(message_of([&] { set_parameters(net, counted.head(7)); }) ==
        "set_parameters: vector.size() must be 8 (parameter_count(model)), got 7");
  CHECK(same_parameters(net, unchanged));
}

TEST_CASE("A struct of networks is a model: visited, counted, initialised, and one vector", "[parameters]") {
  STATIC_REQUIRE(Parameterized<Translator>);
  const Translator model = random_translator();
  std::vector<std::string> names;
  visit(
      [&](const Name& name, const auto& block) {
        names.push_back(name.str());
        CHECK((block.array() != 0).all());
      },
      model);
  CHECK(names == std::vector<std::string>{"encoder.U", "encoder.W", "encoder.b", "decoder.0.U", "decoder.0.W",
                                          "decoder.0.b", "decoder.1.V"});
  CHECK(parameter_count(model) == of_encoder + of_decoder);
  CHECK(model.encoder.U.cwiseAbs().maxCoeff() <= 1 / std::sqrt(3.));  // as each layer alone

  const Eigen::VectorXd vector = parameters_of(model);
  CHECK((vector.head(of_encoder) == parameters_of(model.encoder) &&
         vector.tail(of_decoder) == parameters_of(model.decoder)));
  Translator copy = zeros_like(model);
  CHECK(parameters_of(copy).isZero(0));
  set_parameters(copy, vector);
  CHECK(same_parameters(copy, model));

  Translator remembering = model;
  forget_bias(remembering, 2);
  CHECK((remembering.encoder.b - model.encoder.b).cwiseAbs().maxCoeff() > 1);
}

TEMPLATE_TEST_CASE("An optimiser steps and clips a struct of networks as it does each of them", "[parameters]",
                   (Sgd<Translator>), (Adam<Translator>), (AdamW<Translator>), (RmsProp<Translator>)) {
  Translator model = random_translator(), gradient = model;
  Lstm<double> encoder = model.encoder, of_its = gradient.encoder;
  const double norm = global_norm(gradient);
  CHECK(norm == Approx(parameters_of(gradient).norm()));
  CHECK(clip_norm(gradient, 0.5) == norm);
  CHECK(global_norm(gradient) == Approx(0.5));
  set_parameters(of_its, parameters_of(gradient).head(of_encoder));

  TestType optimizer(model);
  const auto alone = [&]<template <class> class Optimizer>(const Optimizer<Translator>&) {
    return Optimizer<Lstm<double>>(encoder);
  };
  auto optimizer_alone = alone(optimizer);
  for (int i = 0; i < 3; ++i) {
    optimizer.step(model, gradient);
    optimizer_alone.step(encoder, of_its);
  }
  CHECK(same_parameters(model.encoder, encoder));
  CHECK(!same_parameters(model.decoder, random_translator().decoder));
}

TEST_CASE("A struct of networks is saved and loaded", "[parameters]") {
  const recur_test::Folder folder;
  const Translator model = random_translator();
  save(folder / "model.safetensors", model);
  Translator loaded;
  load(folder / "model.safetensors", loaded);
  CHECK(same_parameters(loaded, model));
  const Safetensors file = Safetensors::read(folder / "model.safetensors");
  CHECK((file.tensors().contains("encoder.W") && file.tensors().contains("decoder.1.V")));
}
