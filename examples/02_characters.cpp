// A character-level language model. An Elman network reads text one character at a time, and says which comes next:
//
//     h_t = tanh(b + W h_<t-1> + U[character t]),  P(character t+1) = softmax(V h_t + c)
//
// where U[k] is the k-th column of U: characters are tokens, which stand for one-hot vectors.
//
// It learns the files given, or this library's own headers, but for the last tenth of each: by that it is judged, in
// bits per character, beside n-gram models and xz. Meanwhile, and at the end, it writes text of its own.
#include <recur/recur.hpp>

#include <CLI/CLI.hpp>

#include "bar.hpp"
#include "characters.hpp"

using recur::Index;
using Net = recur::Sequence<recur::Elman<float>, recur::Readout<float>>;

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
    next.resize(x.rows(), length);
    for (Index n = 0; n < x.rows(); ++n) {
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

int main(int argc, char** argv) {
  CLI::App app("An Elman network learns text, character by character, and writes some of its own.");
  try {
    std::vector<std::string> files;
    Index hidden = 256, batch = 16, window = 32, epochs = 35, steps = 8000, length = 400;
    double seconds = 45, rate = 6e-3, temperature = 0.7;
    unsigned seed = 1;
    bool brief = false;
    app.add_option("files", files, "what to learn; recur's headers where none is given");
    app.option_defaults()->always_capture_default();
    app.add_option("--hidden", hidden, "hidden units")->check(CLI::Range(1, 10'000));
    app.add_option("--batch", batch, "stretches of text read side by side")->check(CLI::Range(1, 10'000));
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

    const Corpus corpus(files.empty() ? own_files(RECUR_SOURCE_DIR) : files,
                        std::size_t(std::max<Index>(1000, 2 * batch * window)));
    const Index kinds = std::ssize(corpus.alphabet);
    std::printf("%zu characters of %td kinds to learn, %zu held out\n", corpus.known, kinds,
                corpus.text.size() - corpus.known);

    std::mt19937 rng(seed), dreams(seed);
    Net net(recur::Elman<float>(kinds, hidden), recur::Readout<float>(hidden, kinds, {.bias = true}));
    recur::initialize(net, rng);
    recur::AdamW adam(net, {.weight_decay = 0.2});
    const Streams text{corpus.to_learn(), corpus.alphabet, batch}, held_out{corpus.held_out(), corpus.alphabet, 1};
    const Index most = std::min(steps, epochs * ((text.steps() + window - 1) / window));
    Index end = most;
    recur::TrainOptions options{.epochs = epochs, .batch = batch, .shuffle = false, .window = window, .clip_norm = 1};
    options.schedule = [&](Index step) { return recur::warm_up(step, 100, recur::cosine(step, end, rate)); };
    Bar bar;
    double loss = 0;
    options.on_progress = [&](const recur::Progress& p) {
      if (p.epoch_end) return true;
      if (bar.seconds() > 1) end = std::min(most, Index(double(p.step) * seconds / bar.seconds()));
      loss += (p.loss - loss) / double(std::min<Index>(p.step, 50));
      if (bar.due()) bar.above(dream(net, corpus.alphabet, 79, temperature, dreams));
      bar.show(double(p.step) / double(end), in_bits(loss));
      return p.step < end;
    };
    recur::train(net, adam, recur::softmax_cross_entropy, text, rng, options);

    const double nats = recur::evaluate(net, recur::softmax_cross_entropy, held_out, 256, 1);
    print_baselines(corpus);
    std::printf("  network   %.3f\n\n%s\n", nats / std::log(2.0),
                printable(dream(net, corpus.alphabet, length, temperature, rng)).c_str());
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "02_characters: %s\n", error.what());
    return 1;
  }
}
