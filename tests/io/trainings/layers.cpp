#include "training_of.hpp"

namespace recur_test {

std::unique_ptr<Training> nested_training(const RmsPropOptions& options) {
  const auto net = random_net(
      Sequence(Cell<LearnedLeak, double>(1, 3), Sequence(Cell<TwoStates, double>(3, 2)), Readout<double>(2, 1)));
  return make_training<RmsProp<std::remove_const_t<decltype(net)>>>(net, options, std::mt19937_64(3));
}

std::unique_ptr<Training> readout_training(const AdamOptions& options) {
  return make_training<Adam<Readout<float>>>(random_net(Readout<float>(1, 1)), options);
}

}  // namespace recur_test
