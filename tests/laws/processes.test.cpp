// The gradient of a mini-batch in shards has the same bits on any number of processes, with any number of threads: what
// holds for every network there is and will be. distributed/ trains some of them.
#include "../catch.hpp"
#include "../cells.hpp"
#include "../distributed/threads_as_processes.hpp"
#include "networks.hpp"

#include <recur/distributed/shards.hpp>

using namespace recur;
using namespace recur_test;

namespace {

constexpr Index shards = 5, of_shard = 2, steps = 9;

/// The gradient, as train() forms it, and the states after the last step, of some processes.
std::vector<VectorOf<double>> gradient_by(Index processes, int threads, const AnyNetwork& net,
                                          const std::vector<Series<double>>& x, const std::vector<Series<double>>& dy,
                                          const States& initial) {
  std::vector<VectorOf<double>> sums(static_cast<std::size_t>(processes));
  const auto messages = in_processes(
      processes,
      [&](ThreadCommunicator& all) {
        const auto own = net.copy();
        detail::TreeSum<double> tree(all);
        States last = initial;
        tree.add_own(shards, size(own->parameters()), [&](Index shard, VectorOf<double>& numbers) {
          const detail::Range columns{shard * of_shard, (shard + 1) * of_shard};
          own->train(static_cast<std::uint64_t>(7 + shard));
          own->forward(x[static_cast<std::size_t>(shard)], detail::columns_of_state(initial, columns));
          own->bptt(x[static_cast<std::size_t>(shard)], dy[static_cast<std::size_t>(shard)]);
          detail::set_columns_of_state(last, columns, own->final_state());
          Index at = 0;
          for (const auto& [name, block] : own->gradient()) {
            numbers.segment(at, block.size()) = block.reshaped();
            at += block.size();
          }
        });
        detail::gather_state<double>(all, last, [&](Index r) {
          const detail::Range part = tree.own(shards, r);
          return detail::Range{part.first * of_shard, part.end * of_shard};
        });
        auto& sum = sums[static_cast<std::size_t>(all.rank())];
        sum = tree.sum();
        for (const auto& each : last) {
          sum.conservativeResize(sum.size() + each.size());
          sum.tail(each.size()) = each.reshaped();
        }
      },
      threads);
  for (const auto& each : messages) CHECK(each == "");
  return sums;
}

}  // namespace

TEST_CASE("No bit of a sum of shards depends on the number of processes", "[distributed][laws]") {
  for (const auto& [name, net] : all_networks()) {
    INFO(name);
    std::mt19937 rng(4);
    net->randomize(rng);
    std::vector<Series<double>> x, dy;
    for (Index shard = 0; shard < shards; ++shard) {
      x.push_back(random_series(net->inputs(), of_shard, steps, rng));
      dy.push_back(random_series(net->outputs(), of_shard, steps, rng));
    }
    const States initial = net->random_state(shards * of_shard, rng);
    const auto alone = gradient_by(1, 1, *net, x, dy, initial)[0];
    CHECK(alone.head(size(net->parameters())).norm() > 0);
    for (const Index processes : {2, 3, 4})
      for (const auto& each : gradient_by(processes, 2, *net, x, dy, initial)) CHECK(each == alone);
  }
}
