// Both losses against their formulas, masks, and every error.
#include "catch.hpp"
#include "central_differences.hpp"
#include "helpers.hpp"

#include <recur/training/loss.hpp>

#include <limits>

using namespace recur;
using recur_test::message_of, recur_test::worst_difference;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// A loss on three features, two sequences and four steps, and what it should be.
template <class Scalar>
struct Problem {
  Series<Scalar> y{3, 2, 4}, target{3, 2, 4};
  Classes classes{2, 4};
  Mask mask{2, 4};

  Problem() {
    std::mt19937 rng(1);
    y.setRandom(rng);
    target.setRandom(rng);
    classes << 0, 1, 2, 1,  //
        2, 2, 0, 1;
    mask << true, false, true, true,  //
        false, false, true, false;
  }
  static bool counts(const Mask& m, Index n, Index t) { return m.size() == 0 || m(n, t); }
  static double count(const Mask& m) { return m.size() == 0 ? 8 : static_cast<double>(m.count()); }

  /// 1/M sum over columns of sum over features of (y - target)^2
  double squared(const Mask& m) const {
    double sum = 0;
    for (Index t = 0; t < 4; ++t)
      for (Index n = 0; n < 2; ++n)
        for (Index i = 0; i < 3 && counts(m, n, t); ++i) {
          const double e = static_cast<double>(y[t](i, n)) - static_cast<double>(target[t](i, n));
          sum += e * e;
        }
    return sum / count(m);
  }
  /// exp(y_i) / sum_j exp(y_j)
  double softmax(Index i, Index n, Index t) const {
    double sum = 0;
    for (Index j = 0; j < 3; ++j) sum += std::exp(static_cast<double>(y[t](j, n)));
    return std::exp(static_cast<double>(y[t](i, n))) / sum;
  }
  /// 1/M sum over columns of -ln softmax(y)_k
  double cross_entropy(const Mask& m) const {
    double sum = 0;
    for (Index t = 0; t < 4; ++t)
      for (Index n = 0; n < 2; ++n)
        if (counts(m, n, t)) sum -= std::log(softmax(classes(n, t), n, t));
    return sum / count(m);
  }
};

/// One step of one sequence.
template <class Scalar>
Series<Scalar> column(std::initializer_list<double> values) {
  Series<Scalar> y(static_cast<Index>(values.size()), 1, 1);
  Index i = 0;
  for (const double value : values) y[0](i++, 0) = static_cast<Scalar>(value);
  return y;
}

bool same_bits(const auto& a, const auto& b) { return (a.matrix().array() == b.matrix().array()).all(); }

}  // namespace

TEMPLATE_TEST_CASE("squared_error adds up over features and takes the mean over counted columns", "[loss]", float,
                   double) {
  const Problem<TestType> p;
  const double tolerance = std::is_same_v<TestType, float> ? 1e-6 : 1e-14;
  for (const Mask& mask : {Mask(), p.mask, last_step(p.y)}) {
    const auto [value, dy] = squared_error(p.y, p.target, mask);
    CHECK(value == Approx(p.squared(mask)).epsilon(tolerance));
    for (Index t = 0; t < 4; ++t)
      for (Index n = 0; n < 2; ++n)
        for (Index i = 0; i < 3; ++i) {
          const double e = static_cast<double>(p.y[t](i, n)) - static_cast<double>(p.target[t](i, n));
          const double expected = p.counts(mask, n, t) ? 2 * e / p.count(mask) : 0;
          CHECK(static_cast<double>(dy[t](i, n)) == Approx(expected).margin(tolerance));
        }
  }
}

TEMPLATE_TEST_CASE("softmax_cross_entropy is the mean over counted columns of -ln softmax(y)_k", "[loss]", float,
                   double) {
  const Problem<TestType> p;
  const double tolerance = std::is_same_v<TestType, float> ? 1e-6 : 1e-14;
  for (const Mask& mask : {Mask(), p.mask, last_step(p.y)}) {
    const auto [value, dy] = softmax_cross_entropy(p.y, p.classes, mask);
    CHECK(value == Approx(p.cross_entropy(mask)).epsilon(tolerance));
    for (Index t = 0; t < 4; ++t)
      for (Index n = 0; n < 2; ++n)
        for (Index i = 0; i < 3; ++i) {
          const double slope = p.softmax(i, n, t) - (p.classes(n, t) == i ? 1 : 0);
          const double expected = p.counts(mask, n, t) ? slope / p.count(mask) : 0;
          CHECK(static_cast<double>(dy[t](i, n)) == Approx(expected).margin(tolerance));
        }
  }
}

