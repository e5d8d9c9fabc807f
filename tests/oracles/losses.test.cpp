// Losses and their gradients are PyTorch's, in both precisions. See oracles/make_loss_oracle.py for what is in the
// files.
#include "oracle_files.hpp"

using namespace recur;
using namespace recur_test;

namespace {

template <class Scalar>
void check_losses(const Safetensors& file) {
  Agreement agree(file, std::is_same_v<Scalar, double> ? 1e-14 : 2e-6);
  const auto numbers = file.values<double>("mask");  // [T, N]
  const Index steps = file.shape("mask").at(0), batch = file.shape("mask").at(1);
  const Mask mask = Eigen::Map<const Eigen::ArrayXXd>(numbers.data(), batch, steps) > 0;
  const Series<Scalar> weights(series(file, "weights").cast<Scalar>());
  const auto check = [&](const std::string& name, const auto& loss) {
    const Series<Scalar> y(series(file, name + ".y").cast<Scalar>());
    const Series<Scalar> target(series(file, name + ".target").cast<Scalar>());
    const auto [value, dy] = loss(y, target, mask);
    CHECK(value.counted == static_cast<double>(mask.count()));
    agree(name, MatrixOf<double>::Constant(1, 1, value.mean), columns(file, name + ".value"));
    agree(name + ".dy", dy.matrix().template cast<double>(), columns(file, name + ".dy"));
    const auto weighted = loss(y, Weighted{target, weights});
    agree(name + ", weighted", MatrixOf<double>::Constant(1, 1, weighted.value.mean),
          columns(file, name + ".weighted_value"));
    agree(name + ".dy, weighted", weighted.dy.matrix().template cast<double>(), columns(file, name + ".weighted_dy"));
  };
  check("squared_error", squared_error);
  check("binary_cross_entropy", binary_cross_entropy);
  check("l1", l1);
  check("huber", huber);
  check("huber_small", Huber(0.3));
  check("quantiles", Quantiles({0.1, 0.5, 0.95}));
  check("gaussian_nll", gaussian_nll);
  check("poisson_nll", poisson_nll);
  agree.report();
}

/// What is between the separators, of which a last one is followed by nothing.
std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

template <class Scalar>
void check_ctc(const Safetensors& file) {
  Agreement agree(file, std::is_same_v<Scalar, double> ? 1e-13 : 1e-5);
  for (const std::string name : {"unequal", "blank_last", "tight", "impossible"}) {
    INFO(name);
    const auto parts = parts_of(file.metadata(name), ';');
    CtcOptions options;
    int zero_infinity = 0;
    REQUIRE(std::sscanf(parts.at(0).c_str(), "blank=%d zero_infinity=%d", &options.blank, &zero_infinity) == 2);
    options.zero_infinity = zero_infinity != 0;
    Labels labels;
    for (const std::string& each : parts_of(parts.at(2), '|')) {
      labels.emplace_back();
      std::istringstream stream(each);
      for (int label; stream >> label;) labels.back().push_back(label);
    }
    Series<Scalar> y(series(file, name + ".y").cast<Scalar>());
    y.set_lengths(lengths_of(parts.at(1)));
    const auto [value, dy] = Ctc(options)(y, labels);
    REQUIRE(value.counted == static_cast<double>(y.batch()));
    agree(name, MatrixOf<double>::Constant(1, 1, value.mean * value.counted), columns(file, name + ".value"));
    agree(name + ".dy", dy.matrix().template cast<double>() * value.counted, columns(file, name + ".dy"));
  }
  agree.report();
}

template <class Scalar>
void check_softmax(const Safetensors& file) {
  Agreement agree(file, std::is_same_v<Scalar, double> ? 1e-14 : 2e-6);
  const Series<Scalar> y(series(file, "y").cast<Scalar>());
  const auto numbers = file.values<double>("classes");
  const Classes classes = Eigen::Map<const Eigen::ArrayXXd>(numbers.data(), y.batch(), y.steps()).cast<int>();
  const auto weights = file.values<double>("class_weights");
  for (const std::string name : {"plain", "weighted", "smoothed", "both"}) {
    SoftmaxOptions options;
    if (name == "weighted" || name == "both") options.class_weights = weights;
    if (name == "smoothed" || name == "both") options.label_smoothing = 0.2;
    const auto [value, dy] = SoftmaxCrossEntropy(options)(y, classes);
    agree(name, MatrixOf<double>::Constant(1, 1, value.mean), columns(file, name + ".value"));
    agree(name + ".dy", dy.matrix().template cast<double>(), columns(file, name + ".dy"));
  }
  agree.report();
}

}  // namespace

TEST_CASE("Weights of classes and label smoothing are PyTorch's, gradients too", "[oracles][pytorch]") {
  check_softmax<double>(Safetensors::read(RECUR_TEST_ORACLES "/losses/softmax_f64.safetensors"));
  check_softmax<float>(Safetensors::read(RECUR_TEST_ORACLES "/losses/softmax_f32.safetensors"));
}

TEST_CASE("The loss of labels without times is PyTorch's, gradients too", "[oracles][pytorch]") {
  check_ctc<double>(Safetensors::read(RECUR_TEST_ORACLES "/losses/ctc_f64.safetensors"));
  check_ctc<float>(Safetensors::read(RECUR_TEST_ORACLES "/losses/ctc_f32.safetensors"));
}

TEST_CASE("Losses are PyTorch's, gradients too", "[oracles][pytorch]") {
  check_losses<double>(Safetensors::read(RECUR_TEST_ORACLES "/losses/losses_f64.safetensors"));
  check_losses<float>(Safetensors::read(RECUR_TEST_ORACLES "/losses/losses_f32.safetensors"));
}
