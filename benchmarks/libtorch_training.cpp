// Training by LibTorch's own modules, losses and optimisers.
#include "stopwatch.hpp"
#include "training.hpp"

#include <ATen/core/ivalue.h>  // first: clang misses it in what follows
#include <torch/torch.h>

namespace bench {
namespace {

using recur::Index;
using torch::Tensor;
namespace nn = torch::nn;

/// A copy of column-major numbers as a row-major tensor.
template <class T>
Tensor copy(const T* data, std::initializer_list<std::int64_t> sizes) {
  const auto type = std::is_same_v<T, float> ? torch::kFloat32 : torch::kInt32;
  return torch::from_blob(const_cast<T*>(data), sizes, type).clone();
}
/// The blocks of rows of ours, in the order in which LibTorch has them.
Tensor in_order(const recur::MatrixOf<float>& ours, const std::vector<Index>& order) {
  const Index hidden = ours.rows() / static_cast<Index>(order.size());
  recur::MatrixOf<float> theirs(ours.rows(), ours.cols());
  for (std::size_t g = 0; g < order.size(); ++g)
    theirs.middleRows(static_cast<Index>(g) * hidden, hidden) = ours.middleRows(order[g] * hidden, hidden);
  return copy(theirs.data(), {theirs.cols(), theirs.rows()}).t().contiguous();
}

template <class Module, class Options, class Cell>
class TorchTraining : public Training {
 public:
  /// Tokens of many kinds go through an Embedding of `hidden` features, as LibTorch's users have them; of few kinds
  /// they are one-hot vectors, and the network is recur's own.
  explicit TorchTraining(const Task& task)
      : task_(task), embeds_(task.tokens && task.inputs > 1000), embedding_(embeds_ ? task.inputs : 1, task.hidden),
        rnn_(Options(embeds_ ? task.hidden : task.inputs, task.hidden).num_layers(task.layers)),
        linear_(task.hidden, task.outputs) {
    const torch::NoGradGuard set_not_learnt;
    const auto net = initial_network<Cell>(task);
    auto parameters = rnn_->named_parameters();
    for (Index l = 0; l < task.layers && !embeds_; ++l) {
      const auto& cell = net.template layer<0>().layers[static_cast<std::size_t>(l)];
      const std::string end = "_l" + std::to_string(l);
      const bool gru = task.cell == "gru";  // n, r, z in U, r, z, q in W, and n, r, z, q in b
      const std::vector<Index> of_U = gru ? std::vector<Index>{1, 2, 0} : std::vector<Index>{0, 1, 2, 3};
      const std::vector<Index> of_W = gru ? std::vector<Index>{0, 1, 2} : of_U;
      parameters["weight_ih" + end].copy_(in_order(cell.U, of_U));
      parameters["weight_hh" + end].copy_(in_order(cell.W, of_W));
      // Both biases are zero at first, as recur's is, but for what initialize() gives ours.
      const recur::MatrixOf<float> b = cell.b.head(cell.U.rows());
      parameters["bias_ih" + end].copy_(in_order(b, of_U).reshape(-1));
      Tensor second = parameters["bias_hh" + end].zero_();
      if (gru)
        second.narrow(0, 2 * task.hidden, task.hidden).copy_(copy(cell.b.data() + 3 * task.hidden, {task.hidden}));
    }
    const auto& readout = net.template layer<1>();
    linear_->weight.copy_(copy(readout.V.data(), {task.hidden, task.outputs}).t());
    linear_->bias.copy_(copy(readout.c.data(), {task.outputs}));

    const TaskData data(task);
    const Index N = task.batch, T = task.steps, all = N * Task::batches;
    for (Index k = 0; k < Task::batches; ++k) {
      Batch batch;
      if (task.tokens) {
        const Tensor tokens = copy(data.tokens.data(), {T, all}).narrow(1, k * N, N).to(torch::kInt64);
        batch.x = embeds_ ? tokens.contiguous() : torch::one_hot(tokens, task.inputs).to(torch::kFloat32);
      } else {
        batch.x = copy(data.x.data(), {T, all, task.inputs}).narrow(1, k * N, N).contiguous();
      }
      if (task.unequal) {
        std::vector<std::int64_t> lengths(data.lengths.begin() + k * N, data.lengths.begin() + (k + 1) * N);
        batch.lengths = torch::tensor(lengths);
        std::vector<std::int64_t> last;
        for (Index n = 0; n < N; ++n) last.push_back(data.classes(k * N + n, lengths[static_cast<std::size_t>(n)] - 1));
        batch.target = torch::tensor(last);
      } else if (task.classes) {
        batch.target = copy(data.classes.data(), {T, all}).narrow(1, k * N, N).to(torch::kInt64).reshape(-1);
      } else {
        batch.target = copy(data.target.data(), {T, all, task.outputs}).narrow(1, k * N, N).contiguous();
      }
      batches_.push_back(batch);
    }
    parameters_ = rnn_->parameters();
    for (const Tensor& p : linear_->parameters()) parameters_.push_back(p);
    if (embeds_) parameters_.push_back(embedding_->weight);
    if (task.sgd) {
      optimizer_ = std::make_unique<torch::optim::SGD>(parameters_, torch::optim::SGDOptions(task.rate()));
    } else {
      optimizer_ = std::make_unique<torch::optim::Adam>(parameters_, torch::optim::AdamOptions(task.rate()));
    }
  }