TEST_CASE("dL/dy agrees with central differences of the value", "[loss]") {
  const Problem<double> p;
  for (const Mask& mask : {Mask(), p.mask, last_step(p.y)}) {
    CHECK(worst_difference(p.y, squared_error(p.y, p.target, mask).dy,
                           [&](const auto& y) { return squared_error(y, p.target, mask).value; }) < 1e-9);
    CHECK(worst_difference(p.y, softmax_cross_entropy(p.y, p.classes, mask).dy,
                           [&](const auto& y) { return softmax_cross_entropy(y, p.classes, mask).value; }) < 1e-9);
  }
}

TEST_CASE("With one feature squared_error is PyTorch's MSELoss", "[loss]") {
  // torch.nn.MSELoss()(torch.tensor([1., -2., 0.5, 4.]), torch.tensor([0., 1., 0.5, 2.])) = (1 + 9 + 0 + 4) / 4
  Series<float> y(1, 2, 2), target(1, 2, 2);
  y.matrix() << 1, -2, 0.5, 4;
  target.matrix() << 0, 1, 0.5, 2;
  const auto [loss, dy] = squared_error(y, target);
  CHECK(loss == 3.5);
  CHECK(dy.matrix() == Eigen::RowVector4f(0.5f, -1.5f, 0, 1));
}

TEST_CASE("last_step counts the last step of each sequence and nothing else", "[loss]") {
  const Mask mask = last_step(Series<float>(2, 3, 5));
  CHECK(mask.rows() == 3);
  CHECK(mask.cols() == 5);
  CHECK(mask.count() == 3);
  CHECK(mask.col(4).all());
  CHECK(last_step(Series<float>(2, 3, 1)).all());
}

TEMPLATE_TEST_CASE("What is masked may hold anything and changes nothing, to the bit", "[loss]", float, double) {
  const Problem<TestType> clean;
  for (const double anything : {not_a_number, infinity, -infinity, 1e30}) {
    Problem<TestType> p;
    for (Index t = 0; t < 4; ++t)
      for (Index n = 0; n < 2; ++n)
        if (!p.mask(n, t)) {
          p.y[t].col(n).setConstant(static_cast<TestType>(anything));
          p.target[t].col(n).setConstant(static_cast<TestType>(-anything));
          p.classes(n, t) = anything > 0 ? std::numeric_limits<int>::max() : -100;
        }
    const auto squared = squared_error(p.y, p.target, p.mask);
    const auto clean_squared = squared_error(clean.y, clean.target, p.mask);
    CHECK(squared.value == clean_squared.value);
    CHECK(same_bits(squared.dy, clean_squared.dy));
    const auto entropy = softmax_cross_entropy(p.y, p.classes, p.mask);
    const auto clean_entropy = softmax_cross_entropy(clean.y, clean.classes, p.mask);
    CHECK(entropy.value == clean_entropy.value);
    CHECK(same_bits(entropy.dy, clean_entropy.dy));
  }
}

TEMPLATE_TEST_CASE("Logits of +-1e4 give finite and right losses", "[loss]", float, double) {
  const auto y = column<TestType>({1e4, -1e4, 0, 9999});
  const double ln = std::log(1 + std::exp(-1.0)), p = 1 / (1 + std::exp(-1.0));  // of the first against the last
  const double losses[] = {ln, 2e4 + ln, 1e4 + ln, 1 + ln}, softmax[] = {p, 0, 0, 1 - p};
  for (int k = 0; k < 4; ++k) {
    const auto [loss, dy] = softmax_cross_entropy(y, Classes::Constant(1, 1, k));
    CHECK(loss == Approx(losses[k]).epsilon(1e-6));
    for (int i = 0; i < 4; ++i)
      CHECK(static_cast<double>(dy[0](i, 0)) == Approx(softmax[i] - (i == k ? 1 : 0)).margin(1e-6));
  }
}

TEMPLATE_TEST_CASE("Equal logits give ln(features), however large they are", "[loss]", float, double) {
  for (const double logit : {0.0, 1e4, -1e4, 1e30}) {
    const auto [loss, dy] =
        softmax_cross_entropy(column<TestType>({logit, logit, logit, logit, logit}), Classes::Constant(1, 1, 3));
    CHECK(loss == Approx(std::log(5.0)).epsilon(1e-6));
    for (int i = 0; i < 5; ++i) CHECK(static_cast<double>(dy[0](i, 0)) == Approx(i == 3 ? -0.8 : 0.2).margin(1e-6));
  }
}

