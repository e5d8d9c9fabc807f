#include "problem.hpp"

#include <random>
#include <sstream>

namespace bench {

std::string path(Work work, const std::string& cell, const std::string& library, const Shape& shape) {
  const auto& [inputs, hidden, batch, steps] = shape;
  std::ostringstream text;
  text << name(work) << '/' << cell << '/' << library << "/I:" << inputs << "/H:" << hidden << "/N:" << batch
       << "/T:" << steps;
  return text.str();
}

double Problem::operations(Work work) const {
  const Index multiply_adds = (U.size() + W.size()) * shape.batch * shape.steps;
  return (work == Work::train ? 6.0 : 2.0) * static_cast<double>(multiply_adds);
}

Problem elman(const Shape& shape) {
  const auto& [inputs, hidden, batch, steps] = shape;
  std::mt19937 rng(1);
  recur::Elman<float> cell(inputs, hidden);
  recur::initialize(cell, rng);
  recur::Series<float> initial(hidden, batch, 1), x(inputs, batch, steps), dy(hidden, batch, steps);
  for (auto* series : {&initial, &x, &dy}) series->setRandom(rng);
  return {"elman", shape, cell.U, cell.W, cell.b, initial.matrix(), x, dy};
}

std::string disagreement(const Results& ours, const Results& theirs, double tolerance) {
  std::ostringstream text;
  if (ours.size() != theirs.size()) text << theirs.size() << " results, not " << ours.size();
  for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
    const auto& [name, expected] = ours[i];
    const auto& got = theirs[i].second;
    if (got.rows() != expected.rows() || got.cols() != expected.cols()) {
      text << name << " has another shape; ";
      continue;
    }
    const double difference = (got - expected).cwiseAbs().maxCoeff() / expected.cwiseAbs().maxCoeff();
    // Written so that a NaN is a difference.
    if (!(difference <= tolerance)) text << name << " by " << difference << " of its largest entry; ";
  }
  return text.str();
}

}  // namespace bench
