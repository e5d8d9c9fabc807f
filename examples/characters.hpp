#pragma once
// What 02_characters needs that is no network: text, and what simpler models make of it. Nothing of recur.

#include "bar.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// The headers of the library, and its README.
inline std::vector<std::string> own_files(const std::filesystem::path& home) {
  std::vector<std::string> files;
  if (std::filesystem::exists(home / "README.md")) files.push_back(home / "README.md");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(home / "include" / "recur")) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Text to learn, and text to be judged by: the last tenth of each file, at most 100,000 characters, is held out.
struct Corpus {
  std::string text;       ///< what is there to learn, then what is held out
  std::size_t known = 0;  ///< how much is there to learn
  std::string alphabet;   ///< the bytes in it; all others are left out of what is held out

  Corpus(const std::vector<std::string>& files, std::size_t least) {
    std::string judge;
    for (const std::string& file : files) {
      std::ostringstream stream;
      stream << std::ifstream(file, std::ios::binary).rdbuf();
      if (!stream) throw std::runtime_error(file + ": cannot be read, or is empty");
      const std::string all = stream.str();
      const std::size_t last = std::min<std::size_t>(all.size() / 10, 100'000);
      text += all.substr(0, all.size() - last);
      judge += all.substr(all.size() - last);
    }
    const std::set<char> used(text.begin(), text.end());
    alphabet.assign(used.begin(), used.end());
    std::erase_if(judge, [&](char c) { return !used.contains(c); });
    known = text.size();
    text += judge;
    if (known < least || judge.size() < 50) {
      throw std::runtime_error(files.front() + (files.size() > 1 ? " and the other files" : "") + ": too short: " +
                               std::to_string(known) + " characters to learn and " + std::to_string(judge.size()) +
                               " held out, at least " + std::to_string(least) + " and 50 expected");
    }
  }

  void print_sizes() const {
    std::printf("%zu characters of %zu kinds to learn, %zu held out\n", known, alphabet.size(), text.size() - known);
  }
  std::string_view to_learn() const { return std::string_view(text).substr(0, known); }
  /// With the character before it, which says something of its first.
  std::string_view held_out() const { return std::string_view(text).substr(known - 1); }
};

/// The bytes of a text as numbers, "10 32 97": for files in which text must be UTF-8, as single bytes are not.
inline std::string numbers_of(std::string_view text) {
  std::string numbers;
  for (const char c : text) numbers += std::to_string(static_cast<unsigned char>(c)) + ' ';
  return numbers;
}
inline std::string text_of(const std::string& numbers) {
  std::istringstream stream(numbers);
  std::string text;
  for (int number = 0; stream >> number;) text += static_cast<char>(number);
  return text;
}

/// Bits per character of what is held out, under unigram, bigram and trigram models of the rest: with n(s) characters
/// of k(s) kinds after the string s (I. H. Witten, T. C. Bell, 1991),
///
///     P(c | s) = (count(s c) + k(s) P(c | s without its first character)) / (n(s) + k(s))
inline std::array<double, 3> ngram_bits(const Corpus& corpus) {
  const std::string_view text = corpus.text;
  std::unordered_map<std::string_view, double> count, n, k;
  std::array<double, 3> bits = {};
  for (std::size_t end = 3; end <= text.size(); ++end) {
    double p = 1 / double(corpus.alphabet.size());
    for (std::size_t length = 1; length <= 3; ++length) {
      const auto s = text.substr(end - length, length - 1), sc = text.substr(end - length, length);
      if (end <= corpus.known) {
        ++n[s];
        if (count[sc]++ == 0) ++k[s];
      } else {
        if (n[s] > 0) p = (count[sc] + k[s] * p) / (n[s] + k[s]);
        bits[length - 1] -= std::log2(p) / double(text.size() - corpus.known);
      }
    }
  }
  return bits;
}

/// How many bits `xz -9e` makes of a text; NaN where it cannot be run.
inline double xz_bits(std::string_view text) {
  double bytes = 0;
  if (std::FILE* const file = std::tmpfile()) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::rewind(file);
    const std::string command = "xz -9ec 2>/dev/null </dev/fd/" + std::to_string(fileno(file)) + " | wc -c";
    if (std::FILE* const xz = popen(command.c_str(), "r")) {
      if (std::fscanf(xz, "%lf", &bytes) != 1) bytes = 0;
      pclose(xz);
    }
    std::fclose(file);
  }
  return bytes > 0 ? 8 * bytes : std::nan("");
}

/// A table of how well what is held out is foretold from the rest: by a network, in bits per character, and by simpler
/// models. For xz: what it adds to the compressed file.
inline void print_result(const Corpus& corpus, double network) {
  const std::size_t held_out = corpus.text.size() - corpus.known;
  const auto [unigrams, bigrams, trigrams] = ngram_bits(corpus);
  const double xz = (xz_bits(corpus.text) - xz_bits(corpus.to_learn())) / double(held_out);
  std::printf("\nbits per character of the %zu held out:\n", held_out);
  std::printf("  unigrams  %.3f\n  bigrams   %.3f\n  trigrams  %.3f\n", unigrams, bigrams, trigrams);
  std::printf(std::isnan(xz) ? "  xz -9e    cannot be run here\n" : "  xz -9e    %.3f\n", xz);
  std::printf("  network   %.3f\n\n", network);
}

inline void print(const std::string& text) { std::printf("%s\n", printable(text).c_str()); }

/// A bar that shows a loss.
class LossBar : public Bar {
 public:
  using Bar::Bar;
  /// `loss` in nats, of which the mean over some 50 calls is shown.
  void show(double share, double loss) {
    mean_ += (loss - mean_) / std::min(++calls_, 50.0);
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "loss %.3f, %.2f bits per character", mean_, mean_ / std::log(2.0));
    Bar::show(share, text.data());
  }

 private:
  double mean_ = 0, calls_ = 0;
};
