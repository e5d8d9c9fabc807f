// A program that trains, and writes a checkpoint now and then; killed and started again, it goes on. killed.test.cpp
// starts it, kills it, and compares what it ends with. Arguments: which run, the checkpoint, the result.
#include "io/trainings/trainings.hpp"

#include <cstdio>

using namespace recur;
using namespace recur_test;

namespace {

/// Trains from the checkpoint where there is one, and writes one last: parameters, moments, losses and random engine.
void train_from(const std::filesystem::path& checkpoint, const std::filesystem::path& result, Training& training,
                TrainOptions options) {
  const Echo<> task(7, 30), held_out(3, 20, 2);
  if (std::filesystem::exists(checkpoint)) training.load(checkpoint);
  int calls = 0;
  options.on_progress = [&](const Progress&) {
    if (++calls % 3 == 0) training.save(checkpoint);
    return true;
  };
  training.train(task, &held_out, options);
  training.save(result);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    require(argc == 4, "expected: which run, the checkpoint, the result");
    const std::string which = argv[1];
    if (which == "adam") {
      train_from(argv[2], argv[3], *dynamic_training(AdamOptions{.rate = 1e-2}),
                 {.epochs = 8, .batch = 3, .window = 8, .clip_norm = 1, .schedule = [](Index step) {
                    return cosine(step, 96, 1e-2);
                  }});
    } else if (which == "rms_prop") {
      train_from(argv[2], argv[3], *nested_training({.rate = 1e-2, .momentum = 0.5}),
                 {.epochs = 30, .batch = 2, .window = 7, .patience = 5});
    } else {
      require(which == "sgd", "the run must be adam, rms_prop or sgd, got ", which);
      train_from(argv[2], argv[3], *fixed_training_with_minstd_rand({.rate = 0.1, .momentum = 0.9, .nesterov = true}),
                 {.epochs = 25, .batch = 4, .window = 9, .carry = false});
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "killed_training: %s\n", error.what());
    return 1;
  }
}
