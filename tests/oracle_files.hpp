// Oracle files, as the tests of PyTorch's, ONNX's and Keras' numbers read them.
#pragma once

#include "catch.hpp"

#include <recur/io/safetensors.hpp>
#include <recur/recur.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace recur_test {

using recur::Index, recur::MatrixOf, recur::Safetensors, recur::Series;

/// All *.safetensors of a folder, in the order of their names.
inline std::vector<Safetensors> oracles_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Safetensors> files;
  for (const auto& path : paths) files.push_back(Safetensors::read(path));
  return files;
}

// All numbers are read and compared in double, which holds those of float as they are: the functions here need not be
// compiled for each scalar type and each shape of matrix.

/// A tensor whose last dimension is features, as a matrix of one column for each of the others: [T, N, F] is F x (N T).
inline MatrixOf<double> columns(const Safetensors& file, const std::string& name) {
  const auto values = file.values<double>(name);
  const Index features = file.shape(name).back();
  return Eigen::Map<const MatrixOf<double>>(values.data(), features, static_cast<Index>(values.size()) / features);
}
/// The i-th matrix of a tensor of three dimensions, [., N, H], as H x N.
inline MatrixOf<double> slice(const Safetensors& file, const std::string& name, Index i) {
  const Index batch = file.shape(name).at(1);
  return columns(file, name).middleCols(i * batch, batch);
}
/// One above the other.
inline MatrixOf<double> stacked(const MatrixOf<double>& top, const MatrixOf<double>& bottom) {
  MatrixOf<double> both(top.rows() + bottom.rows(), top.cols());
  both << top, bottom;
  return both;
}

/// What is between the commas of "Tanh,Relu".
inline std::vector<std::string> items_of(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
  return items;
}
/// "2,9,1,6"
inline std::vector<Index> lengths_of(const std::string& text) {
  std::vector<Index> lengths;
  for (const auto& item : items_of(text)) lengths.push_back(std::stol(item));
  return lengths;
}

/// [T, N, F], with the file's lengths where it has some.
inline Series<double> series(const Safetensors& file, const std::string& name) {
  const auto values = columns(file, name);
  Series<double> result(recur::view_columns(values, file.shape(name).at(1)));
  if (file.metadata().count("lengths")) result.set_lengths(lengths_of(file.metadata("lengths")));
  return result;
}

/// The gates of another system in the order of the rows of U and W. b has the biases of U's rows from its beginning on,
/// those of W's up to its end.
struct Gates {
  std::vector<Index> U, W;
};
/// From z, r, h, as ONNX and Keras have them.
inline const Gates gru_gates{{2, 1, 0}, {1, 0, 2}}, gru_reset_before_gates{{1, 0, 2}, {1, 0, 2}};

/// Blocks of rows in another order, which may leave some out.
inline MatrixOf<double> reordered(const MatrixOf<double>& rows, const std::vector<Index>& order, Index height) {
  const Index count = std::ssize(order);
  REQUIRE(rows.rows() % height == 0);
  MatrixOf<double> result(count * height, rows.cols());
  for (Index k = 0; k < count; ++k)
    result.middleRows(k * height, height) = rows.middleRows(order[static_cast<std::size_t>(k)] * height, height);
  return result;
}
/// All of them.
inline MatrixOf<double> reordered(const MatrixOf<double>& rows, const std::vector<Index>& order) {
  const Index count = std::ssize(order);
  REQUIRE(rows.rows() % count == 0);
  return reordered(rows, order, rows.rows() / count);
}

/// Asserts, tensor by tensor, that max|ours - theirs| <= tolerance * max(1, max|theirs|), and keeps the worst.
class Agreement {
 public:
  Agreement(const Safetensors& file, double tolerance) : name_(file.name()), tolerance_(tolerance) {}

  void operator()(const std::string& tensor, const MatrixOf<double>& ours, const MatrixOf<double>& theirs) {
    INFO(name_ << ": " << tensor);
    REQUIRE(ours.rows() == theirs.rows());
    REQUIRE(ours.cols() == theirs.cols());
    const double size = std::max(1.0, theirs.cwiseAbs().maxCoeff());
    const double relative = (ours - theirs).cwiseAbs().maxCoeff<Eigen::PropagateNaN>() / size;
    CHECK(relative <= tolerance_);  // false for NaN too
    worst_ = std::max(worst_, relative);
    ++tensors_;
  }
  /// Shown by the option -s.
  void report() const { SUCCEED(name_ << ": " << tensors_ << " tensors, worst relative difference " << worst_); }

 private:
  std::string name_;
  double tolerance_, worst_ = 0;
  int tensors_ = 0;
};

}  // namespace recur_test
