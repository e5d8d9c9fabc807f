// Cells as laws see them. Only what is a cell's own is compiled for each: the network is one of recur::AnyCell.
#pragma once

#include "../cells.hpp"
#include "networks.hpp"

namespace recur_test {

/// The sizes of a cell: where h is projected, there are two units more; where some inputs have no weights, there are
/// these, too.
template <class Rule, class Scalar>
recur::Cell<Rule, Scalar> cell_of_sizes(Index inputs, Index outputs) {
  using Cell = recur::Cell<Rule, Scalar>;
  if constexpr (Cell::is_projected) {
    return {inputs, outputs + 2, outputs};
  } else {
    return {inputs + Cell::shared, outputs};
  }
}

std::unique_ptr<AnyNetwork> network_of(recur::AnyCell<double> cell);

template <class Rule>
NamedCell cell(std::string name) {
  return {std::move(name),
          [](Index inputs, Index outputs) { return network_of(cell_of_sizes<Rule, double>(inputs, outputs)); }};
}

/// Its arguments in a vector: what can only be moved has no initialiser list.
template <class... Named>
auto list_of(Named... named) {
  std::vector<std::common_type_t<Named...>> list;
  (list.push_back(std::move(named)), ...);
  return list;
}

}  // namespace recur_test
