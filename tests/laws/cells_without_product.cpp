#include "cell_of.hpp"

namespace recur_test {

std::vector<NamedCell> cells_without_product() {
  return list_of(cell<recur::IndRnnRule<recur::Tanh>>("IndRnn"), cell<recur::MinGruRule<>>("MinGru"),
                 cell<recur::MinLstmRule<>>("MinLstm"), cell<recur::QrnnRule<>>("Qrnn"),
                 cell<recur::RgLruRule>("RgLru"), cell<recur::LruRule>("Lru"), cell<recur::DenseRule<>>("Dense"));
}

}  // namespace recur_test