  std::vector<double> run(int steps) override {
    std::vector<double> seconds;
    for (int i = 0; i < steps + 2; ++i) {
      const Stopwatch watch;
      const double loss = step(batches_[static_cast<std::size_t>(i % Task::batches)]);
      if (losses_.size() < 3) losses_.push_back(loss);
      if (i >= 2) seconds.push_back(watch.seconds());
    }
    return seconds;
  }

 private:
  struct Batch {
    Tensor x, target, lengths;
  };

  double step(const Batch& batch) {
    optimizer_->zero_grad();
    const Tensor x = embeds_ ? embedding_->forward(batch.x) : batch.x;
    Tensor h;
    if (task_.unequal) {
      const auto packed = nn::utils::rnn::pack_padded_sequence(x, batch.lengths, false, false);
      h = final_state(rnn_->forward_with_packed_input(packed));
    } else {
      h = std::get<0>(rnn_->forward(x));
    }
    const Tensor y = linear_->forward(h);
    Tensor loss;
    if (task_.classes) {
      loss = nn::functional::cross_entropy(y.reshape({-1, task_.outputs}), batch.target);
    } else {
      loss = nn::functional::mse_loss(y, batch.target) * static_cast<double>(task_.outputs);
    }
    loss.backward();
    nn::utils::clip_grad_norm_(parameters_, Task::clip_norm);
    optimizer_->step();
    return loss.item<double>();
  }
  static Tensor final_state(const auto& result) {
    if constexpr (requires { std::get<0>(std::get<1>(result)); }) {
      return std::get<0>(std::get<1>(result))[0];
    } else {
      return std::get<1>(result)[0];
    }
  }

  const Task task_;
  const bool embeds_;
  nn::Embedding embedding_;
  Module rnn_;
  nn::Linear linear_;
  std::vector<Batch> batches_;
  std::vector<Tensor> parameters_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

}  // namespace

TrainingLibrary libtorch_training() {
  return {"libtorch", [](const Task& task) -> std::unique_ptr<Training> {
            if (task.cell == "gru")
              return std::make_unique<TorchTraining<nn::GRU, nn::GRUOptions, recur::Gru<float>>>(task);
            return std::make_unique<TorchTraining<nn::LSTM, nn::LSTMOptions, recur::Lstm<float>>>(task);
          }};
}

}  // namespace bench
