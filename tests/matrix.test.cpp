#include "catch.hpp"
#include "helpers.hpp"

#include <recur/matrix.hpp>

using namespace recur;
using recur_test::message_of;

namespace {

struct Sized {
  Index batch_, steps_;
  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
};

}  // namespace

TEST_CASE("A fixed-size matrix asks for no alignment beyond its scalar's", "[matrix]") {
  STATIC_REQUIRE(alignof(Matrix<float, 4, 4>) == alignof(float));
  STATIC_REQUIRE(sizeof(Matrix<double, 3, 3>) == 9 * sizeof(double));
  STATIC_REQUIRE(alignof(Vector<double, 2>) == alignof(double));
}

TEST_CASE("Every matrix is column-major, but for those of one row, which Eigen wants row-major", "[matrix]") {
  STATIC_REQUIRE(!Matrix<float>::IsRowMajor);
  STATIC_REQUIRE(!Matrix<float, Dynamic, 3>::IsRowMajor);
  STATIC_REQUIRE(Matrix<float, 1, Dynamic>::IsRowMajor);
  STATIC_REQUIRE(!Matrix<float, 1, 1>::IsRowMajor);
}

TEST_CASE("A size times a count is dynamic where the size is", "[matrix]") {
  STATIC_REQUIRE(times(3, 5) == 15);
  STATIC_REQUIRE(times(3, Dynamic) == Dynamic);
}

TEST_CASE("require puts its message together from text, numbers and shapes", "[matrix]") {
  const std::string name = "0.W";
  CHECK(message_of([&] { require(false, "a ", name, ": ", 3, " ", Index(-4), " ", 0.5, " ", Shape{8, 3}); }) ==
        "a 0.W: 3 -4 0.5 8x3");
  CHECK(message_of([] { require(false, "shape ", shape(Matrix<float>(2, 7))); }) == "shape 2x7");
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

TEST_CASE("A buffer grows and never shrinks", "[matrix]") {
  detail::Buffer<double> buffer;
  CHECK(buffer.view().size() == 0);

  const auto* const data = buffer.resize(3, 4).data();
  buffer.view() = Matrix<double>::Constant(3, 4, 7);
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
