#include "catch.hpp"
#include "helpers.hpp"

#include <recur/recur.hpp>

#include <cmath>
#include <limits>
#include <new>

using namespace recur;
using recur_test::message_of;

namespace {

struct Sized {
  Index batch_, steps_;
  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
};

}  // namespace

// Under the address sanitizer too, memory that there is not is std::bad_alloc.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

TEST_CASE("A fixed-size matrix asks for no alignment beyond its scalar's", "[matrix]") {
  STATIC_REQUIRE(alignof(MatrixOf<float, 4, 4>) == alignof(float));
  STATIC_REQUIRE(sizeof(MatrixOf<double, 3, 3>) == 9 * sizeof(double));
  STATIC_REQUIRE(alignof(VectorOf<double, 2>) == alignof(double));
}

TEST_CASE("Every matrix is column-major, but for those of one row, which Eigen wants row-major", "[matrix]") {
  STATIC_REQUIRE(!MatrixOf<float>::IsRowMajor);
  STATIC_REQUIRE(!MatrixOf<float, Dynamic, 3>::IsRowMajor);
  STATIC_REQUIRE(MatrixOf<float, 1, Dynamic>::IsRowMajor);
  STATIC_REQUIRE(!MatrixOf<float, 1, 1>::IsRowMajor);
}

TEST_CASE("A size times a count is dynamic where the size is", "[matrix]") {
  STATIC_REQUIRE(times(3, 5) == 15);
  STATIC_REQUIRE(times(3, Dynamic) == Dynamic);
}

TEST_CASE("require puts its message together from text, numbers and shapes", "[matrix]") {
  const std::string name = "0.W";
  CHECK(message_of([&] { require(false, "a ", name, ": ", 3, " ", Index(-4), " ", 0.5, " ", Shape{8, 3}); }) ==
        "a 0.W: 3 -4 0.5 8x3");
  CHECK(message_of([] { require(false, "shape ", shape(MatrixOf<float>(2, 7))); }) == "shape 2x7");
  CHECK(message_of([] { require(true, "never said"); }) == "(nothing was thrown)");
}

TEST_CASE("require_equal names the argument, what was expected and what came", "[matrix]") {
  CHECK(message_of([] { require_equal("forward", "x.features()", 5, "inputs()", 3); }) ==
        "forward: x.features() must be 3 (inputs()), got 5");
  CHECK(message_of([] { require_equal("forward", "x.features()", 3, "inputs()", 3); }) == "(nothing was thrown)");
}

TEST_CASE("require_same_steps wants the same batch and the same steps", "[matrix]") {
  const auto message = [](Sized got, Sized expected) {
    return message_of([&] { require_same_steps("bptt", "dy", got, "x", expected); });
  };
  CHECK(message({2, 5}, {3, 5}) == "bptt: dy must have batch 3 and steps 5 (as x), got batch 2 and steps 5");
  CHECK(message({3, 4}, {3, 5}) == "bptt: dy must have batch 3 and steps 5 (as x), got batch 3 and steps 4");
  CHECK(message({3, 5}, {3, 5}) == "(nothing was thrown)");
}

TEST_CASE("A product of sizes is checked, and the message names them", "[matrix]") {
  using detail::checked_product;
  constexpr Index large = Index(1) << 40;
  CHECK(checked_product("sizes") == 1);
  CHECK(checked_product("sizes", 3, 4, 5) == 60);
  CHECK(checked_product("sizes", 3, 0, 5) == 0);
  CHECK(checked_product("sizes", large, (Index(1) << 19) - 1) == large * ((Index(1) << 19) - 1));
  CHECK(message_of([] { checked_product("Cell: rows x cols", large, Index(1) << 19); }) ==
        "Cell: rows x cols must be less than 2^59, got 1099511627776 x 524288");
  CHECK_THROWS_AS(checked_product("sizes", large, large), std::invalid_argument);
  CHECK_THROWS_AS(checked_product("sizes", large, large, 0), std::invalid_argument);
  CHECK_THROWS_AS(checked_product("sizes", 0, large, large), std::invalid_argument);
  CHECK_THROWS_AS(checked_product("sizes", large, large, large, large, large, large, large, large),
                  std::invalid_argument);
}

TEST_CASE("A buffer of too many numbers is an error, and leaves it empty or as it was", "[matrix]") {
  detail::Buffer<float> buffer;
  buffer.resize(2, 3).setConstant(7);
  CHECK(message_of([&] { buffer.resize(Index(1) << 62, 4); }) ==
        "Buffer: rows x cols must be less than 2^59, got 4611686018427387904 x 4");
  CHECK((buffer.rows() == 2 && buffer.cols() == 3 && (buffer.view().array() == 7).all()));
  CHECK_THROWS_AS(buffer.resize(Index(1) << 57, 2), std::bad_alloc);
  CHECK((buffer.rows() == 0 && buffer.cols() == 0 && buffer.bytes() == 0));
  CHECK(buffer.resize(2, 2).size() == 4);
}

TEST_CASE("A buffer that has been moved from is empty", "[matrix]") {
  detail::Buffer<float> buffer;
  buffer.resize(2, 3).setConstant(7);
  detail::Buffer<float> moved = std::move(buffer), assigned;
  CHECK((buffer.rows() == 0 && buffer.cols() == 0 && buffer.view().size() == 0));
  assigned.resize(5, 5);
  assigned = std::move(moved);
  CHECK((moved.rows() == 0 && moved.cols() == 0 && moved.view().size() == 0));
  auto& itself = assigned;
  assigned = std::move(itself);
  CHECK((assigned.rows() == 2 && assigned.cols() == 3 && (assigned.view().array() == 7).all()));
  moved.resize(1, 4).setZero();
  CHECK(moved.view().isZero(0));
}

TEST_CASE("A buffer grows and never shrinks", "[matrix]") {
  detail::Buffer<double> buffer;
  CHECK(buffer.view().size() == 0);

  const auto* const data = buffer.resize(3, 4).data();
  buffer.view() = MatrixOf<double>::Constant(3, 4, 7);
  CHECK((buffer.rows() == 3 && buffer.cols() == 4));

  auto smaller = buffer.resize(5, 2);
  CHECK(smaller.data() == data);
  CHECK((smaller.rows() == 5 && smaller.cols() == 2 && smaller.outerStride() == 5));
  CHECK((smaller.array() == 7).all());

  CHECK(buffer.resize(12, 1).data() == data);
  CHECK(buffer.resize(0, 9).size() == 0);
  CHECK(buffer.resize(4, 3).data() == data);

  const auto larger = buffer.resize(6, 5);
  CHECK((larger.rows() == 6 && larger.cols() == 5));
  CHECK(std::as_const(buffer).view().data() == larger.data());
}

TEMPLATE_TEST_CASE("Numbers that are finite, infinite and NaN are told apart", "[matrix]", float, double) {
  using Limits = std::numeric_limits<TestType>;
  for (const TestType sign : {TestType(1), TestType(-1)}) {
    for (const TestType finite : {TestType(0), TestType(1), Limits::denorm_min(), Limits::max()})
      CHECK((detail::is_finite(sign * finite) && !detail::is_nan(sign * finite)));
    CHECK((!detail::is_finite(sign * Limits::infinity()) && !detail::is_nan(sign * Limits::infinity())));
    const TestType nan = std::copysign(Limits::quiet_NaN(), sign);
    CHECK((!detail::is_finite(nan) && detail::is_nan(nan)));
  }
}
