#include "cell_of.hpp"

namespace recur_test {

std::vector<NamedCell> gated_cells() {
  return list_of(cell<recur::LstmRule<>>("Lstm"), cell<recur::PeepholeLstmRule<>>("PeepholeLstm"),
                 cell<recur::GruRule<>>("Gru"), cell<recur::GruResetBeforeRule<>>("GruResetBefore"),
                 cell<recur::SLstmRule>("SLstm"), cell<SmoothlyNormed<recur::LayerNormLstmRule>>("LayerNormLstm"),
                 cell<SmoothlyNormed<recur::LayerNormGruRule>>("LayerNormGru"), cell<ZonedOutLstm>("ZonedOutLstm"));
}

}  // namespace recur_test
