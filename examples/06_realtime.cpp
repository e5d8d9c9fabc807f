// Networks in an audio callback: they learn to sound like a device that saturates and remembers (the magnetic core of a
// transformer, see sound.hpp), from what goes in and what comes out; then they take its place, one sample at a time: no
// heap, no lock, no exception.
//
// Two outputs may belong to one input (hysteresis), of which no curve without memory can make anything but their mean.
// An Elman network does better, and an LSTM far better, for its cell can hold on to what it remembers.
#include <recur/recur.hpp>

#include "bar.hpp"
#include "heap.hpp"
#include "sound.hpp"

#include <cstring>
#include <iomanip>
#include <span>
#include <sstream>

using recur::Index;
using Model = recur::Sequence<recur::Lstm<float, 1, 16>, recur::Readout<float, 16, 1>>;
using Plain = recur::Sequence<recur::Elman<float, recur::Tanh, 1, 16>, recur::Readout<float, 16, 1>>;

/// What an audio driver calls, again and again, with some samples to be changed in place.
template <class Net>
void callback(std::span<float> samples, recur::Stream<Net>& stream) noexcept {
  const recur::FlushToZero flush;  // what fades in silence
  for (float& sample : samples) sample = stream.step(sample);
}

/// How a sound sounds through a network, block by block, and how long that takes: the median, since now and then the
/// system lets somebody else run.
template <class Net>
Sound played(const Net& net, Sound sound, const char* name) {
  constexpr Index block = 64;
  recur::Stream stream(net);
  std::vector<double> seconds(std::size_t(sound.size() / block));
  const long before = allocations;
  for (std::size_t k = 0; k < seconds.size(); ++k) {
    const auto start = std::chrono::steady_clock::now();
    callback({&sound[Index(k) * block], block}, stream);
    seconds[k] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const long during = allocations - before;
  std::nth_element(seconds.begin(), seconds.begin() + std::ssize(seconds) / 2, seconds.end());
  const double sample = seconds[seconds.size() / 2] / block;
  std::printf("%s a sample takes %.0f ns, %.2f %% of the %.1f us that there are; allocations: %ld\n", name,
              1e9 * sample, 100 * sample * sample_rate, 1e6 / sample_rate, during);
  recur::require(during == 0, name, " nothing must be allocated while it plays, got ", during);
  return sound;
}

template <class Net>
Net learnt(const char* name, const recur::SeriesData<float>& data, Index epochs) {
  std::mt19937 rng(1);
  Net net;
  recur::initialize(net, rng);
  recur::Adam adam(net);
  recur::TrainOptions options{.epochs = epochs, .batch = 16, .window = 256, .clip_norm = 1};
  const Index steps = epochs * ((data.sequences() + 15) / 16) * ((data.steps() + 255) / 256);
  options.schedule = [=](Index step) { return recur::warm_up(step, 50, recur::cosine(step, steps, 8e-3)); };
  options.on_progress = [&, bar = Bar()](const recur::Progress& p) mutable {
    std::ostringstream text;
    text << name << ", mean square error " << std::scientific << std::setprecision(1) << p.loss;
    if (p.epoch_end) bar.show(double(p.step) / double(steps), text.str());
    return true;
  };
  recur::train(net, adam, recur::squared_error, data, rng, options);
  return net;
}

int main(int argc, char** argv) try {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  std::mt19937 rng(1);

  // To learn from: 48 sounds of a fifth of a second, side by side.
  recur::Series<float> x(1, 48, sample_rate / 5), y = x;
  for (Index n = 0; n < x.batch(); ++n) {
    const Sound sound = (n % 3 == 0 ? plucked_string : n % 3 == 1 ? noise_bursts : sweep)(x.steps(), rng);
    const Sound target = through_core(sound);
    for (Index t = 0; t < x.steps(); ++t) x[t](0, n) = sound[t], y[t](0, n) = target[t];
  }
  const recur::SeriesData data(x, y);
  const auto elman = learnt<Plain>("Elman", data, brief ? 2 : 150);
  const auto lstm = learnt<Model>("LSTM", data, brief ? 2 : 150);
  const WithoutMemory best(x.matrix().row(0), y.matrix().row(0));

  // To be judged by: two seconds of each kind, never heard before, one after the other.
  constexpr Index part = 2 * sample_rate;
  Sound input(3 * part);
  input << plucked_string(part, rng), noise_bursts(part, rng), sweep(part, rng);
  const Sound target = through_core(input);
  std::puts("");
  const Sound by_elman = played(elman, input, "Elman:"), by_lstm = played(lstm, input, "LSTM:");
  std::puts("\nerror-to-signal ratio, %         strings    bursts    sweep      all");
  const auto judge = [&](const char* name, const Sound& sound) {
    std::printf("%-28s", name);
    for (Index k = 0; k < 3; ++k)
      std::printf("%10.3f", 100 * error_to_signal(sound.segment(k * part, part), target.segment(k * part, part)));
    std::printf("%10.3f\n", 100 * error_to_signal(sound, target));
    return error_to_signal(sound, target);
  };
  const Sound shaped = best.shaper(input);
  judge("best gain", best.linear(input));
  judge("best gain * tanh(drive x)", shaped);
  const double curve = judge("best curve of any shape", best.any_curve(input));
  judge("Elman, 16 units", by_elman);
  const double network = judge("LSTM, 16 units", by_lstm);
  recur::require(brief || network < curve / 10, "the LSTM's error must be less than a tenth of any curve's");

  write_files("realtime", input, target, shaped, by_elman, by_lstm);
} catch (const std::exception& error) {
  std::fprintf(stderr, "06_realtime: %s\n", error.what());
  return 1;
}
