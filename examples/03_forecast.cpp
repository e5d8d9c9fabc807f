// Forecasts the yearly sunspot number: one year ahead, and for many years on end, fed with its own forecasts.
//
// The last years of the file are held out. Everybody forecasts a year from the 11 years before it, one solar cycle:
//   persistence  it is like the year before;
//   AR(11)       the linear function of the 11 years that fits the training years best, by least squares;
//   Elman        the mean of 8 small networks that read the 11 years one after the other, each from its own random start.
// All work on square roots, as is usual for sunspots, whose variance grows with their level, in units of the training
// years' mean and deviation; errors are in sunspots. The networks learn from all training years: none is set aside to
// stop early, as the learning rate falls to zero instead. Forecasts and loss are drawn by gnuplot, where there is one.
#include <recur/recur.hpp>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <Eigen/Dense>
#include <fstream>
#include <iostream>

using Eigen::Index, Eigen::VectorXd;
using Net = recur::Sequence<recur::Elman<double>, recur::Readout<double>>;
using Model = std::function<double(const VectorXd& years)>;  // the next year, from 11
constexpr Index memory = 11, networks = 8;

/// A file of lines "year,sunspots" without gaps between the years; '#' starts a comment.
struct Sunspots {
  Index first_year = 0;
  std::vector<double> values;

  explicit Sunspots(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
      if (line.find_first_not_of(" \t\r") == std::string::npos || line[0] == '#' || line.starts_with("year")) continue;
      std::istringstream fields(line);
      Index year = 0;
      char comma = 0;
      double value = 0;
      const bool read = fields >> year >> comma >> value && comma == ',' && (fields >> std::ws).eof() && value >= 0;
      if (values.empty()) first_year = year;
      if (!read || year != first_year + std::ssize(values))
        throw std::runtime_error(path + ":" + std::to_string(number) +
                                 ": must be the next year, a comma and a number >= 0, got \"" + line + "\"");
      values.push_back(value);
    }
    if (values.empty()) throw std::runtime_error(path + ": cannot be read, or has no lines \"year,sunspots\"");
  }
};

