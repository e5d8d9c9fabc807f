#include "model.hpp"

namespace papers {
namespace {

template <class Cell>
std::unique_ptr<Model> make(const Problem& p, const Settings& s) {
  recur::Sequence net(recur::Stack<Cell>(p.inputs, s.hidden, s.layers, {.dropout = s.dropout}),
                      recur::Dropout<float>(s.hidden, s.dropout),
                      recur::Readout<float>(s.hidden, p.outputs, {.bias = true}));
  return std::make_unique<ModelOf<decltype(net)>>(std::move(net), s);
}

}  // namespace

const std::vector<CellKind>& cells_with_products() {
  static const std::vector<CellKind> cells{{"elman", make<recur::Elman<float>>},
                                           {"gru", make<recur::Gru<float>>},
                                           {"lstm", make<recur::Lstm<float>>},
                                           {"slstm", make<recur::SLstm<float>>}};
  return cells;
}

}  // namespace papers
