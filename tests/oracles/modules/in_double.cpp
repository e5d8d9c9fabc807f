#include "module.hpp"

recur_test::Module recur_test::module_in_double(const std::string& cell, bool bidirectional) {
  return module_of<double>(cell, bidirectional);
}
