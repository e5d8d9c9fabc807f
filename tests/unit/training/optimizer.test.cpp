// Every optimiser against PyTorch's, step by step; clipping; errors.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/io/safetensors.hpp>
#include <recur/recur.hpp>

#include <functional>
#include <limits>
#include <set>
#include <utility>

using namespace recur;
using recur_test::message_of;
using recur_test::same_parameters;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The problem of oracles/make_optimizer_oracle.py: ten entries, a model of its own for optimisers to walk over.
template <class Scalar_ = double>
struct Point {
  using Scalar = Scalar_;
  MatrixOf<Scalar> w{3, 2};
  VectorOf<Scalar> v{4};

  static void visit(auto&& f, const Name& name, auto&... points) {
    f(Name(name, "w"), points.w...);
    f(Name(name, "v"), points.v...);
  }
  /// Entry m: 2 i + j for w(i, j), 6 + i for v(i).
  Scalar& operator[](Index m) { return m < 6 ? w(m / 2, m % 2) : v(m - 6); }
  Scalar operator[](Index m) const { return m < 6 ? w(m / 2, m % 2) : v(m - 6); }
};

template <class Scalar>
Point<Scalar> point_of(auto&& entry) {
  Point<Scalar> point;
  for (Index m = 0; m < 10; ++m) point[m] = static_cast<Scalar>(entry(m));
  return point;
}
template <class Scalar = double>
Point<Scalar> start() {
  return point_of<Scalar>([](Index m) { return -1 + 0.25 * static_cast<double>(m); });
}
/// k_m (p_m - target_m) + p_m^3
template <class Scalar>
Point<Scalar> gradient_at(const Point<Scalar>& p) {
  return point_of<Scalar>([&](Index m) {
    const double n = static_cast<double>(m), k = 1 + 0.5 * n, target = 1 - 0.3 * n, at = static_cast<double>(p[m]);
    return k * (at - target) + at * at * at;
  });
}

const Safetensors& oracle() {
  static const auto file = Safetensors::read(RECUR_TEST_ORACLES "/optimizers/optimizers.safetensors");
  return file;
}
double expected(const std::string& run, Index step, Index m) {
  const auto w = oracle().values<double>(run + ".w");
  const auto v = oracle().values<double>(run + ".v");
  return m < 6 ? w.at(static_cast<std::size_t>(6 * step + m)) : v.at(static_cast<std::size_t>(4 * step + m - 6));
}

/// What an optimiser does at a step, and what is done before it.
template <class Scalar = double>
using Step = std::function<void(Index step, Point<Scalar>& p, Point<Scalar>& gradient)>;

/// Takes the 20 steps of a run, each of which must be where PyTorch's was.
template <class Scalar>
void follow(const std::string& run, const Step<Scalar>& take, double tolerance) {
  auto p = start<Scalar>();
  for (Index step = 0; step <= 20; ++step) {
    double worst = 0;
    for (Index m = 0; m < 10; ++m)
      worst = std::max(worst, std::abs(static_cast<double>(p[m]) - expected(run, step, m)));
    INFO(run << ", step " << step);
    CHECK(worst <= (step == 0 ? 0 : tolerance));
    auto gradient = gradient_at(p);
    take(step, p, gradient);
  }
}
void follow_step(const std::string& run, const Step<>& take) { follow<double>(run, take, 1e-12); }
void follow(const std::string& run, auto optimizer) {
  follow_step(run, [&](Index, auto& p, auto& gradient) { optimizer.step(p, gradient); });
}
/// In float, as close as float comes.
void follow_in_float(const std::string& run, auto optimizer) {
  follow<float>(run, [&](Index, auto& p, auto& gradient) { optimizer.step(p, gradient); }, 1e-5);
}

const auto p0 = start();

// ---- An LSTM with a readout ----

