// Losses and their gradients are PyTorch's, in both precisions. See oracles/make_loss_oracle.py for what is in the files.
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
  const auto check = [&](const std::string& name, const auto& loss) {
    const Series<Scalar> y(series(file, name + ".y").cast<Scalar>());
    const Series<Scalar> target(series(file, name + ".target").cast<Scalar>());
    const auto [value, dy] = loss(y, target, mask);
    CHECK(value.counted == static_cast<double>(mask.count()));
    agree(name, MatrixOf<double>::Constant(1, 1, value.mean), columns(file, name + ".value"));
    agree(name + ".dy", dy.matrix().template cast<double>(), columns(file, name + ".dy"));
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

}  // namespace

TEST_CASE("Losses are PyTorch's, gradients too", "[oracles][pytorch]") {
  check_losses<double>(Safetensors::read(RECUR_TEST_ORACLES "/losses/losses_f64.safetensors"));
  check_losses<float>(Safetensors::read(RECUR_TEST_ORACLES "/losses/losses_f32.safetensors"));
}
