// What the tests of train() have in common: a small network, data, and a record of all that could be seen of a run.
#pragma once

#include "helpers.hpp"

#include <recur/training/initializer.hpp>
#include <recur/recur.hpp>
#include <recur/training/train.hpp>
#include <recur/cells/elman.hpp>

namespace recur_test {

using namespace recur;

using Net = Sequence<Elman<double>, Readout<double>>;

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr Index everything = std::numeric_limits<Index>::max();

inline Net net_of(unsigned seed, Index inputs = 1, Index outputs = 1) {
  std::mt19937 rng(seed);
  Net net(Elman<double>(inputs, 4), Readout<double>(4, outputs, {.bias = true}));
  initialize(net, rng);
  return net;
}

/// Noise, and what was in it two steps ago.
template <class Scalar = double>
struct Echo {
  Series<Scalar> heard, echo;
  Echo(Index batch, Index steps, unsigned seed = 1) : heard(1, batch, steps), echo(1, batch, steps) {
    std::mt19937 rng(seed);
    heard.setRandom(rng);
    for (Index t = 2; t < steps; ++t) echo[t] = heard[t - 2];
  }
  template <class Other>
  explicit Echo(const Echo<Other>& other)
      : heard(1, other.heard.batch(), other.heard.steps()), echo(1, other.heard.batch(), other.heard.steps()) {
    heard.matrix() = other.heard.matrix().template cast<Scalar>();
    echo.matrix() = other.echo.matrix().template cast<Scalar>();
  }
  SeriesData<Scalar> data() const { return {heard, echo}; }
};

/// A user's own data: made up as it goes, and it keeps what it was asked for. Sizes may be ints.
struct Recorder {
  using Target = Series<double>;
  struct Read {
    std::vector<Index> sequences;
    Index first, steps;
  };
  int n, t;
  mutable std::vector<Read> reads = {};

  int sequences() const { return n; }
  int steps() const { return t; }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<double>& x, Target& target) const {
    reads.push_back({{sequences.begin(), sequences.end()}, first, steps});
    x.resize(1, static_cast<Index>(sequences.size()), steps);
    for (Index s = 0; s < steps; ++s)
      for (Index k = 0; k < x.batch(); ++k)
        x[s](0, k) = std::sin(static_cast<double>(7 * sequences[static_cast<std::size_t>(k)] + first + s));
    target = x;
  }
};

/// Trains a copy of `net`, and keeps everything that could be seen of it.
struct Run {
  Net net;
  Adam<Net> adam;
  std::mt19937 rng{3};
  TrainResult result;
  std::vector<Progress> progress;  // every call of the callback
  std::vector<Net> nets;           // the parameters after each step; the first before any
  std::string message;             // of the std::runtime_error that it threw

  Run(const Net& start, const auto& loss, const auto& data, const auto* validation, TrainOptions options)
      : net(start), adam(net, {.rate = 1e-2}), nets{start} {
    options.on_progress = [this, also = options.on_progress](const Progress& now) {
      progress.push_back(now);
      if (!now.epoch_end) nets.push_back(net);
      return !also || also(now);
    };
    try {
      result = train(net, adam, loss, data, validation, rng, options);
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
  }
  template <class Data>
  Run(const Net& start, const auto& loss, const Data& data, TrainOptions options)
      : Run(start, loss, data, static_cast<const Data*>(nullptr), options) {}

  /// The parameters after each epoch.
  const Net& after_epoch(Index epoch) const {
    for (const Progress& now : progress)
      if (now.epoch_end && now.epoch == epoch) return nets.at(static_cast<std::size_t>(now.step));
    throw std::out_of_range("no such epoch");
  }
};

}  // namespace recur_test
