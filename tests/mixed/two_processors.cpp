// One unit of this program is compiled for any processor, another for those with AVX2, and each trains networks of its own.
// With EIGEN_MAX_ALIGN_BYTES the same in both (argument "alike") both must come to the same numbers, to rounding: none may
// call the other's functions. Without ("different"), one of them must be told so, and the other be right all the same.
#include "two_processors.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

namespace {

const char* const told = "recur: all units of a program must have the same EIGEN_MAX_ALIGN_BYTES, got ";

bool close(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != 24 || b.size() != 24) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= (i / 6 % 2 == 0 ? 1e-4 : 1e-10) * std::abs(b[i]))) return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("skipped: this processor has no AVX2");
    return 0;
  }
  for (int round = 0; round < 2; ++round) {
    const Result a = for_any_processor(), b = for_this_one();
    std::printf("any processor: %zu numbers %s\nthis one: %zu numbers %s\n", a.numbers.size(), a.message.c_str(),
                b.numbers.size(), b.message.c_str());
    if (argc > 1 && std::strcmp(argv[1], "alike") == 0) {
      if (!close(a.numbers, b.numbers) || !a.message.empty() || !b.message.empty()) return 1;
    } else {
      const bool a_told = a.message.starts_with(told), b_told = b.message.starts_with(told);
      if (a_told == b_told || (a_told ? b : a).numbers.size() != 24) return 1;
    }
  }
  return 0;
}
