// LibTorch's nn::RNN, nn::LSTM and nn::GRU, and autograd. Nothing else includes its headers.
#include "library.hpp"

#include <ATen/core/ivalue.h>  // first: clang misses it in what follows
#include <ATen/Parallel.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <dlfcn.h>

namespace bench {
namespace {

using torch::Tensor;

/// A row-major tensor that looks at our column-major numbers.
Tensor view(const float* data, std::initializer_list<std::int64_t> sizes) {
  return torch::from_blob(const_cast<float*>(data), sizes);
}

// What tells the cells apart.
struct Elman {
  using Module = torch::nn::RNN;
  using Options = torch::nn::RNNOptions;
  static inline const GateOrder order{{0}, {0}, {0}};
};
struct Lstm {
  using Module = torch::nn::LSTM;
  using Options = torch::nn::LSTMOptions;
  static inline const GateOrder order{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
};
struct ProjectedLstm : Lstm {};
struct Gru {  // r, z, n and, of the second bias, n: ours are n, r, z in U, r, z, q in W, and n, r, z, q in b
  using Module = torch::nn::GRU;
  using Options = torch::nn::GRUOptions;
  static inline const GateOrder order{{1, 2, 0}, {0, 1, 2}, {1, 2, 0, 3}};
};

template <class Cell>
class Rnn : public Run {
 public:
  explicit Rnn(const Problem& p) : hidden_(p.shape.hidden), rnn_(options(p)) {
    const auto& [inputs, hidden, batch, steps] = p.shape;
    const Index outputs = p.outputs();
    x_ = view(p.x.data(), {steps, batch, inputs}).clone().requires_grad_();
    dy_ = view(p.dy.data(), {steps, batch, outputs}).clone();
    const auto add_state = [&](const Matrix& part) {
      state_.push_back(view(part.data(), {1, part.cols(), part.rows()}).clone().requires_grad_());
    };
    add_state(p.initial.topRows(outputs));
    if (p.initial.rows() > outputs) add_state(p.initial.bottomRows(hidden));

    const torch::NoGradGuard set_not_learnt;
    auto parameters = rnn_->named_parameters();
    const Matrix U = to_order(Cell::order.U, p.U, hidden), W = to_order(Cell::order.W, p.W, hidden);
    const Matrix b = to_order(Cell::order.b, p.b, hidden);
    parameters["weight_ih_l0"].copy_(view(U.data(), {inputs, U.rows()}).t());
    parameters["weight_hh_l0"].copy_(view(W.data(), {outputs, W.rows()}).t());
    parameters["bias_ih_l0"].copy_(view(b.data(), {U.rows()}));
    // A second bias, of every gate, which nobody else has; but the last gate's where ours has one too.
    Tensor second = parameters["bias_hh_l0"].zero_();
    const Index of_second = b.rows() - U.rows();
    second.narrow(0, U.rows() - of_second, of_second).copy_(view(b.data() + U.rows(), {of_second}));
    second.requires_grad_(of_second > 0);
    leaves_ = {parameters["weight_ih_l0"], parameters["weight_hh_l0"], parameters["bias_ih_l0"], x_};
    leaves_.insert(leaves_.end(), state_.begin(), state_.end());
    if (of_second > 0) leaves_.push_back(second);
    if constexpr (is_projected) {
      parameters["weight_hr_l0"].copy_(view(p.R.data(), {hidden, outputs}).t());
      leaves_.push_back(parameters["weight_hr_l0"]);
    }
  }

  void forward() override {
    const torch::NoGradGuard inference;
    run();
  }
  void train() override {
    run();
    gradients_ = torch::autograd::grad({y_}, leaves_, {dy_});
  }
  Results results(Work work) const override {
    Results all{{"y", columns(y_)}};
    if (work == Work::forward) return all;
    Matrix db = columns(gradients_[2]).reshaped(), d_initial = columns(gradients_[4]);
    if (state_.size() == 2) d_initial = stacked(d_initial, columns(gradients_[5]));
    const std::size_t second = 4 + state_.size();
    if (!is_projected && gradients_.size() > second) db = stacked(db, columns(gradients_[second]).bottomRows(hidden_));
    all.insert(all.end(), {{"dU", from_order(Cell::order.U, columns(gradients_[0].t()), hidden_)},
                           {"dW", from_order(Cell::order.W, columns(gradients_[1].t()), hidden_)},
                           {"db", from_order(Cell::order.b, db, hidden_)},
                           {"dx", columns(gradients_[3])},
                           {"d_initial", d_initial}});
    if (is_projected) all.emplace_back("dR", columns(gradients_.back().t()));
    return all;
  }

 private:
  static constexpr bool is_projected = std::is_same_v<Cell, ProjectedLstm>;

  static typename Cell::Options options(const Problem& p) {
    typename Cell::Options sizes(p.shape.inputs, p.shape.hidden);
    if constexpr (is_projected) sizes.proj_size(p.outputs());
    return sizes;
  }
  void run() {
    if constexpr (std::is_base_of_v<Lstm, Cell>) {
      y_ = std::get<0>(rnn_->forward(x_, std::tuple(state_[0], state_[1])));
    } else {
      y_ = std::get<0>(rnn_->forward(x_, state_[0]));
    }
  }
  /// As a matrix, the last size of the tensor being its rows.
  static Matrix columns(const Tensor& tensor) {
    const Tensor plain = tensor.detach().contiguous();
    const Index rows = plain.size(-1);
    return Eigen::Map<const Matrix>(plain.data_ptr<float>(), rows, plain.numel() / rows);
  }

  const Index hidden_;
  typename Cell::Module rnn_;
  Tensor x_, dy_, y_;
  std::vector<Tensor> state_, leaves_, gradients_;
};

/// Its speed is that of the BLAS which it finds, and OpenBLAS's that of the kernels which it chooses.
std::string blas() {
  const auto ask = [](const char* function) {
    const auto answer = reinterpret_cast<char* (*)()>(dlsym(RTLD_DEFAULT, function));
    return answer ? std::string(answer()) : std::string();
  };
  const std::string config = ask("openblas_get_config");  // "OpenBLAS 0.3.21 NO_LAPACK DYNAMIC_ARCH ..."
  if (config.empty()) return at::hasMKL() ? "MKL" : "a BLAS that is not OpenBLAS";
  return config.substr(0, config.find(' ', config.find(' ') + 1)) + " (" + ask("openblas_get_corename") + ")";
}

template <class Cell>
std::unique_ptr<Run> make(const Problem& problem) {
  return std::make_unique<Rnn<Cell>>(problem);
}

void set_one_thread() {
  at::set_num_threads(1);
  at::set_num_interop_threads(1);
  // One OpenBLAS has threads of its own.
  if (const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) set(1);
}

}  // namespace

Library libtorch_library() {
  // Threads between operators can be set only once.
  static const bool once = (set_one_thread(), true);
  (void)once;
  return {"libtorch",
          "LibTorch " TORCH_VERSION " on " + blas(),
          {{"elman", make<Elman>}, {"lstm", make<Lstm>}, {"gru", make<Gru>}, {"lstm-proj", make<ProjectedLstm>}}};
}

}  // namespace bench
