#include "model.hpp"

namespace papers {
namespace {

/// x + Dense(cell(LayerNorm(x)))
template <class Cell>
auto block(const Settings& s) {
  Cell cell(s.hidden, s.hidden);
  const Index outputs = cell.outputs();
  return recur::Residual(recur::Sequence(recur::LayerNorm<float>(s.hidden), std::move(cell),
                                         recur::Dense<float>(outputs, s.hidden),
                                         recur::Dropout<float>(s.hidden, s.dropout)));
}
template <class Cell>
std::unique_ptr<Model> make(const Problem& p, const Settings& s) {
  const std::vector blocks(static_cast<std::size_t>(s.layers), block<Cell>(s));
  recur::Sequence net(recur::Embedding<float>(p.inputs, s.hidden), recur::Stack(blocks),
                      recur::LayerNorm<float>(s.hidden), recur::Readout<float>(s.hidden, p.outputs, {.bias = true}));
  return std::make_unique<ModelOf<decltype(net)>>(std::move(net), s);
}

}  // namespace

const std::vector<CellKind>& cells_without_products() {
  static const std::vector<CellKind> cells{
      {"mingru", make<recur::MinGru<float>>}, {"rg-lru", make<recur::RgLru<float>>}, {"lru", make<recur::Lru<float>>}};
  return cells;
}

}  // namespace papers
