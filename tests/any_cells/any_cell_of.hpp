// How the files of this folder make an AnyCell of a rule.
#pragma once

#include "../cells.hpp"
#include "any_cells.hpp"

namespace recur_test {

template <class Rule>
NamedAnyCell any_cell(std::string name) {
  return {std::move(name), [](Index inputs, Index outputs) -> recur::AnyCell<double> {
            return cell_of_sizes<Rule, double>(inputs, outputs);
          }};
}

}  // namespace recur_test
