#include "catch.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/series/series.hpp>

#include <array>
#include <numeric>
#include <sstream>
#include <vector>

using namespace recur;
using recur_test::identical, recur_test::message_of, recur_test::random_matrix;

namespace {

using RowMajor = Eigen::Matrix<float, Dynamic, Dynamic, Eigen::RowMajor>;

/// 0, 1, 2 ...
std::vector<float> counted(Index count) {
  std::vector<float> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0.f);
  return numbers;
}

std::string text_of(const auto& series, int precision = 6) {
  std::ostringstream text;
  text.precision(precision);
  text << series;
  return text.str();
}

bool is_empty(const Series<double>& series) {
  return series.empty() && series.features() == 0 && series.batch() == 0 && series.steps() == 0 &&
         series.lengths().empty() && series.matrix().size() == 0;
}

}  // namespace

TEST_CASE("A series starts at zero, and its steps can be written", "[series]") {
  Series<double> series(2, 3, 4);
  CHECK((series.features() == 2 && series.batch() == 3 && series.steps() == 4 && !series.empty()));
  CHECK((series.matrix().rows() == 2 && series.matrix().cols() == 12));
  CHECK(series.matrix().isZero(0));

  series[1].col(2) << 5, 6;
  series[3] = series[1];
  series[2].setConstant(7);
  MatrixOf<double> expected = MatrixOf<double>::Zero(2, 12);
  expected.col(5) << 5, 6;
  expected.middleCols(6, 3).setConstant(7);
  expected.col(11) << 5, 6;
  CHECK(series.matrix() == expected);
  CHECK(std::as_const(series)[3](1, 2) == 6);
}

TEST_CASE("A default series and a default view are empty", "[series]") {
  CHECK(Series<float>().empty());
  CHECK(SeriesView<float>().empty());
  CHECK(Series<float>(3, 2, 0).empty());
  CHECK(Series<float>(0, 2, 3).empty());
  CHECK(Series<float>(3, 2, 0).matrix().cols() == 0);
}

TEST_CASE("A row-major (T, N, F) buffer is a series where it lies", "[series]") {
  const auto buffer = counted(4 * 3 * 2);
  const SeriesView<const float> series(buffer.data(), 2, 3, 4);  // F, N, T
  CHECK(series.data() == buffer.data());
  for (Index t = 0; t < 4; ++t)
    for (Index n = 0; n < 3; ++n)
      for (Index f = 0; f < 2; ++f) CHECK(series[t](f, n) == static_cast<float>((t * 3 + n) * 2 + f));
  CHECK(series[2].data() == &buffer[2 * 3 * 2]);
}

TEST_CASE("An F x T column-major matrix is a series where it lies", "[series]") {
  std::mt19937 rng(1);
  const MatrixOf<float> matrix = random_matrix<float>(3, 8, rng);
  const auto single = view_columns(matrix);
  CHECK(single.data() == matrix.data());
  CHECK((single.features() == 3 && single.batch() == 1 && single.steps() == 8));
  CHECK(single[5] == matrix.col(5));

  const auto batch = view_columns(matrix, 2);
  CHECK((batch.batch() == 2 && batch.steps() == 4));
  CHECK(batch[3] == matrix.rightCols(2));
}

TEST_CASE("A T x F row-major matrix is a series where it lies", "[series]") {
  std::mt19937 rng(2);
  const RowMajor matrix = random_matrix<float>(8, 3, rng);
  const auto single = view_rows(matrix);
  CHECK(single.data() == matrix.data());
  CHECK((single.features() == 3 && single.batch() == 1 && single.steps() == 8));
  CHECK(single[5] == matrix.row(5).transpose());

  const auto batch = view_rows(matrix, 4);
  CHECK((batch.batch() == 4 && batch.steps() == 2));
  CHECK(batch[1] == matrix.bottomRows(4).transpose());
}

