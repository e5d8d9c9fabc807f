#include "network_of.hpp"

namespace recur_test {

std::vector<NamedTypes> types_of_plain_cells() {
  return list_of(other_types<recur::ElmanRule<>>("Elman"), other_types<LearnedLeak>("LearnedLeak"),
                 other_types<recur::LstmRule<>>("Lstm"), other_types<recur::MinGruRule<>>("MinGru"),
                 other_types<recur::LruRule>("Lru"));
}

}  // namespace recur_test
