// The safetensors format: what is written is read, to the bit; what other programs write is read; what is broken, in
// whatever way, is refused with a message that says how.
#include "catch.hpp"
#include "helpers.hpp"

#include <recur/io/safetensors.hpp>

#include <cmath>
#include <cstring>

using namespace recur;
using Catch::Matchers::ContainsSubstring;
using recur_test::message_of;

namespace {

template <class File>
constexpr bool lists_tensors = requires(File&& file) { std::forward<File>(file).tensors(); };

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}
/// A file of this header and these data, its length written by hand.
std::vector<std::byte> file_of(std::string_view header, std::string_view data = "") {
  std::string text(8, '\0');
  for (std::size_t i = 0, length = header.size(); i < 8; ++i, length /= 256) text[i] = static_cast<char>(length % 256);
  return bytes_of(text.append(header).append(data));
}
Safetensors parse(std::vector<std::byte> bytes) { return Safetensors::parse(std::move(bytes), "m.safetensors"); }

const std::string accepted = "(nothing was thrown)";
/// Why it is refused: the message without the file's name, which must stand before it.
std::string refusal(std::vector<std::byte> bytes) {
  const std::string message = message_of<std::runtime_error>([&] { parse(std::move(bytes)); });
  return message.starts_with("m.safetensors: ") ? message.substr(15) : message;
}
std::string refusal(std::string_view header, std::string_view data = "") { return refusal(file_of(header, data)); }

template <class Scalar>
bool same_bits(const MatrixOf<Scalar>& a, const MatrixOf<Scalar>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(Scalar)) == 0;
}

/// Every kind of number, of every size.
template <class Scalar>
MatrixOf<Scalar> odd_numbers() {
  using Limits = std::numeric_limits<Scalar>;
  MatrixOf<Scalar> m(3, 4);
  m << Scalar(0), -Scalar(0), 1, Scalar(-1) / 3,                                           //
      Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), -Limits::quiet_NaN(),  //
      Limits::denorm_min(), Limits::min(), Limits::max(), Limits::lowest();
  return m;
}

/// A small file that has everything: metadata, several types, an empty tensor, a scalar.
std::vector<std::byte> small_file() {
  SafetensorsWriter file;
  file.set_metadata("format", "pt");
  file.add("W", MatrixOf<float>{{1, 2, 3}, {4, 5, 6}});
  file.add("b", MatrixOf<double>{{1}, {2}});
  file.add("empty", MatrixOf<float>(0, 3));
  const std::array half{std::byte(0x00), std::byte(0x3C)};
  file.add("one", Tensor{"F16", {}, half});
  return file.bytes();
}

/// Everything that can be asked of a file. Gives the sum of all numbers in it, for somebody to look at.
double read_all(const Safetensors& file) {
  double sum = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    if (!is_real(tensor.dtype)) continue;
    for (const double value : file.values<double>(name)) sum += value;
    if (tensor.shape.size() == 1 || tensor.shape.size() == 2) sum += file.matrix<double>(name).sum();
  }
  return sum;
}

}  // namespace

TEST_CASE("A file as other programs write it", "[safetensors]") {
  // [[1, 2, 3], [4, 5, 6]] in float, and 0.5 in double; with spaces where JSON allows them, tensors in no order.
  const auto file = parse(
      file_of("{ \"d\" : {\"shape\":[],\"data_offsets\":[24, "
              "32],\"dtype\":\"F64\"},\n\"__metadata__\":{\"format\":\"pt\",\"\":\"\"},"
              "\"\\u00e4.W\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}\r\n\t ",
              std::string_view(
                  "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40\0\0\0\0\0\0\xe0\x3f", 32)));
  CHECK(file.name() == "m.safetensors");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"", ""}});
  CHECK(file.metadata("format") == "pt");
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.contains("ä.W"));
  CHECK_FALSE(file.contains("W"));
  CHECK(file.tensor("d").dtype == "F64");
  CHECK(file.shape("d").empty());
  CHECK(file.values<float>("d") == std::vector{0.5f});
  CHECK(file.shape("ä.W") == std::vector<Index>{2, 3});
  CHECK(file.values<double>("ä.W") == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(file.matrix<float>("ä.W") == MatrixOf<float>{{1, 2, 3}, {4, 5, 6}});
  const Safetensors empty = parse(file_of("{}"));
  CHECK(empty.tensors().empty());
  // What is viewed is not of a temporary.
  STATIC_REQUIRE(lists_tensors<const Safetensors&>);
  STATIC_REQUIRE_FALSE(lists_tensors<Safetensors>);
  STATIC_REQUIRE(std::is_same_v<decltype(Safetensors::read("").metadata()), std::map<std::string, std::string>>);
}

