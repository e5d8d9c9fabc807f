#pragma once

// Catch2 for every test, which is written for version 3: to 2.13 this gives the names that came with 3.
// Not in 2.13 at all, and so not to be used: range matchers, MessageMatches, SKIP.

#if __has_include(<catch2/catch_all.hpp>)

#include <catch2/catch_all.hpp>

#else

#include <catch2/catch.hpp>

namespace Catch {

using Detail::Approx;

namespace Matchers {

inline auto ContainsSubstring(const std::string& text) { return Contains(text); }

}  // namespace Matchers
}  // namespace Catch

#endif

using Catch::Approx;
