// A series of any length in 64 MiB: the gradient of an LSTM of 128 units over T steps of N sequences, with the records
// of all steps and with a trace that keeps some of them; time and memory, beside LibTorch's. Each is measured in a
// process of its own.
#include "long_series.hpp"
#include "machine.hpp"
#include "stopwatch.hpp"

#include <recur/recur.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

#ifdef __linux__
#include <sys/wait.h>
#include <unistd.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

using recur::Index, recur::Series, recur::SeriesView;

constexpr Index hidden = 128;
using Net = recur::Sequence<recur::Lstm<float>, recur::Readout<float>>;

/// What stands for a file: any steps of x, and what is to be said of them. It does not depend on how it is read.
void read_part(Index first, Series<float>& part) {
  for (Index j = 0; j < part.batch() * part.steps(); ++j) {
    const auto k = static_cast<std::uint64_t>(first * part.batch() + j) * 0x9e3779b97f4a7c15u;
    part.matrix()(0, j) = static_cast<float>(k >> 40) * 0x1p-23f - 1;
  }
}

struct Measured {
  double seconds = 0, mebibytes = 0, loss = 0;  // of memory: what the process took at most, beyond what it began with
  Index segments = 0;
};

Measured by_recur(Index batch, Index steps, Index memory) {
  std::mt19937 rng(1);
  Net net(recur::Lstm<float>(1, hidden), recur::Readout<float>(hidden, 1));
  recur::initialize(net, rng);
  auto gradient = recur::zeros_like(net);
  auto trace = net.trace({.memory = memory});
  const recur::SeriesReader<float> x(batch, steps, read_part);
  Series<float> target;
  const auto squared_error = [&](Index first, SeriesView<const float> y, Series<float>& dy) {
    target.resize(1, batch, y.steps());
    read_part(first, target);
    const auto part = recur::squared_error(y, target, dy);  // a mean over these steps
    const double share = part.counted / static_cast<double>(batch * steps);
    dy.matrix() *= static_cast<float>(share);
    return share * part.mean;
  };
  Measured measured;
  const Stopwatch watch;
  measured.loss = recur::bptt(net, x, trace, squared_error, gradient);
  measured.seconds = watch.seconds();
  measured.segments = trace.segments();
  return measured;
}

#ifdef __linux__
/// A line of /proc/self/status, in MiB.
double status(const std::string& name) {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  char line[256];
  double kibibytes = 0;
  while (file && std::fgets(line, sizeof line, file))
    if (std::string(line).rfind(name + ":", 0) == 0) kibibytes = std::atof(line + name.size() + 1);
  if (file) std::fclose(file);
  return kibibytes / 1024;
}

/// f() in a process of its own, which begins with little memory.
Measured in_process(auto&& f) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    const double before = status("VmRSS");
    Measured measured = f();
    measured.mebibytes = status("VmHWM") - before;
    const bool told = write(ends[1], &measured, sizeof measured) == sizeof measured;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  Measured measured;
  const bool told = read(ends[0], &measured, sizeof measured) == sizeof measured;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!told) throw std::runtime_error("a measurement ended early");
  return measured;
}
#endif

std::string text(const char* format, auto... values) {
  char buffer[160];
  std::snprintf(buffer, sizeof buffer, format, values...);
  return buffer;
}

}  // namespace
}  // namespace bench

int main(int argc, char* argv[]) {
#ifdef __linux__
  using namespace bench;
  const Index most = argc > 1 ? std::atol(argv[1]) : 1'000'000;
  if (argc > 2 || most < 1000) {
    std::cerr << "recur_long_series [T]: up to T steps, at least 1000, 1,000,000 by default\n";
    return 1;
  }
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  constexpr double mebibytes = 12'000;  // what is longer than fits into it is not measured as a whole
  try {
    std::cout << machine() << "\n\nLSTM 1 -> " << hidden << ", Readout, squared error; one thread, float\n\n"
              << "| N | T | all records | | 64 MiB | | segments | time | LibTorch | "
                 "|\n|---|---|---|---|---|---|---|---|---|---|\n";
    for (const Index batch : {1, 16})
      for (Index steps = 1000; steps <= most; steps *= 10) {
        const double whole = 4e-3 * static_cast<double>(batch * steps);  // 4 KB each
        const auto some = in_process([&] { return by_recur(batch, steps, 64 << 20); });
        std::string line = text("| %ld | %ld ", long(batch), long(steps));
        std::string ratio;
        if (whole < mebibytes) {
          const auto all = in_process([&] { return by_recur(batch, steps, 0); });
          if (std::abs(all.loss - some.loss) > 1e-5 * all.loss) throw std::runtime_error("the losses differ");
          line += text("| %.3g s | %.0f MiB ", all.seconds, all.mebibytes);
          ratio = text("%.2f", some.seconds / all.seconds);
        } else {
          line += "| | ";
        }
        line += text("| %.3g s | %.0f MiB | %ld | ", some.seconds, some.mebibytes, long(some.segments)) + ratio;
        if (has_libtorch() && 4 * whole < mebibytes) {
          const auto theirs = in_process([&] {
            Measured measured;
            measured.seconds = by_libtorch(batch, steps, hidden);
            return measured;
          });
          line += text(" | %.3g s | %.0f MiB |", theirs.seconds, theirs.mebibytes);
        } else {
          line += " | | |";
        }
        std::cout << line << std::endl;
      }
  } catch (const std::exception& error) {
    std::cerr << "recur_long_series: " << error.what() << "\n";
    return 1;
  }
#else
  std::cerr << argv[0] << ": it reads the memory of a process from /proc, which Linux has\n";
  return argc > 0 ? 1 : 2;
#endif
}