TEST_CASE("Vectors are series of one feature, or of one step", "[series]") {
  const Eigen::RowVectorXf row = Eigen::RowVectorXf::LinSpaced(5, 0, 4);
  const Eigen::VectorXf column = row;
  CHECK((view_columns(row).features() == 1 && view_columns(row).steps() == 5 && view_columns(row)[3](0, 0) == 3));
  CHECK((view_rows(column).features() == 1 && view_rows(column).steps() == 5 && view_rows(column)[3](0, 0) == 3));
  CHECK((view_rows(row).features() == 5 && view_rows(row).steps() == 1 && view_rows(row)[0] == column));
  CHECK(
      (view_columns(column).features() == 5 && view_columns(column).steps() == 1 && view_columns(column)[0] == column));
}

TEST_CASE("Maps and Refs are series where they lie, with columns or rows that are further apart", "[series]") {
  auto buffer = counted(5 * 8);
  using Strided = Eigen::OuterStride<>;
  Eigen::Map<Eigen::MatrixXf, 0, Strided> map(buffer.data() + 1, 3, 8, Strided(5));  // rows 1 .. 3 of a 5 x 8 matrix
  const Eigen::Map<const Eigen::MatrixXf, 0, Strided> read(map.data(), 3, 8, Strided(5));
  Eigen::Ref<Eigen::MatrixXf> ref = map;
  const Eigen::Ref<const Eigen::MatrixXf> part = map.topRows(2);
  const auto check = [&](const auto& matrix, SeriesView<const float> view) {
    CHECK((view.data() == buffer.data() + 1 && view.stride() == 5 && view.batch() == 2 && view.steps() == 4));
    CHECK(view.matrix() == matrix);
    CHECK(view[3] == matrix.rightCols(2));
  };
  check(map, view_columns(map, 2));
  check(read, view_columns(read, 2));
  check(ref, view_columns(ref, 2));
  check(part, view_columns(part, 2));
  // They own nothing, so that temporary ones do as well.
  check(map, view_columns(Eigen::Map<Eigen::MatrixXf, 0, Strided>(map.data(), 3, 8, Strided(5)), 2));
  check(map, view_columns(Eigen::Ref<Eigen::MatrixXf>(map), 2));

  using RowMap = Eigen::Map<const RowMajor, 0, Strided>;
  const RowMap rows(buffer.data() + 1, 8, 3, Strided(5));  // columns 1 .. 3 of an 8 x 5 matrix
  const Eigen::Ref<const RowMajor> some = rows.leftCols(2);
  check(rows.transpose(), view_rows(rows, 2));
  check(some.transpose(), view_rows(some, 2));
  check(rows.transpose(), view_rows(RowMap(buffer.data() + 1, 8, 3, Strided(5)), 2));

  const Eigen::Map<const Eigen::VectorXf> vector(buffer.data(), 6);
  CHECK((view_rows(vector, 2).steps() == 3 && view_rows(vector, 2).features() == 1 && view_rows(vector)[4](0, 0) == 4));
  CHECK((view_columns(vector).features() == 6 && view_columns(vector).steps() == 1));
  // Of one column, how far apart columns are says nothing.
  const Eigen::Map<const Eigen::MatrixXf, 0, Eigen::OuterStride<>> one(vector.data(), 6, 1, Eigen::OuterStride<>(1));
  CHECK((view_columns(one).stride() == 6 && view_columns(one)[0].col(0) == vector));
  const Eigen::Map<const Eigen::VectorXf, 0, Eigen::InnerStride<>> every_third(buffer.data(), 5,
                                                                               Eigen::InnerStride<>(3));
  CHECK((view_rows(every_third).steps() == 5 && view_rows(every_third)[4](0, 0) == 12));
  CHECK(message_of([&] { view_columns(every_third); }) == "view_columns: the inner stride must be 1, got 3");
}

TEST_CASE("Arrays of Eigen's are series, too", "[series]") {
  const Eigen::ArrayXXd columns = Eigen::ArrayXXd::Random(2, 6);
  CHECK((view_columns(columns, 3)[1].array() == columns.rightCols(3)).all());
}

