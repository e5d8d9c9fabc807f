// Labels without times: against all paths, one by one; decoding; training; and every error. PyTorch's numbers are in
// oracles/losses.test.cpp.
#include "catch.hpp"
#include "central_differences.hpp"
#include "helpers.hpp"

#include <recur/recur.hpp>

#include <limits>
#include <map>

using namespace recur;
using recur_test::message_of, recur_test::worst_difference;

namespace {

/// The probability of each labelling of a sequence: all K^T paths, one by one.
std::map<std::vector<int>, double> all_labellings(const Series<double>& y, Index n, int blank) {
  const Index K = y.features(), T = SeriesView<const double>(y).length(n);
  std::map<std::vector<int>, double> probabilities;
  Index paths = 1;
  for (Index t = 0; t < T; ++t) paths *= K;
  for (Index path = 0; path < paths; ++path) {
    double probability = 1;
    std::vector<int> labels;
    Index before = blank, rest = path;
    for (Index t = 0; t < T; ++t, rest /= K) {
      const Index symbol = rest % K;
      probability *= std::exp(y[t](symbol, n)) / y[t].col(n).array().exp().sum();
      if (symbol != before && symbol != blank) labels.push_back(static_cast<int>(symbol));
      before = symbol;
    }
    probabilities[labels] += probability;
  }
  return probabilities;
}
Series<double> random_scores(Index features, Index batch, Index steps, unsigned seed) {
  std::mt19937 rng(seed);
  Series<double> y(features, batch, steps);
  y.setRandom(rng);
  y.matrix() *= 2;
  return y;
}

}  // namespace

TEST_CASE("ctc is -ln of the sum over all paths that give the labels", "[ctc]") {
  for (const int blank : {0, 2}) {
    auto y = random_scores(3, 2, 6, 1);
    y.set_lengths({6, 4});
    double sum = 0;
    int labellings = 0;
    for (const auto& [labels, probability] : all_labellings(y, 0, blank)) {
      for (const auto& [others, other_probability] : all_labellings(y, 1, blank)) {
        const auto value = Ctc({.blank = blank})(y, Labels{labels, others}).value;
        CHECK(value.mean == Approx(-(std::log(probability) + std::log(other_probability)) / 2).epsilon(1e-12));
        CHECK(value.counted == 2);
      }
      sum += probability;
      ++labellings;
    }
    CHECK(sum == Approx(1));
    CHECK(labellings > 30);
  }
}

TEST_CASE("dL/dy of ctc agrees with central differences", "[ctc]") {
  auto y = random_scores(4, 3, 7, 2);
  y.set_lengths({7, 5, 3});
  const Labels labels{{1, 1, 3}, {2, 3, 2}, {}};
  const auto dy = ctc(y, labels).dy;
  CHECK(worst_difference(y, dy, [&](const auto& moved) { return double(ctc(moved, labels).value); }) < 1e-9);
}

TEST_CASE("Labels that no path gives have an infinite loss, or none where that is asked for", "[ctc]") {
  auto y = random_scores(3, 2, 3, 3);
  const Labels labels{{1, 1, 1}, {2}};  // the first needs two blanks more
  const auto [value, dy] = ctc(y, labels);
  CHECK(value.mean == std::numeric_limits<double>::infinity());
  for (Index t = 0; t < 3; ++t) {
    CHECK(dy[t].col(0).array().isNaN().all());
    CHECK(dy[t].col(1).allFinite());
  }
  const auto without = Ctc({.zero_infinity = true})(y, labels);
  CHECK(without.value.mean == Approx(-std::log(all_labellings(y, 1, 0).at({2})) / 2));
  const auto of_second = ctc(y, Labels{{1}, {2}});
  for (Index t = 0; t < 3; ++t) {
    CHECK(without.dy[t].col(0).isZero(0));
    CHECK(without.dy[t].col(1) == of_second.dy[t].col(1));
  }
}

TEST_CASE("A beam search that keeps everything finds the likeliest labels, a greedy one the likeliest path", "[ctc]") {
  int differ = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    auto y = random_scores(3, 2, 5, seed);
    y.set_lengths({5, 3});
    const auto found = ctc_beam_search(y, 1000), greedy = ctc_greedy(y);
    for (Index n = 0; n < 2; ++n) {
      const auto all = all_labellings(y, n, 0);
      const auto likeliest =
          std::max_element(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      CHECK(found[static_cast<std::size_t>(n)] == likeliest->first);
    }
    differ += found != greedy;
  }
  CHECK(differ > 3);

  Series<double> y(3, 1, 7);
  const int path[] = {1, 1, 0, 1, 2, 2, 0};
  for (Index t = 0; t < 7; ++t) y[t](path[t], 0) = 3;
  CHECK(ctc_greedy(y) == Labels{{1, 1, 2}});
  CHECK(ctc_beam_search(y, 4) == Labels{{1, 1, 2}});
  CHECK(ctc_greedy(y, {.blank = 2}) == Labels{{1, 0, 1, 0}});
}

TEST_CASE("train learns labels without times", "[ctc]") {
  std::mt19937 rng(1);
  // Each label is a pulse on an input of its own, somewhere.
  Series<float> x(3, 24, 20);
  Labels labels(24);
  for (Index n = 0; n < 24; ++n)
    for (Index t = 2; t < 18; t += 3 + static_cast<Index>(uniform_below(rng, 4))) {
      const int label = static_cast<int>(uniform_below(rng, 3));
      x[t](label, n) = 1;
      labels[static_cast<std::size_t>(n)].push_back(label + 1);
    }
  Sequence net(Lstm<float>(3, 16), Readout<float>(16, 4, {.bias = true}));
  initialize(net, rng);
  Adam adam(net, {.rate = 0.02});
  const LabelData data(x, labels);
  const auto result = train(net, adam, ctc, data, rng, {.epochs = 120, .batch = 8, .clip_norm = 1});
  CHECK(result.losses.front() > 5);
  CHECK(evaluate(net, data, ctc) < 0.2);
  CHECK(ctc_greedy(net.forward(x)) == labels);
}

TEST_CASE("ctc says what does not fit", "[ctc]") {
  const Series<float> y(4, 2, 3), empty(4, 0, 3);
  CHECK(message_of([&] { ctc(y, Labels{{1}}); }) == "ctc: labels.size() must be 2 (y.batch()), got 1");
  CHECK(message_of([&] { ctc(y, Labels{{1}, {2, 4}}); }) ==
        "ctc: labels[1] must be in 0 .. 3 and not the blank 0, got 4");
  CHECK(message_of([&] { ctc(y, Labels{{1}, {0}}); }) == "ctc: labels[1] must be in 0 .. 3 and not the blank 0, got 0");
  CHECK(message_of([&] { Ctc({.blank = 4})(y, Labels(2)); }) == "ctc: blank must be in 0 .. 3, got 4");
  CHECK(message_of([&] { ctc(SeriesView<const float>(y).window(0, 2), Labels(2)); }) ==
        "ctc: y must have whole sequences, got a window of them (sequence 0 goes on)");
  CHECK(message_of([&] { ctc_beam_search(y, 0); }) == "ctc_beam_search: width > 0 expected, got 0");
  CHECK(message_of([&] { ctc_greedy(y, {.blank = -1}); }) == "ctc_greedy: blank must be in 0 .. 3, got -1");
  CHECK_THAT(message_of([&] { ctc(empty, Labels()); }), Catch::Matchers::StartsWith("ctc: y must have at least"));
  const Labels three(3);
  CHECK(message_of([&] { LabelData(y, three); }) == "LabelData: labels.size() must be 2 (x.batch()), got 3");
}
