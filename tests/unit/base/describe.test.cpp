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
struct NamedRule : TwoStates {
  static constexpr const char* name = "named";
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

TEST_CASE("Layers of layers say what is in them", "[describe]") {
  CHECK(Stack<Elman<float>>(1, 2, 2).description() == "Stack(Elman tanh 1 -> 2, Elman tanh 2 -> 2)");
  CHECK(Stack<Elman<float>>(1, 2, 1, {.dropout = 0.25}).description() == "Stack with dropout 0.25(Elman tanh 1 -> 2)");
  CHECK(Bidirectional<Gru<float>>(1, 2).description() ==
        "Bidirectional(GRU logistic tanh 1 -> 2, GRU logistic tanh 1 -> 2)");
  CHECK(Dropout<float>(2, 0.5).description() == "Dropout 0.5 2 -> 2");
  CHECK(Dropout<float>(2, 0.5, {.one_mask = true}).description() == "Dropout 0.5 one mask 2 -> 2");
  CHECK(Dropout<float, 2>(0.5, {.one_mask = true}).description() == "Dropout 0.5 one mask 2 -> 2");
  CHECK(Stack<Elman<float>>(1, 2, 1, {.dropout = 0.25, .one_mask = true}).description() ==
        "Stack with dropout 0.25 one mask(Elman tanh 1 -> 2)");
  CHECK(Stack<Elman<float>>(1, 2, 1, {.one_mask = true}).description() == "Stack(Elman tanh 1 -> 2)");
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
  CHECK(Cell<NamedRule, float>(1, 2).description() == "named 1 -> 2");
  CHECK(Lstm<float>(1, 2).description() == "LSTM logistic tanh tanh 1 -> 2");
  CHECK(PeepholeLstm<float>(1, 2).description() == "LSTM with peepholes logistic tanh tanh 1 -> 2");
  CHECK(Gru<float>(1, 2).description() == "GRU logistic tanh 1 -> 2");
  CHECK(GruResetBefore<float>(1, 2).description() == "GRU reset before logistic tanh 1 -> 2");
  CHECK(IndRnn<float>(1, 2).description() == "IndRNN relu 1 -> 2");
  CHECK(MinGru<float>(1, 2).description() == "minGRU logistic identity 1 -> 2");
  CHECK(MinLstm<float>(1, 2).description() == "minLSTM identity 1 -> 2");
  CHECK(Qrnn<float>(1, 2).description() == "QRNN logistic tanh 1 -> 2");
  CHECK(RgLru<float>(1, 2).description() == "RG-LRU 8 1 -> 2");
  CHECK(Cell<LstmRule<HardTanh, Clipped<Relu>>, float>(1, 2, {.candidate = {.limit = 3}}).description() ==
        "LSTM hard tanh clipped 3 relu tanh 1 -> 2");
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
