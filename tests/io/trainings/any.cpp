#include "training_of.hpp"

namespace recur_test {

std::vector<std::pair<std::string, std::unique_ptr<Training>>> trainings_of_all_kinds() {
  std::vector<std::pair<std::string, std::unique_ptr<Training>>> all;
  const auto add = [&](const std::string& name, auto net) {
    std::mt19937 rng(1);
    initialize(net, rng);
    all.emplace_back(name, make_training<Adam<decltype(net)>>(net, AdamOptions{.rate = 1e-2}));
  };
  const auto add_cell = [&](auto cell) {
    const std::string name = cell.description();
    const Index outputs = cell.outputs();
    std::vector<AnyCell<float>> layers;
    layers.push_back(std::move(cell));
    add(name, Sequence(Stack(std::move(layers), {.dropout = 0.2}), Readout<float>(outputs, 1)));
  };
  add_cell(Elman<float>(1, 5));
  add_cell(Gru<float>(1, 4));
  add_cell(GruResetBefore<float>(1, 4));
  add_cell(Lstm<float>(1, 4));
  add_cell(PeepholeLstm<float>(1, 4));
  add_cell(CoupledLstm<float>(1, 4));
  add_cell(ProjectedLstm<float>(1, 4, 3));
  add_cell(SLstm<float>(1, 4));
  add_cell(LayerNormLstm<float>(1, 4));
  add_cell(LayerNormGru<float>(1, 4));
  add_cell(IndRnn<float>(1, 5));
  add_cell(MinGru<float>(1, 5));
  add_cell(MinLstm<float>(1, 5));
  add_cell(Qrnn<float>(1, 5));
  add_cell(RgLru<float>(1, 5));
  add_cell(Lru<float>(1, 4));
  add_cell(Cell<ZoneoutRule<GruRule<>>, float>(1, 4, {{0.2}}));
  add("time gaps",
      Sequence(Parallel(Residual(Elman<float>(1, 1)), Dense<float>(1, 1)), CtRnn<float>(2, 3), Readout<float>(3, 1)));
  add("layers",
      Sequence(Dense<float>(1, 4), Residual(Sequence(LayerNorm<float>(4), Gru<float>(4, 4), Dropout<float>(4, 0.3))),
               Stack<Elman<float>>(4, 4, 3, {.dropout = 0.5}), Parallel(Gru<float>(4, 2), Lru<float>(4, 1)),
               Readout<float>(4, 1)));
  return all;
}

std::unique_ptr<Training> bidirectional_training(const AdamOptions& options) {
  Sequence net(Bidirectional(Gru<float>(1, 3), Gru<float>(1, 3)), Dropout<float>(6, 0.2), Readout<float>(6, 1));
  std::mt19937 rng(1);
  initialize(net, rng);
  return make_training<Adam<decltype(net)>>(net, options);
}

}  // namespace recur_test
