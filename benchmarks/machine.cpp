#include "machine.hpp"
#include "stopwatch.hpp"

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <thread>

namespace bench {
namespace {

/// The best of the tries that fit into some time: `count` of something in a second, when run() does them.
double best_rate(double count, auto&& run) {
  double best = 0;
  for (const Stopwatch all; best == 0 || all.seconds() < 0.1;) {
    const Stopwatch watch;
    run();
    best = std::max(best, count / watch.seconds());
  }
  return best;
}

}  // namespace

double clock_rate() {
  constexpr int rounds = 10'000, chain = 32;
  return best_rate(double{rounds} * chain, [] {
    std::uint64_t sum = 1, term = 3;
    benchmark::DoNotOptimize(term);  // in a register: some cores add constants for nothing
    for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 32
      for (int j = 0; j < chain; ++j) {
        sum += term;
        asm volatile("" : "+r"(sum));
      }
    }
    benchmark::DoNotOptimize(sum);
  });
}

template <class Scalar>
double multiply_add_limit() {
  using Packet = typename Eigen::internal::packet_traits<Scalar>::type;
  constexpr int lanes = Eigen::internal::packet_traits<Scalar>::size;
  // Enough to hide the latency of two units, few enough to stay in registers together with the factors.
  constexpr int chains = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 24 : 12, rounds = 10'000;
  return best_rate(2.0 * rounds * chains * lanes, [] {
    const volatile Scalar half{0.5};  // not known when compiling
    const Packet factor = Eigen::internal::pset1<Packet>(Scalar(half));
    Packet sum[chains];
#pragma GCC unroll 24
    for (int j = 0; j < chains; ++j) sum[j] = factor;
    for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
      for (int j = 0; j < chains; ++j) sum[j] = Eigen::internal::pmadd(sum[j], factor, factor);  // goes to 1
    }
    Packet total = sum[0];
    for (int j = 1; j < chains; ++j) total = Eigen::internal::padd(total, sum[j]);
    Scalar result = Eigen::internal::predux(total);
    benchmark::DoNotOptimize(result);
  });
}
template double multiply_add_limit<float>();
template double multiply_add_limit<double>();

int float_lanes() { return Eigen::internal::packet_traits<float>::size; }

std::string machine() {
  std::string model = "unknown processor";
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
#ifdef __clang__
  const std::string compiler = "clang++ " + std::to_string(__clang_major__) + '.' + std::to_string(__clang_minor__);
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  const std::string simd = Eigen::SimdInstructionSetsInUse();  // "AVX512, FMA, AVX2, AVX, SSE, SSE2 ..."
  return model + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores; " + compiler + "; " +
         simd.substr(0, simd.find(", SSE"));
}

}  // namespace bench
