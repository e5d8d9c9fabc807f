#include "cells.hpp"

#include <recur/recur.hpp>

const std::vector<NamedCell>& cells_with_products() {
  static const std::vector<NamedCell> cells{named<recur::Elman<float>>("elman"),
                                            named<recur::Lstm<float>>("lstm"),
                                            named<recur::Gru<float>>("gru"),
                                            named<recur::CoupledLstm<float>>("coupled-lstm"),
                                            named<recur::SLstm<float>>("slstm"),
                                            named<recur::LayerNormLstm<float>>("layer-norm-lstm"),
                                            named<recur::LayerNormGru<float>>("layer-norm-gru")};
  return cells;
}
