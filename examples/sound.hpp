#pragma once
// What 06_realtime needs that is no network: sounds, the device that is to be imitated, what simpler models make of it,
// and files. Nothing of recur but its random numbers.

#include <recur/base/random.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <numbers>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef RECUR_EXAMPLE_SNDFILE
#include <sndfile.h>
#endif

constexpr int sample_rate = 48'000;
using Sound = Eigen::VectorXf;

/// The magnetic core of a transformer, or of tape, after D. C. Jiles and D. L. Atherton (1986), without the field that
/// it exerts upon itself. It saturates, softly, and it remembers: what comes out depends on whence the input came.
///
///     L(v) = coth v - 1 / v                                  where the magnetisation would like to be
///     dm = (L(v) - m) |dv| / k  if it has dv's sign, else 0  where friction lets it go
///     y = c L(v) + (1 - c) m
class Core {
 public:
  float operator()(float sample) {
    const float v = 4 * sample, dv = v - before_;
    const float L = std::abs(v) < 0.01f ? v / 3 : 1 / std::tanh(v) - 1 / v;
    if ((L - m_) * dv > 0) m_ += (L - m_) * (1 - std::exp(-std::abs(dv) / k));
    before_ = v;
    return c * L + (1 - c) * m_;
  }

 private:
  static constexpr float k = 0.6f, c = 0.3f;
  float m_ = 0, before_ = 0;
};
inline Sound through_core(Sound sound) {
  Core core;
  for (float& sample : sound) sample = core(sample);
  return sound;
}

/// A string that is plucked anew each half second (K. Karplus, A. Strong, 1983).
inline Sound plucked_string(Eigen::Index samples, std::mt19937& rng) {
  Sound sound(samples);
  std::vector<float> string;
  std::size_t i = 0;
  for (Eigen::Index t = 0; t < samples; ++t) {
    if (t % (sample_rate / 2) == 0) {
      string.resize(std::size_t(sample_rate / (80 * std::exp2(recur::uniform(rng, 0, 3)))));  // 80 to 640 Hz
      for (float& place : string) place = float(recur::uniform(rng, -1, 1));
      for (int pass = 0; pass < 6; ++pass)
        for (i = 0; i < string.size(); ++i) string[i] = (string[i] + string[(i + 1) % string.size()]) / 2;
      const auto [low, high] = std::minmax_element(string.begin(), string.end());
      const float scale = float(recur::uniform(rng, 0.3, 1)) / std::max(-*low, *high);
      for (float& place : string) place *= scale;
      i = 0;
    }
    sound[t] = string[i];
    const std::size_t next = (i + 1) % string.size();
    string[i] = 0.998f * (string[i] + string[next]) / 2;
    i = next;
  }
  return sound;
}
/// Bursts of dull noise, ten a second, that fade.
inline Sound noise_bursts(Eigen::Index samples, std::mt19937& rng) {
  Sound sound(samples);
  const double cutoff = 0.05 * std::exp2(recur::uniform(rng, 0, 2)), level = recur::uniform(rng, 1, 3);
  double once = 0, twice = 0;
  for (Eigen::Index t = 0; t < samples; ++t) {
    once += cutoff * (recur::uniform(rng, -1, 1) - once);
    twice += cutoff * (once - twice);
    sound[t] = float(level * twice / std::sqrt(cutoff) * std::exp(-30 * double(t % (sample_rate / 10)) / sample_rate));
  }
  return sound;
}
/// A sine whose pitch rises.
inline Sound sweep(Eigen::Index samples, std::mt19937& rng) {
  Sound sound(samples);
  const double level = recur::uniform(rng, 0.3, 1), rise = std::exp2(recur::uniform(rng, 2, 5) / double(samples));
  double hertz = 30 * std::exp2(recur::uniform(rng, 0, 3)), phase = 0;
  for (float& sample : sound) {
    sample = float(level * std::sin(phase += 2 * std::numbers::pi * hertz / sample_rate));
    hertz *= rise;
  }
  return sound;
}

/// Error-to-signal ratio: the power of what is wrong with y, of that of the target.
inline double error_to_signal(const auto& y, const auto& target) {
  return double((y - target).squaredNorm() / target.squaredNorm());
}

/// The best that can be done without memory: y = gain x, y = gain tanh(drive x), and any curve at all (the means of y
/// in 256 intervals of x), as least squares has them.
struct WithoutMemory {
  float gain, drive = 0, tanh_gain = 0, least, width;
  Sound curve = Sound::Zero(256);

