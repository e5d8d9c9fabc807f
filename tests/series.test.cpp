#include "catch.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/series.hpp>

#include <numeric>
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

}  // namespace

TEST_CASE("A series starts at zero, and its steps can be written", "[series]") {
  Series<double> series(2, 3, 4);
  CHECK((series.features() == 2 && series.batch() == 3 && series.steps() == 4 && !series.empty()));
  CHECK((series.matrix().rows() == 2 && series.matrix().cols() == 12));
  CHECK(series.matrix().isZero(0));

  series[1].col(2) << 5, 6;
  series[3] = series[1];
  series[2].setConstant(7);
  Matrix<double> expected = Matrix<double>::Zero(2, 12);
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
  const Matrix<float> matrix = random_matrix<float>(3, 8, rng);
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

TEST_CASE("Rows of a matrix of any layout are copied", "[series]") {
  std::mt19937 rng(3);
  const Matrix<float> matrix = random_matrix<float>(6, 2, rng);
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
  const Eigen::Map<const Matrix<float>> whole(buffer.data(), 5, 6);
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

TEST_CASE("Series say which sizes do not fit", "[series]") {
  const Matrix<float> matrix = Matrix<float>::Zero(4, 7);
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
