// What one writes first in plain Eigen: the equations, step by step, buffers kept.
#include "rule_loop.hpp"

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

/// A recurrence without a product: all products at once, in front of the loop and behind it.
class LoopWithoutProduct : public Run {
 public:
  explicit LoopWithoutProduct(const Problem& problem)
      : p_(problem), N_(problem.x.batch()), T_(problem.x.steps()), h_(problem.shape.hidden, N_ * (T_ + 1)) {
    h_.leftCols(N_) = problem.initial;
  }
  void forward() override {
    a_.noalias() = p_.U * p_.x.matrix();
    a_.colwise() += p_.b;
    for (Index t = 0; t < T_; ++t) step_forward(t);
  }
  void train() override {
    forward();
    da_.resize(a_.rows(), a_.cols());
    dh_.setZero(p_.shape.hidden, N_);
    dP_.setZero(p_.P.rows(), p_.P.cols());
    for (Index t = T_; t-- > 0;) {
      dh_ += p_.dy[t];
      step_backward(t);
    }
    dU_.noalias() = da_ * p_.x.matrix().transpose();
    db_ = da_.rowwise().sum();
    dx_.noalias() = p_.U.transpose() * da_;
  }
  Results results(Work work) const override {
    Results all{{"y", h_.rightCols(N_ * T_)}};
    if (work == Work::train) {
      all.insert(all.end(), {{"dU", dU_}, {"db", db_}, {"dx", dx_}, {"d_initial", dh_}});
      if (dP_.size() > 0) all.emplace_back("dP", dP_);
    }
    return all;
  }

 protected:
  virtual void step_forward(Index t) = 0;   // a_t and h_t to h_<t+1>
  virtual void step_backward(Index t) = 0;  // dh to da_t, and to that of the step before

  /// Step t of H rows, from row `first` on.
  auto at(Matrix& matrix, Index t, Index first = 0) const {
    return matrix.block(first, t * N_, p_.shape.hidden, N_).array();
  }

  const Problem p_;
  const Index N_, T_;
  Matrix h_, a_, da_, dU_, db_, dx_, dh_, dP_;
};

class IndRnnLoop : public LoopWithoutProduct {
  using LoopWithoutProduct::LoopWithoutProduct;

  void step_forward(Index t) override {
    at(h_, t + 1) = (at(a_, t) + at(h_, t).colwise() * p_.P.col(0).array()).max(0);
  }
  void step_backward(Index t) override {
    at(da_, t) = (at(h_, t + 1) > 0).select(dh_.array(), 0);
    dP_.col(0).array() += (at(da_, t) * at(h_, t)).rowwise().sum();
    dh_ = at(da_, t).colwise() * p_.P.col(0).array();
  }
};

class MinGruLoop : public LoopWithoutProduct {
  using LoopWithoutProduct::LoopWithoutProduct;

  void step_forward(Index t) override {
    auto z = at(a_, t);
    z = z.logistic();
    at(h_, t + 1) = at(h_, t) + z * (at(a_, t, p_.shape.hidden) - at(h_, t));
  }
  void step_backward(Index t) override {
    const auto z = at(a_, t);
    at(da_, t) = dh_.array() * (at(a_, t, p_.shape.hidden) - at(h_, t)) * z * (1 - z);
    at(da_, t, p_.shape.hidden) = dh_.array() * z;
    dh_.array() *= 1 - z;
  }
};

template <class Loop>
std::unique_ptr<Run> make(const Problem& problem) {
  return std::make_unique<Loop>(problem);
}

}  // namespace

Library eigen_loop_library() {
  const std::string version = "Eigen " + std::to_string(EIGEN_WORLD_VERSION) + "." +
                              std::to_string(EIGEN_MAJOR_VERSION) + "." + std::to_string(EIGEN_MINOR_VERSION);
  return {"eigen-loop",
          version,
          {{"elman", make<ElmanLoop>},
           {"indrnn", make<IndRnnLoop>},
           {"mingru", make<MinGruLoop>},
           {"lstm-norm", make<RuleLoop<recur::LayerNormLstmRule>>},
           {"gru-norm", make<RuleLoop<recur::LayerNormGruRule>>},
           {"slstm", make<RuleLoop<recur::SLstmRule>>},
           {"ctrnn", make<RuleLoop<recur::CtRnnRule<>>>},
           {"gru-d", make<RuleLoop<recur::GruDRule>>},
           {"minlstm", make<RuleLoop<recur::MinLstmRule<>>>},
           {"qrnn", make<RuleLoop<recur::QrnnRule<>>>},
           {"rg-lru", make<RuleLoop<recur::RgLruRule>>},
           {"lru", make<RuleLoop<recur::LruRule>>}}};
}

}  // namespace bench
