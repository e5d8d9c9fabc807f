#include "cells.hpp"

#include <recur/recur.hpp>

template <class Cell>
static recur::AnyCell<float> make(recur::Index inputs, recur::Index hidden) {
  return Cell(inputs, hidden);
}

const std::vector<NamedCell>& cells_without_products() {
  static const std::vector<NamedCell> cells{
      {"indrnn", make<recur::IndRnn<float>>}, {"qrnn", make<recur::Qrnn<float>>},
      {"mingru", make<recur::MinGru<float>>}, {"minlstm", make<recur::MinLstm<float>>},
      {"rg-lru", make<recur::RgLru<float>>},  {"lru", make<recur::Lru<float>>}};
  return cells;
}