const Safetensors& lstm_oracle() {
  static const auto file = Safetensors::read(RECUR_TEST_ORACLES "/optimizers/lstm.safetensors");
  return file;
}
/// [T, N, F]
Series<double> lstm_series(const std::string& name) {
  const auto values = lstm_oracle().values<double>(name);
  const auto& shape = lstm_oracle().shape(name);
  return Series<double>(SeriesView(values.data(), shape.at(2), shape.at(1), shape.at(0)));
}
/// What a tensor of a run has for one step, a matrix or a column.
MatrixOf<double> at_step(const std::string& name, Index step) {
  const auto values = lstm_oracle().values<double>(name);
  const auto& shape = lstm_oracle().shape(name);
  const Index rows = shape.at(1), cols = shape.size() == 3 ? shape.at(2) : 1;
  using RowMajor = Eigen::Matrix<double, Dynamic, Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(values.data() + step * rows * cols, rows, cols);
}

using LstmNet = Sequence<Lstm<double>, Readout<double>>;

/// The parameters of a run after some steps.
LstmNet net_at(const std::string& run, Index step) {
  LstmNet net(Lstm<double>(3, 5), Readout<double>(5, 2, {.bias = true}));
  auto& lstm = net.layer<0>();
  lstm.U = at_step(run + ".lstm.weight_ih_l0", step);
  lstm.W = at_step(run + ".lstm.weight_hh_l0", step);
  lstm.b = at_step(run + ".lstm.bias_ih_l0", step);
  net.layer<1>().V = at_step(run + ".fc.weight", step);
  net.layer<1>().c = at_step(run + ".fc.bias", step);
  return net;
}

/// Takes the 20 steps of a run, forward, backward, clipped: loss, norm and parameters must be PyTorch's at each.
void train_lstm(const std::string& run, const std::function<void(LstmNet& net, const LstmNet& gradient)>& take_step) {
  constexpr double tolerance = 1e-12, max_norm = 3;
  const auto x = lstm_series("x"), target = lstm_series("target");
  const auto losses = lstm_oracle().values<double>(run + ".loss"), norms = lstm_oracle().values<double>(run + ".norm");
  REQUIRE((losses.size() == 20 && norms.size() == 20));
  auto net = net_at(run, 0);
  auto gradient = zeros_like(net);
  auto trace = net.trace();
  double worst = 0;
  const auto check = [&](double ours, double theirs) {
    const double difference = std::abs(ours / theirs - 1);
    CHECK(difference <= tolerance);
    worst = std::max(worst, difference);
  };
  for (std::size_t step = 0; step < 20; ++step) {
    INFO(run << ", step " << step);
    // loss = 0.5 sum (y - target)^2
    auto dy = Series<double>(net.forward(x, trace));
    dy.matrix() -= target.matrix();
    check(0.5 * dy.matrix().squaredNorm(), losses[step]);
    bptt(net, x, trace, dy, gradient);
    check(clip_norm(gradient, max_norm), norms[step]);
    take_step(net, gradient);
    const auto expected_net = net_at(run, static_cast<Index>(step) + 1);
    recur::visit(
        [&](const Name& name, const auto& ours, const auto& theirs) {
          INFO(name.str());
          const double difference = (ours - theirs).cwiseAbs().maxCoeff() / theirs.cwiseAbs().maxCoeff();
          CHECK(difference <= tolerance);
          worst = std::max(worst, difference);
        },
        std::as_const(net), expected_net);
  }
  SUCCEED(run << ": worst relative difference " << worst);
}
template <template <class> class Optimizer>
void train_lstm(const std::string& run, const auto& options) {
  Optimizer<LstmNet> optimizer(net_at(run, 0), options);
  train_lstm(run, [&](LstmNet& net, const LstmNet& gradient) { optimizer.step(net, gradient); });
}

}  // namespace

TEST_CASE("Sgd is PyTorch's, with momentum, Nesterov and weight decay", "[optimizer]") {
  follow("sgd", Sgd(p0, {.rate = 0.02}));
  follow("sgd_momentum", Sgd(p0, {.rate = 0.02, .momentum = 0.9}));
  follow("sgd_nesterov", Sgd(p0, {.rate = 0.02, .momentum = 0.9, .nesterov = true}));
  follow("sgd_momentum_weight_decay", Sgd(p0, {.rate = 0.02, .momentum = 0.9, .weight_decay = 0.1}));
}

TEST_CASE("RmsProp is PyTorch's", "[optimizer]") {
  follow("rmsprop", RmsProp(p0));
  follow("rmsprop_momentum", RmsProp(p0, {.momentum = 0.9}));
  follow("rmsprop_large_eps", RmsProp(p0, {.rate = 0.05, .decay = 0.9, .epsilon = 0.1}));
}

