#include "library.hpp"

#include <stdexcept>

namespace bench {

std::vector<Library> libraries() {
  return {
      recur_library(),
#ifdef RECUR_BENCHMARK_ONEDNN
      onednn_library(),
#endif
#ifdef RECUR_BENCHMARK_LIBTORCH
      libtorch_library(),
#endif
      eigen_loop_library(),     recur_double_library(),
#ifdef _OPENMP
      recur_2threads_library(),  // the last: its second thread goes on spinning for some milliseconds
#endif
  };
}

std::vector<std::string> missing_libraries() {
  std::vector<std::string> missing;
#ifndef RECUR_BENCHMARK_ONEDNN
  missing.push_back("onednn");
#endif
#ifndef RECUR_BENCHMARK_LIBTORCH
  missing.push_back("libtorch");
#endif
#ifndef RECUR_BENCHMARK_RTNEURAL
  missing.push_back("rtneural");
#endif
#ifndef _OPENMP
  missing.push_back("recur-2threads");
#endif
  return missing;
}

void require_agreement(const Library& library, const Problem& problem, Work work, Run& run, double tolerance) {
  const auto recur = recur_library().make(problem);
  (*recur)(work);
  for (int i = 0; i < 3; ++i) run(work);
  const std::string differs =
      disagreement(recur->results(work), run.results(work), tolerance < 0 ? library.tolerance : tolerance);
  if (!differs.empty()) {
    throw std::runtime_error(path(work, problem.cell, library.name, problem.shape) + " differs from recur: " + differs);
  }
}

}  // namespace bench
