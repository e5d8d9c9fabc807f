#include "catch.hpp"
#include "helpers.hpp"

#include <recur/parameters.hpp>
#include <recur/sequence.hpp>
#include <recur/rules/elman.hpp>

#include <vector>

using namespace recur;
using recur_test::message_of;

namespace {

Sequence<Elman<double>, Elman<double>, Readout<double>> two_layers(bool bias = true) {
  return Sequence(Elman<double>(2, 3), Elman<double>(3, 4), Readout<double>(4, 5, {.bias = bias}));
}

struct Nothing {};

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
  CHECK(net.layer<1>().W == Matrix<double>::Constant(4, 4, 5));
  CHECK(twice.layer<1>().W == Matrix<double>::Constant(4, 4, 10));
  CHECK(twice.layer<2>().c == Vector<double>::Constant(5, 16));
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
  STATIC_REQUIRE(!Parameterized<Matrix<float>>);
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
  CHECK(std::get<0>(state) == Matrix<double>::Constant(3, 2, 1));
  CHECK(std::get<1>(state) == Matrix<double>::Constant(4, 2, 2));
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
