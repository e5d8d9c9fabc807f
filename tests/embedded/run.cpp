// A program that has its weights compiled in: they are those that were saved, to the bit. The first header is the
// generated one, which must need nothing that is included before it.
#include <embedded_network.hpp>
#include <embedded_numbers.hpp>

#include <recur/io/embedded.hpp>
#include <recur/stream.hpp>

#include "catch.hpp"
#include "network.hpp"

#include <cstring>

#if defined(NLOHMANN_JSON_VERSION_MAJOR) || defined(INCLUDE_NLOHMANN_JSON_HPP_)
#error "compiled-in weights must not need JSON"
#endif

using namespace recur;

namespace {

bool same_bits(const auto& a, const auto& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && sizeof(a.data()[0]) == sizeof(b.data()[0]) &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(a.data()[0])) == 0;
}
template <class Number, std::size_t Rows, std::size_t Cols>
MatrixOf<Number> matrix(const numbers::Tensor<Number, Rows, Cols>& tensor) {
  return Eigen::Map<const MatrixOf<Number>>(tensor.data, Rows, Cols);
}

void check_same(const auto& ours, const auto& theirs) {
  int blocks = 0;
  recur::visit(
      [&](const Name& name, const auto& p, const auto& q) {
        INFO(name.str());
        CHECK(same_bits(p, q));
        ++blocks;
      },
      ours, theirs);
  CHECK(blocks == 4);
}

}  // namespace

TEST_CASE("A network with its weights compiled in is the one that was saved, to the bit", "[embedded]") {
  const auto saved = recur_test::network();
  recur_test::Net net;
  load_embedded(echo::tensors, net);
  check_same(net, saved);
  CHECK(std::signbit(net.layer<0>().b[1]));

  Stream ours(net), theirs(saved);
  for (int t = 0; t < 100; ++t) {
    const float x = std::sin(0.1f * static_cast<float>(t * t));
    const float y = ours.step(x), expected = theirs.step(x);
    CHECK(std::memcmp(&y, &expected, sizeof y) == 0);
  }
}

TEST_CASE("The weights are known to the compiler", "[embedded]") {
  STATIC_REQUIRE(std::tuple_size_v<decltype(echo::tensors)> == 4);
  STATIC_REQUIRE(echo::tensor_0_W.rows == 4);
  STATIC_REQUIRE(echo::tensor_0_W.cols == 4);
  STATIC_REQUIRE(echo::tensor_0_b.data[3] == 0x1.fffffep-1f);
  STATIC_REQUIRE(std::string_view(echo::tensor_1_V.name) == "1.V");
}

TEST_CASE("Numbers of every kind are compiled in to the bit, under whatever name", "[embedded]") {
  CHECK(same_bits(matrix(numbers::tensor_of_float), recur_test::odd_numbers<float>()));
  CHECK(same_bits(matrix(numbers::tensor_of_float_2), recur_test::odd_numbers<double>()));
  CHECK(std::string_view(numbers::tensor_of_float_2.name) == "of.float");
  CHECK(std::string_view(numbers::tensor_h_alf.name) == "\"h\\alf?\"\n");
  const auto half = matrix(numbers::tensor_h_alf);  // row-major in the file
  CHECK(half(0, 0) == 1);
  CHECK(half(0, 1) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half(1, 0)));
  CHECK(half(1, 1) == 0x1p-24f);
  CHECK(std::string_view(numbers::tensor.name) == "\xC3\xBC");
  CHECK(numbers::tensor.rows == 4);
  CHECK(numbers::tensor.cols == 1);
  CHECK(numbers::tensor.data[0] == 1);
  CHECK(numbers::tensor.data[1] == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(numbers::tensor.data[2]));
  CHECK(numbers::tensor.data[3] == 0x1p-133f);
}
