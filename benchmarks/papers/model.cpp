#include "../../examples/cells.hpp"
#include "papers.hpp"

#include <recur/recur.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace papers {
namespace {

using Cell = recur::AnyCell<float>;

/// A network, trained on any table.
template <class Net>
class ModelOf : public Model {
 public:
  ModelOf(Net net, const Settings& settings) : net_(std::move(net)), s_(settings), rng_(settings.seed) {
    recur::initialize(net_, rng_);
    if (s_.cell == "irnn") start_as_irnn();
    if (s_.longest > 0) start_with_long_memories();
    if (s_.as_in_zaremba)
      recur::visit([&](const auto&, auto& block) { recur::uniform_within(block, 0.1, rng_); }, net_);
  }
  Index parameters() const override { return recur::parameter_count(net_); }

  void train(const Problem& problem, const std::function<void(double, double, double)>& progress) override {
    if (problem.of_tokens()) {
      run(problem.token_train.data(), problem.token_valid.data(), recur::softmax_cross_entropy, progress);
    } else {
      run(problem.series_train.data(), problem.series_valid.data(), problem.loss, progress);
    }
  }
  std::pair<double, double> evaluate(const Problem& problem) const override {
    const auto on = [&](const auto& valid, const auto& test, const auto& loss) {
      const recur::EvaluateOptions how{.window = s_.window, .batch = s_.batch};
      const double of_none = std::numeric_limits<double>::quiet_NaN(),
                   of_test = recur::evaluate(net_, test.data(), how, loss);
      return std::pair(valid.data().sequences() > 0 ? recur::evaluate(net_, valid.data(), how, loss) : of_none,
                       of_test);
    };
    if (problem.of_tokens()) return on(problem.token_valid, problem.token_test, recur::softmax_cross_entropy);
    return on(problem.series_valid, problem.series_test, problem.loss);
  }

 private:
  /// Q. V. Le, N. Jaitly, G. E. Hinton, 2015: W = I, b = 0, all else of standard deviation 0.001.
  void start_as_irnn() {
    recur::visit(
        [&](const recur::Name& name, auto& block) {
          if (name.str().ends_with("W")) return recur::identity(block);
          if (name.str().ends_with("b") || name.str().ends_with("c")) return recur::zero(block);
          for (Index k = 0; k < block.size(); ++k) block.data()[k] = 0.001f * static_cast<float>(recur::normal(rng_));
        },
        net_);
  }

  /// C. Tallec, Y. Ollivier, 2018: biases with which units forget in 1 to `longest` steps, each as likely, and of an
  /// LSTM take in as slowly.
  void start_with_long_memories() {
    recur::visit(
        [&](const recur::Name& name, auto& block) {
          if (!name.str().ends_with("b") || block.rows() != 4 * s_.hidden) return;
          for (Index k = 0; k < s_.hidden; ++k) {
            const auto bias =
                static_cast<float>(std::log(recur::uniform(rng_, 1, static_cast<double>(s_.longest - 1))));
            if (s_.cell == "gru") {
              block.data()[recur::GruRule<>::z * s_.hidden + k] = bias;
            } else {
              block.data()[recur::LstmRule<>::f * s_.hidden + k] = bias;
              block.data()[recur::LstmRule<>::i * s_.hidden + k] = -bias;
            }
          }
        },
        net_);
  }

