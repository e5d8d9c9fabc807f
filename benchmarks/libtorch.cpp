// LibTorch's nn::RNN, and autograd. Nothing else includes its headers.
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

class Rnn : public Run {
 public:
  explicit Rnn(const Problem& p)
      : rnn_(torch::nn::RNNOptions(p.shape.inputs, p.shape.hidden).nonlinearity(torch::kTanh)) {
    const auto& [inputs, hidden, batch, steps] = p.shape;
    x_ = view(p.x.data(), {steps, batch, inputs}).clone().requires_grad_();
    dy_ = view(p.dy.data(), {steps, batch, hidden}).clone();
    initial_ = view(p.initial.data(), {1, batch, hidden}).clone().requires_grad_();

    const torch::NoGradGuard set_not_learnt;
    auto parameters = rnn_->named_parameters();
    parameters["weight_ih_l0"].copy_(view(p.U.data(), {inputs, hidden}).t());
    parameters["weight_hh_l0"].copy_(view(p.W.data(), {hidden, hidden}).t());
    parameters["bias_ih_l0"].copy_(view(p.b.data(), {hidden}));
    parameters["bias_hh_l0"].zero_().requires_grad_(false);  // a second bias, which nobody else has
    leaves_ = {parameters["weight_ih_l0"], parameters["weight_hh_l0"], parameters["bias_ih_l0"], x_, initial_};
  }

  void forward() override {
    const torch::NoGradGuard inference;
    y_ = std::get<0>(rnn_->forward(x_, initial_));
  }
  void train() override {
    y_ = std::get<0>(rnn_->forward(x_, initial_));
    gradients_ = torch::autograd::grad({y_}, leaves_, {dy_});
  }
  Results results(Work work) const override {
    Results all{{"y", columns(y_)}};
    if (work == Work::train) {
      all.insert(all.end(), {{"dU", columns(gradients_[0].t())},
                             {"dW", columns(gradients_[1].t())},
                             {"db", columns(gradients_[2])},
                             {"dx", columns(gradients_[3])},
                             {"d_initial", columns(gradients_[4])}});
    }
    return all;
  }

 private:
  /// As a matrix, the last size of the tensor being its rows.
  static Matrix columns(const Tensor& tensor) {
    const Tensor plain = tensor.detach().contiguous();
    const Index rows = plain.size(-1);
    return Eigen::Map<const Matrix>(plain.data_ptr<float>(), rows, plain.numel() / rows);
  }

  torch::nn::RNN rnn_;
  Tensor x_, dy_, initial_, y_;
  std::vector<Tensor> leaves_, gradients_;
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
  return {"libtorch", "LibTorch " TORCH_VERSION " on " + blas(),
          [](const Problem& problem) -> std::unique_ptr<Run> { return std::make_unique<Rnn>(problem); }};
}

}  // namespace bench
