#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "random_series.hpp"

#include <recur/recur.hpp>

#include <map>

#ifdef _OPENMP
#include <omp.h>
#endif

using namespace recur;
using namespace recur_test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// The fewest segments that are gone through for states alone, by trying where each state could be kept.
Index fewest(Index segments, Index states) {
  static std::map<std::pair<Index, Index>, Index> known;
  if (segments == 1) return 0;
  if (states == 1) return segments * (segments - 1) / 2;
  if (const auto found = known.find({segments, states}); found != known.end()) return found->second;
  Index least = segments * segments;
  for (Index next = 1; next < segments; ++next)
    least = std::min(least, next + fewest(segments - next, states - 1) + fewest(next, states));
  return known[{segments, states}] = least;
}
/// How many to_next_state() asks for.
Index gone_through(Index segments, Index states) {
  if (segments == 1) return 0;
  const Index next = detail::to_next_state(segments, states);
  REQUIRE(next >= 1);
  REQUIRE(next < segments);
  if (states == 1) {
    CHECK(next == segments - 1);
    return next + gone_through(segments - 1, 1);
  }
  return next + gone_through(segments - next, states - 1) + gone_through(next, states);
}

using Net = Sequence<Lstm<double>, Readout<double>>;
Net network(std::mt19937& rng) {
  Net net(Lstm<double>(3, 16), Readout<double>(16, 2));
  initialize(net, rng);
  return net;
}

}  // namespace

TEST_CASE("As few segments as possible are gone through again", "[segments]") {
  for (Index states = 1; states <= 6; ++states)
    for (Index segments = 1; segments <= 40; ++segments) {
      INFO(segments << " segments, " << states << " states");
      CHECK(gone_through(segments, states) == fewest(segments, states));
    }
  CHECK(detail::to_next_state(1'000'000, 1'000'000) == 1);
  CHECK(detail::to_next_state(1'000'000, 2) < 1'000'000);
}

TEST_CASE("Segments begin where chunks of bptt do, and on one side of a step", "[segments]") {
  const Series<double> x(1, 5, 450);  // chunks of 102 steps
  BatchLayout layout;
  layout.assign(SeriesView<const double>(x));
  std::vector<Index> edges;
  const auto cut = [&](detail::Segmentation how, Index first, Index within, Index end) {
    how.edges(layout, first, within, end, edges);
    return edges;
  };
  CHECK(cut({}, 0, 0, 450) == std::vector<Index>{0, 450});
  CHECK(cut({}, 10, 100, 200) == std::vector<Index>{10, 100, 200});
  CHECK(cut({.chunks = 1}, 0, 0, 450) == std::vector<Index>{0, 42, 144, 246, 348, 450});
  CHECK(cut({.chunks = 2}, 0, 0, 450) == std::vector<Index>{0, 42, 246, 450});
  CHECK(cut({.every = 103}, 0, 0, 450) == std::vector<Index>{0, 42, 246, 450});
  CHECK(cut({.chunks = 1}, 0, 300, 450) == std::vector<Index>{0, 96, 198, 300, 348, 450});
  CHECK(cut({.chunks = 1}, 7, 7, 7) == std::vector<Index>{7, 7});
}

#ifdef _OPENMP
TEST_CASE("A trace stays within its memory with several threads, each of which has some of its own", "[segments]") {
  std::mt19937 rng(4);
  Lstm<double> net(8, 48);
  REQUIRE(parameter_count(net) >= 4096);
  initialize(net, rng);
  const auto x = random_series(8, 32, 300, rng), dy = random_series(48, 32, 300, rng);
  const auto few_x = random_series(8, 8, 300, rng), few_dy = random_series(48, 8, 300, rng);
  auto gradient = zeros_like(net), expected = gradient;
  auto all = net.trace();
  net.forward(x, all);
  bptt(net, x, all, dy, expected);
  constexpr Index memory = 12'000'000;
  auto trace = net.trace({.memory = memory});
  const int before = omp_get_max_threads();
  for (const int threads : {3, 1, 2}) {
    omp_set_num_threads(threads);
    INFO(threads << " threads");
    Index bytes = 0;
    for (const bool again : {false, true}) {
      net.forward(x, trace);
      bptt(net, x, trace, dy, gradient);
      CHECK(trace.segments() > 1);
      CHECK(trace.bytes() <= memory);
      CHECK((!again || trace.bytes() == bytes));
      CHECK(same_parameters(gradient, expected));
      bytes = trace.bytes();
    }
    net.forward(few_x, trace);  // in one thread
    bptt(net, few_x, trace, few_dy, gradient);
    CHECK(trace.bytes() <= memory);
  }
  // A loss that asks for more threads meanwhile gets them, though bptt has made memory for one.
  auto whole = net.trace();
  omp_set_num_threads(1);
  bptt(
      net, x, whole,
      [&](Index first, SeriesView<const double> y, Series<double>& d) {
        omp_set_num_threads(3);
        for (Index t = 0; t < y.steps(); ++t) d[t] = dy[first + t];
        return 0.0;
      },
      gradient);
  CHECK(same_parameters(gradient, expected));
  omp_set_num_threads(before);
}
#endif