  void run(const auto& train, const auto& valid, const auto& loss,
           const std::function<void(double, double, double)>& progress) {
    recur::TrainOptions options{.epochs = s_.epochs, .batch = s_.batch, .window = s_.window, .clip_norm = s_.clip};
    const Index batches = (train.sequences() + s_.batch - 1) / s_.batch,
                windows = s_.window > 0 ? (train.steps() + s_.window - 1) / s_.window : 1;
    // As many where all sequences are as long as the longest; after the first epoch it is known.
    Index steps = s_.epochs * batches * windows;
    options.shuffle = windows == 1 || train.sequences() > s_.batch;  // stretches of one text go on
    options.schedule = [&](Index step) {
      if (!s_.as_in_zaremba) return recur::warm_up(step, 100, recur::cosine(step, steps, s_.rate));
      const Index epoch = step / (steps / s_.epochs);
      return s_.rate * std::pow(0.5, static_cast<double>(std::max<Index>(0, epoch - 3)));
    };
    double validation = std::numeric_limits<double>::quiet_NaN();
    options.on_progress = [&](const recur::Progress& now) {
      if (now.epoch_end) {
        validation = now.validation;
        steps = s_.epochs * now.step / (now.epoch + 1);
      }
      progress(static_cast<double>(now.step) / static_cast<double>(steps), now.loss, validation);
    };
    const auto by = [&](auto optimizer) {
      if (valid.sequences() > 0) {
        recur::train(net_, optimizer, loss, train, valid, rng_, options);
      } else {
        recur::train(net_, optimizer, loss, train, rng_, options);
      }
    };
    if (s_.as_in_zaremba) return by(recur::Sgd(net_, {}));
    by(recur::AdamW(net_, {.weight_decay = s_.weight_decay}));
  }

  Net net_;
  Settings s_;
  std::mt19937 rng_;
};
template <class Net>
std::unique_ptr<Model> model(Net net, const Settings& settings) {
  return std::make_unique<ModelOf<Net>>(std::move(net), settings);
}

Cell cell_of(const Settings& s, Index inputs) {
  if (s.cell == "irnn") return recur::Elman<float, recur::Relu>(inputs, s.hidden);
  return make_cell(s.cell, inputs, s.hidden);
}

/// One layer after another, with dropout between them and before the readout.
std::unique_ptr<Model> plain(const Problem& p, const Settings& s) {
  std::vector<Cell> layers;
  const Index inputs = s.embedding > 0 ? s.embedding : p.inputs;
  while (std::ssize(layers) < s.layers) layers.push_back(cell_of(s, layers.empty() ? inputs : s.hidden));
  recur::Sequence net(recur::Stack(std::move(layers), {.dropout = s.dropout}),
                      recur::Dropout<float>(s.hidden, s.dropout),
                      recur::Readout<float>(s.hidden, p.outputs, {.bias = true}));
  if (s.embedding == 0) return model(std::move(net), s);
  return model(recur::Sequence(recur::Embedding<float>(p.inputs, inputs), std::move(net)), s);
}

/// Blocks of x + Dense(cell(LayerNorm(x))): cells in which units do not see each other want something nonlinear after
/// them.
std::unique_ptr<Model> residual(const Problem& p, const Settings& s) {
  const auto block = [&] {
    Cell cell = cell_of(s, s.hidden);
    const Index outputs = cell.outputs();
    return recur::Residual(recur::Sequence(recur::LayerNorm<float>(s.hidden), std::move(cell),
                                           recur::Dense<float>(outputs, s.hidden),
                                           recur::Dropout<float>(s.hidden, s.dropout)));
  };
  std::vector<decltype(block())> blocks;
  while (std::ssize(blocks) < s.layers) blocks.push_back(block());
  return model(
      recur::Sequence(recur::Embedding<float>(p.inputs, s.hidden), recur::Stack(std::move(blocks)),
                      recur::LayerNorm<float>(s.hidden), recur::Readout<float>(s.hidden, p.outputs, {.bias = true})),
      s);
}

}  // namespace

std::vector<std::string> cells() {
  std::vector<std::string> names = cell_names();
  names.push_back("irnn");
  return names;
}
std::unique_ptr<Model> make_model(const Problem& problem, const Settings& settings) {
  return in_blocks(settings.cell) ? residual(problem, settings) : plain(problem, settings);
}
bool in_blocks(const std::string& cell) {
  const auto& list = cells_without_products();
  return std::any_of(list.begin(), list.end(), [&](const NamedCell& each) { return each.name == cell; });
}

}  // namespace papers
