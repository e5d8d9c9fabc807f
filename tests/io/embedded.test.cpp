// Networks filled from weights that are compiled in, and all that may be wrong with those. tests/embedded/ tries the
// headers that embed_weights makes.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/io/embedded.hpp>
#include <recur/recur.hpp>
#include <recur/cells/elman.hpp>

using namespace recur;
using recur_test::message_of;

namespace {

template <class Number, Index Rows, Index Cols>
struct Tensor {
  static constexpr Index rows = Rows, cols = Cols;
  const char* name;
  Number data[static_cast<std::size_t>(Rows * Cols)];
};
constexpr Tensor<float, 2, 1> U{"0.U", {1, 2}};
constexpr Tensor<double, 2, 2> W{"0.W", {3, 4, 5, 6.1}};
constexpr Tensor<float, 2, 1> b{"0.b", {7, 8}};
constexpr Tensor<float, 1, 2> V{"1.V", {9, 10}};
constexpr Tensor<float, 1, 1> c{"1.c", {11}};
constexpr Tensor<float, 1, 2> flat_W{"0.W", {3, 4}};

using Fixed = Sequence<Elman<float, Tanh, 1, 2>, Readout<float, 2, 1>>;
using Sizes = Sequence<Elman<float>, Readout<float>>;
Sizes of_sizes() { return Sizes(Elman<float>(1, 2), Readout<float>(2, 1)); }

}  // namespace

TEST_CASE("A network of fixed sizes and one of others are filled alike", "[embedded]") {
  Fixed fixed;
  Sizes sizes = of_sizes();
  load_embedded(std::tie(V, b, W, U), fixed);  // in any order
  load_embedded(std::tie(U, W, b, V), sizes);
  const MatrixOf<float> expected{{3, 5}, {4, 6.1f}};  // column-major
  CHECK(fixed.layer<0>().U == MatrixOf<float>{{1}, {2}});
  CHECK(fixed.layer<0>().W == expected);
  CHECK(fixed.layer<0>().b == MatrixOf<float>{{7}, {8}});
  CHECK(fixed.layer<1>().V == MatrixOf<float>{{9, 10}});
  CHECK(sizes.layer<0>().W == expected);
  CHECK(sizes.layer<1>().V == fixed.layer<1>().V);

  Sequence biased(Elman<double>(1, 2), Readout<double>(2, 1, {.bias = true}));
  load_embedded(std::tie(U, W, b, V, c), biased);
  CHECK(biased.layer<0>().W == MatrixOf<double>{{3, 5}, {4, 6.1}});
  CHECK(biased.layer<1>().c == MatrixOf<double>{{11}});
}

TEST_CASE("What is missing, too much or of another shape is named, and nothing is filled", "[embedded]") {
  Sizes net = of_sizes();
  const auto error = [&](const auto& tensors) { return message_of([&] { load_embedded(tensors, net); }); };
  CHECK(error(std::tie(U, W, V)) == "load_embedded: the tensors must have a '0.b' of 2x1, got none");
  CHECK(error(std::tie(U, flat_W, b, V)) == "load_embedded: tensor '0.W' must be 2x2, as in the model, got 1x2");
  CHECK(error(std::tie(U, W, b, V, c)) ==
        "load_embedded: each tensor must belong to the model, got '1.c' of 1x1, which does not");
  CHECK(recur_test::same_parameters(net, of_sizes()));
  Fixed fixed;
  CHECK(message_of([&] { load_embedded(std::tie(U, W, V), fixed); }) ==
        "load_embedded: the tensors must have a '0.b' of 2x1, got none");
}