TEST_CASE("Sequences of unequal lengths, each a matrix, are a series with lengths", "[series]") {
  std::mt19937 rng(6);
  std::vector<Eigen::MatrixXf> sequences;
  for (const Index length : {4, 0, 2}) sequences.push_back(random_matrix<float>(length, 3, rng));
  const auto series = Series<float>::from_sequences(sequences);
  CHECK((series.features() == 3 && series.batch() == 3 && series.steps() == 4));
  CHECK(series.lengths() == std::vector<Index>{4, 0, 2});
  for (Index n = 0; n < 3; ++n)
    for (Index t = 0; t < 4; ++t) {
      const auto& rows = sequences[static_cast<std::size_t>(n)];
      CHECK(series[t].col(n) == (t < rows.rows() ? Eigen::VectorXf(rows.row(t)) : Eigen::VectorXf::Zero(3).eval()));
    }

  const std::array<RowMajor, 2> equal{random_matrix<float>(2, 3, rng), random_matrix<float>(2, 3, rng)};
  const auto without = Series<float>::from_sequences(equal);
  CHECK((without.lengths().empty() && without.batch() == 2 && without.steps() == 2));
  CHECK(without[1].col(1) == equal[1].row(1).transpose());

  CHECK(message_of([] { Series<float>::from_sequences(std::vector<Eigen::MatrixXf>()); }) ==
        "from_sequences: at least one sequence expected, got none");
  sequences[2].resize(2, 4);
  CHECK(message_of([&] { Series<float>::from_sequences(sequences); }) ==
        "from_sequences: sequences[2].cols() must be 3 (as of sequences[0]), got 4");
}

TEST_CASE("A series goes out as a matrix, whole or one sequence", "[series]") {
  std::mt19937 rng(7);
  const Eigen::MatrixXf rows = random_matrix<float>(6, 2, rng);
  auto series = Series<float>::from_rows(rows, 2);
  STATIC_REQUIRE(std::is_same_v<decltype(series.to_rows()), Eigen::MatrixXf>);
  STATIC_REQUIRE(std::is_same_v<decltype(SeriesView(series).sequence(0)), Eigen::MatrixXf>);
  CHECK(series.to_rows() == rows);
  CHECK(series.window(1, 2).to_rows() == rows.bottomRows(4));
  Eigen::MatrixXf second(3, 2);
  for (Index t = 0; t < 3; ++t) second.row(t) = rows.row(2 * t + 1);
  CHECK(series.sequence(1) == second);
  CHECK(series.window(1, 2).sequence(1) == second.bottomRows(2));

  series.set_lengths({3, 2});
  CHECK(series.sequence(1) == second.topRows(2));
  CHECK(series.window(1, 2).sequence(1) == second.row(1));
  CHECK(series.window(2, 1).sequence(1).rows() == 0);
  CHECK(Series<float>::from_sequences(std::vector{series.sequence(0), series.sequence(1)}).lengths() ==
        series.lengths());
  CHECK(message_of([&] { series.sequence(2); }) == "sequence: n must be in 0 .. 1 (batch() - 1), got 2");
  CHECK(message_of([&] { series.sequence(-1); }) == "sequence: n must be in 0 .. 1 (batch() - 1), got -1");
}

