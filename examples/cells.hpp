#pragma once
// Cells by their names, for programs that are told which to use.

#include <recur/any_cell.hpp>

#include <stdexcept>
#include <string>
#include <vector>

struct NamedCell {
  std::string name;
  recur::AnyCell<float> (*make)(recur::Index inputs, recur::Index hidden);
};
template <class Cell>
NamedCell named(const char* name) {
  return {name, [](recur::Index inputs, recur::Index hidden) { return recur::AnyCell<float>(Cell(inputs, hidden)); }};
}
/// Cells that multiply by h_<t-1>.
const std::vector<NamedCell>& cells_with_products();
/// Cells of which each unit sees its own past alone.
const std::vector<NamedCell>& cells_without_products();

inline std::vector<std::string> cell_names() {
  std::vector<std::string> names;
  for (const auto* list : {&cells_with_products(), &cells_without_products()})
    for (const auto& each : *list) names.push_back(each.name);
  return names;
}
inline recur::AnyCell<float> make_cell(const std::string& name, recur::Index inputs, recur::Index hidden) {
  for (const auto* list : {&cells_with_products(), &cells_without_products()})
    for (const auto& each : *list)
      if (each.name == name) return each.make(inputs, hidden);
  throw std::invalid_argument("make_cell: there is no cell called " + name);
}
