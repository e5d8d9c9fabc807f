// Sums of shards: the same bits on any number of processes.
#include "../catch.hpp"
#include "../helpers.hpp"
#include "threads_as_processes.hpp"

#include <recur/base/random.hpp>
#include <recur/distributed/shards.hpp>

#include <array>
#include <random>

using namespace recur;
using namespace recur_test;

namespace {

using Vector = VectorOf<float>;

/// Numbers whose sum depends on the order.
Vector numbers_of(Index shard, Index size) {
  std::mt19937 rng(static_cast<unsigned>(shard));
  Vector numbers(size);
  for (Index i = 0; i < size; ++i)
    numbers[i] = static_cast<float>(uniform(rng, -1, 1) * std::pow(10, uniform(rng, -4, 4)));
  return numbers;
}
Vector sum_by(Index processes, Index shards, Index size) {
  std::vector<Vector> sums(static_cast<std::size_t>(processes));
  const auto messages = in_processes(processes, [&](ThreadCommunicator& all) {
    detail::TreeSum<float> tree(all);
    for (int round = 0; round < 2; ++round) {  // buffers are used again
      tree.add_own(shards, size, [&](Index shard, auto& numbers) { numbers = numbers_of(shard, size); });
      sums[static_cast<std::size_t>(all.rank())] = tree.sum();
    }
  });
  for (const auto& each : messages) CHECK(each.empty());
  for (const auto& each : sums) CHECK(each == sums[0]);
  return sums[0];
}

}  // namespace

TEST_CASE("Shards are added in one order, wherever they are", "[distributed]") {
  for (const Index shards : {1, 2, 3, 5, 8, 11, 16}) {
    const Vector alone = sum_by(1, shards, 37);
    VectorOf<double> exact = VectorOf<double>::Zero(37);
    for (Index s = 0; s < shards; ++s) exact += numbers_of(s, 37).cast<double>();
    CHECK((alone.cast<double>() - exact).cwiseAbs().maxCoeff() < 1e-2);  // of numbers up to 10^4
    for (Index processes = 2; processes <= std::min<Index>(shards, 7); ++processes) {
      INFO(shards << " shards, " << processes << " processes");
      CHECK(sum_by(processes, shards, 37) == alone);
    }
  }
}

TEST_CASE("The order of the sum is that of a balanced tree", "[distributed]") {
  const auto s = [](Index k) { return numbers_of(k, 5); };
  CHECK(sum_by(1, 4, 5) == Vector(Vector(s(0) + s(1)) + Vector(s(2) + s(3))));
  CHECK(sum_by(1, 3, 5) == Vector(Vector(s(0) + s(1)) + s(2)));
  CHECK(sum_by(2, 5, 5) == Vector(Vector(Vector(s(0) + s(1)) + Vector(s(2) + s(3))) + s(4)));
}

TEST_CASE("More processes than shards, and more processes than numbers", "[distributed]") {
  CHECK(sum_by(4, 2, 3) == sum_by(1, 2, 3));
  CHECK(sum_by(4, 8, 2) == sum_by(1, 8, 2));
}

TEST_CASE("A gradient longer than what is sent at once", "[distributed]") {
  const Index size = (Index(1) << 22) + 3;
  const Vector alone = sum_by(1, 3, size);
  CHECK(sum_by(2, 3, size) == alone);
}

TEST_CASE("Where the shards are a power of two, each process sends its gradient once", "[distributed]") {
  const Index size = 1000;
  for (const Index processes : {2, 4, 8}) {
    std::vector<std::size_t> sent(static_cast<std::size_t>(processes));
    in_processes(processes, [&](ThreadCommunicator& all) {
      detail::TreeSum<float> tree(all);
      tree.add_own(16, size, [&](Index shard, auto& numbers) { numbers = numbers_of(shard, size); });
      tree.sum();
      sent[static_cast<std::size_t>(all.rank())] = all.sent;
    });
    for (const std::size_t each : sent)
      CHECK(each == static_cast<std::size_t>(size + size / processes) * sizeof(float));
  }
}

TEST_CASE("What one process throws, all throw", "[distributed]") {
  const auto messages = in_processes(3, [](ThreadCommunicator& all) {
    const auto values = detail::together("train", all, [&] { return all.rank() * 10; });
    if (values != std::vector<double>{0, 10, 20}) throw std::logic_error("other values");
    detail::together("train", all, [&]() -> int {
      if (all.rank() == 1) throw std::invalid_argument("no such file");
      return 0;
    });
  });
  for (const auto& each : messages) CHECK(each == "train: process 1 of 3 has failed: no such file");
}

TEST_CASE("What the first process knows, all know", "[distributed]") {
  struct Many {
    double a;
    std::array<int, 5> b;
  };
  std::vector<Many> known(3);
  in_processes(3, [&](ThreadCommunicator& all) {
    const double own = static_cast<double>(all.rank());
    known[static_cast<std::size_t>(all.rank())] =
        Processes(all).of_first(Many{own + 0.1, {1, 2, 3, 4, int(all.rank())}});
  });
  for (const Many& each : known) {
    CHECK(each.a == 0.1);
    CHECK(each.b == std::array{1, 2, 3, 4, 0});
  }
  CHECK(Processes().of_first(7) == 7);
  CHECK((Processes().rank() == 0 && Processes().size() == 1 && !Processes()));
}

TEST_CASE("What has to be the same everywhere is named", "[distributed]") {
  const auto messages = in_processes(3, [](ThreadCommunicator& all) {
    detail::SameEverywhere same;
    same.add("epochs", 10);
    same.add("batch", all.rank() == 2 ? 16 : 32);
    same.require_for("train", all);
  });
  for (const auto& each : messages)
    CHECK(each == "train: batch must be the same in all processes, got 32 in process 0 and 16 in process 2");
}