TEST_CASE("A series is shown as its sizes, and a line for each step of each sequence", "[series]") {
  Series<double> series(2, 2, 3);
  series.matrix() << 0, 2, 1, 5, -1, 6,  //
      0.5, 3, 0, 7, 0.25, 8;
  CHECK(text_of(series) ==
        "Series of 2 features, batch 2, 3 steps\n"
        "sequence 0:\n"
        "     0  0.5\n"
        "     1    0\n"
        "    -1 0.25\n"
        "sequence 1:\n"
        "  2 3\n"
        "  5 7\n"
        "  6 8");
  series.set_lengths({1, 0});
  const std::string with_lengths =
      "Series of 2 features, batch 2, 3 steps\n"
      "sequence 0, 1 step:\n"
      "    0 0.5\n"
      "sequence 1, 0 steps:";
  CHECK(text_of(series) == with_lengths);
  CHECK(text_of(SeriesView(series)) == with_lengths);
  CHECK(text_of(SeriesView(std::as_const(series))) == with_lengths);
  CHECK(text_of(series.window(0, 1)) ==
        "Series of 2 features, batch 2, 1 step\n"
        "sequence 0, 1 step:\n"
        "    0 0.5\n"
        "sequence 1, 0 steps:");
  CHECK(text_of(Series<float>()) == "Series of 0 features, batch 0, 0 steps");
  series.resize(1, 1, 1);
  series.matrix() << 2. / 3;
  CHECK(text_of(series, 3) == "Series of 1 feature, batch 1, 1 step\nsequence 0:\n  0.667");
}

TEST_CASE("Of a long, wide or large series the ends are shown", "[series]") {
  Series<float> series(11, 1, 1);
  for (Index i = 0; i < 11; ++i) series.data()[i] = static_cast<float>(i);
  CHECK(text_of(series) == "Series of 11 features, batch 1, 1 step\nsequence 0:\n    0   1   2 ...   8   9  10");
  series.resize(1, 1, 11);
  CHECK(text_of(series) ==
        "Series of 1 feature, batch 1, 11 steps\nsequence 0:\n    0\n    1\n    2\n  ...\n    8\n    9\n   10");
  series.set_lengths({10});
  CHECK(text_of(series) ==
        "Series of 1 feature, batch 1, 11 steps\nsequence 0, 10 steps:\n"
        "  0\n  1\n  2\n  3\n  4\n  5\n  6\n  7\n  8\n  9");
  series.resize(1, 11, 1);
  CHECK(text_of(series) ==
        "Series of 1 feature, batch 11, 1 step\nsequence 0:\n  0\nsequence 1:\n  1\nsequence 2:\n  2\n...\n"
        "sequence 8:\n  8\nsequence 9:\n  9\nsequence 10:\n  10");
}

TEST_CASE("Rows of a matrix of any layout are copied", "[series]") {
  std::mt19937 rng(3);
  const MatrixOf<float> matrix = random_matrix<float>(6, 2, rng);
  const RowMajor same = matrix;
  CHECK(Series<float>::from_rows(matrix).matrix() == matrix.transpose());
  CHECK(Series<float>::from_rows(same).matrix() == matrix.transpose());
  CHECK(Series<float>::from_rows(matrix.array() + 1).matrix() == (matrix.array() + 1).matrix().transpose());
  const auto batch = Series<float>::from_rows(matrix.topRows(4), 2);
  CHECK((batch.batch() == 2 && batch.steps() == 2));
  CHECK(batch[1].col(0) == matrix.row(2).transpose());
}

TEST_CASE("A batch-first (N, T, F) buffer is copied, there and back", "[series]") {
  const auto buffer = counted(3 * 4 * 2);
  const auto series = Series<float>::from_batch_first(buffer.data(), 2, 3, 4);  // F, N, T
  for (Index t = 0; t < 4; ++t)
    for (Index n = 0; n < 3; ++n)
      for (Index f = 0; f < 2; ++f) CHECK(series[t](f, n) == static_cast<float>((n * 4 + t) * 2 + f));
  std::vector<float> back(buffer.size());
  series.to_batch_first(back.data());
  CHECK(back == buffer);
}

TEST_CASE("A window is some steps of a series, where they lie", "[series]") {
  std::mt19937 rng(4);
  Series<float> series(2, 3, 5);
  series.setRandom(rng);
  auto window = series.window(1, 3);
  CHECK((window.features() == 2 && window.batch() == 3 && window.steps() == 3));
  CHECK(window.data() == series[1].data());
  window[2].setConstant(9);
  CHECK((series[3].array() == 9).all());
  CHECK(std::as_const(series).window(3, 1)[0] == series[3]);
  CHECK(series.window(5, 0).empty());
}