TEST_CASE("Adam is PyTorch's, and AdamW, with its default decay", "[optimizer]") {
  follow("adam", Adam(p0, {.rate = 0.01}));
  follow("adam_weight_decay", Adam(p0, {.rate = 0.01, .weight_decay = 0.1}));
  follow("adam_large_eps", Adam(p0, {.rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 0.1}));
  follow("adamw", AdamW(p0, {.rate = 0.01}));
  CHECK(Adam(p0).options.rate == 1e-3);
  CHECK(Adam(p0).options.weight_decay == 0);
  CHECK(AdamW(p0).options.rate == 1e-3);
  CHECK(AdamW(p0).options.weight_decay == 1e-2);
}

TEST_CASE("Clipping by norm and by value is PyTorch's", "[optimizer]") {
  const SgdOptions options{.rate = 0.02, .momentum = 0.9};
  follow_step("clip_norm", [sgd = Sgd(p0, options)](Index, auto& p, auto& gradient) mutable {
    clip_norm(gradient, 10);
    sgd.step(p, gradient);
  });
  follow_step("clip_value", [sgd = Sgd(p0, options)](Index, auto& p, auto& gradient) mutable {
    clip_value(gradient, 4);
    sgd.step(p, gradient);
  });
}

TEST_CASE("A rate that changes between steps acts as in PyTorch", "[optimizer]") {
  const auto scheduled = [](auto optimizer, const char* schedule) {
    return [optimizer, rates = oracle().values<double>(schedule)](Index step, auto& p, auto& gradient) mutable {
      if (step < 20) optimizer.options.rate = rates.at(static_cast<std::size_t>(step));
      optimizer.step(p, gradient);
    };
  };
  follow_step("sgd_momentum_step_lr", scheduled(Sgd(p0, {.momentum = 0.9}), "step_lr"));
  follow_step("adam_warmup_lr", scheduled(Adam(p0), "warmup_lr"));
}

TEST_CASE("No run of PyTorch's is left out above", "[optimizer]") {
  std::set<std::string> runs;
  for (const auto& [name, tensor] : oracle().tensors())
    if (name.ends_with(".w")) runs.insert(name.substr(0, name.size() - 2));
  CHECK(runs == std::set<std::string>{"sgd", "sgd_momentum", "sgd_nesterov", "sgd_momentum_weight_decay", "rmsprop",
                                      "rmsprop_momentum", "rmsprop_large_eps", "adam", "adam_weight_decay",
                                      "adam_large_eps", "adamw", "clip_norm", "clip_value", "sgd_momentum_step_lr",
                                      "adam_warmup_lr"});
}