TEST_CASE("What is written, to the byte", "[safetensors]") {
  SafetensorsWriter file;
  file.add("b", MatrixOf<float>{{1, 2}, {3, 4}});
  file.add("a", MatrixOf<double>{{0.5}});
  file.set_metadata("a\"b", "\n\x01ü");
  const std::string_view header =
      "{\"__metadata__\":{\"a\\\"b\":\"\\n\\u0001ü\"},\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
      "\"b\":{\"dtype\":\"F32\",\"shape\":[2, 2],\"data_offsets\":[8,24]}}";
  const std::string padded = std::string(header) + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(file.bytes() ==
        file_of(padded, std::string_view("\0\0\0\0\0\0\xe0\x3f\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 24)));
  CHECK(SafetensorsWriter().bytes() == file_of("{}      "));
}

TEMPLATE_TEST_CASE("What is written is read, to the bit", "[safetensors]", float, double) {
  const MatrixOf<TestType> odd = odd_numbers<TestType>(), none(0, 3);
  const VectorOf<TestType, 4> b(1, 2, 3, 4);
  SafetensorsWriter writer;
  writer.add("odd", odd);
  writer.add("odd^T", odd.transpose());
  writer.add("block", odd.bottomRows(2).leftCols(1));
  writer.add("none", none);
  writer.add("b", b);
  writer.add("b as row", b.transpose());
  writer.add("b as series", b, {2, 1, 2});
  writer.add("one", b.head(1), {});
  writer.add("long shape", b, std::vector<Index>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4});
  writer.set_metadata("by", "recur");
  const auto file = parse(writer.bytes());

  CHECK(file.metadata() == std::map<std::string, std::string>{{"by", "recur"}});
  CHECK(file.tensors().size() == 9);
  CHECK(file.tensor("odd").dtype == (sizeof(TestType) == 4 ? "F32" : "F64"));
  CHECK(same_bits(file.matrix<TestType>("odd"), odd));
  CHECK(same_bits<TestType>(file.matrix<TestType>("odd^T"), odd.transpose()));
  CHECK(same_bits<TestType>(file.matrix<TestType>("block", 2, 1), odd.block(1, 0, 2, 1)));
  CHECK(file.shape("none") == std::vector<Index>{0, 3});
  CHECK(file.matrix<TestType>("none").cols() == 3);
  CHECK(file.shape("b") == std::vector<Index>{4});
  CHECK(file.shape("b as row") == std::vector<Index>{1, 4});
  CHECK(file.shape("b as series") == std::vector<Index>{2, 1, 2});
  CHECK(file.values<TestType>("b as series") == std::vector<TestType>{1, 2, 3, 4});
  CHECK(file.values<TestType>("one") == std::vector<TestType>{1});
  CHECK(file.shape("long shape").size() == 20);

  VectorOf<TestType, 4> fixed;
  file.read("b", fixed);
  CHECK(fixed == b);
  MatrixOf<TestType> dynamic(3, 4);
  file.read("odd", dynamic);
  CHECK(same_bits(dynamic, odd));
}

TEST_CASE("The same tensors give the same file, aligned, in whatever order they come", "[safetensors]") {
  const std::vector<std::byte> eight(8, std::byte(7)), one(1, std::byte(7));
  SafetensorsWriter there, back;
  for (const auto& type : number_types) {
    if (type.bits >= 8) there.add(std::string(type.name), Tensor{std::string(type.name), {8 * 8 / type.bits}, eight});
  }
  for (std::size_t i = number_types.size(); i-- > 0;) {
    const auto& type = number_types[i];
    if (type.bits >= 8) back.add(std::string(type.name), Tensor{std::string(type.name), {8 * 8 / type.bits}, eight});
  }
  there.add("0", Tensor{"U8", {1}, one});
  back.add("0", Tensor{"U8", {1}, one});
  CHECK(there.bytes() == back.bytes());
  const auto bytes = there.bytes();
  const auto length = detail::load_little_endian<std::uint64_t>(bytes.data());
  CHECK(length % 8 == 0);
  const auto file = parse(bytes);
  std::vector<const std::byte*> begins;
  for (const auto& [name, tensor] : file.tensors()) begins.push_back(tensor.data.data());
  const std::byte* const first = *std::min_element(begins.begin(), begins.end());
  for (const auto& [name, tensor] : file.tensors()) {
    INFO(name);
    CHECK((tensor.data.data() - first) % (find_number_type(tensor.dtype)->bits / 8) == 0);
  }
}

TEST_CASE("Every type of the format is carried, and only reals are read as numbers", "[safetensors]") {
  const std::vector<std::byte> data(24, std::byte(0x11));  // 24 bytes: a whole number of each
  for (const auto& type : number_types) {
    const std::string name(type.name);
    INFO(name);
    SafetensorsWriter writer;
    writer.add("t", Tensor{name, {24 * 8 / type.bits}, data});
    const auto file = parse(writer.bytes());
    CHECK(file.tensor("t").dtype == name);
    CHECK(std::equal(data.begin(), data.end(), file.tensor("t").data.begin(), file.tensor("t").data.end()));
    if (name == "F64" || name == "F32" || name == "F16" || name == "BF16") {
      CHECK(file.values<float>("t").size() == 24 * 8 / type.bits);
    } else {
      CHECK(message_of<std::runtime_error>([&] { file.values<float>("t"); }) ==
            "m.safetensors: tensor 't' must be of F64, F32, F16 or BF16 to be read as numbers, got " + name);
    }
  }
}

TEST_CASE("All halfs and bfloats, by their definitions", "[safetensors]") {
  std::vector<std::byte> all(2 * 65536);
  for (std::size_t i = 0; i < 65536; ++i) {
    all[2 * i] = static_cast<std::byte>(i % 256);
    all[2 * i + 1] = static_cast<std::byte>(i / 256);
  }
  SafetensorsWriter writer;
  writer.add("F16", Tensor{"F16", {65536}, all});
  writer.add("BF16", Tensor{"BF16", {65536}, all});
  const auto file = parse(writer.bytes());

  // (-1)^sign 1.mantissa 2^(exponent - bias); 0.mantissa 2^(1 - bias) where the exponent is 0; all ones: infinity or
  // NaN.
  const auto check = [&](const std::string& type, int exponent_bits, int mantissa_bits) {
    const int exponents = 1 << exponent_bits, mantissas = 1 << mantissa_bits, bias = exponents / 2 - 1;
    const auto floats = file.values<float>(type);
    const auto doubles = file.values<double>(type);
    int wrong = 0, nans = 0;
    for (int bits = 0; bits < 65536; ++bits) {
      const double sign = bits >= 32768 ? -1 : 1;
      const int exponent = bits / mantissas % exponents, mantissa = bits % mantissas;
      const double fraction = static_cast<double>(mantissa) / mantissas;
      double expected = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
      if (exponent == exponents - 1) expected = std::numeric_limits<double>::infinity();
      const float is = floats[static_cast<std::size_t>(bits)];
      const double is_double = doubles[static_cast<std::size_t>(bits)];
      const bool is_nan = exponent == exponents - 1 && mantissa != 0;
      nans += is_nan;
      const bool right = is_nan ? std::isnan(is) && std::isnan(is_double) && std::signbit(is) == (sign < 0)
                                : static_cast<double>(is) == sign * expected && is_double == sign * expected &&
                                      std::signbit(is) == (sign < 0);
      wrong += !right;
    }
    CHECK(wrong == 0);
    CHECK(nans == 2 * (mantissas - 1));
  };
  check("F16", 5, 10);
  check("BF16", 8, 7);
}

TEST_CASE("An empty tensor may have any size but one, and nothing loops over it", "[safetensors]") {
  const auto wide =
      parse(file_of("{\"w\":{\"dtype\":\"F32\",\"shape\":[0,9223372036854775807],\"data_offsets\":[0,0]}}"));
  const MatrixOf<float> w = wide.matrix<float>("w");
  CHECK(w.rows() == 0);
  CHECK(w.cols() == std::numeric_limits<Index>::max());
  const MatrixOf<float> high(std::numeric_limits<Index>::max(), 0);
  SafetensorsWriter writer;
  writer.add("w", w);
  writer.add("high", high, {0});
  CHECK(parse(writer.bytes()).tensor("w").data.empty());
}

TEST_CASE("A double read as float is rounded to the nearest", "[safetensors]") {
  SafetensorsWriter writer;
  writer.add("t", MatrixOf<double>{{0.1, 1 + 0x1p-24, 1 + 0x1.8p-24, 1e300, -1e-300, 0x1p-149}});
  const auto file = parse(writer.bytes());
  CHECK(file.values<float>("t") == std::vector<float>{0.1f, 1, 1 + 0x1p-23f, INFINITY, -0.0f, 0x1p-149f});
}

TEST_CASE("A tensor is read only where it is, and in the shape that it has", "[safetensors]") {
  const auto file = parse(small_file());
  const auto error = [&](auto&& read) { return message_of<std::runtime_error>(read); };
  CHECK(error([&] { file.tensor("U"); }) == "m.safetensors: must have a tensor 'U', got 'W', 'b', 'empty', 'one'");
  CHECK(error([&] { parse(file_of("{}")).tensor("U"); }) == "m.safetensors: must have a tensor 'U', got none at all");
  CHECK(error([&] { file.metadata("cell"); }) == "m.safetensors: must have the metadata 'cell', got none of that name");
  CHECK(error([&] { file.matrix<float>("W", 3, 2); }) ==
        "m.safetensors: tensor 'W' must have shape [3, 2], got [2, 3]");
  CHECK(error([&] { file.matrix<float>("b", 3, 1); }) ==
        "m.safetensors: tensor 'b' must have shape [3, 1] or [3], got [2]");
  CHECK(error([&] { file.matrix<float>("b", 1, 2); }) == "m.safetensors: tensor 'b' must have shape [1, 2], got [2]");
  CHECK(error([&] { file.matrix<float>("one"); }) ==
        "m.safetensors: tensor 'one' must have one or two dimensions, got shape []");
  CHECK(file.matrix<float>("W", 2, 3) == MatrixOf<float>{{1, 2, 3}, {4, 5, 6}});
  CHECK(file.matrix<float>("b", 2, 1) == MatrixOf<float>{{1}, {2}});
  MatrixOf<float> W = MatrixOf<float>::Constant(3, 3, 7);
  CHECK(error([&] { file.read("W", W); }) == "m.safetensors: tensor 'W' must have shape [3, 3], got [2, 3]");
  CHECK(W == MatrixOf<float>::Constant(3, 3, 7));
}

TEST_CASE("What may not be written", "[safetensors]") {
  SafetensorsWriter writer;
  const MatrixOf<float> m = MatrixOf<float>::Ones(2, 3);
  const std::vector<std::byte> three(3);
  writer.add("m", m);
  CHECK(message_of([&] { writer.add("m", m); }) == "SafetensorsWriter: tensor 'm' must be added once, got it twice");
  CHECK(message_of([&] { writer.add("n", m, {5}); }) ==
        "SafetensorsWriter: tensor 'n' must have the bytes of F32 of shape [5], got 24");
  CHECK(message_of([&] { writer.add("n", m, {-2, -3}); }) ==
        "SafetensorsWriter: tensor 'n' must have the bytes of F32 of shape [-2, -3], got 24");
  CHECK(message_of([&] { writer.add("n", Tensor{"F4", {5}, three}); }) ==
        "SafetensorsWriter: tensor 'n' must have the bytes of F4 of shape [5], got 3");
  CHECK(message_of([&] { writer.add("n", Tensor{"F31", {}, three}); }) ==
        "SafetensorsWriter: tensor 'n' must have a known dtype, got 'F31'");
  CHECK(message_of([&] { writer.add("__metadata__", m); }) ==
        "SafetensorsWriter: a tensor must not be called __metadata__");
  writer.set_metadata("not \xff", "");
  CHECK(message_of([&] { writer.bytes(); }) == "SafetensorsWriter: 'not \xff' must be UTF-8");
}

TEST_CASE("Files that are refused: the frame", "[safetensors]") {
  const std::string not_whole = ": it is cut short, or no safetensors file";
  CHECK(refusal(bytes_of("")) == "must have at least 8 bytes, the length of its header, got 0" + not_whole);
  CHECK(refusal(bytes_of("1234567")) == "must have at least 8 bytes, the length of its header, got 7" + not_whole);
  CHECK(refusal(bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff{}")) ==
        "must have a header within its other 2 bytes and within 100000000, got one of 18446744073709551615" +
            not_whole);
  CHECK(refusal(file_of("{}")) == accepted);
  CHECK(refusal("") == "must have a header that begins with '{'");
  CHECK(refusal(" {}") == "must have a header that begins with '{'");
  CHECK(refusal("\xef\xbb\xbf{}") == "must have a header that begins with '{'");
  CHECK(refusal("[]") == "must have a header that begins with '{'");
  CHECK(refusal("{}", "x") == "must have 0 bytes of data, as its tensors do, got 1");
  CHECK(refusal(std::string_view("{}\0", 3)) == "must have a header in JSON, got a zero byte in it");
  const std::string long_header = "{" + std::string(100'000'000, ' ');
  CHECK(refusal(long_header) ==
        "must have a header within its other 100000001 bytes and within 100000000, got one of "
        "100000001" +
            not_whole);
}

TEST_CASE("Files that are refused: the JSON", "[safetensors]") {
  for (const char* const header : {"{",
                                   "{}}",
                                   "{},",
                                   "{\"a",
                                   "{\"a\"",
                                   "{\"a\":",
                                   "{\"a\":}",
                                   "{,}",
                                   "{'a':1}",
                                   "{} //",
                                   "{/**/}",
                                   "{\"\xff\":1}",
                                   "{\"\\ud800\":1}",
                                   "{\"\n\":1}",
                                   "{\"a\":{\"dtype\":nul",
                                   "{\"a\":{\"shape\":[01]}}",
                                   "{\"a\":{\"shape\":[1,]}}",
                                   "{\"a\":{\"shape\":[1e999]}}",
                                   "{\"a\":{\"shape\":[+1]}}",
                                   "{\"a\":{\"shape\":[0x1]}}",
                                   "{\"a\":{\"shape\":[NaN]}}"}) {
    INFO(header);
    CHECK_THAT(refusal(header), ContainsSubstring("must have a header in JSON, got a "));
  }
  CHECK(refusal("{\"a\"?") ==
        "must have a header in JSON, got a parse error at line 1, column 5: syntax error while parsing object "
        "separator - "
        "invalid literal");
  // What would fill a stack, were it followed: each is refused at its first level.
  std::string deep = "{\"a\":";
  for (int i = 0; i < 1'000'000; ++i) deep += "{\"a\":";
  CHECK(refusal(deep) == "tensor 'a' must have dtype, shape and data_offsets, got 'a'");
  CHECK(refusal("{\"a\":" + std::string(1'000'000, '[')) == "tensor 'a' must be an object, got a list");
}

TEST_CASE("Files that are refused: the entries", "[safetensors]") {
  const auto entry = [](const std::string& inner, std::string_view data = "") {
    return refusal("{\"a\":{" + inner + "}}", data);
  };
  const std::string shape = "\"shape\":[1]", offsets = "\"data_offsets\":[0,4]", dtype = "\"dtype\":\"F32\"";
  const auto with_shape = [&](const std::string& value) {
    return entry(dtype + "," + offsets + ",\"shape\":" + value, "1234");
  };
  const auto with_offsets = [&](const std::string& value) {
    return entry(dtype + "," + shape + ",\"data_offsets\":" + value, "1234");
  };
  const auto with_dtype = [&](const std::string& value) {
    return entry(shape + "," + offsets + ",\"dtype\":" + value, "1234");
  };
  CHECK(with_shape("[1]") == accepted);

  CHECK(refusal("{\"a\":1}") == "tensor 'a' must be an object, got 1");
  CHECK(refusal("{\"a\":-1}") == "tensor 'a' must be an object, got -1");
  CHECK(refusal("{\"a\":1.5}") == "tensor 'a' must be an object, got the number '1.5'");
  CHECK(refusal("{\"a\":null}") == "tensor 'a' must be an object, got null");
  CHECK(refusal("{\"a\":true}") == "tensor 'a' must be an object, got true");
  CHECK(refusal("{\"a\":\"b\"}") == "tensor 'a' must be an object, got the string 'b'");
  CHECK(refusal("{\"a\":[]}") == "tensor 'a' must be an object, got a list");
  CHECK(entry("") == "tensor 'a' must have dtype, shape and data_offsets, got no dtype");
  CHECK(entry(dtype) == "tensor 'a' must have dtype, shape and data_offsets, got no shape");
  CHECK(entry(dtype + "," + shape) == "tensor 'a' must have dtype, shape and data_offsets, got no data_offsets");
  CHECK(entry("\"color\":1") == "tensor 'a' must have dtype, shape and data_offsets, got 'color'");
  CHECK(entry(dtype + "," + dtype) == "tensor 'a' must have one dtype, got two");
  CHECK(entry(shape + "," + shape) == "tensor 'a' must have one shape, got two");
  CHECK(entry(offsets + "," + offsets) == "tensor 'a' must have one data_offsets, got two");

  CHECK(with_dtype("\"F31\"") == "tensor 'a' must have a known dtype (F64, F32, F16, BF16 ...), got 'F31'");
  CHECK(with_dtype("\"f32\"") == "tensor 'a' must have a known dtype (F64, F32, F16, BF16 ...), got 'f32'");
  CHECK(with_dtype("3") == "tensor 'a' must have a known dtype (F64, F32, F16, BF16 ...), got 3");
  CHECK(with_dtype("{}") == "tensor 'a' must have a known dtype (F64, F32, F16, BF16 ...), got an object");
  CHECK(with_dtype("[\"F32\"]") == "tensor 'a' must have a known dtype (F64, F32, F16, BF16 ...), got a list");
  CHECK(with_shape("1") == "tensor 'a' must have a list of sizes as its shape, got 1");
  CHECK(with_shape("\"1\"") == "tensor 'a' must have a list of sizes as its shape, got the string '1'");
  CHECK(with_shape("{}") == "tensor 'a' must have a list of sizes as its shape, got an object");
  CHECK(with_shape("[-1]") == "tensor 'a' must have sizes as its shape, got -1");
  CHECK(with_shape("[-0]") == "tensor 'a' must have sizes as its shape, got 0");
  CHECK(with_shape("[1.0]") == "tensor 'a' must have sizes as its shape, got the number '1.0'");
  CHECK(with_shape("[1e0]") == "tensor 'a' must have sizes as its shape, got the number '1e0'");
  CHECK(with_shape("[\"1\"]") == "tensor 'a' must have sizes as its shape, got the string '1'");
  CHECK(with_shape("[null]") == "tensor 'a' must have sizes as its shape, got null");
  CHECK(with_shape("[[1]]") == "tensor 'a' must have sizes as its shape, got a list");
  CHECK(with_shape("[{}]") == "tensor 'a' must have sizes as its shape, got an object");
  CHECK(with_shape("[9223372036854775808]") == "tensor 'a' must have sizes as its shape, got 9223372036854775808");
  CHECK(with_shape("[18446744073709551616]") ==
        "tensor 'a' must have sizes as its shape, got the number '18446744073709551616'");
  CHECK(with_offsets("[]") == "tensor 'a' must have [begin, end] as data_offsets, got a list of 0");
  CHECK(with_offsets("[0]") == "tensor 'a' must have [begin, end] as data_offsets, got a list of 1");
  CHECK(with_offsets("[0,4,4]") == "tensor 'a' must have [begin, end] as data_offsets, got 4");
  CHECK(with_offsets("[0,-4]") == "tensor 'a' must have [begin, end] as data_offsets, got -4");
  CHECK(with_offsets("[0,[4]]") == "tensor 'a' must have [begin, end] as data_offsets, got a list");
  CHECK(with_offsets("4") == "tensor 'a' must have [begin, end] as data_offsets, got 4");

  CHECK(refusal("{\"__metadata__\":[]}") == "__metadata__ must be an object, got a list");
  CHECK(refusal("{\"__metadata__\":null}") == "__metadata__ must be an object, got null");
  CHECK(refusal("{\"__metadata__\":{\"k\":1}}") == "__metadata__ 'k' must be a string, got 1");
  CHECK(refusal("{\"__metadata__\":{\"k\":{}}}") == "__metadata__ 'k' must be a string, got an object");
  CHECK(refusal("{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}") == "__metadata__ must have 'k' once, got it twice");
  CHECK(refusal("{\"__metadata__\":{},\"__metadata__\":{}}") == "must have one __metadata__, got two");
  const std::string empty = "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  CHECK(refusal("{\"a\":" + empty + ",\"a\":" + empty + "}") == "tensor 'a' must be there once, got it twice");
  CHECK(refusal("{\"a\":" + empty + ",\"\\u0061\":" + empty + "}") == "tensor 'a' must be there once, got it twice");
  CHECK(refusal("{\"\\u001b[1m\\u007f" + std::string(100, 'x') + "\":1}") ==
        "tensor '?[1m?" + std::string(75, 'x') + "...' must be an object, got 1");
}

TEST_CASE("Files that are refused: where the data are", "[safetensors]") {
  struct Entry {
    std::string name, shape, offsets, dtype = "F32";
  };
  const auto refused = [](std::vector<Entry> entries, std::size_t size) {
    std::string header;
    for (const auto& [name, shape, offsets, dtype] : entries) {
      header += (header.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
                "],\"data_offsets\":[" + offsets + "]}";
    }
    return refusal(header + "}", std::string(size, 'x'));
  };
  CHECK(refused({{"a", "1", "0,4"}, {"b", "2", "4,12"}}, 12) == accepted);
  CHECK(refused({{"b", "1", "8,12"}, {"a", "2", "0,8"}}, 12) == accepted);
  CHECK(refused({{"a", "1", "0,4"}, {"z", "0", "0,0"}, {"e", "0,5", "4,4"}, {"f", "0", "4,4"}}, 4) == accepted);
  CHECK(refused({{"a", "2", "0,1", "F4"}}, 1) == accepted);

  CHECK(refused({{"a", "1", "4,0"}}, 4) ==
        "tensor 'a' must have data_offsets in order and within the 4 bytes of data, got [4, 0]");
  CHECK(refused({{"a", "2", "0,8"}}, 7) ==
        "tensor 'a' must have data_offsets in order and within the 7 bytes of data, got [0, 8]");
  CHECK(refused({{"a", "1", "18446744073709551612,18446744073709551615"}}, 4) ==
        "tensor 'a' must have data_offsets in order and within the 4 bytes of data, got [18446744073709551612, "
        "18446744073709551615]");
  CHECK(refused({{"a", "2", "0,4"}}, 4) == "tensor 'a' must have 8 bytes (F32 of shape [2]), got data_offsets [0, 4]");
  CHECK(refused({{"a", "", "0,8"}}, 8) == "tensor 'a' must have 4 bytes (F32 of shape []), got data_offsets [0, 8]");
  CHECK(refused({{"a", "3", "0,1", "F4"}}, 1) ==
        "tensor 'a' must have a whole number of bytes (F4 of shape [3]), got data_offsets [0, 1]");
  // 2^62 floats of 2^2 bytes are 2^64 bytes, which are 0 where nobody looks; and the same in two factors.
  CHECK_THAT(refused({{"a", "4611686018427387904", "0,0"}}, 0),
             ContainsSubstring("F32 of shape [4611686018427387904]"));
  CHECK_THAT(refused({{"a", "2147483648,2147483648", "0,0"}}, 0), ContainsSubstring("F32 of shape [2147483648, 21474"));
  CHECK(refused({{"a", "1", "0,4"}, {"b", "1", "0,4"}}, 4) ==
        "tensor 'b' must begin at byte 4 of the data, where the one before it ends, got 0");
  CHECK(refused({{"a", "2", "0,8"}, {"b", "1", "4,8"}}, 8) ==
        "tensor 'b' must begin at byte 8 of the data, where the one before it ends, got 4");
  CHECK(refused({{"a", "2", "0,8"}, {"z", "0", "4,4"}}, 8) ==
        "tensor 'z' must begin at byte 8 of the data, where the one before it ends, got 4");
  CHECK(refused({{"a", "1", "4,8"}}, 8) ==
        "tensor 'a' must begin at byte 0 of the data, where the one before it ends, got 4");
  CHECK(refused({{"a", "1", "0,4"}, {"b", "1", "5,9"}}, 9) ==
        "tensor 'b' must begin at byte 4 of the data, where the one before it ends, got 5");
  CHECK(refused({{"a", "1", "0,4"}}, 5) == "must have 4 bytes of data, as its tensors do, got 5");
}

TEST_CASE("A file that is cut anywhere is refused, and one with more", "[safetensors]") {
  const auto whole = small_file();
  CHECK(read_all(parse(whole)) == 2 * 21 + 2 * 3 + 1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size << " of " << whole.size());
    CHECK_THAT(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}),
               ContainsSubstring("must have"));
  }
  auto more = whole;
  more.push_back(std::byte(0));
  CHECK_THAT(refusal(more), ContainsSubstring("bytes of data"));
}

TEST_CASE("A file of which any one byte is another is read or refused", "[safetensors]") {
  const auto whole = small_file();
  int refused = 0, read = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      auto changed = whole;
      changed[at] = static_cast<std::byte>(value);
      try {
        read_all(parse(changed));
        ++read;
      } catch (const std::runtime_error&) {
        ++refused;
      }
    }
  }
  INFO(read << " read, " << refused << " refused");
  CHECK(static_cast<std::size_t>(read) > 256 * 42);  // all of the data
  CHECK(refused > 20000);
}
