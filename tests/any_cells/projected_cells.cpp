#include "any_cell_of.hpp"

namespace recur_test {

std::vector<NamedAnyCell> projected_cells() {
  return {any_cell<recur::ProjectedLstmRule>("ProjectedLstm"), any_cell<ProjectedElman>("ProjectedElman"),
          any_cell<ProjectedLeak>("ProjectedLeak")};
}

}  // namespace recur_test
