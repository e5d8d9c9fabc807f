#include "training.hpp"
#include "stopwatch.hpp"

#include <cmath>
#include <stdexcept>

namespace bench {

using recur::Index;

const std::vector<Task>& tasks() {
  static const std::vector<Task> all{{.name = "characters",
                                      .cell = "lstm",
                                      .inputs = 65,
                                      .layers = 1,
                                      .hidden = 256,
                                      .outputs = 65,
                                      .batch = 32,
                                      .steps = 64,
                                      .tokens = true,
                                      .classes = true},
                                     {.name = "words",
                                      .cell = "lstm",
                                      .inputs = 10000,
                                      .layers = 2,
                                      .hidden = 200,
                                      .outputs = 10000,
                                      .batch = 20,
                                      .steps = 20,
                                      .tokens = true,
                                      .classes = true,
                                      .sgd = true},
                                     {.name = "audio",
                                      .cell = "lstm",
                                      .inputs = 1,
                                      .layers = 1,
                                      .hidden = 16,
                                      .outputs = 1,
                                      .batch = 16,
                                      .steps = 2048},
                                     {.name = "forecast",
                                      .cell = "gru",
                                      .inputs = 8,
                                      .layers = 1,
                                      .hidden = 64,
                                      .outputs = 1,
                                      .batch = 64,
                                      .steps = 100},
                                     {.name = "classify",
                                      .cell = "lstm",
                                      .inputs = 12,
                                      .layers = 1,
                                      .hidden = 64,
                                      .outputs = 5,
                                      .batch = 32,
                                      .steps = 200,
                                      .classes = true,
                                      .unequal = true},
                                     {.name = "large",
                                      .cell = "lstm",
                                      .inputs = 128,
                                      .layers = 2,
                                      .hidden = 512,
                                      .outputs = 128,
                                      .batch = 64,
                                      .steps = 64}};
  return all;
}

TaskData::TaskData(const Task& task) {
  std::mt19937 rng(7);
  const Index sequences = task.batch * Task::batches;
  const auto below = [&](Index bound) {
    return static_cast<int>(recur::uniform_below(rng, static_cast<std::size_t>(bound)));
  };
  if (task.unequal)
    for (Index n = 0; n < sequences; ++n) lengths.push_back(task.steps / 4 + below(task.steps * 3 / 4 + 1));
  if (task.tokens) {
    tokens.resize(sequences, task.steps);
    for (Index i = 0; i < sequences * task.steps; ++i) tokens.data()[i] = below(task.inputs);
  } else {
    x = recur::Series<float>(task.inputs, sequences, task.steps);
    x.setRandom(rng);
    x.set_lengths(lengths);
  }
  if (task.classes) {
    classes.resize(sequences, task.steps);
    for (Index i = 0; i < classes.size(); ++i) classes.data()[i] = below(task.outputs);
  } else {
    target = recur::Series<float>(task.outputs, sequences, task.steps);
    target.setRandom(rng);
  }
}

namespace {

const auto last_step_entropy = [](const auto& y, const auto& classes, auto& dy) {
  return recur::softmax_cross_entropy(y, classes, dy, recur::last_step(y));
};

/// The step of train().
template <class Cell, class Data, class Loss, template <class> class Optimizer>
class Whole : public Training {
 public:
  Whole(const Task& task, const Loss& loss, auto&&... of_data)
      : task_(task), data_(of_data...), loss_(loss), net_(initial_network<Cell>(task)),
        optimizer_(net_, {.rate = task.rate()}) {}

  std::vector<double> run(int steps) override {
    constexpr int warm_up = 3;
    std::vector<double> seconds;
    Stopwatch watch;
    const auto on_progress = [&](const recur::Progress& progress) {
      if (progress.epoch_end) return true;
      seconds.push_back(watch.seconds());
      if (losses_.size() < 3) losses_.push_back(progress.loss);
      watch = Stopwatch();
      return static_cast<int>(seconds.size()) < steps + warm_up;
    };
    std::mt19937 rng(1);
    recur::train(net_, optimizer_, loss_, data_, rng,
                 {.epochs = 1 << 20,
                  .batch = task_.batch,
                  .shuffle = false,
                  .clip_norm = Task::clip_norm,
                  .on_progress = on_progress});
    seconds.erase(seconds.begin(), seconds.begin() + warm_up);
    return seconds;
  }

