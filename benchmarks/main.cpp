// recur beside its peers: forward and train of one layer on many shapes, from one small step to wide layers; batches
// that are half padding; single steps; cells that only go through memory; and whole steps of training. Names are paths:
// forward/elman/recur/I:32/H:64/N:1/T:128, train/lstm/onednn/I:32/..., padded/train/gru/half/I:...,
// step/elman/recur-fixed/..., sweep/back/mingru/bare/H:..., training/words/recur.
#include "library.hpp"
#include "machine.hpp"
#include "step.hpp"
#include "stopwatch.hpp"
#include "sweep.hpp"
#include "table.hpp"
#include "training.hpp"

#include <benchmark/benchmark.h>

#include <cstring>
#include <iostream>
#include <optional>
#include <set>
#include <stdexcept>

#ifdef _OPENMP
#include <omp.h>
#endif

constexpr const char* usage = R"(recur_benchmark [--table] [options]

  Without --table, Google Benchmark measures, and its options hold (see below).

  --table                 a table for people, as Markdown
  --benchmark_filter=REGEX  of what: for example train/.*/H:64/
  --rounds=N              15 by default: the table shows medians of them
  --csv=FILE              the times besides, for table.gnuplot
  --tolerance=X           how far results may be from recur's, in parts of the largest entry

)";

