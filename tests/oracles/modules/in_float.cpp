#include "module.hpp"

recur_test::Module recur_test::module_in_float(const std::string& cell, bool bidirectional) {
  return module_of<float>(cell, bidirectional);
}
