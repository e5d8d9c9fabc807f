// Data in memory: what they read, from what they are deduced, what they refuse.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/training/data.hpp>

#include <array>

using namespace recur;
using recur_test::message_of;

static_assert(DataSource<SeriesData<float>, float> && DataSource<ClassData<double>, double>);

namespace {

/// Inputs, and targets of both kinds: two sequences of four steps.
struct Example {
  Series<float> x{3, 2, 4}, target{1, 2, 4};
  Classes classes{2, 4};
  Example() {
    std::mt19937 rng(1);
    x.setRandom(rng);
    target.setRandom(rng);
    classes << 1, 2, 3, 4,  //
        5, 6, 7, 8;
  }
};

/// Whether steps 1 and 2 of sequences 1, 0 and 1, side by side, are what data read for them.
bool reads_right(const auto& data, const Example& example) {
  Series<float> x;
  typename std::decay_t<decltype(data)>::Target target;
  data.read(std::array<Index, 3>{1, 0, 1}, 1, 2, x, target);
  const auto same = [](const Series<float>& read, const Series<float>& from) {
    bool all = read.features() == from.features() && read.batch() == 3 && read.steps() == 2;
    for (Index t = 0; all && t < 2; ++t)
      for (Index n = 0; n < 3; ++n) all = all && read[t].col(n) == from[1 + t].col(n == 1 ? 0 : 1);
    return all;
  };
  if constexpr (std::is_same_v<decltype(target), Classes>) {
    const Classes expected = (Classes(3, 2) << 6, 7, 2, 3, 6, 7).finished();
    return same(x, example.x) && (target == expected).all();
  } else {
    return same(x, example.x) && same(target, example.target);
  }
}

}  // namespace

TEST_CASE("Data are deduced from series and from views of them, and read windows of some sequences", "[data]") {
  Example example;
  const Example& fixed = example;
  CHECK(reads_right(SeriesData(example.x, example.target), example));
  CHECK(reads_right(SeriesData(example.x, fixed.target), example));
  CHECK(reads_right(SeriesData(fixed.x.window(0, 3), example.target.window(0, 3)), example));
  CHECK(reads_right(SeriesData(SeriesView(fixed.x), example.target), example));
  CHECK(reads_right(ClassData(example.x, example.classes), example));
  CHECK(reads_right(ClassData(SeriesView(example.x), fixed.classes), example));
  CHECK(reads_right(ClassData(SeriesView(fixed.x), fixed.classes), example));

  MatrixOf<float> wide(5, 8);  // whose columns lie apart
  wide.topRows(3) = example.x.matrix();
  CHECK(reads_right(SeriesData(SeriesView<const float>(wide.data(), 3, 2, 4, 5), example.target), example));
}

TEST_CASE("Data that would be gone before they are read do not compile", "[data]") {
  using Part = decltype(std::declval<Classes&>().leftCols(2));
  using View = SeriesView<const float>;
  using Given = Series<float>;
  CHECK(std::is_constructible_v<SeriesData<float>, Given&, const Given&>);
  CHECK(std::is_constructible_v<SeriesData<float>, View, Given&>);
  CHECK(std::is_constructible_v<SeriesData<float>, View, SeriesView<float>>);
  CHECK_FALSE(std::is_constructible_v<SeriesData<float>, Given, Given&>);
  CHECK_FALSE(std::is_constructible_v<SeriesData<float>, Given&, Given>);
  CHECK_FALSE(std::is_constructible_v<SeriesData<float>, const Given, View>);
  CHECK_FALSE(std::is_constructible_v<SeriesData<float>, View, Given>);
  CHECK_FALSE(std::is_constructible_v<SeriesData<float>, Given, Given>);
  CHECK_FALSE(std::is_constructible_v<ClassData<float>, Given, const Classes&>);
  CHECK_FALSE(std::is_constructible_v<ClassData<float>, Given, Classes>);
  CHECK(std::is_constructible_v<ClassData<float>, View, Classes&>);
  CHECK(std::is_constructible_v<TokenData, Tokens&, Classes&>);
  CHECK(std::is_constructible_v<TokenData, TokensView, Classes&>);
  CHECK_FALSE(std::is_constructible_v<TokenData, Tokens, Classes&>);
  CHECK_FALSE(std::is_constructible_v<TokenData, Tokens, Classes>);
  CHECK_FALSE(std::is_constructible_v<TokenData, Tokens&, Classes>);
  CHECK(std::is_constructible_v<ClassData<float>, const Series<float>&, const Classes&>);
  CHECK_FALSE(std::is_constructible_v<ClassData<float>, const Series<float>&, Classes>);
  CHECK_FALSE(std::is_constructible_v<ClassData<float>, const Series<float>&, Part>);
}

TEST_CASE("Data whose two halves differ are an error", "[data]") {
  const Series<double> x(3, 2, 4), other(3, 4, 2);
  CHECK(message_of([&] { SeriesData(x, other); }) ==
        "SeriesData: target must be 2x4 (batch x steps of x), or 2x1, got 4x2");
  CHECK(message_of([&] { SeriesData(x, x.window(0, 3)); }) ==
        "SeriesData: target must be 2x4 (batch x steps of x), or 2x1, got 2x3");
  const Classes classes = Classes::Zero(4, 2);
  CHECK(message_of([&] { ClassData(x, classes); }) ==
        "ClassData: classes must be 2x4 (batch x steps of x), or 2x1, got 4x2");
}
