#pragma once
/// \file
/// What is measured: one library at work on one problem.

#include "problem.hpp"

#include <functional>
#include <map>
#include <memory>

namespace bench {

/// One library, set up for one problem. What can be made beforehand (primitives, packed weights, memory) is made when
/// it is constructed.
class Run {
 public:
  virtual ~Run() = default;
  virtual void forward() = 0;
  virtual void train() = 0;
  /// What the last call of that work computed.
  virtual Results results(Work work) const = 0;
  /// What train keeps of each step for the way back, where it is known.
  virtual double bytes_per_step() const { return 0; }
  /// What it holds besides, however long the series.
  virtual double bytes_besides() const { return 0; }

  void operator()(Work work) { work == Work::forward ? forward() : train(); }
};

struct Library {
  using Make = std::function<std::unique_ptr<Run>(const Problem&)>;

  std::string name;                   ///< as it stands in paths
  std::string version;                ///< "oneDNN 2.6.3"; empty where it is not compiled in
  std::map<std::string, Make> cells;  ///< those that it has
  double tolerance = 1e-4;            ///< how far it may be from recur, in parts of the largest entry
  int threads = 1;

  std::unique_ptr<Run> make(const Problem& problem) const { return cells.at(problem.cell)(problem); }
  /// Shapes too small to be shared between threads are not measured with two.
  bool takes(const std::string& cell, const Shape& shape) const {
    return cells.contains(cell) && (threads == 1 || (shape.batch >= 16 && shape.hidden >= 128));
  }
};

/// All that are compiled in, recur first.
std::vector<Library> libraries();
/// The names of those that are not.
std::vector<std::string> missing_libraries();

// One source file each. Without the library there is no such file.
Library recur_library(), recur_double_library(), recur_2threads_library(), onednn_library(), libtorch_library(),
    eigen_loop_library();

/// Runs the library and recur and throws std::runtime_error where their results differ by more than `tolerance`
/// (instead of the library's own, where it is not negative). The library runs several times, as it will when it is
/// measured: each call must compute the same.
void require_agreement(const Library& library, const Problem& problem, Work work, Run& run, double tolerance = -1);

}  // namespace bench