  WithoutMemory(const Sound& x, const Sound& y)
      : gain(x.dot(y) / x.squaredNorm()), least(x.minCoeff()), width((x.maxCoeff() - least) / 255.99f) {
    double lowest = 1e30;
    for (float candidate = 0.1f; candidate < 20; candidate *= 1.02f) {
      const Sound shaped = (candidate * x).array().tanh();
      const float its_gain = shaped.dot(y) / shaped.squaredNorm();
      if (const double error = double((its_gain * shaped - y).squaredNorm()); error < lowest) {
        lowest = error;
        drive = candidate;
        tanh_gain = its_gain;
      }
    }
    Sound count = curve;
    for (Eigen::Index t = 0; t < x.size(); ++t) {
      curve[interval(x[t])] += y[t];
      ++count[interval(x[t])];
    }
    curve = curve.cwiseQuotient(count.cwiseMax(1));
  }
  Sound linear(const Sound& x) const { return gain * x; }
  Sound shaper(const Sound& x) const { return tanh_gain * (drive * x).array().tanh(); }
  Sound any_curve(const Sound& x) const {
    return x.unaryExpr([&](float sample) { return curve[interval(sample)]; });
  }

 private:
  Eigen::Index interval(float sample) const { return Eigen::Index(std::clamp((sample - least) / width, 0.f, 255.f)); }
};

/// Writes a WAV file, by libsndfile.
inline void write_wav([[maybe_unused]] const std::string& path, [[maybe_unused]] const Sound& sound) {
#ifdef RECUR_EXAMPLE_SNDFILE
  SF_INFO info = {};
  info.samplerate = sample_rate;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  SNDFILE* const file = sf_open(path.c_str(), SFM_WRITE, &info);
  const bool written = file && sf_writef_float(file, sound.data(), sound.size()) == sound.size();
  if (!file || sf_close(file) != 0 || !written) throw std::runtime_error(path + ": cannot be written");
  std::printf("%s\n", path.c_str());
#endif
}

/// A plot, by gnuplot: the string and the sweep, from second 0.6 and 4 on; the columns as 06_realtime.gnuplot has them.
inline void draw(const std::string& svg, const Eigen::MatrixXf& sounds) {
  FILE* const gnuplot = std::system("gnuplot --version > /dev/null 2>&1") == 0 ? popen("gnuplot", "w") : nullptr;
  if (!gnuplot) {
    std::puts("Nothing is drawn, as gnuplot is not installed.");
    return;
  }
  const Eigen::IOFormat block(6, Eigen::DontAlignCols, " ", "\n", "", "", " << end\n", "\nend\n");
  const auto stretch = [&](double from, double milliseconds) {
    const auto count = Eigen::Index(milliseconds * sample_rate / 1000);
    Eigen::MatrixXf rows(count, sounds.cols() + 1);
    rows << Sound::LinSpaced(count, 0, float(milliseconds)), sounds.middleRows(Eigen::Index(from * sample_rate), count);
    return rows;
  };
  std::ostringstream script;
  script << "$wave" << stretch(0.6, 8).format(block) << "$loop" << stretch(4, 60).format(block)
         << "svg = " << std::quoted(svg, '\'', '\'') << "\nload '" RECUR_SOURCE_DIR "/examples/06_realtime.gnuplot'\n";
  std::fputs(script.str().c_str(), gnuplot);
  if (pclose(gnuplot) != 0) throw std::runtime_error(svg + ": gnuplot could not draw it");
  std::printf("%s\n", svg.c_str());
}

/// What can be heard and seen of it, in files whose names begin with `name`.
inline void write_files(const std::string& name, const Sound& input, const Sound& target, const Sound& shaped,
                        const Sound& by_elman, const Sound& by_lstm) {
  std::puts("");
  write_wav(name + "_input.wav", input);
  write_wav(name + "_target.wav", target);
  write_wav(name + "_output.wav", by_lstm);
#ifndef RECUR_EXAMPLE_SNDFILE
  std::puts("No WAV files are written, as this was compiled without libsndfile.");
#endif
  Eigen::MatrixXf sounds(input.size(), 5);
  sounds << input, target, shaped, by_elman, by_lstm;
  draw(name + ".svg", sounds);
}
