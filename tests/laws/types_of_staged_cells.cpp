#include "network_of.hpp"

namespace recur_test {

std::vector<NamedTypes> types_of_staged_cells() {
  return list_of(other_types<recur::GruResetBeforeRule<>>("GruResetBefore"), other_types<EveryStage>("EveryStage"),
                 other_types<recur::GruDRule>("GruD"), other_types<recur::ProjectedLstmRule>("ProjectedLstm"),
                 other_types<ProjectedLeak>("ProjectedLeak"));
}

}  // namespace recur_test
