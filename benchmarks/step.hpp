#pragma once
/// \file
/// One step at a time: a network of one input and one output, as in an audio callback.

#include "problem.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// The gated cells end at 64: Eigen takes no matrices of fixed size beyond 128 KB.
inline constexpr int largest_elman = 128, largest_gated = 64;
inline constexpr int step_sizes[] = {8, 16, 32, 64, 128};

/// A layer of one input, a readout of one output, and what goes in.
struct StepProblem {
  Problem layer;
  recur::VectorOf<float> V;
  float c;
  std::array<float, 64> samples;

  int hidden() const { return static_cast<int>(layer.shape.hidden); }
  /// The fewest cycles in which the multiply-adds of W h can be issued, two packets at a time.
  double cycles_limit() const;
};
StepProblem step_problem(const CellKind& cell, int hidden);

/// A network, set up for steps.
class StepRun {
 public:
  virtual ~StepRun() = default;
  /// So many steps, one after the other; gives the last output.
  virtual float run(int count) = 0;
};

/// Runs through the samples again and again: step(x) gives y.
float run_steps(const StepProblem& problem, int count, const auto& step) {
  float y = 0;
  for (int i = 0; i < count; ++i) y = step(problem.samples[static_cast<std::size_t>(i) % problem.samples.size()]);
  return y;
}

struct StepLibrary {
  std::string name;  ///< "recur", or "recur-fixed" where sizes are known when compiling
  std::string version;
  /// Null for cells and sizes that it does not have.
  std::function<std::unique_ptr<StepRun>(const StepProblem&)> make;
  double tolerance = 1e-5;

  /// "step/elman/recur-fixed/I:1/H:64/N:1/T:1"
  std::string path(const char* cell, int hidden) const;
};

/// All that are compiled in, recur and recur-fixed first.
std::vector<StepLibrary> step_libraries();
StepLibrary rtneural_library();

/// f.template operator()<H>() for the size that is `hidden`; null beyond Largest.
template <int Largest, class F>
std::unique_ptr<StepRun> with_fixed_size(int hidden, const F& f) {
  std::unique_ptr<StepRun> steps;
  const auto try_size = [&]<int H>() {
    if constexpr (H <= Largest)
      if (hidden == H) steps = f.template operator()<H>();
  };
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (try_size.template operator()<step_sizes[i]>(), ...);
  }(std::make_index_sequence<std::size(step_sizes)>());
  return steps;
}

/// Throws std::runtime_error unless the library computes what recur does.
void require_steps_agree(const StepLibrary& library, const StepProblem& problem);

}  // namespace bench
