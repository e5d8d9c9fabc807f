#include "catch.hpp"

#include <recur/kernels/flush_to_zero.hpp>

#include <limits>

using recur::FlushToZero;

TEMPLATE_TEST_CASE("Subnormal numbers are zero as long as a FlushToZero lives, and numbers again after it", "", float,
                   double) {
#if defined(__SSE2__) || defined(__aarch64__)
  constexpr bool flushes = true;
#else
  constexpr bool flushes = false;
#endif
  volatile TestType least = std::numeric_limits<TestType>::min(), half = TestType(0.5);
  volatile TestType subnormal = least * half, one = 1;
  REQUIRE(subnormal > 0);
  volatile TestType made = 1, read = 1, normal = 0;
  {
    const FlushToZero flush;
    made = least * half;
    read = subnormal * one;
    normal = least * one;
    { const FlushToZero within; }
    if (flushes) made = made + least * half;
  }
  CHECK((made == 0) == flushes);
  CHECK((read == 0) == flushes);
  CHECK(normal == least);
  CHECK(least * half == subnormal);
  CHECK(subnormal * one > 0);
}
