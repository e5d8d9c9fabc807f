// A network, its optimiser, random engine and run, and what is done with all four.
#pragma once

#include "training.hpp"

#include <recur/io/checkpoint.hpp>

namespace recur_test {

/// Everything that training is made of.
template <class Net, class Optimizer, class Engine = std::mt19937>
struct Whole {
  Net net;
  Optimizer optimizer;
  Engine rng;
  TrainState<Net> run = {};

  void save(const std::filesystem::path& path, const Metadata& metadata = {}) const {
    save_checkpoint(path, net, optimizer, run, rng, metadata);
  }
  std::vector<std::byte> bytes() const { return detail::checkpoint(net, optimizer, run, rng, {}).bytes(); }
  Metadata load(const auto& path) { return load_checkpoint(path, net, optimizer, run, rng); }
  TrainResult train(const auto& data, const auto* validation, const TrainOptions& options) {
    return recur::train(net, optimizer, squared_error, data, validation, rng, run, options);
  }
};
template <class Net, class Optimizer, class Engine>
Whole(Net, Optimizer, Engine) -> Whole<Net, Optimizer, Engine>;

}  // namespace recur_test
