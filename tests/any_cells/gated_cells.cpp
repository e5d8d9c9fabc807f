#include "any_cell_of.hpp"

namespace recur_test {

std::vector<NamedAnyCell> gated_cells() {
  return {any_cell<recur::LstmRule<>>("Lstm"),
          any_cell<recur::PeepholeLstmRule<>>("PeepholeLstm"),
          any_cell<recur::GruRule<>>("Gru"),
          any_cell<recur::GruResetBeforeRule<>>("GruResetBefore"),
          any_cell<recur::SLstmRule>("SLstm"),
          any_cell<recur::CoupledLstmRule<>>("CoupledLstm"),
          any_cell<SmoothlyNormed<recur::LayerNormLstmRule>>("LayerNormLstm"),
          any_cell<SmoothlyNormed<recur::LayerNormGruRule>>("LayerNormGru"),
          any_cell<ZonedOutLstm>("ZonedOutLstm")};
}

}  // namespace recur_test