namespace bench {
namespace {

bool failed = false;

/// Whatever Google Benchmark calls it for (it calls several times), the results are compared once.
void require_agreement_once(const Library& library, const Problem& problem, Work work, Run& run, double tolerance) {
  static std::set<std::string> compared;
  if (compared.insert(path(work, problem.cell, library.name, problem.shape)).second) {
    require_agreement(library, problem, work, run, tolerance);
  }
}

void measure(benchmark::State& state, const Library& library, const CellKind& cell, const Shape& shape, Work work,
             double tolerance) {
  const Problem problem = cell.problem(shape);
  const auto run = library.make(problem);
  try {
    require_agreement_once(library, problem, work, *run, tolerance);
  } catch (const std::exception& error) {
    failed = true;
    return state.SkipWithError(error.what());
  }
  const Stopwatch watch;
  for (auto _ : state) (*run)(work);
  const double seconds = watch.seconds() / static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = problem.operations(work) * 1e-9 / seconds;
  if (work == Work::train && run->bytes_per_step() > 0) {
    state.counters["bytes/step"] = run->bytes_per_step();
    state.counters["bytes besides"] = run->bytes_besides();
  }
}

void add_series(double tolerance) {
  for (const CellKind& cell : cells)
    for (const Work work : {Work::forward, Work::train})
      for (const Shape& shape : cell.on)
        for (const Library& library : libraries()) {
          if (!library.takes(cell.name, shape)) continue;
          const auto run = [=](benchmark::State& state) { measure(state, library, cell, shape, work, tolerance); };
          const std::string as = path(work, cell.name, library.name, shape);
          benchmark::RegisterBenchmark(as.c_str(), run)->Unit(benchmark::kMicrosecond);
        }
}

/// recur alone, with padding or without, of the cells that are measured on all shapes.
void add_padded() {
  for (const CellKind& cell : cells)
    for (const Work work : {Work::forward, Work::train})
      for (const Shape& shape : cell.padded())
        for (const bool half : {false, true}) {
          const auto run = [=](benchmark::State& state) {
            const auto own = recur_library().make(half ? padded(cell.problem(shape)) : cell.problem(shape));
            for (auto _ : state) (*own)(work);
          };
          const std::string as = padded_path(work, cell.name, half, shape);
          benchmark::RegisterBenchmark(as.c_str(), run)->Unit(benchmark::kMicrosecond);
        }
}

void measure_steps(benchmark::State& state, const StepLibrary& library, const CellKind& cell, int hidden) {
  constexpr int batch = 256;
  static const double clock = clock_rate();
  const StepProblem problem = step_problem(cell, hidden);
  try {
    require_steps_agree(library, problem);
  } catch (const std::exception& error) {
    failed = true;
    return state.SkipWithError(error.what());
  }
  const auto steps = library.make(problem);
  const Stopwatch watch;
  while (state.KeepRunningBatch(batch)) benchmark::DoNotOptimize(steps->run(batch));
  state.counters["cycles"] = watch.seconds() * clock / static_cast<double>(state.iterations());
  state.counters["limit"] = problem.cycles_limit();
}

void add_steps() {
  for (const CellKind& cell : cells)
    for (const int hidden : step_sizes)
      for (const StepLibrary& library : step_libraries()) {
        if (!library.make(step_problem(cell, hidden))) continue;
        const auto run = [=](benchmark::State& state) { measure_steps(state, library, cell, hidden); };
        benchmark::RegisterBenchmark(library.path(cell.name, hidden).c_str(), run);
      }
}

void add_sweeps() {
  for (const SweepKind& kind : sweep_kinds())
    for (const Way way : {Way::forward, Way::back})
      for (const SweepShape& shape : sweep_shapes)
        for (const bool bare : {false, true}) {
          const auto run = [=](benchmark::State& state) {
            const auto sweep = kind.make(shape);
            for (auto _ : state) bare ? sweep->bare(way) : sweep->recur(way);
          };
          benchmark::RegisterBenchmark(kind.path(way, bare ? "bare" : "recur", shape).c_str(), run)
              ->Unit(benchmark::kMicrosecond);
        }
}

void add_training() {
  for (const Task& task : tasks())
    for (const TrainingLibrary& library : training_libraries()) {
      const auto run = [=](benchmark::State& state) {
        const auto training = library.make(task);
        for (auto _ : state) state.SetIterationTime(training->run(1)[0]);
      };
      benchmark::RegisterBenchmark(task.path(library.name).c_str(), run)
          ->Unit(benchmark::kMillisecond)
          ->UseManualTime();
    }
}

void add_context() {
  for (const Library& library : libraries()) benchmark::AddCustomContext(library.name, library.version);
  for (const StepLibrary& library : step_libraries())
    if (library.version != "recur") benchmark::AddCustomContext(library.name, library.version);
  for (const std::string& name : missing_libraries()) benchmark::AddCustomContext(name, "not compiled in");
}

/// What follows `--name=` in `argument`.
std::optional<std::string> value_of(const char* name, const std::string& argument) {
  const std::string start = std::string(name) + '=';
  if (!argument.starts_with(start)) return {};
  return argument.substr(start.size());
}

struct Options {
  bool table = false;
  TableOptions of_table;
  std::vector<char*> others;  ///< Google Benchmark's
};

/// The number that an argument gives.
double number(const std::string& argument, const std::string& text) {
  std::size_t read = 0;
  double value = 0;
  try {
    value = std::stod(text, &read);
  } catch (const std::exception&) {  // which would only say "stod"
  }
  if (read == 0 || read != text.size() || !(value >= 0 && value <= 1e6)) {
    throw std::invalid_argument(argument + ": a number from 0 to 1e6 expected");
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--table") {
      options.table = true;
    } else if (const auto rounds = value_of("--rounds", argument)) {
      options.of_table.rounds = std::max(1, static_cast<int>(number(argument, *rounds)));
    } else if (const auto csv = value_of("--csv", argument)) {
      options.of_table.csv = *csv;
    } else if (const auto tolerance = value_of("--tolerance", argument)) {
      options.of_table.tolerance = number(argument, *tolerance);
    } else {
      if (const auto filter = value_of("--benchmark_filter", argument)) options.of_table.filter = *filter;
      if (argument == "--help") std::cout << usage;
      options.others.push_back(argv[i]);
    }
  }
  return options;
}

int run(int argc, char** argv) {
  Options options = parse(argc, argv);
  add_series(options.of_table.tolerance);
  add_padded();
  add_steps();
  add_sweeps();
  add_training();
  add_context();
  int others = static_cast<int>(options.others.size());
  benchmark::Initialize(&others, options.others.data());
  if (benchmark::ReportUnrecognizedArguments(others, options.others.data())) return 1;
  if (options.table) {
    print_table(options.of_table);
  } else {
    benchmark::RunSpecifiedBenchmarks();
  }
  benchmark::Shutdown();
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  try {
    return bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "recur_benchmark: " << error.what() << '\n';
    return 1;
  }
}
