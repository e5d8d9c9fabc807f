// A network in an audio callback. It learns to sound like an overdriven amplifier, from a recording of what goes in and
// what comes out; then it takes the amplifier's place, one sample at a time: no heap, no lock, no exception.
#include <recur/recur.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <numbers>

using recur::Index;
using Model = recur::Sequence<recur::Elman<float, recur::Tanh, 1, 16>, recur::Readout<float, 16, 1>>;

/// What is to be learnt, sample by sample: a low-pass filter, then a stage that saturates, one way sooner than the other.
struct Amplifier {
  float charge = 0;
  float operator()(float sample) {
    charge += 0.3f * (sample - charge);
    return std::tanh(4 * charge + 0.5f) - std::tanh(0.5f);
  }
};

/// Some chords that fade, each another; N of them side by side, T samples long.
recur::Series<float> chords(Index count, Index samples, std::mt19937& rng) {
  recur::Series<float> sound(1, count, samples);
  for (Index n = 0; n < count; ++n)
    for (const int note : {0, 4, 7}) {
      const double pitch = 110 * std::exp2((note + std::floor(recur::uniform(rng, 0, 24))) / 12);
      for (Index t = 0; t < samples; ++t) {
        const double seconds = double(t) / 48'000;
        sound[t](0, n) += float(0.3 * std::exp(-8 * seconds) * std::sin(2 * std::numbers::pi * pitch * seconds));
      }
    }
  return sound;
}
recur::Series<float> amplified(const recur::Series<float>& sound) {
  auto result = sound;
  for (Index n = 0; n < sound.batch(); ++n) {
    Amplifier amplifier;
    for (Index t = 0; t < sound.steps(); ++t) result[t](0, n) = amplifier(sound[t](0, n));
  }
  return result;
}

/// What an audio driver calls, again and again, with some samples to be changed in place.
void callback(float* samples, int count, recur::Stream<Model>& stream) noexcept {
  for (int i = 0; i < count; ++i) samples[i] = stream.step(samples[i]);
}

int main() {
  std::mt19937 rng(1);
  const auto played = chords(32, 4'800, rng), heard = amplified(played);

  Model model;
  recur::initialize(model, rng);
  recur::Adam adam(model, {.rate = 4e-3});
  const recur::SeriesData recording(played, heard);
  recur::TrainOptions options{.epochs = 30, .window = 120, .clip_norm = 1};
  options.schedule = [&](Index step) { return recur::cosine(step, 40 * options.epochs, 4e-3); };
  options.on_progress = [](const recur::Progress& p) {
    if (p.epoch_end) std::printf("\repoch %2td of %td, mean square error %.1e", p.epoch + 1, p.epochs, p.loss);
    return std::fflush(stdout) == 0;
  };
  recur::train(model, adam, recur::squared_error, recording, rng, options);

  // A chord that it never heard, in blocks of 64 samples; beside it, the best that a mere gain can do.
  const auto fresh = chords(1, 48'000, rng), wanted = amplified(fresh);
  const auto x = fresh.matrix().row(0), y = wanted.matrix().row(0);
  auto sound = fresh;
  recur::Stream stream(model);
  const auto start = std::chrono::steady_clock::now();
  for (Index t = 0; t < sound.steps(); t += 64) callback(sound.data() + t, 64, stream);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const float gain = x.dot(y) / x.squaredNorm();
  const double power = y.squaredNorm(), error = (sound.matrix().row(0) - y).squaredNorm();
  std::printf("\n\nof a second never heard, the error's share of the signal's power:\n");
  std::printf("  best gain  %7.3f %%\n  network    %7.3f %%\n", 100 * (gain * x - y).squaredNorm() / power,
              100 * error / power);
  std::printf("one sample takes %.0f ns, of the %.0f that there are at 48 kHz\n", 1e9 * took.count() / 48'000,
              1e9 / 48'000);
}
