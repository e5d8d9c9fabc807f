#pragma once
// What 02_characters can be told.

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

struct Options {
  std::vector<std::string> files;
  std::string cell = "elman";
  long hidden = 256, layers = 1, batch = 16, shards = 0, window = 32, epochs = 35, steps = 8000, length = 400,
       checkpoint_every = 500;
  double seconds = 45, rate = 6e-3, temperature = 0.7;
  unsigned seed = 1;
  bool brief = false;
  std::string save, load, checkpoint, resume;

  Options(CLI::App& app, const std::vector<std::string>& cells, int argc, char** argv) {
    app.add_option("files", files, "what to learn; recur's headers where none is given");
    app.add_option("--save", save, "a file to be written: the network, once it has learnt");
    app.add_option("--load", load, "a file that --save wrote: write text with it, and learn nothing")
        ->excludes("--save", "files");
    app.add_option("--checkpoint", checkpoint, "a file to be written: what it takes to go on from there");
    app.add_option(
           "--resume", resume,
           "a file that --checkpoint wrote: go on from there, with the same files and options, and write further "
           "ones to it. This ends as if nothing had come between, unless --seconds are too few for all steps")
        ->excludes("--load");
    app.option_defaults()->always_capture_default();
    app.add_option("--checkpoint-every", checkpoint_every, "steps from one checkpoint to the next")
        ->check(CLI::Range(1, 1'000'000'000));
    app.add_option("--cell", cell, "the recurrent cell")->check(CLI::IsMember(cells));
    app.add_option("--hidden", hidden, "hidden units")->check(CLI::Range(1, 10'000));
    app.add_option("--layers", layers, "recurrent layers")->check(CLI::Range(1, 100));
    app.add_option("--batch", batch, "stretches of text read side by side")->check(CLI::Range(1, 10'000));
    app.add_option(
           "--shards", shards,
           "parts of a mini-batch for the processes of mpirun, at least as many; 0 for 16, or alone for the whole")
        ->check(CLI::Range(0, 10'000));
    app.add_option("--window", window, "characters that the gradient goes back")->check(CLI::Range(1, 10'000));
    app.add_option("--epochs", epochs, "how often it reads the text, at most")->check(CLI::Range(1, 1'000'000));
    app.add_option("--steps", steps, "steps of training, at most")->check(CLI::Range(1, 1'000'000'000));
    app.add_option("--seconds", seconds, "for training: fewer steps where they would take longer")
        ->check(CLI::Range(0.1, 1e9));
    app.add_option("--rate", rate, "learning rate at the start: less for more units")->check(CLI::Range(0.0, 1.0));
    app.add_option("--temperature", temperature, "of what it writes: the lower, the surer")
        ->check(CLI::Range(0.01, 100.0));
    app.add_option("--sample-length", length, "characters that it writes at the end")
        ->check(CLI::Range(0, 1'000'000'000));
    app.add_option("--seed", seed, "of all random numbers");
    app.add_flag("--short", brief, "a small network for a moment, to see that all works");
    app.parse(argc, argv);
    if (brief) hidden = 64, steps = 300, length = 100;
    if (checkpoint.empty()) checkpoint = resume;
  }
};
