// One unit of this program is compiled for any processor, another for those with AVX2, and each has networks of its
// own. Where EIGEN_MAX_ALIGN_BYTES is the same in both, both must be right: none may call the other's functions
// ("alike": both train; "stream": one only steps). Where it is not ("different"), one must be told so, and the other be
// right.
#include "two_processors.hpp"

#include <cmath>
#include <cstdio>
#include <string_view>

namespace {

const char* const told = "recur: all units of a program must have the same EIGEN_MAX_ALIGN_BYTES, got ";

/// Whether two units that train come to the same numbers: four of float, then four of double, and so on.
bool close(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != 16 || b.size() != 16) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= (i / 4 % 2 == 0 ? 1e-4 : 1e-10) * std::abs(b[i]))) return false;
  return true;
}

}  // namespace

int main(int, char** argv) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("skipped: this processor has no AVX2");
    return 0;
  }
  const std::string_view kind = argv[1];
  for (int round = 0; round < 2; ++round) {
    const Result a = for_any_processor(), b = for_this_one();
    std::printf("any processor: %zu numbers %s\nthis one: %zu numbers %s\n", a.numbers.size(), a.message.c_str(),
                b.numbers.size(), b.message.c_str());
    const bool a_told = a.message.starts_with(told), b_told = b.message.starts_with(told);
    bool right = a.message.empty() && b.message.empty();
    if (kind == "alike") right = right && close(a.numbers, b.numbers);
    if (kind == "different") right = a_told != b_told && (a_told ? b : a).message.empty();
    if (!right) return 1;
  }
  return 0;
}
