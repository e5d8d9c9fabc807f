// What one writes first in plain Eigen: the equations, step by step, buffers kept.
#include "library.hpp"

namespace bench {
namespace {

class ElmanLoop : public Run {
 public:
  explicit ElmanLoop(const Problem& problem)
      : p_(problem), h_(static_cast<std::size_t>(problem.shape.steps) + 1, problem.initial) {}

  void forward() override {
    for (Index t = 0; t < p_.x.steps(); ++t) {
      a_ = p_.b.replicate(1, p_.x.batch());
      a_.noalias() += p_.U * p_.x[t];
      a_.noalias() += p_.W * h(t);
      h(t + 1) = a_.array().tanh();
    }
  }
  void train() override {
    forward();
    dW_.setZero(p_.W.rows(), p_.W.cols());
    dU_.setZero(p_.U.rows(), p_.U.cols());
    db_.setZero(p_.b.rows(), 1);
    dh_.setZero(p_.W.rows(), p_.x.batch());
    dx_.resize(p_.x.features(), p_.x.batch(), p_.x.steps());
    for (Index t = p_.x.steps(); t-- > 0;) {
      a_ = (dh_ + p_.dy[t]).array() * (1 - h(t + 1).array().square());
      dW_.noalias() += a_ * h(t).transpose();
      dU_.noalias() += a_ * p_.x[t].transpose();
      db_ += a_.rowwise().sum();
      dx_[t].noalias() = p_.U.transpose() * a_;
      dh_.noalias() = p_.W.transpose() * a_;
    }
  }
  Results results(Work work) const override {
    Matrix y(p_.dy.features(), p_.dy.matrix().cols());
    for (Index t = 0; t < p_.x.steps(); ++t) {
      y.middleCols(t * p_.x.batch(), p_.x.batch()) = h_[static_cast<std::size_t>(t) + 1];
    }
    if (work == Work::forward) return {{"y", y}};
    return {{"y", y}, {"dU", dU_}, {"dW", dW_}, {"db", db_}, {"dx", dx_.matrix()}, {"d_initial", dh_}};
  }

 private:
  Matrix& h(Index t) { return h_[static_cast<std::size_t>(t)]; }

  const Problem p_;
  std::vector<Matrix> h_;
  Matrix a_, dW_, dU_, db_, dh_;
  recur::Series<float> dx_;
};

}  // namespace

Library eigen_loop_library() {
  const std::string version = "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
                              std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
  return {
      "eigen-loop", version, {{"elman", [](const Problem& problem) { return std::make_unique<ElmanLoop>(problem); }}}};
}

}  // namespace bench
