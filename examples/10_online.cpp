// A filter that goes on learning where it runs. What a loudspeaker plays comes back from the room: saturated by the
// amplifier, and with a resonance that drifts, as when somebody opens a door. A network is to foretell that echo,
// sample by sample, so that it can be subtracted. It is trained beforehand, on the room as it was; then it runs, once
// as it is and once learning from every sample (recur::Online), beside recursive least squares of as much memory, which
// is what one would take today. Nothing is allocated, nothing goes back in time.
#include <recur/recur.hpp>

#include "bar.hpp"

#include <cmath>
#include <fstream>
#include <iostream>

using recur::Index;
using Net = recur::Sequence<recur::Dense<float>, recur::Lru<float>, recur::Readout<float>>;

constexpr int sample_rate = 48'000;

/// A loudspeaker that saturates, in a room of one resonance:
/// r_t = 2 rho cos(omega) r_<t-1> - rho^2 r_<t-2> + tanh(3 x_t)
class Room {
 public:
  double omega = 0.25;
  float operator()(float x) {
    const double r = 2 * rho * std::cos(omega) * before_ - rho * rho * before_that_ + std::tanh(3 * double(x));
    before_that_ = std::exchange(before_, r);
    return static_cast<float>(0.3 * r);
  }

 private:
  static constexpr double rho = 0.95;
  double before_ = 0, before_that_ = 0;
};

/// Recursive least squares with forgetting: a linear filter of the last n samples (W. Plackett, 1950).
class LeastSquares {
 public:
  explicit LeastSquares(Index taps)
      : x_(Eigen::VectorXd::Zero(taps)), w_(x_), P_(100 * Eigen::MatrixXd::Identity(taps, taps)) {}
  float step(float x) {
    for (Index k = x_.size() - 1; k > 0; --k) x_[k] = x_[k - 1];
    x_[0] = x;
    return static_cast<float>(w_.dot(x_));
  }
  void learn(float error) {
    const Eigen::VectorXd g = P_.selfadjointView<Eigen::Lower>() * x_;
    const double scale = 1 / (forgetting + x_.dot(g));
    w_ -= scale * error * g;
    P_.selfadjointView<Eigen::Lower>().rankUpdate(g, -scale);  // of the whole, what rounding leaves would explode
    P_ /= forgetting;
  }

 private:
  static constexpr double forgetting = 0.9995;
  Eigen::VectorXd x_, w_;
  Eigen::MatrixXd P_;
};

/// The network, trained on the room as it is at first.
Net trained(Index steps, std::mt19937& rng) {
  Net net(recur::Dense<float>(1, 8), recur::Lru<float>(8, 8, {.r_min = 0.8, .r_max = 0.98, .max_phase = 1}),
          recur::Readout<float>(16, 1));
  recur::initialize(net, rng);
  Room room;
  recur::Series<float> x(1, 16, 512), y(1, 16, 512);
  x.setRandom(rng);
  for (Index n = 0; n < 16; ++n, room = {})
    for (Index t = 0; t < 512; ++t) y[t](0, n) = room(x[t](0, n));
  recur::Adam adam(net);
  Bar bar;
  recur::train(net, adam, recur::squared_error, recur::SeriesData(x, y), rng,
               {.epochs = steps,
                .batch = 16,
                .clip_norm = 1,
                .schedule = [=](Index step) { return recur::cosine(step, steps, 1e-2); },
                .on_progress =
                    [&](const recur::Progress& now) {
                      bar.show(double(now.step) / double(steps), "loss " + std::to_string(now.loss));
                      return true;
                    }});
  return net;
}

/// 10 log10(squares of errors / squares of the echo), of some tenths of a second each.
class Errors {
 public:
  void add(double error, double echo) { errors_ += error * error, echo_ += echo * echo; }
  void end_of_part() { decibels.push_back(10 * std::log10(std::exchange(errors_, 0) / std::exchange(echo_, 0))); }
  /// From part first on, the mean.
  double mean(std::size_t first, std::size_t count) const {
    double sum = 0;
    for (std::size_t k = first; k < first + count; ++k) sum += decibels[k];
    return sum / static_cast<double>(count);
  }
  std::vector<double> decibels;

 private:
  double errors_ = 0, echo_ = 0;
};

int main(int argc, char** argv) try {
  const bool brief = argc > 1 && std::string(argv[1]) == "--short";
  std::mt19937 rng(1);
  const Net before = trained(brief ? 20 : 600, rng);
  Net net = before;

  recur::Stream frozen(before);
  recur::Online online(net);
  recur::Sgd sgd(net, {.rate = 0.005});
  const Index taps = Index(std::sqrt(double(online.bytes()) / sizeof(double)));
  LeastSquares least_squares(taps);

  constexpr int part = sample_rate / 10;
  const int parts = brief ? 12 : 120;
  Errors of_frozen, of_online, of_squares;
  double seconds = 0;
  Room room;
  for (int k = 0; k < parts; ++k) {
    for (int t = 0; t < part; ++t) {
      // The first third as it was, then a drift, then as it has become.
      const double drift = std::clamp(3.0 * (k + double(t) / part) / parts - 1, 0.0, 1.0);
      room.omega = 0.25 + 0.3 * drift;
      const auto x = static_cast<float>(recur::uniform(rng, -1, 1));
      const float echo = room(x);
      of_frozen.add(frozen.step(x) - echo, echo);

      const float error = least_squares.step(x) - echo;
      of_squares.add(error, echo);
      least_squares.learn(error);

      const auto start = std::chrono::steady_clock::now();
      const float rest = online.step(x) - echo;
      online.learn(rest);
      recur::clip_norm(online.gradient(), 1);
      sgd.step(net, online.gradient());
      recur::set_zero(online.gradient());
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      of_online.add(rest, echo);
    }
    of_frozen.end_of_part(), of_online.end_of_part(), of_squares.end_of_part();
  }

  std::printf("\nerror, dB of the echo                as it was  drifting   as it is\n");
  const auto third = static_cast<std::size_t>(parts / 3);
  const auto show = [&](const std::string& name, const Errors& errors) {
    std::printf("%-34s%10.1f%10.1f%10.1f\n", name.c_str(), errors.mean(third / 2, third - third / 2),
                errors.mean(third, third), errors.mean(2 * third, third));
  };
  show("network as it was trained", of_frozen);
  show("least squares, " + std::to_string(taps) + " taps", of_squares);
  show("network that goes on learning", of_online);
  std::printf("\nto learn from a sample takes %.2f us of the %.1f us that there are at 48 kHz; %td bytes\n",
              1e6 * seconds / (double(parts) * part), 1e6 / sample_rate, online.bytes());
  recur::require(brief || of_online.mean(2 * third, third) < of_frozen.mean(2 * third, third) - 10,
                 "what goes on learning must be 10 dB better in the end");

  std::ofstream table("online.tsv");
  for (std::size_t k = 0; k < of_online.decibels.size(); ++k)
    table << double(k) / 10 << '\t' << of_frozen.decibels[k] << '\t' << of_squares.decibels[k] << '\t'
          << of_online.decibels[k] << '\n';
  table.close();
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0)
    return std::puts("Nothing is drawn, as gnuplot is not installed."), 0;
  recur::require(std::system("gnuplot '" RECUR_SOURCE_DIR "/examples/10_online.gnuplot'") == 0,
                 "online.svg: gnuplot could not draw it");
  std::puts("online.svg shows it");
} catch (const std::exception& error) {
  std::fprintf(stderr, "10_online: %s\n", error.what());
  return 1;
}