TEMPLATE_TEST_CASE("A NaN in what counts makes the loss NaN, wherever it stands", "[loss]", float, double) {
  for (Index features = 1; features <= 19; ++features)
    for (Index i = 0; i < features; ++i) {
      Series<TestType> y(features, 1, 1);
      y[0](i, 0) = static_cast<TestType>(not_a_number);
      REQUIRE(std::isnan(squared_error(y, Series<TestType>(features, 1, 1)).value));
      for (int k = 0; k < features; ++k)
        REQUIRE(std::isnan(softmax_cross_entropy(y, Classes::Constant(1, 1, k)).value));
    }
}

TEMPLATE_TEST_CASE("The form that keeps dy agrees to the bit, and keeps its memory", "[loss]", float, double) {
  const Problem<TestType> p;
  Series<TestType> dy(7, 3, 9);
  const auto* memory = dy.data();
  for (const Mask& mask : {p.mask, Mask()}) {
    dy.matrix().setConstant(static_cast<TestType>(not_a_number));  // whatever it held
    const auto squared = squared_error(p.y, p.target, mask);
    CHECK(squared_error(p.y, p.target, dy, mask) == squared.value);
    CHECK(same_bits(dy, squared.dy));
    const auto entropy = softmax_cross_entropy(p.y, p.classes, mask);
    CHECK(softmax_cross_entropy(p.y, p.classes, dy, mask) == entropy.value);
    CHECK(same_bits(dy, entropy.dy));
  }
  CHECK(dy.batch() == 2);
  CHECK(dy.steps() == 4);
  CHECK(dy.data() == memory);
}

TEMPLATE_TEST_CASE("Views whose columns lie apart give the bits of neighbouring ones", "[loss]", float, double) {
  const Problem<TestType> p;
  MatrixOf<TestType> wide(5, 8), wide_target(4, 8);
  wide.setConstant(static_cast<TestType>(not_a_number));
  wide_target.setConstant(static_cast<TestType>(not_a_number));
  wide.middleRows(1, 3) = p.y.matrix();
  wide_target.topRows(3) = p.target.matrix();
  const SeriesView<const TestType> y(&wide(1, 0), 3, 2, 4, 5), target(wide_target.data(), 3, 2, 4, 4);
  const SeriesView<TestType> writable(&wide(1, 0), 3, 2, 4, 5);
  CHECK(squared_error(y, target).value == squared_error(p.y, p.target).value);
  CHECK(same_bits(squared_error(y, target).dy, squared_error(p.y, p.target).dy));
  CHECK(softmax_cross_entropy(y, p.classes).value == softmax_cross_entropy(p.y, p.classes).value);
  CHECK(same_bits(softmax_cross_entropy(writable, p.classes).dy, softmax_cross_entropy(p.y, p.classes).dy));
}

