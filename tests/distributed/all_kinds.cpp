#include "all_kinds.hpp"
#include "any_cells/any_cells.hpp"
#include "io/trainings/training_of.hpp"

namespace recur_test {

std::vector<std::pair<std::string, std::unique_ptr<Training>>> trainings_of_all_kinds() {
  std::vector<std::pair<std::string, std::unique_ptr<Training>>> all;
  const auto add = [&](const std::string& name, auto net) {
    std::mt19937 rng(1);
    initialize(net, rng);
    all.emplace_back(name, make_training<Adam<decltype(net)>>(net, AdamOptions{.rate = 1e-2}));
  };
  for (const auto& [name, make] : all_any_cells()) {
    std::vector<AnyCell<double>> layers;
    layers.push_back(make(1, 4));
    const Index outputs = layers[0].outputs();
    add(name, Sequence(Stack(std::move(layers), {.dropout = 0.2}), Readout<double>(outputs, 1)));
  }
  add("time gaps",
      Sequence(Parallel(Residual(Elman<float>(1, 1)), Dense<float>(1, 1)), CtRnn<float>(2, 3), Readout<float>(3, 1)));
  add("in float", Sequence(AnyCell<float>(Elman<float>(1, 3)), Readout<float>(3, 1)));
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
