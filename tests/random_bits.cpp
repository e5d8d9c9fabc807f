// Prints what one seed gives: a hash of the bits of 100,000 numbers of each function, for engines with 32, 64, 31 and
// 24 bits a draw. However this is compiled, it must print the same; .ci/run compares.
#include <recur/training/initializer.hpp>
#include <recur/series/series.hpp>

#include <array>
#include <bit>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <vector>

using namespace recur;

namespace {

constexpr Index count = 100'000;

/// FNV-1a of the bytes of numbers, the lowest first.
class Hash {
 public:
  void add(std::uint64_t bits) {
    for (int byte = 0; byte < 8; ++byte, bits >>= 8) hash_ = (hash_ ^ (bits & 0xFF)) * 0x100000001b3u;
  }
  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325u;
};

template <class Scalar>
void add_all(Hash& hash, const MatrixOf<Scalar>& matrix) {
  for (Index i = 0; i < matrix.size(); ++i) hash.add(double(matrix.data()[i]));
}

/// The hash of what draw() gives, again and again.
std::uint64_t hash_of(auto&& draw) {
  Hash hash;
  for (Index i = 0; i < count; ++i) hash.add(draw());
  return hash.value();
}
/// The hash of the entries that fill(matrix) gives.
template <class Scalar>
std::uint64_t hash_of_matrix(Index rows, Index cols, auto&& fill) {
  MatrixOf<Scalar> matrix(rows, cols);
  fill(matrix);
  Hash hash;
  add_all(hash, matrix);
  return hash.value();
}

template <class Scalar, class Engine>
void print_matrices(const char* engine, const char* scalar) {
  const auto print = [&](const char* what, std::uint64_t hash) {
    std::cout << what << ' ' << scalar << ' ' << engine << ' ' << hash << '\n';
  };
  const auto rows = [](Index cols) { return count / cols; };
  Engine rng(42);
  Series<Scalar> series(5, 40, count / 200);
  series.setRandom(rng);
  Hash hash;
  add_all(hash, MatrixOf<Scalar>(series.matrix()));
  print("setRandom", hash.value());
  print("uniform_within", hash_of_matrix<Scalar>(rows(50), 50, [&](auto& block) { uniform_within(block, 0.3, rng); }));
  print("glorot_uniform", hash_of_matrix<Scalar>(rows(50), 50, [&](auto& block) { glorot_uniform(block, rng, 0.7); }));
  print("glorot_normal", hash_of_matrix<Scalar>(rows(50), 50, [&](auto& block) { glorot_normal(block, rng, 0.7); }));
  print("orthogonal", hash_of_matrix<Scalar>(rows(50), 50, [&](auto& block) { orthogonal(block, rng, 0.7); }));
  print("orthogonal, wide", hash_of_matrix<Scalar>(5, 7, [&](auto& block) { orthogonal(block, rng); }));
}

template <class Engine>
void print_all(const char* engine) {
  const auto print = [&](const char* what, std::uint64_t hash) {
    std::cout << what << ' ' << engine << ' ' << hash << '\n';
  };
  Engine rng(42);
  print("uniform", hash_of([&] { return uniform(rng); }));
  print("uniform in -0.1 .. 0.7", hash_of([&] { return uniform(rng, -0.1, 0.7); }));
  print("normal", hash_of([&] { return normal(rng); }));
  print("1 + normal", hash_of([&] { return 1 + normal(rng); }));
  print("uniform_below", hash_of([&] { return std::uint64_t(uniform_below(rng, 1'000'003)); }));
  std::vector<std::uint64_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  shuffle(order, rng);
  print("shuffle", hash_of([&, next = order.begin()]() mutable { return *next++; }));
  print_matrices<float, Engine>(engine, "float");
  print_matrices<double, Engine>(engine, "double");
}

}  // namespace

int main() {
  print_all<std::mt19937>("mt19937");
  print_all<std::mt19937_64>("mt19937_64");
  print_all<std::minstd_rand>("minstd_rand");
  print_all<std::ranlux24_base>("ranlux24_base");
}
