#pragma once
/// \file
/// Several pieces of work, measured in turns.

#include "stopwatch.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace bench {

struct Contender {
  std::string name;
  std::function<void()> run;
  int threads = 1;
  int calls = 1;  ///< in one sample
  std::vector<double> samples = {};
  double seconds = 0, processor_seconds = 0;  ///< of all samples

  /// The median of the samples, in seconds for one call.
  double median() {
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
  }
  /// One call goes before, so that the caches hold what is the contender's own, not its predecessor's.
  /// A short sample that another program has taken the processor from is measured again; a long one would not fare
  /// better.
  void sample() {
    run();
    for (int tries = 1; tries <= 4; ++tries) {
      const Stopwatch watch;
      for (int i = 0; i < calls; ++i) run();
      const double elapsed = watch.seconds(), processor = watch.processor_seconds();
      if (tries < 4 && elapsed < 0.02 && processor < 0.95 * elapsed) continue;
      samples.push_back(elapsed / calls);
      seconds += elapsed;
      processor_seconds += processor;
      return;
    }
  }
};

/// Rounds in which each has a sample, of two milliseconds at least. Gives the share of that time in which the machine
/// did something else. Throws std::runtime_error where one keeps more processors busy than it has threads.
inline double contest(std::vector<Contender>& contenders, int rounds) {
  for (Contender& contender : contenders) {
    while (contender.calls < 1 << 24) {
      contender.sample();
      if (contender.seconds > 2e-3) break;
      contender.seconds = 0;
      contender.calls *= 2;
    }
    contender.samples.clear();
    contender.seconds = contender.processor_seconds = 0;
  }
  for (int round = 0; round < rounds; ++round) {
    for (Contender& contender : contenders) {
      contender.sample();
      // The other thread goes on spinning for a while: nobody else's sample should suffer.
      if (contender.threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  double elapsed = 0, busy = 0;
  for (const Contender& contender : contenders) {
    if (contender.seconds > 0.02 && contender.processor_seconds > (contender.threads + 0.3) * contender.seconds) {
      throw std::runtime_error(contender.name + " takes more than " + std::to_string(contender.threads) +
                               " thread(s): set OMP_NUM_THREADS=1");
    }
    if (contender.threads > 1) continue;
    elapsed += contender.seconds;
    busy += contender.processor_seconds;
  }
  return std::max(0.0, 1 - busy / elapsed);
}

}  // namespace bench
