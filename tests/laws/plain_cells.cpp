#include "cell_of.hpp"

namespace recur_test {

std::vector<NamedCell> plain_cells() {
  return list_of(cell<recur::ElmanRule<>>("Elman"), cell<LeakyIntegrator<>>("LeakyIntegrator"),
                 cell<LearnedLeak>("LearnedLeak"), cell<TwoStates>("TwoStates"));
}

}  // namespace recur_test
