#include "training_of.hpp"

namespace recur_test {

namespace {

using Fixed = Sequence<Elman<float, Relu, 1, 4>, Readout<float, 4, 1>>;

Fixed fixed_net() { return random_net(Fixed({}, {4, 1, {.bias = true}})); }

}  // namespace

std::unique_ptr<Training> fixed_training(const OptimizerOptions& options) {
  return make_training(fixed_net(), options);
}
std::unique_ptr<Training> fixed_training_with_minstd_rand(const SgdOptions& options) {
  return make_training<Sgd<Fixed>>(fixed_net(), options, std::minstd_rand(3));
}

}  // namespace recur_test
