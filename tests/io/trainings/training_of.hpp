// How the files of this folder make a Training of a network.
#pragma once

#include "cells.hpp"
#include "trainings.hpp"
#include "whole.hpp"

#include <sstream>

namespace recur_test {

template <class Net, class Optimizer, class Engine>
class TrainingOf : public Training {
 public:
  explicit TrainingOf(Whole<Net, Optimizer, Engine> whole) : whole_(std::move(whole)) {}
  std::unique_ptr<Training> copy() const override { return std::make_unique<TrainingOf>(*this); }

  TrainResult train(const Echo<>& task_, const Echo<>* held_out_, const TrainOptions& options) override {
    using Scalar = typename Net::Scalar;
    const Echo<Scalar> task(task_), held_out(held_out_ ? *held_out_ : task_);
    const SeriesData<Scalar> data = task.data(), validation = held_out.data();
    return whole_.train(data, held_out_ ? &validation : nullptr, options);
  }

  Eigen::VectorXd parameters() const override { return parameters_of(whole_.net).template cast<double>(); }
  std::string engine() const override {
    std::ostringstream text;
    text << whole_.rng;
    return text.str();
  }
  void disturb() override {
    whole_.rng.discard(7);
    recur::visit([](const Name&, auto& block) { block.setConstant(3); }, whole_.net);
  }

  std::vector<std::byte> bytes() const override { return whole_.bytes(); }
  void save(const std::filesystem::path& path) const override { whole_.save(path); }
  void load(const std::vector<std::byte>& bytes) override { whole_.load(Safetensors::parse(bytes, "file")); }
  void load(const std::filesystem::path& path) override { whole_.load(path); }

 private:
  Whole<Net, Optimizer, Engine> whole_;
};

template <class Optimizer, class Net, class Options, class Engine = std::mt19937>
std::unique_ptr<Training> make_training(const Net& net, const Options& options, const Engine& rng = Engine(3)) {
  return std::make_unique<TrainingOf<Net, Optimizer, Engine>>(
      Whole<Net, Optimizer, Engine>{net, Optimizer(net, options), rng});
}

template <class Net>
std::unique_ptr<Training> make_training(const Net& net, const OptimizerOptions& options) {
  if (const auto* sgd = std::get_if<SgdOptions>(&options)) return make_training<Sgd<Net>>(net, *sgd);
  if (const auto* rms_prop = std::get_if<RmsPropOptions>(&options)) return make_training<RmsProp<Net>>(net, *rms_prop);
  if (const auto* adam = std::get_if<AdamOptions>(&options)) return make_training<Adam<Net>>(net, *adam);
  return make_training<AdamW<Net>>(net, std::get<AdamWOptions>(options));
}

template <class Net>
Net random_net(Net net) {
  std::mt19937 rng(1);
  return randomized(std::move(net), rng, 0.5);
}

}  // namespace recur_test
