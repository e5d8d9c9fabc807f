#pragma once
/// \file
/// The whole step of training, as people do it: a mini-batch is read, goes forward and back, is clipped and applied.

#include <recur/recur.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

/// A network and its task: recurrent layers of one width, and a readout.
struct Task {
  std::string name;
  std::string cell;  ///< "lstm" or "gru"
  recur::Index inputs, layers, hidden, outputs, batch, steps;
  bool tokens = false;   ///< whether x are tokens, of `inputs` kinds
  bool classes = false;  ///< softmax_cross_entropy; else squared_error
  bool unequal = false;  ///< sequences of T/4 to T steps, whose last step alone counts
  bool sgd = false;      ///< Sgd; else Adam

  static constexpr int batches = 2;  ///< in the data
  static constexpr double clip_norm = 1;
  double rate() const { return sgd ? 0.1 : 1e-3; }
  /// "training/words/recur"
  std::string path(const std::string& library) const { return "training/" + name + '/' + library; }
};
/// Six that people train.
const std::vector<Task>& tasks();

/// What is read: random numbers, the same for all libraries.
struct TaskData {
  explicit TaskData(const Task& task);

  recur::Series<float> x, target;
  recur::Tokens tokens;
  recur::Classes classes;
  std::vector<recur::Index> lengths;  ///< empty where all are T
};

/// The network as recur has it, initialised.
template <class Cell>
using TaskNet = recur::Sequence<recur::Stack<Cell>, recur::Readout<float>>;
template <class Cell>
TaskNet<Cell> initial_network(const Task& task) {
  TaskNet<Cell> net(recur::Stack<Cell>(task.inputs, task.hidden, task.layers),
                    recur::Readout<float>(task.hidden, task.outputs));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  return net;
}

/// A library, set up to train one network.
class Training {
 public:
  virtual ~Training() = default;
  /// Trains on; gives the seconds of each of so many steps.
  virtual std::vector<double> run(int steps) = 0;
  /// Those of the first steps.
  const std::vector<double>& losses() const { return losses_; }

 protected:
  std::vector<double> losses_;
};

struct TrainingLibrary {
  std::string name;
  std::function<std::unique_ptr<Training>(const Task&)> make;
};
/// recur's train(); recur-passes, which is forward and bptt alone; and LibTorch, where it is compiled in.
std::vector<TrainingLibrary> training_libraries();
TrainingLibrary libtorch_training();

/// Runs three steps of each. Throws std::runtime_error where the losses of a peer differ from recur's by more than
/// `tolerance` of them.
void require_same_losses(const Task& task, const TrainingLibrary& peer, double tolerance);

}  // namespace bench
