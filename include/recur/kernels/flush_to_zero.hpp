#pragma once
/// \file
/// Subnormal numbers, which processors compute with a hundred times as slowly.

#include "../base/require.hpp"

#include <cstdint>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace recur::inline RECUR_ISA {

/// As long as it lives, this thread takes subnormal numbers (below 1.2e-38 in float, 2.2e-308 in double) for zero, on
/// x86 and AArch64; on other processors it does nothing. bptt() and Online::learn() have one: what goes back through
/// many steps fades away, and where the last step alone has a loss, an LSTM of 64 units and up to 200 steps took five
/// times as long to train with such numbers. Whoever runs a network on what may fall silent, as sound does, wants one
/// around each block of samples:
///
///     void callback(std::span<float> block) noexcept {
///       const recur::FlushToZero flush;
///       for (float& sample : block) sample = stream.step(sample);
///     }
class FlushToZero {
 public:
  /// From here on.
  FlushToZero() { set(before_ | flushes); }
  /// As it was before.
  ~FlushToZero() { set(before_); }
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
#if defined(__SSE2__)
  using Control = unsigned int;
  static constexpr Control flushes = 0x8040;  // what is read, and what comes out
  static Control get() { return _mm_getcsr(); }
  static void set(Control control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
  using Control = std::uint64_t;
  static constexpr Control flushes = Control(1) << 24;
  static Control get() {
    Control control = 0;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void set(Control control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
  using Control = int;
  static constexpr Control flushes = 0;
  static Control get() { return 0; }
  static void set(Control) {}
#endif

  const Control before_ = get();
};

}  // namespace recur::inline RECUR_ISA
