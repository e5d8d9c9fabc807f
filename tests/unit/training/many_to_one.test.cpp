// One target for a sequence: losses and metrics of last steps, in windows too, and a classifier in both directions.
#include "catch.hpp"
#include "central_differences.hpp"
#include "helpers.hpp"
#include "random_series.hpp"

#include <recur/recur.hpp>

using namespace recur;
using recur_test::message_of, recur_test::random_series, recur_test::worst_difference;

namespace {

/// Whether the largest number of a sequence is in its first feature, or its second.
struct Task {
  Series<double> x;
  Classes classes;
  explicit Task(Index count, unsigned seed) : x(random_series(2, count, 12, seed)), classes(count, 1) {
    std::vector<Index> lengths;
    for (Index n = 0; n < count; ++n) {
      lengths.push_back(4 + n % 9);
      double largest = -1;
      for (Index t = 0; t < lengths.back(); ++t)
        for (int i = 0; i < 2; ++i)
          if (x[t](i, n) > largest) largest = x[t](i, n), classes(n, 0) = i;
    }
    x.set_lengths(std::move(lengths));
  }
  ClassData<double> data() const { return {x, classes}; }
};

}  // namespace

TEST_CASE("ManyToOne is the loss of each sequence's last step", "[many_to_one]") {
  auto y = random_series(3, 3, 5, 1);
  y.set_lengths({5, 2, 4});
  const Classes classes = (Classes(3, 1) << 0, 2, 1).finished();
  const ManyToOne loss(softmax_cross_entropy);
  const auto [value, dy] = loss(y, classes);
  Classes all = Classes::Zero(3, 5);
  all(0, 4) = 0, all(1, 1) = 2, all(2, 3) = 1;
  const auto masked = softmax_cross_entropy(y, all, last_step(y));
  CHECK(value.mean == masked.value.mean);
  CHECK(value.counted == 3);
  CHECK(dy.matrix() == masked.dy.matrix());
  CHECK(ManyToOne(accuracy)(y, classes).mean == accuracy(y, all, last_step(y)).mean);

  const auto target = random_series(3, 3, 1, 2);
  auto weights = random_series(3, 3, 1, 3);
  weights.matrix() = weights.matrix().cwiseAbs();
  const Weighted weighted{target, weights};
  const ManyToOne error(squared_error);
  const auto squared = error(y, weighted);
  CHECK(worst_difference(y, squared.dy, [&](const auto& moved) { return double(error(moved, weighted).value); }) <
        1e-8);
  CHECK(error(y, Weighted{target, present(target)}).value.mean == Approx(error(y, target).value.mean).epsilon(1e-15));
}

TEST_CASE("ManyToOne does not write a gradient over y or the target", "[many_to_one]") {
  auto y = random_series(2, 3, 6, 1), target = random_series(2, 3, 1, 2);
  const ManyToOne loss(squared_error);
  CHECK(message_of([&] { loss(y, target, y); }) ==
        "ManyToOne: dy must be another series than y, got one that lies in the same memory");
  CHECK(message_of([&] { loss(y, target, target); }) ==
        "ManyToOne: dy must be another series than target, got one that lies in the same memory");
}

TEST_CASE("In a window only sequences that end within it count", "[many_to_one]") {
  auto y = random_series(2, 3, 6, 1);
  y.set_lengths({6, 2, 4});
  const auto target = random_series(2, 3, 1, 2);
  const ManyToOne loss(squared_error);
  const SeriesView<const double> all(y);
  double sum = 0, counted = 0;
  for (Index first = 0; first < 6; first += 2) {
    const auto [value, dy] = loss(all.window(first, 2), target);
    CHECK(value.counted == 1);
    sum += value.mean * value.counted;
    counted += value.counted;
  }
  CHECK(sum / counted == Approx(loss(y, target).value.mean).epsilon(1e-15));
  const auto none = loss(SeriesView<const double>(random_series(2, 3, 6, 1)).window(0, 2), target);
  CHECK(none.value.counted == 0);
  CHECK(none.dy.matrix().isZero(0));
}

TEST_CASE("A bidirectional classifier of whole sequences learns, and tells its accuracy", "[many_to_one][train]") {
  const Task task(60, 1), held_out(60, 2);
  for (const Pooling how : {Pooling::mean, Pooling::largest, Pooling::ends}) {
    std::mt19937 rng(5);
    Sequence net(Bidirectional(Gru<double>(2, 8), Gru<double>(2, 8)), Pool<double>(16, how), Readout<double>(16, 2));
    initialize(net, rng);
    Adam adam(net, {.rate = 0.02});
    const ManyToOne loss(softmax_cross_entropy);
    const auto result = train(net, adam, loss, task.data(), Validation(held_out.data(), ManyToOne(accuracy)), rng,
                              {.epochs = 30, .batch = 20, .best_by = 0});
    INFO(net.description());
    CHECK(result.losses.back() < 0.3);
    const auto [value, share] = evaluate(net, held_out.data(), loss, ManyToOne(accuracy));
    CHECK(share > 0.8);
    CHECK(share == result.metrics[static_cast<std::size_t>(result.best_epoch)][0]);
    CHECK(value < 0.6);
  }
}

TEST_CASE("Truncated in windows, a many-to-one loss is the same", "[many_to_one][train]") {
  const Task task(10, 3);
  std::mt19937 rng(1);
  Sequence net(Gru<double>(2, 4), Pool<double>(4, Pooling::mean), Readout<double>(4, 2));
  initialize(net, rng);
  const ManyToOne loss(softmax_cross_entropy);
  const double whole = evaluate(net, task.data(), loss);
  for (const Index window : {1, 5})
    CHECK(evaluate(net, task.data(), {.window = window, .batch = 3}, loss) == Approx(whole).epsilon(1e-13));
}

TEST_CASE("What does not fit one target for a sequence is said", "[many_to_one]") {
  const auto y = random_series(3, 2, 4, 1);
  const ManyToOne loss(softmax_cross_entropy);
  CHECK(message_of([&] { loss(y, Classes::Zero(2, 4)); }) ==
        "softmax_cross_entropy: classes must be 2x1 (batch x steps of y), got 2x4");
  CHECK(message_of([&] { softmax_cross_entropy(y, Classes::Zero(2, 1)); }) ==
        "softmax_cross_entropy: classes must be 2x4 (batch x steps of y), got 2x1: one for each sequence is for "
        "recur::ManyToOne");
  const Classes three = Classes::Zero(3, 1), two = Classes::Zero(2, 2);
  CHECK(message_of([&] { ClassData(y, three); }) ==
        "ClassData: classes must be 2x4 (batch x steps of x), or 2x1, got 3x1");
  CHECK(message_of([&] { ClassData(y, two); }) ==
        "ClassData: classes must be 2x4 (batch x steps of x), or 2x1, got 2x2");
}
