// recur beside its peers: forward and train of one layer on twelve shapes, from one small step to wide layers. Names
// are paths: forward/elman/recur/I:32/H:64/N:1/T:128, train/elman/onednn/I:32/..., step/elman/recur-fixed/...
//
//     recur_benchmark --benchmark_filter=train/
#include "library.hpp"

#include <benchmark/benchmark.h>

#include <iostream>
#include <set>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

bool failed = false;

/// Whatever Google Benchmark calls it for (it calls several times), the results are compared once.
void require_agreement_once(const Library& library, const Problem& problem, Work work, Run& run, double tolerance) {
  static std::set<std::string> compared;
  if (compared.insert(problem.path(work, library.name)).second) {
    require_agreement(library, problem, work, run, tolerance);
  }
}

void measure(benchmark::State& state, const Library& library, const Shape& shape, Work work, double tolerance) {
  const Problem problem = elman(shape);
  const auto run = library.make(problem);
  try {
    require_agreement_once(library, problem, work, *run, tolerance);
  } catch (const std::exception& error) {
    failed = true;
    return state.SkipWithError(error.what());
  }
  for (auto _ : state) (*run)(work);
  state.counters["GFLOP/s"] =
      benchmark::Counter(problem.operations(work) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  if (work == Work::train && run->bytes_per_step() > 0) state.counters["bytes/step"] = run->bytes_per_step();
}

void add_series(double tolerance) {
  for (const Work work : {Work::forward, Work::train})
    for (const Shape& shape : shapes)
      for (const Library& library : libraries()) {
        if (!library.takes(shape)) continue;
        const auto run = [=](benchmark::State& state) { measure(state, library, shape, work, tolerance); };
        const std::string path = std::string(name(work)) + "/elman/" + library.name + '/' + shape.path();
        benchmark::RegisterBenchmark(path.c_str(), run)->Unit(benchmark::kMicrosecond);
      }
}

void add_context() {
  for (const Library& library : libraries()) benchmark::AddCustomContext(library.name, library.version);
  for (const std::string& name : missing_libraries()) benchmark::AddCustomContext(name, "not compiled in");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  bench::add_series(-1);
  bench::add_context();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return bench::failed ? 1 : 0;
}
