#include "any_cell_of.hpp"

namespace recur_test {

std::vector<NamedAnyCell> plain_cells() {
  return {any_cell<recur::ElmanRule<>>("Elman"), any_cell<LeakyIntegrator<>>("LeakyIntegrator"),
          any_cell<LearnedLeak>("LearnedLeak"), any_cell<TwoStates>("TwoStates")};
}

}  // namespace recur_test
