// Training by somebody else's optimiser, which knows a vector and a function of it: NLopt's.
#include "catch.hpp"

#include <recur/recur.hpp>

#include <nlopt.h>

#include <memory>

using namespace recur;

namespace {

/// L and dL/d(parameters) of a network that is to echo its input two steps late.
struct EchoLoss {
  Series<double> heard{1, 8, 10}, echo{1, 8, 10}, dy;
  Sequence<Elman<double>, Readout<double>> net{{1, 6}, {6, 1}};
  decltype(net)::Trace trace;
  decltype(net) gradient = net;

  explicit EchoLoss(std::mt19937& rng) {
    heard.setRandom(rng);
    for (Index t = 2; t < heard.steps(); ++t) echo[t] = heard[t - 2];
    initialize(net, rng);
  }

  double operator()(const Eigen::Ref<const Eigen::VectorXd>& parameters, double* d_parameters) {
    set_parameters(net, parameters);
    const double loss = squared_error(net.forward(heard, trace), echo, dy);
    if (d_parameters) {
      bptt(net, heard, trace, dy, gradient);
      Eigen::Map<Eigen::VectorXd>(d_parameters, parameters.size()) = parameters_of(gradient);
    }
    return loss;
  }
};

double call(unsigned count, const double* parameters, double* d_parameters, void* loss) {
  return (*static_cast<EchoLoss*>(loss))(Eigen::Map<const Eigen::VectorXd>(parameters, count), d_parameters);
}

}  // namespace

TEST_CASE("NLopt's L-BFGS trains a network through one vector of parameters", "[nlopt]") {
  std::mt19937 rng(1);
  EchoLoss loss(rng);
  Eigen::VectorXd parameters = parameters_of(loss.net);
  const double at_start = loss(parameters, nullptr);

  const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> lbfgs(
      nlopt_create(NLOPT_LD_LBFGS, static_cast<unsigned>(parameters.size())), nlopt_destroy);
  REQUIRE(nlopt_set_min_objective(lbfgs.get(), call, &loss) > 0);
  REQUIRE(nlopt_set_maxeval(lbfgs.get(), 100) > 0);
  double at_end = 0;
  REQUIRE(nlopt_optimize(lbfgs.get(), parameters.data(), &at_end) > 0);

  CHECK(at_end < 0.01 * at_start);
  CHECK(loss(parameters, nullptr) < 0.01 * at_start);
}
