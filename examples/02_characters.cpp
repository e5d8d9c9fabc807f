// A character-level language model. An Elman network reads text one character at a time, and says which comes next:
//
//     h_t = tanh(b + W h_<t-1> + U[character t]),  P(character t+1) = softmax(V h_t + c)
//
// where U[k] is the k-th column of U: characters are tokens, which stand for one-hot vectors. Other cells than Elman's,
// and several layers, are options.
//
// Where MPI is installed, several processes may learn together, each its own part of every mini-batch:
//
//     mpirun -n 4 02_characters --batch 64 --shards 8
//
// It learns the files given, or this library's own headers, but for the last tenth of each: by that it is judged, in
// bits per character, beside n-gram models and xz. Meanwhile, and at the end, it writes text of its own.
#ifdef RECUR_EXAMPLE_MPI
#include <recur/distributed/mpi.hpp>
#endif
#include <recur/io/checkpoint.hpp>
#include <recur/recur.hpp>

#include <algorithm>
#include <charconv>

#include "cells.hpp"
#include "characters.hpp"
#include "characters_options.hpp"

using recur::Index;
using Net = recur::Sequence<recur::Stack<recur::AnyCell<float>>, recur::Readout<float>>;

Net network(const std::string& cell, Index kinds, Index hidden, Index count) {
  std::vector<recur::AnyCell<float>> layers;
  while (std::ssize(layers) < count)
    layers.push_back(make_cell(cell, layers.empty() ? kinds : layers.back().outputs(), hidden));
  const Index outputs = layers.back().outputs();
  return Net(recur::Stack(std::move(layers)), {outputs, kinds, {.bias = true}});
}

/// A recur::DataSource: stretches of a text side by side, and as targets the characters that follow.
struct Streams {
  using Input = recur::Tokens;
  using Target = recur::Classes;
  std::string_view text, alphabet;
  Index count;

  Index sequences() const { return count; }
  Index steps() const { return (std::ssize(text) - 1) / count; }
  void read(std::span<const Index> streams, Index first, Index length, recur::Tokens& x, Target& next) const {
    x.resize(std::ssize(streams), length);
    next.resize(x.batch(), length);
    for (Index n = 0; n < x.batch(); ++n) {
      auto character = text.begin() + streams[static_cast<std::size_t>(n)] * steps() + first;
      for (Index t = 0; t < length; ++t) {
        x(n, t) = static_cast<int>(alphabet.find(*character));
        next(n, t) = static_cast<int>(alphabet.find(*++character));
      }
    }
  }
};

/// Draws each character from softmax(y_t / temperature), and reads it as the next x.
std::string dream(const Net& net, std::string_view alphabet, Index length, double temperature, std::mt19937& rng) {
  recur::Stream stream(net);
  std::string text(1, alphabet.find('\n') < alphabet.size() ? '\n' : alphabet[0]);
  while (std::ssize(text) <= length) {
    const recur::Token last{static_cast<int>(alphabet.find(text.back()))};
    const Eigen::ArrayXd y = stream.step(last).cast<double>();
    const Eigen::ArrayXd p = ((y - y.maxCoeff()) / temperature).exp();
    text += alphabet[std::discrete_distribution<std::size_t>(p.begin(), p.end())(rng)];
  }
  return text.substr(1);
}