TEST_CASE("An LSTM is trained as PyTorch trains it, step by step, with every optimiser", "[optimizer][oracles]") {
  train_lstm<Sgd>("sgd_momentum", SgdOptions{.rate = 0.01, .momentum = 0.9});
  train_lstm<RmsProp>("rmsprop", RmsPropOptions{.rate = 0.01, .decay = 0.99, .epsilon = 1e-8});
  train_lstm<Adam>("adam", AdamOptions{.rate = 0.02, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
  train_lstm<AdamW>("adamw",
                    AdamWOptions{.rate = 0.02, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.01});
  std::set<std::string> runs;
  for (const auto& [run, options] : lstm_oracle().metadata()) runs.insert(run);
  CHECK(runs == std::set<std::string>{"sgd_momentum", "rmsprop", "adam", "adamw"});
}

TEST_CASE("Every optimiser works in float", "[optimizer]") {
  const auto p = start<float>();
  follow_in_float("sgd_nesterov", Sgd(p, {.rate = 0.02, .momentum = 0.9, .nesterov = true}));
  follow_in_float("rmsprop_momentum", RmsProp(p, {.momentum = 0.9}));
  follow_in_float("adam", Adam(p, {.rate = 0.01}));
  follow_in_float("adamw", AdamW(p, {.rate = 0.01}));
}

TEST_CASE("A decay close to 1 is not rounded away in float", "[optimizer]") {
  // The first step of Adam is the rate against the sign of the gradient; of RmsProp that divided by sqrt(1 - decay).
  const auto p = start<float>(), gradient = gradient_at(p);
  auto adam_p = p, rms_p = p;
  Adam(p, {.rate = 0.25, .beta1 = 0.9999, .beta2 = 0.999999}).step(adam_p, gradient);
  RmsProp(p, {.rate = 0.25e-3, .decay = 0.999999}).step(rms_p, gradient);
  for (Index m = 0; m < 10; ++m) {
    const float sign = gradient[m] > 0 ? 1.0f : -1.0f;
    CHECK(adam_p[m] - p[m] == Approx(-0.25f * sign).epsilon(1e-4));
    CHECK(rms_p[m] - p[m] == Approx(-0.25f * sign).epsilon(1e-4));
  }
}

TEST_CASE("Options can be changed between steps", "[optimizer]") {
  auto p = start();
  Sgd sgd(p, {.rate = 0.02, .momentum = 0.9});
  sgd.step(p, gradient_at(p));
  sgd.options = {.rate = 0.5};  // no momentum any more: p - rate g
  const auto before = p, gradient = gradient_at(p);
  sgd.step(p, gradient);
  CHECK((p.w.array() == before.w.array() - 0.5 * gradient.w.array()).all());

  AdamW adamw(p, {.rate = 0.5, .weight_decay = 0});
  adamw.options.weight_decay = 0.5;
  const auto old = p;
  adamw.step(p, zeros_like(p));  // the decay alone: p (1 - rate weight_decay)
  CHECK((p.v.array() == 0.75 * old.v.array()).all());
}

TEMPLATE_TEST_CASE("State survives copying, and copies go their own ways", "[optimizer]", Sgd<Point<>>,
                   RmsProp<Point<>>, Adam<Point<>>, AdamW<Point<>>) {
  auto p = start();
  TestType optimizer(p);
  optimizer.options.rate = 0.02;
  if constexpr (requires { optimizer.options.momentum; }) optimizer.options.momentum = 0.9;
  const auto steps = [](TestType& of, Point<>& at, int count) {
    for (int step = 0; step < count; ++step) of.step(at, gradient_at(at));
  };
  steps(optimizer, p, 5);
  auto q = p;
  TestType copy = optimizer;
  steps(copy, q, 5);
  CHECK_FALSE(same_parameters(p, q));
  steps(optimizer, p, 5);
  CHECK(same_parameters(p, q));

  auto fresh = p;
  TestType without_state(p);
  without_state.options = optimizer.options;
  steps(without_state, fresh, 1);
  steps(optimizer, p, 1);
  CHECK_FALSE(same_parameters(p, fresh));
}

TEMPLATE_TEST_CASE("A step with other shapes is an error that names the block, and changes nothing", "[optimizer]",
                   Sgd<Point<>>, RmsProp<Point<>>, Adam<Point<>>, AdamW<Point<>>) {
  const std::string where = std::is_same_v<TestType, Sgd<Point<>>>       ? "Sgd::step: "
                            : std::is_same_v<TestType, RmsProp<Point<>>> ? "RmsProp::step: "
                            : std::is_same_v<TestType, Adam<Point<>>>    ? "Adam::step: "
                                                                         : "AdamW::step: ";
  auto p = start();
  TestType optimizer(p), untouched(p);
  auto other = p;
  other.w = MatrixOf<double>::Ones(2, 3);
  const auto kept = other;
  CHECK(message_of([&] { optimizer.step(other, other); }) ==
        where + "net must have the shapes of the network that the optimiser was made for, but w is 2x3, expected 3x2");
  CHECK(same_parameters(other, kept));

  auto gradient = gradient_at(p);
  gradient.v = VectorOf<double>::Ones(5);
  CHECK(message_of([&] { optimizer.step(p, gradient); }) ==
        where + "gradient must have the shapes of net, but v is 5x1, expected 4x1");
  CHECK(same_parameters(p, p0));

  // The optimiser goes on as if nothing had been.
  auto q = p;
  optimizer.step(p, gradient_at(p));
  untouched.step(q, gradient_at(q));
  CHECK(same_parameters(p, q));
}

TEST_CASE("clip_norm gives the norm before, and leaves a shorter gradient alone, to the bit", "[optimizer]") {
  const auto gradient = gradient_at(start());
  const double norm = std::sqrt(gradient.w.squaredNorm() + gradient.v.squaredNorm());
  CHECK(global_norm(gradient) == Approx(norm).epsilon(1e-15));

  auto clipped = gradient;
  CHECK(clip_norm(clipped, 2) == Approx(norm).epsilon(1e-15));
  CHECK(global_norm(clipped) == Approx(2 * norm / (norm + 1e-6)).epsilon(1e-14));
  CHECK(clipped[3] == Approx(gradient[3] * 2 / (norm + 1e-6)).epsilon(1e-14));

  auto shorter = gradient;
  CHECK(clip_norm(shorter, 2 * norm) == Approx(norm).epsilon(1e-15));
  CHECK(same_parameters(shorter, gradient));
  CHECK(clip_norm(shorter, infinity) == Approx(norm).epsilon(1e-15));
  CHECK(same_parameters(shorter, gradient));
}

TEST_CASE("clip_norm scales nothing where the norm is not finite", "[optimizer]") {
  for (const double bad : {infinity, -infinity, not_a_number}) {
    auto gradient = gradient_at(start());
    const double other = gradient[2];
    gradient[7] = bad;
    CHECK_FALSE(std::isfinite(clip_norm(gradient, 0.5)));
    CHECK(gradient[2] == other);
    CHECK((std::isnan(bad) ? std::isnan(gradient[7]) : gradient[7] == bad));
  }
}

TEST_CASE("The norm of floats is taken in double", "[optimizer]") {
  auto gradient = point_of<float>([](Index) { return 1e30; });  // its square is no float
  CHECK(clip_norm(gradient, 1) == Approx(std::sqrt(10.0) * 1e30).epsilon(1e-6));
  CHECK(global_norm(gradient) == Approx(1).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("clip_value cuts off both ways, infinities too, and keeps NaN", "[optimizer]", float, double) {
  const double entries[10] = {0.5, -0.5, 1, -1, 1.5, -1.5, infinity, -infinity, not_a_number, 0};
  const double cut[10] = {0.5, -0.5, 1, -1, 1, -1, 1, -1, not_a_number, 0};
  auto gradient = point_of<TestType>([&](Index m) { return entries[m]; });
  clip_value(gradient, 1);
  for (Index m = 0; m < 10; ++m)
    CHECK((m == 8 ? std::isnan(gradient[m]) : gradient[m] == static_cast<TestType>(cut[m])));
}

TEST_CASE("Options out of range are errors that name them", "[optimizer]") {
  const auto net = start();
  CHECK(message_of([&] { Sgd(net, {.rate = -1}); }) == "Sgd: finite rate >= 0 expected, got -1");
  CHECK(message_of([&] { Sgd(net, {.momentum = not_a_number}); }) == "Sgd: finite momentum >= 0 expected, got nan");
  CHECK(message_of([&] { RmsProp(net, {.decay = 1}); }) == "RmsProp: 0 <= decay < 1 expected, got 1");
  CHECK(message_of([&] { RmsProp(net, {.epsilon = -1e-8}); }) == "RmsProp: finite epsilon >= 0 expected, got -1e-08");
  CHECK(message_of([&] { Adam(net, {.beta1 = 2}); }) == "Adam: 0 <= beta1 < 1 expected, got 2");
  CHECK(message_of([&] { Adam(net, {.beta2 = not_a_number}); }) == "Adam: 0 <= beta2 < 1 expected, got nan");
  CHECK(message_of([&] { AdamW(net, {.weight_decay = -1}); }) == "AdamW: finite weight_decay >= 0 expected, got -1");
  CHECK(message_of([&] { Adam(net, {.rate = infinity}); }) == "Adam: finite rate >= 0 expected, got inf");
}

TEST_CASE("A limit that is not positive is an error", "[optimizer]") {
  auto gradient = gradient_at(start());
  const auto kept = gradient;
  CHECK(message_of([&] { clip_norm(gradient, 0); }) == "clip_norm: limit > 0 expected, got 0");
  CHECK(message_of([&] { clip_norm(gradient, not_a_number); }) == "clip_norm: limit > 0 expected, got nan");
  CHECK(message_of([&] { clip_value(gradient, -1.5); }) == "clip_value: limit > 0 expected, got -1.5");
  CHECK(same_parameters(gradient, kept));
}
