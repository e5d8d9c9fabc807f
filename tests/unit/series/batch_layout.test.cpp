// Where the steps of a batch lie.
#include "catch.hpp"

#include <recur/series/series.hpp>
#include <recur/series/batch_layout.hpp>

using namespace recur;

namespace {

BatchLayout steps_of(Index batch, Index steps, std::vector<Index> lengths) {
  Series<float> x(1, batch, steps);
  x.set_lengths(std::move(lengths));
  BatchLayout result;
  result.assign(SeriesView<const float>(x));
  return result;
}

}  // namespace

TEST_CASE("Where all sequences have all steps, each step is N columns", "[steps]") {
  const auto steps = steps_of(3, 4, {});
  CHECK_FALSE(steps.has_unequal_lengths());
  CHECK((steps.batch() == 3 && steps.steps() == 4 && steps.columns() == 12));
  for (Index t = 0; t < 4; ++t) CHECK((steps.column(t) == 3 * t && steps.active(t) == 3 && steps.record(t) == 3 * t));
  CHECK(steps.active(4) == 0);
  for (Index k = 0; k < 3; ++k)
    CHECK((steps.sequence(k) == k && steps.length(k) == 4 && steps.last_record(k) == 12 + k));
  CHECK((steps.end_of_run(0, 7) == 2 && steps.end_of_run(3, 7) == 4 && steps.end_of_run(0, 1) == 1));
  CHECK((steps.begin_of_run(4, 7) == 2 && steps.begin_of_run(1, 7) == 0 && steps.begin_of_run(4, 1) == 3));
}

TEST_CASE("Where lengths differ, the longest come first, and each step has columns for those alone that go on",
          "[steps]") {
  const auto steps = steps_of(5, 9, {2, 4, 0, 4, 1});
  CHECK(steps.has_unequal_lengths());
  CHECK((steps.batch() == 5 && steps.steps() == 4 && steps.columns() == 11));
  const Index sequences[] = {1, 3, 0, 4, 2}, lengths[] = {4, 4, 2, 1, 0};
  const Index active[] = {4, 3, 2, 2, 0}, columns[] = {0, 4, 7, 9, 11};
  for (Index k = 0; k < 5; ++k) {
    CHECK(steps.sequence(k) == sequences[k]);
    CHECK(steps.length(k) == lengths[k]);
    CHECK(steps.active(k) == active[k]);
    CHECK(steps.column(k) == columns[k]);
  }
  // In records the initial state of all five comes first.
  CHECK((steps.record(0) == 0 && steps.record(1) == 5 && steps.record(2) == 9));
  CHECK(steps.last_record(0) == 5 + 9);      // of the fourth step
  CHECK(steps.last_record(2) == 5 + 4 + 2);  // of the second
  CHECK(steps.last_record(4) == 4);          // the initial one
  CHECK((steps.end_of_run(0, 7) == 2 && steps.end_of_run(1, 7) == 4 && steps.end_of_run(0, 3) == 1));
  CHECK((steps.begin_of_run(4, 7) == 1 && steps.begin_of_run(4, 11) == 0 && steps.begin_of_run(1, 2) == 0));
}

TEST_CASE("Runs cover all steps, each once, from either side", "[steps]") {
  for (const auto& lengths : std::vector<std::vector<Index>>{{}, {3, 9, 9, 1, 0, 5}, {9, 9, 9, 9, 9, 9}}) {
    const auto steps = steps_of(6, 9, lengths);
    for (const Index columns : {1, 6, 7, 20, 1000}) {
      for (Index first = 0; first < steps.steps();) {
        const Index end = steps.end_of_run(first, columns);
        REQUIRE(end > first);
        CHECK((end == first + 1 || steps.column(end) - steps.column(first) <= columns));
        first = end;
        CHECK(first <= steps.steps());
      }
      for (Index end = steps.steps(); end > 0;) {
        const Index first = steps.begin_of_run(end, columns);
        REQUIRE((first < end && first >= 0));
        CHECK((end == first + 1 || steps.column(end) - steps.column(first) <= columns));
        end = first;
      }
    }
  }
}

TEST_CASE("Steps can be assigned anew", "[steps]") {
  auto steps = steps_of(5, 9, {2, 4, 0, 4, 1});
  Series<float> x(1, 2, 3);
  steps.assign(SeriesView<const float>(x));
  CHECK((!steps.has_unequal_lengths() && steps.columns() == 6 && steps.length(1) == 3 && steps.sequence(1) == 1));
  x.set_lengths({1, 2});
  steps.assign(SeriesView<const float>(x));
  CHECK((steps.columns() == 3 && steps.sequence(0) == 1 && steps.steps() == 2));
}

TEST_CASE("Steps that have been moved from are empty", "[steps]") {
  for (const auto& lengths : {std::vector<Index>{}, {2, 4, 0}}) {
    auto steps = steps_of(3, 4, lengths);
    const Index columns = steps.columns();
    const auto is_empty = [](const BatchLayout& moved) {
      return moved.batch() == 0 && moved.steps() == 0 && !moved.has_unequal_lengths() && moved.columns() == 0;
    };
    BatchLayout moved = std::move(steps), assigned = steps_of(2, 2, {1, 2});
    CHECK(is_empty(steps));
    assigned = std::move(moved);
    CHECK(is_empty(moved));
    auto& itself = assigned;
    assigned = std::move(itself);
    CHECK((assigned.batch() == 3 && assigned.steps() == 4 && assigned.columns() == columns));
    CHECK((assigned.has_unequal_lengths() == !lengths.empty() && assigned.length(2) == (lengths.empty() ? 4 : 0)));
  }
}
