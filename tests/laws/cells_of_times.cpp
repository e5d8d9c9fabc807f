// Cells that read numbers which all units share, as the time since the step before: these are not for AnyCell.
#include "network_of.hpp"

namespace recur_test {

template <class Rule>
static NamedCell cell_of_times(std::string name) {
  using Net = NetworkOf<recur::Cell<Rule, double>>;
  return {std::move(name), [](Index inputs, Index outputs) -> std::unique_ptr<AnyNetwork> {
            return std::make_unique<Net>(cell_of_sizes<Rule, double>(inputs, outputs));
          }};
}

std::vector<NamedCell> cells_of_times() {
  return list_of(cell_of_times<EveryStage>("EveryStage"), cell_of_times<recur::CtRnnRule<>>("CtRnn"),
                 cell_of_times<recur::GruDRule>("GruD"));
}

}  // namespace recur_test
