// The networks that every law of layers is tested for: each cell of `Rules`, and these. A new layer is one more line of
// `Networks`.
#pragma once

#include "cells.hpp"
#include "residual.hpp"

#include <tuple>

namespace recur_test {

/// Each gives a network of 3 inputs and, but for a bidirectional one at the end, 4 outputs.
template <class Rule>
struct OneCell {
  static auto make() { return recur::Cell<Rule, double>(3, 4); }
};
struct WithReadout {
  static auto make() {
    return recur::Sequence(recur::Lstm<double>(3, 5), recur::Gru<double>(5, 2),
                           recur::Readout<double>(2, 4, {.bias = true}));
  }
};
struct Stacked {
  static auto make() { return recur::Stack<recur::Lstm<double>>(3, 4, 3); }
};
struct BothWays {
  static auto make() { return recur::Bidirectional(recur::Gru<double>(3, 2), recur::Gru<double>(3, 2)); }
};
struct StackedBothWays {
  static auto make() {
    return recur::Sequence(recur::Stack<recur::Bidirectional<recur::Lstm<double>>>(3, 3, 2),
                           recur::Elman<double>(6, 4));
  }
};
struct DroppedOut {
  static auto make() {
    return recur::Sequence(recur::Stack<recur::Gru<double>>(3, 4, 3, {.dropout = 0.3}), recur::Dropout<double>(4, 0.5),
                           recur::Lstm<double>(4, 4));
  }
};
struct WithUsersLayer {
  static auto make() {
    return recur::Sequence(Residual(recur::Lstm<double>(3, 3)),
                           recur::Stack<Residual<recur::Gru<double>>>(
                               {Residual(recur::Gru<double>(3, 3)), Residual(recur::Gru<double>(3, 3))}),
                           recur::Elman<double>(3, 4));
  }
};

template <class... Rule>
std::tuple<OneCell<Rule>...> one_cell_each(const std::tuple<Rule...>&);

using Networks = decltype(std::tuple_cat(
    one_cell_each(Rules()), std::tuple<WithReadout, Stacked, BothWays, StackedBothWays, DroppedOut, WithUsersLayer>()));

}  // namespace recur_test
