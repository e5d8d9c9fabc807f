// What train() leaves out of the gradient of tokens' weights makes no difference.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/recur.hpp>

#include <random>

using namespace recur;
using recur::detail::TouchedColumns;
using recur_test::message_of, recur_test::same_parameters;

namespace {

constexpr int kinds = 23;

/// Sgd as an optimiser of one's own, which is given the whole gradient.
template <class Net>
struct WholeSgd {
  recur::Sgd<Net> sgd;
  recur::SgdOptions& options = sgd.options;

  void step(Net& net, const Net& gradient) { sgd.step(net, gradient); }
};

/// Random tokens of few kinds in each window, of unequal lengths; what is past them is no token.
struct Text {
  explicit Text(std::mt19937& rng) : x(5, 12), classes(5, 12) {
    for (Index t = 0; t < 12; ++t)
      for (Index n = 0; n < 5; ++n) {
        x(n, t) = static_cast<int>(uniform_below(rng, 5)) + static_cast<int>(t / 4) * 6;
        classes(n, t) = static_cast<int>(uniform_below(rng, 3));
      }
    x.set_lengths({12, 9, 3, 12, 1});
    x(4, 11) = -1;
    x(2, 5) = kinds;
  }
  Tokens x;
  Classes classes;
};

/// Trains two copies of a network, one by what was touched and one by everything, and compares them to the bit.
template <class Net>
void check_same(Net net, SgdOptions sgd_options, TrainOptions options) {
  std::mt19937 rng(3);
  const Text text(rng);
  const TokenData data(text.x, text.classes);
  initialize(net, rng);
  Net by_touched = net, by_all = net;
  Sgd touched(by_touched, sgd_options);
  WholeSgd<Net> all{Sgd(by_all, sgd_options)};
  TrainState<Net> run_touched, run_all;
  std::mt19937 rng_touched(4), rng_all(4);
  const auto result = train(by_touched, touched, softmax_cross_entropy, data, rng_touched, run_touched, options);
  const auto expected = train(by_all, all, softmax_cross_entropy, data, rng_all, run_all, options);
  CHECK(result.losses == expected.losses);
  CHECK(run_touched.progress.gradient_norm == run_all.progress.gradient_norm);
  CHECK(same_parameters(by_touched, by_all));
  CHECK(same_parameters(*run_touched.good, *run_all.good));
  CHECK_FALSE(same_parameters(by_touched, net));
  CHECK_FALSE(same_parameters(*run_touched.good, by_touched));
}

}  // namespace

TEST_CASE("Sgd through the columns of tokens has the bits of Sgd through all", "[train][tokens]") {
  const TrainOptions options =
      GENERATE(TrainOptions{.epochs = 3, .batch = 2, .window = 4, .clip_norm = 0.1},
               TrainOptions{.epochs = 2, .batch = 5, .clip_value = 1e-3},
               TrainOptions{.epochs = 2, .batch = 3, .window = 5, .clip_norm = 1e-2, .clip_value = 1e-3});
  const SgdOptions sgd = GENERATE(SgdOptions{.rate = 0.1}, SgdOptions{.rate = 0.1, .momentum = 0.9},
                                  SgdOptions{.rate = 0.1, .weight_decay = 1e-2});
  check_same(Sequence(Stack<Elman<double>>(kinds, 6, 2), Readout<double>(6, 3)), sgd, options);
  check_same(Sequence(Embedding<double>(kinds, 6, {.padding = 1}), Elman<double>(6, 3)), sgd, options);
  if (options.window == 0)
    check_same(Sequence(Bidirectional(Gru<double>(kinds, 6), Gru<double>(kinds, 6)), Readout<double>(12, 3)), sgd,
               options);
}

TEST_CASE("The columns of tokens are those of all cells that read them, and of no others", "[tokens]") {
  std::mt19937 rng(5);
  Sequence net(Bidirectional(Elman<double>(kinds, 4), Elman<double>(kinds, 4)), Elman<double>(8, 3));
  initialize(net, rng);
  Tokens x(2, 3);
  x.matrix() << 7, 2, 9, 2, 7, -1;
  x.set_lengths({3, 2});
  auto trace = net.trace();
  auto gradient = zeros_like(net);
  const Series<double> dy(net.forward(x, trace));
  bptt(net, x, trace, dy, gradient);

  const TouchedColumns touched(net, trace, x, gradient);
  auto rest = gradient;
  Index numbers = 0;
  touched.visit(
      [&](auto g, auto r) {
        numbers += g.size();
        r.setZero();
      },
      gradient, rest);
  CHECK(global_norm(gradient) > 0);
  CHECK(global_norm(rest) == 0);
  CHECK(numbers == parameter_count(net) - 2 * (kinds - 3) * 4);
  CHECK(recur::detail::global_norm(gradient, touched) == global_norm(gradient));

  // The same tokens as vectors: all columns count.
  Series<double> vectors(kinds, 2, 3);
  vectors.set_lengths({3, 2});
  for (Index t = 0; t < 3; ++t)
    for (Index n = 0; n < 2; ++n)
      if (x(n, t) >= 0) vectors[t](x(n, t), n) = 1;
  net.forward(vectors, trace);
  bptt(net, vectors, trace, dy, gradient);
  numbers = 0;
  TouchedColumns(net, trace, SeriesView<const double>(vectors), gradient)
      .visit([&](auto g) { numbers += g.size(); }, gradient);
  CHECK(numbers == parameter_count(net));
}

TEST_CASE("A step that is not finite in a token's column is found, and undone", "[train][tokens]") {
  std::mt19937 rng(3);
  const Text text(rng);
  const TokenData data(text.x, text.classes);
  Sequence net(Elman<float>(kinds, 6), Readout<float>(6, 3));
  initialize(net, rng);
  Sgd sgd(net, {.rate = 0.1});
  const TrainOptions options{
      .epochs = 2, .batch = 5, .window = 4, .schedule = [](Index step) { return step < 2 ? 0.1 : 1e39; }};
  auto before = net;
  TrainOptions two_steps = options;
  two_steps.on_progress = [](const Progress& p) { return p.step < 2; };
  std::mt19937 rng_two(1), rng_all(1);
  Sgd sgd_two(before, {.rate = 0.1});
  train(before, sgd_two, softmax_cross_entropy, data, rng_two, two_steps);
  const std::string message =
      message_of<std::runtime_error>([&] { train(net, sgd, softmax_cross_entropy, data, rng_all, options); });
  CHECK_THAT(message, Catch::Matchers::ContainsSubstring("the step of the optimiser, of rate 1e+39, made 0.U "));
  CHECK(same_parameters(net, before));
}
