// A program that trains, and writes a checkpoint now and then; killed and started again, it goes on. killed.test.cpp
// starts it, kills it, and compares what it ends with. Arguments: which run, the checkpoint, the result.
#include "cells.hpp"
#include "training.hpp"

#include <recur/io/checkpoint.hpp>

#include <cstdio>

using namespace recur;
using namespace recur_test;

namespace {

/// Trains from the checkpoint where there is one, and writes one last: parameters, moments, losses and random engine.
template <class Net, class Optimizer>
void train_from(const std::string& checkpoint, const std::string& result, Net net, Optimizer optimizer, auto rng,
                TrainOptions options) {
  using Scalar = typename Net::Scalar;
  const Echo<Scalar> task(7, 30), held_out(3, 20, 2);
  const auto data = task.data(), validation = held_out.data();
  TrainState<Net> run;
  if (std::filesystem::exists(checkpoint)) load_checkpoint(checkpoint, net, optimizer, run, rng);
  int calls = 0;
  options.on_progress = [&](const Progress&) {
    if (++calls % 3 == 0) save_checkpoint(checkpoint, net, optimizer, run, rng);
    return true;
  };
  train(net, optimizer, squared_error, data, validation, rng, run, options);
  save_checkpoint(result, net, optimizer, run, rng);
}

template <class Net>
Net begin(Net net) {
  std::mt19937 rng(1);
  return randomized(std::move(net), rng, 0.5);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    require(argc == 4, "expected: which run, the checkpoint, the result");
    const std::string which = argv[1];
    if (which == "adam") {
      const auto net = begin(Sequence(Elman<float>(1, 8), Readout<float>(8, 1, {.bias = true})));
      train_from(argv[2], argv[3], net, Adam(net, {.rate = 1e-2}), std::mt19937(3),
                 {.epochs = 8, .batch = 3, .window = 8, .clip_norm = 1, .schedule = [](Index step) {
                    return cosine(step, 96, 1e-2);
                  }});
    } else if (which == "rms_prop") {
      const auto net = begin(Sequence(Cell<TwoStates, double>(1, 5), Elman<double>(5, 4), Readout<double>(4, 1)));
      train_from(argv[2], argv[3], net, RmsProp(net, {.rate = 1e-2, .momentum = 0.5}), std::mt19937_64(3),
                 {.epochs = 30, .batch = 2, .window = 7, .patience = 5});
    } else {
      require(which == "sgd", "the run must be adam, rms_prop or sgd, got ", which);
      const auto net = begin(Sequence<Elman<double, Tanh, 1, 4>, Readout<double, 4, 1>>());
      train_from(argv[2], argv[3], net, Sgd(net, {.rate = 0.1, .momentum = 0.9, .nesterov = true}), std::minstd_rand(3),
                 {.epochs = 25, .batch = 4, .window = 9, .carry = false});
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "killed_training: %s\n", error.what());
    return 1;
  }
}
