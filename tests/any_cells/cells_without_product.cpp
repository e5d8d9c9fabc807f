#include "any_cell_of.hpp"

namespace recur_test {

std::vector<NamedAnyCell> cells_without_product() {
  return {any_cell<recur::IndRnnRule<recur::Tanh>>("IndRnn"),
          any_cell<recur::MinGruRule<>>("MinGru"),
          any_cell<recur::MinLstmRule<>>("MinLstm"),
          any_cell<recur::QrnnRule<>>("Qrnn"),
          any_cell<recur::RgLruRule>("RgLru"),
          any_cell<recur::LruRule>("Lru"),
          any_cell<recur::DenseRule<>>("Dense")};
}

}  // namespace recur_test
