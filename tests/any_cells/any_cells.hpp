// Cells of every kind that recur::AnyCell takes: what is a cell's own is compiled once for all tests. A new cell is one
// more line of plain_cells.cpp, gated_cells.cpp, cells_without_product.cpp or projected_cells.cpp.
#pragma once

#include <recur/any_cell.hpp>

#include <string>
#include <vector>

namespace recur_test {

using recur::Index;

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

/// A cell of any size, by what it is called; of one whose hidden state is projected, `outputs` are the numbers of h. It
/// has more outputs where h is several blocks.
struct NamedAnyCell {
  std::string name;
  recur::AnyCell<double> (*make)(Index inputs, Index outputs);
};

std::vector<NamedAnyCell> plain_cells();
std::vector<NamedAnyCell> gated_cells();
std::vector<NamedAnyCell> cells_without_product();
std::vector<NamedAnyCell> projected_cells();

inline std::vector<NamedAnyCell> all_any_cells() {
  std::vector<NamedAnyCell> all;
  for (auto some : {plain_cells, gated_cells, cells_without_product, projected_cells})
    for (const auto& each : some()) all.push_back(each);
  return all;
}

}  // namespace recur_test
