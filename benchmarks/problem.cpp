#include "problem.hpp"

#include <algorithm>
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
  const Index multiply_adds = (U.size() + W.size() + R.size()) * shape.batch * shape.steps;
  return (work == Work::train ? 6.0 : 2.0) * static_cast<double>(multiply_adds);
}

namespace {

template <class Cell>
Problem problem_of(const char* name, const Shape& shape, Cell cell) {
  const auto& [inputs, hidden, batch, steps] = shape;
  std::mt19937 rng(1);
  recur::initialize(cell, rng);
  recur::Series<float> initial(cell.state(1).rows(), batch, 1), x(cell.inputs(), batch, steps),
      dy(cell.outputs(), batch, steps);
  for (auto* series : {&initial, &x, &dy}) series->setRandom(rng);
  auto times = x.matrix().bottomRows(Cell::shared);
  times = times.cwiseAbs().eval();
  return {name, shape, cell.U, cell.W, cell.b, initial.matrix(), x, dy, cell.P, cell.R};
}
template <class Cell>
Problem problem_of(const char* name, const Shape& shape) {
  return problem_of(name, shape, Cell(shape.inputs + Cell::shared, shape.hidden));
}

}  // namespace

Problem elman(const Shape& shape) { return problem_of<recur::Elman<float>>("elman", shape); }
Problem lstm(const Shape& shape) { return problem_of<recur::Lstm<float>>("lstm", shape); }
Problem gru(const Shape& shape) { return problem_of<recur::Gru<float>>("gru", shape); }
Problem indrnn(const Shape& shape) { return problem_of<recur::IndRnn<float>>("indrnn", shape); }
Problem mingru(const Shape& shape) { return problem_of<recur::MinGru<float>>("mingru", shape); }
Problem minlstm(const Shape& shape) { return problem_of<recur::MinLstm<float>>("minlstm", shape); }
Problem qrnn(const Shape& shape) { return problem_of<recur::Qrnn<float>>("qrnn", shape); }
Problem rg_lru(const Shape& shape) { return problem_of<recur::RgLru<float>>("rg-lru", shape); }
Problem lru(const Shape& shape) { return problem_of<recur::Lru<float>>("lru", shape); }
Problem ctrnn(const Shape& shape) { return problem_of<recur::CtRnn<float>>("ctrnn", shape); }
Problem gru_d(const Shape& shape) { return problem_of<recur::GruD<float>>("gru-d", shape); }

/// With smaller gains than initialize() gives, from which rounding errors would grow, step by step.
template <class Cell>
Problem normed(const char* name, const Shape& shape) {
  Problem problem = problem_of<Cell>(name, shape);
  problem.P *= 0.3f;
  return problem;
}
Problem lstm_norm(const Shape& shape) { return normed<recur::LayerNormLstm<float>>("lstm-norm", shape); }
Problem gru_norm(const Shape& shape) { return normed<recur::LayerNormGru<float>>("gru-norm", shape); }

/// From a state as a series leaves it, where n is a sum of exponentials.
Problem slstm(const Shape& shape) {
  Problem problem = problem_of<recur::SLstm<float>>("slstm", shape);
  auto n = problem.initial.middleRows(2 * shape.hidden, shape.hidden);
  n = n.cwiseAbs().array() + 1;
  return problem;
}

Problem lstm_proj(const Shape& shape) {
  return problem_of("lstm-proj", shape, recur::ProjectedLstm<float>(shape.inputs, shape.hidden, shape.hidden / 2));
}

Problem padded(Problem problem) {
  const auto& [inputs, hidden, batch, steps] = problem.shape;
  std::vector<Index> lengths;
  for (Index n = 0; n < batch; ++n) lengths.push_back(std::max<Index>(1, (2 * n + 1) * steps / (2 * batch)));
  std::mt19937 rng(3);
  std::shuffle(lengths.begin(), lengths.end(), rng);
  problem.x.set_lengths(std::move(lengths));
  return problem;
}
std::string padded_path(Work work, const std::string& cell, bool half, const Shape& shape) {
  return "padded/" + path(work, cell, half ? "half" : "full", shape);
}

Matrix to_order(const std::vector<int>& order, const Matrix& matrix, Index hidden) {
  Matrix result(matrix.rows(), matrix.cols());
  Index row = 0;
  for (const int block : order) {
    result.middleRows(row, hidden) = matrix.middleRows(block * hidden, hidden);
    row += hidden;
  }
  return result;
}
Matrix from_order(const std::vector<int>& order, const Matrix& matrix, Index hidden) {
  Matrix result(matrix.rows(), matrix.cols());
  Index row = 0;
  for (const int block : order) {
    result.middleRows(block * hidden, hidden) = matrix.middleRows(row, hidden);
    row += hidden;
  }
  return result;
}
Matrix stacked(const Matrix& upper, const Matrix& lower) {
  Matrix result(upper.rows() + lower.rows(), upper.cols());
  result << upper, lower;
  return result;
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
