#include "training_of.hpp"

namespace recur_test {

std::unique_ptr<Training> dynamic_training(const OptimizerOptions& options) {
  return make_training(random_net(net_of(1)), options);
}
std::unique_ptr<Training> elman_training(const AdamOptions& options) {
  return make_training<Adam<Elman<double>>>(random_net(Elman<double>(1, 1)), options);
}

template <class Engine>
std::unique_ptr<Training> training_with(const Engine& rng) {
  return make_training<Adam<Net>>(random_net(net_of(1)), AdamOptions(), rng);
}
template std::unique_ptr<Training> training_with(const std::mt19937_64& rng);
template std::unique_ptr<Training> training_with(const std::minstd_rand& rng);
template std::unique_ptr<Training> training_with(const std::ranlux48& rng);

}  // namespace recur_test
