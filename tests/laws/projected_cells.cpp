#include "cell_of.hpp"

namespace recur_test {

std::vector<NamedCell> projected_cells() {
  return list_of(cell<recur::ProjectedLstmRule>("ProjectedLstm"), cell<ProjectedElman>("ProjectedElman"),
                 cell<ProjectedLeak>("ProjectedLeak"));
}

}  // namespace recur_test
