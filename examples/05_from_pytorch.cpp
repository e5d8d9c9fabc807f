// A network that PyTorch has begun to train goes on learning here, and can go back. 05_from_pytorch.py made the files:
// the weights of nn.LSTM(3, 16, num_layers=2) and nn.Linear(16, 3), and what these answered to some inputs.
//
// It forecasts the Lorenz attractor (E. N. Lorenz, "Deterministic nonperiodic flow", 1963), from measurements of x, y,
// z, with noise, where the three will be 10 steps later. Beside it, the linear function of the last 10 measurements
// that fits best.
#include <recur/io/pytorch.hpp>
#include <recur/recur.hpp>

#include <Eigen/Cholesky>

#include "bar.hpp"

#include <cstring>

using Eigen::Array3d, Eigen::MatrixXd;
using recur::Index;
constexpr Index ahead = 10, memory = 10;

Array3d slope(const Array3d& p) {
  return {10 * (p[1] - p[0]), p[0] * (28 - p[2]) - p[1], p[0] * p[1] - 8.0 / 3 * p[2]};
}

/// Measurements, and what they will be `ahead` steps later; a step is 0.02, by Runge and Kutta.
struct Lorenz {
  recur::Series<float> x, target;

  Lorenz(Index count, Index steps, std::mt19937& rng) : x(3, count, steps), target(3, count, steps) {
    const Array3d mean(0, 0, 25);
    const double h = 0.02;
    for (Index n = 0; n < count; ++n) {
      Array3d p = mean;
      for (double& each : p) each += recur::uniform(rng, -10, 10);
      for (Index t = -50; t < steps + ahead; ++t) {  // the first 50 to get onto the attractor
        const Array3d a = slope(p), b = slope(p + h / 2 * a), c = slope(p + h / 2 * b), d = slope(p + h * c);
        p += h / 6 * (a + 2 * b + 2 * c + d);
        const Array3d scaled = (p - mean) / 10;
        if (t >= ahead) target[t - ahead].col(n) = scaled.cast<float>();
        if (t >= 0 && t < steps)
          for (Index k = 0; k < 3; ++k) x[t](k, n) = static_cast<float>(scaled[k] + 0.1 * recur::normal(rng));
      }
    }
  }
  recur::SeriesData<float> data() const { return {x, target}; }

  /// Columns of the last measurements and 1, for each step from the `memory`-th on; and what they should forecast.
  MatrixXd past() const {
    MatrixXd rows = MatrixXd::Ones(3 * memory + 1, x.batch() * (x.steps() - memory + 1));
    for (Index k = 0; k < memory; ++k)
      rows.middleRows(3 * k, 3) = x.window(k, x.steps() - memory + 1).matrix().cast<double>();
    return rows;
  }
  MatrixXd future() const { return target.window(memory - 1, x.steps() - memory + 1).matrix().cast<double>(); }
};

int main(int argc, char** argv) try {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  const std::string folder = RECUR_SOURCE_DIR "/examples/data/", back = "lorenz_trained.safetensors";

  // From PyTorch ...
  recur::Sequence net(recur::Stack<recur::Lstm<float>>(3, 16, 2), recur::Readout<float>(16, 3, {.bias = true}));
  recur::load_pytorch(folder + "lorenz.safetensors", net);

  // ... the same to rounding: its tensors [steps, batch, features] are series as they lie.
  const auto file = recur::Safetensors::read(folder + "lorenz_outputs.safetensors");
  const auto x = file.values<float>("x"), y = file.values<float>("y");
  const Index steps = file.shape("x").at(0), batch = file.shape("x").at(1);
  const recur::SeriesView<const float> inputs(x.data(), 3, batch, steps), outputs(y.data(), 3, batch, steps);
  auto trace = net.trace();
  const float difference = (net.forward(inputs, trace).matrix() - outputs.matrix()).cwiseAbs().maxCoeff();
  std::printf("%td parameters; largest difference from PyTorch's outputs: %.1e\n\n", recur::parameter_count(net),
              double(difference));
  recur::require(difference < 1e-5f, "the outputs must be PyTorch's");

  // On with the training.
  std::mt19937 rng(1);
  const Lorenz known(256, 200, rng), fresh(256, 200, rng);
  const auto error = [&](const auto& network) {
    return recur::evaluate(network, fresh.data(), recur::squared_error) / 3;
  };
  const double before = error(net);
  recur::Adam adam(net);
  recur::TrainOptions options{.epochs = brief ? 2 : 200, .batch = 32, .clip_norm = 1};
  options.schedule = [&](Index step) { return recur::cosine(step, 8 * options.epochs, 5e-3); };
  options.on_progress = [&, bar = Bar()](const recur::Progress& p) mutable {
    if (p.epoch_end) bar.show(double(p.step) / double(8 * options.epochs), "loss " + std::to_string(p.loss));
    return true;
  };
  recur::train(net, adam, recur::squared_error, known.data(), rng, options);
  const double after = error(net);

  const MatrixXd past = known.past();
  const MatrixXd weights = (past * past.transpose()).ldlt().solve(past * known.future().transpose());
  const double linear = (weights.transpose() * fresh.past() - fresh.future()).array().square().mean();
  std::printf(
      "\nmean squared error on fresh series:\n  linear    %.4f\n  network   %.4f from PyTorch, %.4f trained on\n\n",
      linear, before, after);
  recur::require(after < before && before < linear, "the network must have been better, and have learnt");

  // And back to it: model.load_state_dict(load_file("lorenz_trained.safetensors"))
  recur::save_pytorch(back, net, {.modules = {"lstm", "readout"}});
  auto again = recur::zeros_like(net);
  recur::load_pytorch(back, again);
  recur::require(error(again) == after, back, ": must be the same network again");
  std::printf("%s is for PyTorch\n", back.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "05_from_pytorch: %s\n", error.what());
  return 1;
}
