// Networks in training of whose types the tests need not know: each is compiled once, in a file of this folder.
#pragma once

#include "training.hpp"

#include <filesystem>
#include <memory>
#include <variant>

namespace recur_test {

/// A network with its optimiser, random engine and run, somewhere in its training to say again what an Echo heard.
class Training {
 public:
  virtual ~Training() = default;
  virtual std::unique_ptr<Training> copy() const = 0;
  virtual TrainResult train(const Echo<>& task, const Echo<>* held_out, const TrainOptions& options) = 0;

  virtual Eigen::VectorXd parameters() const = 0;
  virtual std::string engine() const = 0;  ///< the state of the random engine
  /// Other parameters, and an engine that has drawn.
  virtual void disturb() = 0;

  virtual std::vector<std::byte> bytes() const = 0;  ///< of its checkpoint
  virtual void save(const std::filesystem::path& path) const = 0;
  virtual void load(const std::vector<std::byte>& bytes) = 0;
  virtual void load(const std::filesystem::path& path) = 0;
};

/// Says which optimiser, too.
using OptimizerOptions = std::variant<SgdOptions, RmsPropOptions, AdamOptions, AdamWOptions>;

/// Elman 1 -> 4, Readout 4 -> 1 with bias, in double; with std::mt19937(3).
std::unique_ptr<Training> dynamic_training(const OptimizerOptions& options);
/// The same with Adam, and any of std::mt19937_64, std::minstd_rand and std::ranlux48.
template <class Engine>
std::unique_ptr<Training> training_with(const Engine& rng);
/// Elman relu 1 -> 4, Readout 4 -> 1 with bias, of fixed sizes, in float; with std::mt19937(3).
std::unique_ptr<Training> fixed_training(const OptimizerOptions& options);
/// The same with Sgd, and std::minstd_rand(3).
std::unique_ptr<Training> fixed_training_with_minstd_rand(const SgdOptions& options);
/// A rule with parameters of its own 1 -> 3, one with two states 3 -> 2 in a Sequence within the Sequence, and a
/// Readout 2 -> 1, in double; with RmsProp and std::mt19937_64(3).
std::unique_ptr<Training> nested_training(const RmsPropOptions& options);
/// Networks of one layer; with Adam and std::mt19937(3).
std::unique_ptr<Training> readout_training(const AdamOptions& options);  // in float
std::unique_ptr<Training> elman_training(const AdamOptions& options);    // in double

}  // namespace recur_test
