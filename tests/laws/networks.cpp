#include "network_of.hpp"

#include <algorithm>
#include <cmath>

namespace recur_test {

const std::vector<NamedCell>& all_cells() {
  static const auto cells = [] {
    std::vector<NamedCell> all;
    for (const auto& [name, make] : all_any_cells())
      all.push_back({name, [make = make](Index inputs, Index outputs) -> std::unique_ptr<AnyNetwork> {
                       return std::make_unique<NetworkOf<recur::AnyCell<double>>>(make(inputs, outputs));
                     }});
    for (const auto& each : cells_of_times()) all.push_back(each);
    return all;
  }();
  return cells;
}

const NamedCell& cell_called(const std::string& name) {
  const auto& cells = all_cells();
  const auto found = std::find_if(cells.begin(), cells.end(), [&](const auto& each) { return each.name == name; });
  recur::require(found != cells.end(), "no cell is called ", name);
  return *found;
}
const std::vector<NamedTypes>& all_other_types() {
  static const auto types = [] {
    auto all = types_of_plain_cells();
    for (auto& each : types_of_staged_cells()) all.push_back(std::move(each));
    return all;
  }();
  return types;
}

std::vector<NamedNetwork> all_networks() {
  std::vector<NamedNetwork> all;
  for (const auto& [name, make] : all_cells()) all.push_back({name, make(3, 4)});
  for (auto& each : networks_of_layers()) all.push_back(std::move(each));
  return all;
}

namespace {

States without_names(const NamedMatrices& blocks) {
  States matrices;
  for (const auto& [name, matrix] : blocks) matrices.push_back(matrix);
  return matrices;
}

}  // namespace

bool same(const States& a, const States& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& p, const auto& q) {
    return p.rows() == q.rows() && p.cols() == q.cols() && (p.array() == q.array()).all();
  });
}
bool same(const NamedMatrices& a, const NamedMatrices& b) { return same(without_names(a), without_names(b)); }

double difference(const States& a, const States& b) {
  double most = a.size() == b.size() ? 0 : std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    recur::require(a[i].rows() == b[i].rows() && a[i].cols() == b[i].cols(), "difference: other shapes");
    for (Index j = 0; j < a[i].size(); ++j) {
      const double apart = std::abs(a[i].data()[j] - b[i].data()[j]);
      if (std::isnan(apart)) return apart;
      most = std::max(most, apart);
    }
  }
  return most;
}
double difference(const NamedMatrices& a, const NamedMatrices& b) {
  return difference(without_names(a), without_names(b));
}

double norm(const NamedMatrices& blocks) {
  double squares = 0;
  for (const auto& [name, matrix] : blocks) squares += matrix.squaredNorm();
  return std::sqrt(squares);
}
Index size(const States& states) {
  Index numbers = 0;
  for (const auto& state : states) numbers += state.size();
  return numbers;
}
Index size(const NamedMatrices& blocks) { return size(without_names(blocks)); }

}  // namespace recur_test
