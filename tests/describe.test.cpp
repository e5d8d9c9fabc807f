// Networks in words.
#include "catch.hpp"
#include "cells.hpp"

using namespace recur_test;
using namespace recur;

namespace {

/// h_t = (1 - alpha) h_<t-1> + alpha tanh(a_t), and it says so.
struct SaidLeak : LeakyIntegrator<> {
  std::string description() const { return "leaky " + describe(alpha); }
};
struct NamedGated : Gated {
  static constexpr const char* name = "gated";
};
struct Sine {
  auto value(const auto& a) const { return a.sin(); }
  auto slope(const auto& h) const { return (1 - h.square()).sqrt(); }
};

}  // namespace

TEST_CASE("A network says what it is, but for its parameters and their type", "[describe]") {
  CHECK(Elman<float>(8, 32).description() == "Elman tanh 8 -> 32");
  CHECK(Elman<double, Tanh, 8, 32>().description() == "Elman tanh 8 -> 32");
  CHECK(Readout<float>(32, 4).description() == "Readout 32 -> 4");
  CHECK(Readout<double, 32, 4>({.bias = true}).description() == "Readout 32 -> 4 with bias");
  CHECK(Sequence(Elman<float>(8, 32)).description() == "Sequence(Elman tanh 8 -> 32)");
  CHECK(Sequence(Elman<float>(8, 32), Elman<float, Relu>(32, 5), Readout<float>(5, 4)).description() ==
        "Sequence(Elman tanh 8 -> 32, Elman relu 32 -> 5, Readout 5 -> 4)");
}

TEST_CASE("Activations have names, and those with constants tell them", "[describe]") {
  const auto of = [](auto activation) {
    return Cell<ElmanRule<decltype(activation)>, float>(1, 2, {activation}).description();
  };
  CHECK(of(Tanh()) == "Elman tanh 1 -> 2");
  CHECK(of(Logistic()) == "Elman logistic 1 -> 2");
  CHECK(of(Relu()) == "Elman relu 1 -> 2");
  CHECK(of(Identity()) == "Elman identity 1 -> 2");
  CHECK(of(Softsign()) == "Elman softsign 1 -> 2");
  CHECK(of(HardTanh()) == "Elman hard tanh 1 -> 2");
  CHECK(of(LeakyRelu()) == "Elman leaky relu 0.01 1 -> 2");
  CHECK(of(LeakyRelu{0.3}) == "Elman leaky relu 0.3 1 -> 2");
  CHECK(of(Sine()) == "Elman with an activation of its own 1 -> 2");
}

TEST_CASE("A rule has a name or a description; one without is known by its blocks", "[describe]") {
  CHECK(Cell<SaidLeak, float>(1, 2).description() == "leaky 0.3 1 -> 2");
  CHECK(Cell<SaidLeak, float>(1, 2, {{.alpha = 0.25}}).description() == "leaky 0.25 1 -> 2");
  CHECK(Cell<NamedGated, float>(1, 2).description() == "gated 1 -> 2");
  CHECK(Cell<Gated, float>(1, 2).description() == "Rule(5 blocks, inputs into 0-2, hidden into 1-3, state 4-4) 1 -> 2");
  CHECK(Cell<TwoStates, float>(1, 2).description() ==
        "Rule(4 blocks, inputs into 0-1, hidden into 0-1, state 2-3) 1 -> 2");
}

TEST_CASE("Numbers are described in the fewest digits that tell them from all others", "[describe]") {
  CHECK(describe(0.1) == "0.1");
  CHECK(describe(0.1 + 0.2) == "0.30000000000000004");
  CHECK(describe(1.0) == "1");
  CHECK(describe(-1e-300) == "-1e-300");
  CHECK(std::stod(describe(std::acos(-1))) == std::acos(-1));
}