TEST_CASE("A trace stays within its memory, and says what it needs", "[segments]") {
  std::mt19937 rng(1);
  const Net net = network(rng);
  const auto x = random_series(3, 2, 20'000, rng), dy = random_series(2, 2, 20'000, rng);
  auto all = net.trace();
  auto expected = zeros_like(net), gradient = expected;
  net.forward(x, all);
  bptt(net, x, all, dy, expected);
  CHECK(all.segments() == 1);
  for (const Index memory : {1'700'000, 1'800'000, 2'500'000, 5'000'000, 20'000'000, 100'000'000}) {
    INFO(memory);
    auto trace = net.trace({.memory = memory});
    net.forward(x, trace);
    bptt(net, x, trace, dy, gradient);
    CHECK(trace.bytes() <= memory);
    CHECK((trace.segments() > 1) == (memory < all.bytes()));
    CHECK(same_parameters(gradient, expected));
    bptt(net, x, trace, dy, gradient);  // again from the same trace
    CHECK(same_parameters(gradient, expected));
  }
  // y alone takes 640,000 bytes, which bptt with a loss does not need.
  auto little = net.trace({.memory = 1'200'000});
  const auto message = message_of([&] { net.forward(x, little); });
  CHECK_THAT(message, ContainsSubstring("forward: the trace's memory must be at least "));
  CHECK_THAT(message, ContainsSubstring(" bytes, of which y_1 .. y_T are 640000, got 1200000"));
  CHECK(little.batch() == 0);
  const auto given = [&](Index first, SeriesView<const double> y, Series<double>& d) {
    for (Index t = 0; t < y.steps(); ++t) d[t] = dy[first + t];
    return static_cast<double>(y.steps());
  };
  CHECK(bptt(net, x, little, given, gradient) == 20'000);
  CHECK(little.bytes() <= 1'200'000);
  CHECK(same_parameters(gradient, expected));
  CHECK(std::get<0>(net.final_state(little)) == std::get<0>(net.final_state(all)));

  // What was too much stays as it was.
  auto trace = net.trace({.memory = 1'200'000});
  const auto short_x = random_series(3, 2, 100, rng);
  const Series<double> y(net.forward(short_x, trace));
  CHECK_THAT(message_of([&] { net.forward(random_series(3, 2, 60'000, rng), trace); }), ContainsSubstring("memory"));
  CHECK(trace.steps() == 100);
  CHECK(Series<double>(net.output(trace)).matrix() == y.matrix());
}

TEST_CASE("The options of a trace are checked", "[segments]") {
  const Lstm<double> cell(2, 3);
  CHECK(message_of([&] { cell.trace({.memory = -1}); }) == "trace: memory >= 0 and every >= 0 expected, got -1 and 0");
  CHECK(message_of([&] { cell.trace({.every = -2}); }) == "trace: memory >= 0 and every >= 0 expected, got 0 and -2");
  CHECK(message_of([&] { cell.trace({.memory = 1, .every = 1}); }) ==
        "trace: either memory or every may be given, got both");
  const Bidirectional<Lstm<double>> both(2, 3);
  CHECK_THAT(message_of([&] { both.trace({.memory = 1000}); }),
             ContainsSubstring("are for networks that go forward in time alone"));
}

TEST_CASE("bptt with a loss adds its parts up, and goes on from a state", "[segments]") {
  std::mt19937 rng(2);
  const Net net = network(rng);
  const auto x = random_series(3, 4, 700, rng), target = random_series(2, 4, 700, rng);
  auto whole = net.trace();
  auto expected = zeros_like(net), gradient = expected;
  auto initial = net.state(4);
  visit_state([](auto& s) { s.setConstant(0.3); }, initial);
  Series<double> dy;
  const auto value = squared_error(net.forward(x, whole, initial), target, dy);
  bptt(net, x, whole, dy, expected);

  auto trace = net.trace({.every = 100});
  std::vector<Index> firsts;
  const auto loss = [&](Index first, SeriesView<const double> y, Series<double>& d) {
    firsts.push_back(first);
    CHECK(y.steps_left(0) == 700 - first);
    const auto part = squared_error(y, Series<double>(SeriesView<const double>(target).window(first, y.steps())), d);
    const double share = part.counted / value.counted;
    d.matrix() *= share;
    return share * part.mean;
  };
  CHECK(bptt(net, x, trace, loss, gradient, {.initial = &initial}) == Approx(value.mean).epsilon(1e-13));
  CHECK(firsts == std::vector<Index>{572, 444, 316, 188, 60, 0});
  CHECK((gradient.layer<0>().W - expected.layer<0>().W).norm() < 1e-14 * expected.layer<0>().W.norm());
  CHECK(std::get<0>(net.final_state(trace)) == std::get<0>(net.final_state(whole)));
  CHECK(message_of([&] { net.output(trace); }) ==
        "output: the trace has no outputs: bptt(), with a loss, went forward itself");
  CHECK(message_of([&] { net.output_of<0>(trace); }) ==
        "output_of: only for a trace that keeps all steps, got one of 6 segments");

  CHECK(message_of([&] { bptt(net, x, whole, dy, gradient, {.initial = &initial}); }) ==
        "bptt: initial must be left out where dy is given, for forward has had it");
  CHECK(message_of([&] { bptt(net, x, trace, loss, gradient, {.d_initial = &initial, .initial = &initial}); }) ==
        "bptt: initial and d_initial must be two states, got one");
  const auto resizes = [&](Index, SeriesView<const double>, Series<double>& d) {
    d.resize(2, 4, 1);
    return 0.0;
  };
  CHECK_THAT(message_of([&] { bptt(net, x, trace, resizes, gradient); }),
             ContainsSubstring("bptt: the loss must leave the sizes of dy, features 2, batch 4, steps 128"));
}

TEST_CASE("Tokens come from a reader, too", "[segments]") {
  std::mt19937 rng(3);
  Sequence net(Gru<double>(7, 9), Readout<double>(9, 2));
  initialize(net, rng);
  Tokens x(3, 600);
  for (Index j = 0; j < 1800; ++j) x.data()[j] = static_cast<int>(j * j % 7);
  x.set_lengths({600, 40, 599});
  const auto dy = random_series(2, 3, 600, rng);
  auto whole = net.trace();
  auto expected = zeros_like(net), gradient = expected;
  net.forward(x, whole);
  bptt(net, x, whole, SeriesView<const double>(dy).with_lengths(x.lengths()), expected);

  const auto loss = [&](Index first, const auto& y, auto& d) {
    for (Index t = 0; t < y.steps(); ++t) d[t] = dy[first + t];
    return 0.0;
  };
  const auto read = [&](Index first, Tokens& part) {
    for (Index t = 0; t < part.steps(); ++t)
      for (Index n = 0; n < 3; ++n) part(n, t) = x(n, first + t);
  };
  auto trace = net.trace({.every = 1});
  bptt(net, TokensReader(3, 600, read).with_lengths(x.lengths()), trace, loss, gradient);
  CHECK(trace.segments() > 2);
  CHECK(same_parameters(gradient, expected));
  bptt(net, x, trace, loss, gradient);
  CHECK(same_parameters(gradient, expected));
  const auto wrong = [](Index, Tokens& part) { part.matrix().setConstant(7); };
  CHECK_THAT(message_of([&] { bptt(net, TokensReader(3, 600, wrong), trace, loss, gradient); }),
             ContainsSubstring("TokensReader: x(0, 0) must be in 0 .. 6 (inputs() kinds of tokens), got 7"));
}

TEST_CASE("Readers are checked", "[segments]") {
  const auto nothing = [](Index, auto&) {};
  CHECK(message_of([&] { SeriesReader<double>(0, 3, nothing); }) ==
        "SeriesReader: batch > 0 and steps > 0 expected, got 0 and 3");
  CHECK(message_of([&] { TokensReader(1, 0, nothing); }) ==
        "TokensReader: batch > 0 and steps > 0 expected, got 1 and 0");
  CHECK(message_of([&] { SeriesReader<double>(1, 1, nullptr); }) ==
        "SeriesReader: a function that reads expected, got an empty one");
  CHECK(message_of([&] { TokensReader(1, 1, nullptr); }) ==
        "TokensReader: a function that reads expected, got an empty one");
  Series<double> part(2, 1, 3);
  const SeriesReader<double> resizes(1, 9, [](Index, Series<double>& to) { to.resize(2, 1, 4); });
  CHECK(message_of([&] { resizes.read(0, part); }) ==
        "SeriesReader: the function must leave the sizes of its part, features 2, batch 1, steps 3, as they are, got "
        "2, 1 and 4");
  Tokens tokens(1, 3);
  const TokensReader tokens_resizes(1, 9, [](Index, Tokens& to) { to.resize(2, 3); });
  CHECK(message_of([&] { tokens_resizes.read(0, tokens); }) ==
        "TokensReader: the function must leave the sizes of its part, batch 1, steps 3, as they are, got 2 and 3");
}

TEST_CASE("What a short series needs does not say what a long one does, nor memory of one what another has",
          "[segments]") {
  std::mt19937 rng(4);
  const Net net = network(rng);
  const auto long_x = random_series(3, 1, 30'000, rng), short_x = random_series(3, 1, 4, rng);
  auto fresh = net.trace({.memory = 2'500'000}), used = fresh;
  net.forward(short_x, used);
  const Series<double> y(net.forward(long_x, fresh));
  CHECK(Series<double>(net.forward(long_x, used)).matrix() == y.matrix());
  CHECK(used.segments() == fresh.segments());

  // One that just fits whole, then one that does not.
  auto gradient = zeros_like(net);
  const auto middle_x = random_series(3, 1, 2'000, rng), dy = random_series(2, 1, 30'000, rng);
  net.forward(middle_x, used);
  CHECK(used.segments() == 1);
  net.forward(long_x, used);
  bptt(net, long_x, used, dy, gradient);
  CHECK(used.segments() > 1);
  CHECK(used.bytes() <= 2'500'000);
}

TEST_CASE("Where a reader or a loss throws, the trace is empty", "[segments]") {
  std::mt19937 rng(5);
  const Net net = network(rng);
  auto gradient = zeros_like(net);
  const auto x = random_series(3, 2, 40, rng), dy = random_series(2, 2, 40, rng);
  for (const TraceOptions& options : {TraceOptions{}, TraceOptions{.every = 1}})
    for (const Index steps : {40, 1000})
      for (const Index window : {0, 30}) {
        auto trace = net.trace(options);
        net.forward(x, trace);
        const SeriesReader<double> read(2, steps, [](Index, Series<double>& part) { part.matrix().setOnes(); });
        const SeriesReader<double> fails(2, steps, [](Index, auto&) { throw std::runtime_error("no file"); });
        const auto zero = [](Index, const auto&, auto&) { return 0.0; };
        const auto refuses = [](Index, const auto&, auto&) -> double { throw std::runtime_error("no loss"); };
        const auto message = [&](const auto& from, const auto& loss) {
          return message_of<std::runtime_error>([&] { bptt(net, from, trace, loss, gradient, {.window = window}); });
        };
        CHECK(message(fails, zero) == "no file");
        CHECK(trace.batch() == 0);
        CHECK(message(read, refuses) == "no loss");
        CHECK(trace.batch() == 0);
        CHECK_THAT(message_of([&] { bptt(net, x, trace, dy, gradient); }), ContainsSubstring("got an empty one"));
        CHECK_THAT(message_of([&] { net.final_state(trace); }), ContainsSubstring("got an empty one"));
        net.forward(x, trace);
        bptt(net, x, trace, dy, gradient);
        CHECK(trace.batch() == 2);
      }
}