TEST_CASE("Errors of both losses name what does not fit, and leave dy as it was", "[loss]") {
  const Problem<double> p;
  Series<double> dy(1, 1, 1);
  dy[0](0, 0) = 42;
  const auto squared = [&](const Series<double>& y, const Series<double>& target, const Mask& mask = {}) {
    return message_of([&] { squared_error(y, target, dy, mask); });
  };
  const auto entropy = [&](const Series<double>& y, const Classes& classes, const Mask& mask = {}) {
    return message_of([&] { softmax_cross_entropy(y, classes, dy, mask); });
  };

  CHECK(squared(p.y, Series<double>(2, 2, 4)) == "squared_error: target.features() must be 3 (y.features()), got 2");
  CHECK(squared(p.y, Series<double>(3, 4, 2)) ==
        "squared_error: target must have batch 2 and steps 4 (as y), got batch 4 and steps 2");
  CHECK(squared(Series<double>(3, 2, 0), Series<double>(3, 2, 0)) ==
        "squared_error: y must have at least one step of one sequence, got features 3, batch 2, steps 0");
  CHECK(squared(Series<double>(), Series<double>()) ==
        "squared_error: y must have at least one step of one sequence, got features 0, batch 0, steps 0");
  CHECK(squared(p.y, p.target, Mask::Constant(4, 2, true)) ==
        "squared_error: mask must be 2x4 (batch x steps of y), got 4x2");

  CHECK(entropy(p.y, Classes::Zero(4, 2)) ==
        "softmax_cross_entropy: classes must be 2x4 (batch x steps of y), got 4x2");
  CHECK(entropy(p.y, Classes::Zero(2, 3)) ==
        "softmax_cross_entropy: classes must be 2x4 (batch x steps of y), got 2x3");
  CHECK(entropy(Series<double>(3, 0, 4), Classes::Zero(0, 4)) ==
        "softmax_cross_entropy: y must have at least one step of one sequence, got features 3, batch 0, steps 4");
  CHECK(entropy(p.y, p.classes, Mask::Constant(2, 3, true)) ==
        "softmax_cross_entropy: mask must be 2x4 (batch x steps of y), got 2x3");
  for (const int k : {-1, 3, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
    Classes classes = p.classes;
    classes(1, 2) = k;
    CHECK(entropy(p.y, classes) == "softmax_cross_entropy: classes(1, 2) must be in 0 .. 2, got " + std::to_string(k));
    CHECK(entropy(p.y, classes, p.mask) == entropy(p.y, classes));  // (1, 2) counts
  }
  CHECK(dy.matrix().size() == 1);
  CHECK(dy[0](0, 0) == 42);
}

TEST_CASE("A loss says how many columns it counted; of none, it and its gradient are zero", "[loss]") {
  const Problem<double> p;
  const Mask none = Mask::Constant(2, 4, false);
  CHECK(squared_error(p.y, p.target).value.counted == 8);
  CHECK(softmax_cross_entropy(p.y, p.classes).value.counted == 8);
  CHECK(squared_error(p.y, p.target, p.mask).value.counted == static_cast<double>(p.mask.count()));
  CHECK(softmax_cross_entropy(p.y, p.classes, last_step(p.y)).value.counted == 2);
  auto y = p.y;
  y.set_lengths({3, 0});
  CHECK(squared_error(y, p.target).value.counted == 3);
  CHECK(squared_error(y, p.target, last_step(y)).value.counted == 1);
  for (const auto& [value, dy] : {squared_error(p.y, p.target, none), softmax_cross_entropy(p.y, p.classes, none)}) {
    CHECK((value.mean == 0 && value.counted == 0));
    CHECK((dy.steps() == 4 && dy.matrix().isZero(0)));
  }
}

TEST_CASE("In windows, the last step is that of the whole sequence", "[loss][lengths]") {
  Series<float> y(1, 3, 10);
  Mask whole(3, 10), windows(3, 10);
  for (const auto& lengths : {std::vector<Index>(), {10, 4, 0}, {8, 7, 1}, {9, 10, 10}}) {
    y.set_lengths(lengths);
    whole = last_step(y);
    for (const Index steps : {1, 3, 4, 5, 9}) {
      for (Index t = 0; t < 10; t += steps) {
        const Index count = std::min<Index>(steps, 10 - t);
        windows.middleCols(t, count) = last_step(y.window(t, count));
        // A window of a window is one of the series.
        CHECK((last_step(y.window(t, 10 - t).window(0, count)) == windows.middleCols(t, count)).all());
      }
      INFO("windows of " << steps);
      CHECK((windows == whole).all());
    }
  }
}

TEMPLATE_TEST_CASE("softmax_cross_entropy of any finite logits is finite", "[loss]", float, double) {
  const TestType huge = std::is_same_v<TestType, float> ? TestType(3e38) : TestType(8e307);
  Series<TestType> y(2, 1, 1);
  y[0] << huge, -huge;
  const auto [loss, dy] = softmax_cross_entropy(y, Classes::Constant(1, 1, 1));
  CHECK(loss == 2 * static_cast<double>(huge));
  CHECK((dy[0](0, 0) == 1 && dy[0](1, 0) == -1));
}

TEST_CASE("A gradient that would be written over y or the target is refused", "[loss]") {
  Problem<double> p;
  const auto before = p.y;
  CHECK(message_of([&] { squared_error(p.y, p.target, p.y); }) ==
        "squared_error: dy must be another series than y, got one that lies in the same memory");
  CHECK(message_of([&] { squared_error(p.y, p.target, p.target); }) ==
        "squared_error: dy must be another series than target, got one that lies in the same memory");
  CHECK(message_of([&] { softmax_cross_entropy(p.y, p.classes, p.y); }) ==
        "softmax_cross_entropy: dy must be another series than y, got one that lies in the same memory");
  CHECK(message_of([&] { squared_error(p.y.window(1, 2), p.target.window(1, 2), p.y); }) ==
        "squared_error: dy must be another series than y, got one that lies in the same memory");
  CHECK(same_bits(p.y, before));
}
