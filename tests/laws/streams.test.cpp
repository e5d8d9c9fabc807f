// One step at a time gives what the whole series gives: what holds for every network there is and will be.
#include "../catch.hpp"
#include "../cells.hpp"
#include "../numbers.hpp"
#include "networks.hpp"

using namespace recur;
using namespace recur_test;

TEST_CASE("A stream of every network gives what forward gives, to the bit", "[stream][laws]") {
  auto networks = all_networks();
  for (const auto& [name, make] : all_cells()) networks.push_back({name + " of 7 units", make(3, 7)});
  for (const auto& [name, net] : networks) {
    if (!net->causal()) continue;
    INFO(name);
    std::mt19937 rng(3);
    net->randomize(rng);
    const auto x = random_series(net->inputs(), 1, 20, rng);
    const auto y = net->forward(x);
    const auto stepped = net->stream(x);
    for (Index t = 0; t < 20; ++t) REQUIRE(identical(stepped[t], y[t]));
  }
}