 private:
  const Task task_;
  const Data data_;
  const Loss loss_;
  TaskNet<Cell> net_;
  Optimizer<TaskNet<Cell>> optimizer_;
};

/// Forward and bptt of the first mini-batch, with the gradient that its loss has at first, and nothing else.
template <class Cell>
class Passes : public Training {
 public:
  explicit Passes(const Task& task)
      : net_(initial_network<Cell>(task)), gradient_(recur::zeros_like(net_)), trace_(net_.trace()) {
    const TaskData data(task);
    const recur::Classes classes = data.classes.topRows(task.classes ? task.batch : 0);
    recur::Series<float> target(task.outputs, task.batch, task.steps);
    if (task.tokens) {
      tokens_.resize(task.batch, task.steps);
      tokens_.matrix() = data.tokens.matrix().topRows(task.batch);
    } else {
      x_ = recur::Series<float>(task.inputs, task.batch, task.steps);
      for (Index t = 0; t < task.steps; ++t) x_[t] = data.x[t].leftCols(task.batch);
      if (task.unequal) x_.set_lengths({data.lengths.begin(), data.lengths.begin() + task.batch});
    }
    for (Index t = 0; t < task.steps && !task.classes; ++t) target[t] = data.target[t].leftCols(task.batch);
    const auto y = tokens_.empty() ? net_.forward(x_, trace_) : net_.forward(tokens_, trace_);
    if (task.unequal) {
      last_step_entropy(y, classes, dy_);
    } else if (task.classes) {
      recur::softmax_cross_entropy(y, classes, dy_);
    } else {
      recur::squared_error(y, target, dy_);
    }
  }
  std::vector<double> run(int steps) override {
    std::vector<double> seconds;
    pass();
    while (static_cast<int>(seconds.size()) < steps) {
      const Stopwatch watch;
      pass();
      seconds.push_back(watch.seconds());
    }
    return seconds;
  }

 private:
  void pass() {
    const auto both = [&](const auto& x) {
      net_.forward(x, trace_);
      recur::bptt(net_, x, trace_, dy_, gradient_);
    };
    tokens_.empty() ? both(x_) : both(tokens_);
  }

  TaskNet<Cell> net_, gradient_;
  typename TaskNet<Cell>::Trace trace_;
  recur::Series<float> x_, dy_;
  recur::Tokens tokens_;
};

/// The data, made before what looks at them.
template <class Base>
struct WithData : TaskData, Base {
  WithData(const Task& task, const auto& loss, auto... members)
      : TaskData(task), Base(task, loss, static_cast<TaskData&>(*this).*members...) {}
};

template <class Cell>
std::unique_ptr<Training> whole(const Task& task) {
  using namespace recur;
  if (task.tokens && task.sgd) {
    return std::make_unique<WithData<Whole<Cell, TokenData, SoftmaxCrossEntropy, Sgd>>>(
        task, softmax_cross_entropy, &TaskData::tokens, &TaskData::classes);
  }
  if (task.tokens) {
    return std::make_unique<WithData<Whole<Cell, TokenData, SoftmaxCrossEntropy, Adam>>>(
        task, softmax_cross_entropy, &TaskData::tokens, &TaskData::classes);
  }
  if (task.classes) {
    return std::make_unique<WithData<Whole<Cell, ClassData<float>, decltype(last_step_entropy), Adam>>>(
        task, last_step_entropy, &TaskData::x, &TaskData::classes);
  }
  return std::make_unique<WithData<Whole<Cell, SeriesData<float>, SquaredError, Adam>>>(
      task, squared_error, &TaskData::x, &TaskData::target);
}
std::unique_ptr<Training> whole_of(const Task& task) {
  return task.cell == "gru" ? whole<recur::Gru<float>>(task) : whole<recur::Lstm<float>>(task);
}
std::unique_ptr<Training> passes_of(const Task& task) {
  if (task.cell == "gru") return std::make_unique<Passes<recur::Gru<float>>>(task);
  return std::make_unique<Passes<recur::Lstm<float>>>(task);
}

}  // namespace

std::vector<TrainingLibrary> training_libraries() {
  return {{"recur", whole_of},
          {"recur-passes", passes_of},
#ifdef RECUR_BENCHMARK_LIBTORCH
          libtorch_training()
#endif
  };
}

void require_same_losses(const Task& task, const TrainingLibrary& peer, double tolerance) {
  const auto ours = whole_of(task), theirs = peer.make(task);
  ours->run(3);
  theirs->run(3);
  for (std::size_t i = 0; i < ours->losses().size(); ++i) {
    const double a = ours->losses()[i], b = theirs->losses().at(i);
    if (!(std::abs(a - b) <= tolerance * std::abs(a))) {
      throw std::runtime_error(task.path(peer.name) + " differs from recur: the loss of step " + std::to_string(i) +
                               " is " + std::to_string(b) + ", recur's " + std::to_string(a));
    }
  }
}

}  // namespace bench