TEST_CASE("The columns of a view may be further apart than they are high", "[series]") {
  auto buffer = counted(5 * 6);
  const SeriesView<float> view(buffer.data() + 1, 2, 3, 2, 5);  // rows 1 and 2 of a 5 x 6 matrix
  const Eigen::Map<const MatrixOf<float>> whole(buffer.data(), 5, 6);
  CHECK(view.matrix() == whole.middleRows(1, 2));
  CHECK(view[1] == whole.block(1, 3, 2, 3));
  CHECK(view.window(1, 1)[0] == whole.block(1, 3, 2, 3));

  const Series<float> copy(view);
  CHECK((copy.matrix() == whole.middleRows(1, 2) && copy.batch() == 3 && copy.steps() == 2));
  std::vector<float> batch_first(12);
  view.to_batch_first(batch_first.data());
  CHECK(batch_first == std::vector<float>{1, 2, 16, 17, 6, 7, 21, 22, 11, 12, 26, 27});

  view.matrix().setZero();
  CHECK((buffer[0] == 0 && buffer[1] == 0 && buffer[2] == 0 && buffer[3] == 3 && buffer[5] == 5));
}

TEST_CASE("A series can be looked at, to write and to read", "[series]") {
  Series<double> series(1, 1, 3);
  SeriesView view(series);
  const SeriesView<const double> read = view;
  const SeriesView to_read(std::as_const(series));
  STATIC_REQUIRE(std::is_same_v<decltype(view), SeriesView<double>>);
  STATIC_REQUIRE(std::is_same_v<decltype(to_read), const SeriesView<const double>>);
  STATIC_REQUIRE(!std::is_constructible_v<SeriesView<double>, SeriesView<const double>>);
  view[2](0, 0) = 4;
  CHECK((series[2](0, 0) == 4 && read[2](0, 0) == 4 && to_read[2](0, 0) == 4));
}

TEST_CASE("A series casts to another type", "[series]") {
  std::mt19937 rng(5);
  Series<double> series(2, 2, 3);
  series.setRandom(rng);
  const auto narrow = series.cast<float>();
  STATIC_REQUIRE(std::is_same_v<decltype(narrow), const Series<float>>);
  CHECK(narrow.matrix() == series.matrix().cast<float>());
  CHECK((narrow.batch() == 2 && narrow.steps() == 3));
  CHECK(series.window(1, 1).cast<float>().matrix() == series[1].cast<float>());
}

TEST_CASE("Random numbers depend on the engine alone", "[series]") {
  std::mt19937 rng(42), again(42);
  Series<float> a(2, 1, 3), b(3, 2, 1);
  a.setRandom(rng);
  b.setRandom(again);
  CHECK(std::equal(a.data(), a.data() + 6, b.data()));
  CHECK(a[0](0, 0) == static_cast<float>(2 * 0.79654298428784598 - 1));
  CHECK((a.matrix().array() >= -1 && a.matrix().array() <= 1).all());
  CHECK(rng == again);
}

TEST_CASE("Resizing to what fits keeps the memory", "[series]") {
  Series<float> series(4, 3, 2);
  const auto* const data = series.data();
  series.resize(2, 2, 3);
  CHECK((series.data() == data && series.features() == 2 && series.batch() == 2 && series.steps() == 3));
  series.resize(4, 2, 3);
  CHECK(series.data() == data);
}

TEST_CASE("A copied series is its own", "[series]") {
  Series<float> series(1, 1, 2), copy = series, moved = std::move(copy);
  series[0].setOnes();
  CHECK((moved.matrix().isZero(0) && moved.data() != series.data()));
}