/// Learns a text, and says how well.
Net learn(const Options& o, const Corpus& corpus, const recur::Processes& processes) {
  corpus.print_sizes();
  const Index kinds = std::ssize(corpus.alphabet);
  Net net = network(o.cell, kinds, o.hidden, o.layers);
  std::mt19937 rng(o.seed), dreams(o.seed);
  recur::initialize(net, rng);
  recur::AdamW adam(net, {.weight_decay = 0.2});
  recur::TrainState<Net> run;
  recur::Metadata about{{"alphabet", numbers_of(corpus.alphabet)}, {"seconds", "0"}};
  if (!o.resume.empty()) {
    const auto found = recur::load_checkpoint(o.resume, net, adam, run, rng);
    if (found.at("alphabet") != about.at("alphabet")) throw std::runtime_error(o.resume + ": is of another text");
    about = found;
  }

  const Streams text{corpus.to_learn(), corpus.alphabet, o.batch}, held_out{corpus.held_out(), corpus.alphabet, 1};
  const Index most = std::min(o.steps, o.epochs * ((text.steps() + o.window - 1) / o.window));
  LossBar bar(std::stod(about.at("seconds")));
  Index end = std::min(most, bar.steps_within(o.seconds, run.progress.step));
  recur::TrainOptions options{
      .epochs = o.epochs, .batch = o.batch, .shuffle = false, .window = o.window, .clip_norm = 1};
  options.processes = processes;
  options.shards = o.shards;
  options.schedule = [&](Index step) { return recur::warm_up(step, 100, recur::cosine(step, end, o.rate)); };
  options.on_progress = [&](const recur::Progress& p) {
    if (p.epoch_end) return true;
    end = std::min(most, bar.steps_within(o.seconds, p.step));
    if (bar.due()) bar.above(dream(net, corpus.alphabet, 79, o.temperature, dreams));
    bar.show(double(p.step) / double(end), p.loss);
    if (!o.checkpoint.empty() && p.step % o.checkpoint_every == 0) {
      about["seconds"] = std::to_string(bar.seconds());
      recur::save_checkpoint(o.checkpoint, net, adam, run, rng, about);
    }
    return p.step < end;
  };
  if (processes.of_first(run.progress.step < end))
    recur::train(net, adam, recur::softmax_cross_entropy, text, rng, run, options);

  print_result(corpus, recur::evaluate(net, held_out, {.window = 256, .batch = 1}, recur::softmax_cross_entropy) /
                           std::log(2.0));
  return net;
}

int characters(int argc, char** argv, const recur::Processes& processes) {
  if (processes.rank() > 0 && !std::freopen("/dev/null", "w", stdout))  // the first process alone tells
    throw std::runtime_error("/dev/null cannot be opened");
  CLI::App app("A recurrent network learns text, character by character, and writes some of its own.");
  try {
    const Options o(app, cell_names(), argc, argv);
    std::mt19937 rng(o.seed);
    if (!o.load.empty()) {
      const auto file = recur::Safetensors::read(o.load);
      const std::string alphabet = text_of(file.metadata("alphabet"));
      const auto number = [&](const char* key, Index most) {
        const std::string& text = file.metadata(key);
        Index result = 0;
        const auto end = std::from_chars(text.data(), text.data() + text.size(), result).ptr;
        if (end != text.data() + text.size() || result < 1 || result > most)
          file.fail(std::string(key) + " must be in 1 .. " + std::to_string(most) + ", got " + printable(text));
        return result;
      };
      const std::string& cell = file.metadata("cell");
      const auto names = cell_names();
      if (std::ranges::find(names, cell) == names.end()) file.fail("there is no cell called " + printable(cell));
      Net net = network(cell, std::ssize(alphabet), number("hidden", 10'000), number("layers", 100));
      recur::load(file, net);
      print(dream(net, alphabet, o.length, o.temperature, rng));
      return 0;
    }
    const Corpus corpus(o.files.empty() ? own_files(RECUR_SOURCE_DIR) : o.files,
                        std::size_t(std::max(1000L, 2 * o.batch * o.window)));
    const Net net = learn(o, corpus, processes);
    if (!o.save.empty() && processes.rank() == 0)
      recur::save(o.save, net,
                  {{"alphabet", numbers_of(corpus.alphabet)},
                   {"cell", o.cell},
                   {"hidden", std::to_string(o.hidden)},
                   {"layers", std::to_string(o.layers)}});
    print(dream(net, corpus.alphabet, o.length, o.temperature, rng));
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    if (processes.size() > 1) throw;  // for the others, too
    std::fprintf(stderr, "02_characters: %s\n", error.what());
    return 1;
  }
  return 0;
}

#ifdef RECUR_EXAMPLE_MPI
int main(int argc, char** argv) {
  return recur::mpi::run([&](recur::mpi::Communicator& all) {
    return characters(argc, argv, all.size() > 1 ? recur::Processes(all) : recur::Processes());
  });
}
#else
int main(int argc, char** argv) { return characters(argc, argv, {}); }
#endif
