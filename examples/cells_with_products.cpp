#include "cells.hpp"

#include <recur/recur.hpp>

template <class Cell>
static recur::AnyCell<float> make(recur::Index inputs, recur::Index hidden) {
  return Cell(inputs, hidden);
}

const std::vector<NamedCell>& cells_with_products() {
  static const std::vector<NamedCell> cells{{"elman", make<recur::Elman<float>>},
                                            {"lstm", make<recur::Lstm<float>>},
                                            {"gru", make<recur::Gru<float>>},
                                            {"coupled-lstm", make<recur::CoupledLstm<float>>},
                                            {"slstm", make<recur::SLstm<float>>},
                                            {"layer-norm-lstm", make<recur::LayerNormLstm<float>>},
                                            {"layer-norm-gru", make<recur::LayerNormGru<float>>}};
  return cells;
}