int main(int argc, char** argv) try {
  std::string path = RECUR_SOURCE_DIR "/examples/data/sunspots.csv", svg = "forecast.svg";
  Index hidden = 16, epochs = 60, held_out = 50;
  unsigned seed = 1;
  CLI::App app("Forecasts the yearly sunspot number with Elman networks.");
  app.option_defaults()->always_capture_default();
  app.add_option("file", path, "CSV file of year,sunspots");
  app.add_option("--hidden", hidden, "hidden units of each network")->check(CLI::Range(1, 256));
  app.add_option("--epochs", epochs, "times through the training years")->check(CLI::Range(1, 100000));
  app.add_option("--seed", seed, "of all that is random");
  app.add_option("--held-out", held_out, "years held out, at the end")->check(CLI::Range(22, 10000));
  app.add_option("--output", svg, "where to draw, as SVG");
  app.add_flag("--short", [&](auto) { epochs = 10; }, "train for 10 epochs only");
  CLI11_PARSE(app, argc, argv);

  const Sunspots data(path);
  const Eigen::Map<const VectorXd> sunspots(data.values.data(), std::ssize(data.values));
  const Index training = sunspots.size() - held_out, windows = training - memory;
  recur::require(windows >= 2 * memory, path, ": must have ", held_out + 3 * memory, " years, got ", sunspots.size());
  const VectorXd root = sunspots.cwiseSqrt();
  const double mean = root.head(training).mean();
  const double deviation = std::sqrt((root.head(training).array() - mean).square().mean());
  recur::require(deviation > 0, path, ": the years must differ");
  const VectorXd z = (root.array() - mean) / deviation;

  // `count` sequences of 11 years side by side, the first from year `first` on, the others each a year later.
  const auto sequences = [&](Index first, Index count) {
    recur::Series<double> series(1, count, memory);
    for (Index t = 0; t < memory; ++t) series[t] = z.segment(first + t, count).transpose();
    return series;
  };
  const auto x = sequences(0, windows), target = sequences(1, windows);
  const auto unseen_x = sequences(windows, held_out), unseen_target = sequences(windows + 1, held_out);
  const auto last_year_error = [](const auto& y, const auto& expected, auto& dy) {
    return recur::squared_error(y, expected, dy, recur::last_step(y.batch(), y.steps()));
  };

  std::mt19937 rng(seed);
  std::vector<Net> nets;
  Eigen::ArrayX2d curve = Eigen::ArrayX2d::Zero(epochs, 2);  // loss of the training and of the unseen years
  recur::TrainOptions options{.epochs = epochs, .batch = 32, .clip_norm = 1};
  const Index steps = epochs * ((windows + options.batch - 1) / options.batch);
  options.schedule = [&](Index step) { return recur::cosine(step, steps, 1e-2); };
  options.on_progress = [&](const recur::Progress& p) {
    if (!p.epoch_end) return true;
    const double unseen = recur::evaluate(nets.back(), last_year_error, recur::SeriesData(unseen_x, unseen_target));
    curve.row(p.epoch) += Eigen::Array2d(p.loss, unseen).transpose() / networks;  // to be drawn, no more
    const bool last = p.epoch + 1 == epochs, terminal = isatty(STDERR_FILENO);
    const auto bar = static_cast<std::size_t>(30 * (p.epoch + 1) / epochs);
    if (last || terminal)
      std::cerr << (terminal ? "\r" : "") << "network " << nets.size() << " of " << networks << " [" << std::string(bar, '#')
                << std::string(30 - bar, ' ') << "] loss " << std::fixed << std::setprecision(4) << p.loss << (last ? "\n" : "");
    return true;
  };
  while (std::ssize(nets) < networks) {
    nets.emplace_back(recur::Elman<double>(1, hidden), recur::Readout<double>(hidden, 1, {.bias = true}));
    recur::initialize(nets.back(), rng);
    recur::Adam adam(nets.back());
    recur::train(nets.back(), adam, last_year_error, recur::SeriesData(x, target), rng, options);
  }

  Eigen::MatrixXd lags(windows, memory + 1);
  lags << x.matrix().reshaped(windows, memory), VectorXd::Ones(windows);
  const VectorXd weights = lags.colPivHouseholderQr().solve(target[memory - 1].transpose());
  const Model persistence = [](const VectorXd& years) { return years[memory - 1]; };
  const Model linear = [&](const VectorXd& years) { return weights.head(memory).dot(years) + weights[memory]; };
  const Model elman = [&, trace = nets[0].trace()](const VectorXd& years) mutable {
    double sum = 0;
    for (const Net& net : nets) sum += net.forward(recur::view_rows(years), trace)[memory - 1](0, 0);
    return sum / networks;
  };

  // Forecasts for `count` years from year `start` on, the later ones from the earlier ones, in sunspots.
  const auto forecast = [&](const Model& model, Index start, Index count) -> VectorXd {
    VectorXd years(memory + count);
    years.head(memory) = z.segment(start - memory, memory);
    for (Index t = 0; t < count; ++t) years[memory + t] = model(years.segment(t, memory));
    return (mean + deviation * years.tail(count).array()).max(0).square();
  };
  const auto print_errors = [&](const std::string& what, Index starts, Index count) {
    std::cout << std::left << std::setw(46) << what << std::right << std::fixed << std::setprecision(1);
    for (const Model& model : {persistence, linear, elman}) {
      double sum = 0;
      for (Index start = training; start < training + starts; ++start)
        sum += (forecast(model, start, count) - sunspots.segment(start, count)).squaredNorm();
      std::cout << std::setw(12) << std::sqrt(sum / static_cast<double>(starts * count));
    }
    std::cout << "\n";
  };