TEST_CASE("A series that has been moved from is empty, and can be used again", "[series]") {
  Series<double> series(2, 2, 3);
  series.matrix().setConstant(7);
  series.set_lengths({3, 1});
  Series<double> moved = std::move(series);
  CHECK(is_empty(series));
  CHECK((moved.steps() == 3 && moved.lengths().size() == 2 && (moved.matrix().array() == 7).all()));
  series.setZero();  // where there is nothing
  CHECK((SeriesView(series).empty() && series.to_rows().size() == 0));

  Series<double> assigned(1, 1, 1);
  assigned = std::move(moved);
  CHECK(is_empty(moved));
  moved.setZero();
  auto& itself = assigned;
  assigned = std::move(itself);
  CHECK((assigned.features() == 2 && assigned.batch() == 2 && assigned.steps() == 3));
  CHECK(assigned.lengths() == std::vector<Index>{3, 1});
  CHECK((assigned.matrix().array() == 7).all());

  moved.resize(3, 1, 2);
  moved.setZero();
  CHECK((moved.matrix().isZero(0) && moved.matrix().size() == 6));
}

TEST_CASE("Sizes whose product cannot be counted are an error", "[series]") {
  constexpr Index large = Index(1) << 40, less = Index(1) << 20;
  CHECK(message_of([] { Series<float>(large, less, less); }) ==
        "Series: features x batch x steps must be less than 2^59, got 1099511627776 x 1048576 x 1048576");
  CHECK(message_of([] { Series<float>(0, large, large); }) ==
        "Series: features x batch x steps must be less than 2^59, got 0 x 1099511627776 x 1099511627776");
  CHECK(message_of([] { SeriesView<float>(nullptr, 1, large, less, 4); }) ==
        "SeriesView: stride x batch x steps must be less than 2^59, got 4 x 1099511627776 x 1048576");
  Series<float> series(1, 2, 3);
  CHECK_THROWS_AS(series.resize(large, large, 1), std::invalid_argument);
  CHECK((series.features() == 1 && series.batch() == 2 && series.steps() == 3));
  constexpr Index most = std::numeric_limits<Index>::max();
  CHECK(message_of([&] { series.window(1, most); }) ==
        "window: first + count <= steps() = 3 expected, got 1 + 9223372036854775807");
}

TEST_CASE("Series say which sizes do not fit", "[series]") {
  const MatrixOf<float> matrix = MatrixOf<float>::Zero(4, 7);
  const RowMajor rows = RowMajor::Zero(7, 4);
  const Series<float> series(2, 1, 5);
  const float* const none = nullptr;

  CHECK(message_of([] { Series<float>(2, -1, 3); }) ==
        "Series: sizes >= 0 expected, got features 2, batch -1, steps 3");
  CHECK(message_of([&] { SeriesView<const float>(none, 3, 2, 4, 2); }) ==
        "SeriesView: sizes >= 0 and stride >= features expected, got features 3, batch 2, steps 4, stride 2");
  CHECK(message_of([&] { SeriesView<const float>(none, 3, 2, -4); }) ==
        "SeriesView: sizes >= 0 and stride >= features expected, got features 3, batch 2, steps -4, stride 3");
  CHECK(message_of([&] { view_columns(matrix, 2); }) ==
        "view_columns: columns.cols() must be a multiple of batch = 2, got 7");
  CHECK(message_of([&] { view_columns(matrix, 0); }) ==
        "view_columns: columns.cols() must be a multiple of batch = 0, got 7");
  CHECK(message_of([&] { view_rows(rows, 3); }) == "view_rows: rows.rows() must be a multiple of batch = 3, got 7");
  CHECK(message_of([&] { Series<float>::from_rows(rows, 3); }) ==
        "from_rows: rows.rows() must be a multiple of batch = 3, got 7");
  CHECK(message_of([&] { series.window(3, 3); }) == "window: first + count <= steps() = 5 expected, got 3 + 3");
  CHECK(message_of([&] { series.window(-1, 3); }) == "window: first + count <= steps() = 5 expected, got -1 + 3");
  CHECK(message_of([&] { series.window(3, -1); }) == "window: first + count <= steps() = 5 expected, got 3 + -1");
}
