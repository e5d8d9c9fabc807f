#pragma once
/// \file
/// Any network, trained on any table.

#include "papers.hpp"

#include <recur/recur.hpp>

namespace papers {

template <class Net>
class ModelOf : public Model {
 public:
  ModelOf(Net net, const Settings& settings) : net_(std::move(net)), s_(settings), rng_(settings.seed) {
    recur::initialize(net_, rng_);
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
      return std::pair(recur::evaluate(net_, valid.data(), how, loss), recur::evaluate(net_, test.data(), how, loss));
    };
    if (problem.of_tokens()) return on(problem.token_valid, problem.token_test, recur::softmax_cross_entropy);
    return on(problem.series_valid, problem.series_test, problem.loss);
  }

 private:
  void run(const auto& train, const auto& valid, const auto& loss,
           const std::function<void(double, double, double)>& progress) {
    recur::AdamW adam(net_, {.rate = s_.rate, .weight_decay = s_.weight_decay});
    recur::TrainOptions options{.epochs = s_.epochs, .batch = s_.batch, .window = s_.window, .clip_norm = s_.clip};
    const Index batches = (train.sequences() + s_.batch - 1) / s_.batch,
                windows = s_.window > 0 ? (train.steps() + s_.window - 1) / s_.window : 1,
                steps = s_.epochs * batches * windows;
    options.shuffle = windows == 1;  // stretches of one text go on
    options.schedule = [=, rate = s_.rate](Index step) {
      return recur::warm_up(step, 1 + steps / 50, recur::cosine(step, steps, rate));
    };
    double validation = std::numeric_limits<double>::quiet_NaN();
    options.on_progress = [&](const recur::Progress& now) {
      if (now.epoch_end) validation = now.validation;
      progress(static_cast<double>(now.step) / static_cast<double>(steps), now.loss, validation);
    };
    recur::train(net_, adam, loss, train, valid, rng_, options);
  }

  Net net_;
  Settings s_;
  std::mt19937 rng_;
};

}  // namespace papers
