#pragma once
/// \file
/// Tensors as files hold them: numbers of some type, row-major, little-endian.

#include "../base/require.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace recur::inline RECUR_ISA {

/// A view of a tensor in memory, which it does not own. Its data are row-major and little-endian, whatever this machine
/// is.
struct Tensor {
  std::string dtype;                ///< one of number_types
  std::vector<Index> shape;         ///< [] is a scalar
  std::span<const std::byte> data;  ///< its numbers
};

/// What numbers may be in a file, and how many bits each takes.
struct NumberType {
  std::string_view name;  ///< as in files: "F32"
  unsigned bits;          ///< of one number
};
/// Those of safetensors, the widest first.
inline constexpr std::array<NumberType, 22> number_types{{
    {"F64", 64},        {"I64", 64},    {"U64", 64},    {"C64", 64}, {"F32", 32}, {"I32", 32},
    {"U32", 32},        {"F16", 16},    {"BF16", 16},   {"I16", 16}, {"U16", 16}, {"F8_E4M3", 8},
    {"F8_E5M2", 8},     {"F8_E8M0", 8}, {"I8", 8},      {"U8", 8},   {"BOOL", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
}};

/// The type of that name, or null.
inline const NumberType* find_number_type(std::string_view name) {
  const auto found =
      std::find_if(number_types.begin(), number_types.end(), [&](auto& type) { return type.name == name; });
  return found == number_types.end() ? nullptr : &*found;
}

/// How many bytes a tensor takes. Nothing where they cannot be counted in 64 bits, or are no whole number.
inline std::optional<std::uint64_t> byte_count(NumberType type, const std::vector<Index>& shape) {
  std::uint64_t bits = type.bits;
  for (const Index size : shape) {
    const auto factor = static_cast<std::uint64_t>(size);
    if (size < 0 || (factor > 0 && bits > std::numeric_limits<std::uint64_t>::max() / factor)) return {};
    bits *= factor;
  }
  if (bits % 8 != 0) return {};
  return bits / 8;
}

/// A shape as messages show it: "[4, 3]". Cut after `longest` sizes.
inline std::string text_of_shape(const std::vector<Index>& shape, std::size_t longest = 16) {
  std::string text;
  for (std::size_t i = 0; i < shape.size() && i < longest; ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return "[" + text + (shape.size() > longest ? ", ...]" : "]");
}

/// A text out of a file as messages show it: cut where it is long, and without what would steer a terminal.
inline std::string printable(std::string_view from_file, std::size_t longest) {
  std::string text(from_file.substr(0, longest));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
  return text + (from_file.size() > longest ? "..." : "");
}
/// A name out of a file as messages show it: 'W'.
inline std::string quote(std::string_view name) { return "'" + printable(name, 80) + "'"; }

namespace detail {

/// The little-endian number at `bytes`.
template <std::unsigned_integral Bits>
Bits load_little_endian(const std::byte* bytes) {
  Bits result = 0;
  for (std::size_t i = 0; i < sizeof(Bits); ++i) {
    result = static_cast<Bits>(result | static_cast<Bits>(std::to_integer<Bits>(bytes[i]) << 8 * i));
  }
  return result;
}
template <std::unsigned_integral Bits>
void store_little_endian(Bits number, std::byte* bytes) {
  for (std::size_t i = 0; i < sizeof(Bits); ++i) bytes[i] = static_cast<std::byte>(number >> 8 * i & 0xFF);
}

/// IEEE 754 binary16: 1 sign, 5 exponent and 10 mantissa bits. Exact; a NaN keeps its bits.
inline float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1Fu, mantissa = half & 0x3FFu;
  if (exponent == 0) return std::copysign(static_cast<float>(mantissa) * 0x1p-24f, sign ? -1.0f : 1.0f);  // subnormal
  // The exponent's bias is 15 there and 127 here; all ones stay all ones.
  const std::uint32_t widened = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | widened << 23 | mantissa << 13);
}
/// bfloat16: the upper half of a float.
inline float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t(bits) << 16); }

}  // namespace detail

/// Whether a tensor of this type can be read as weights: F64, F32, F16, BF16.
inline bool is_real(std::string_view dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16";
}

/// The numbers of a tensor that is_real(), in its order, each rounded to the nearest Scalar where it has more digits.
/// Throws std::invalid_argument for another dtype.
template <std::floating_point Scalar>
std::vector<Scalar> numbers_of(const Tensor& tensor) {
  std::vector<Scalar> numbers;
  const auto read = [&]<class Bits>(Bits, auto&& value) {
    numbers.resize(tensor.data.size() / sizeof(Bits));
    const std::byte* bytes = tensor.data.data();
    for (Scalar& number : numbers) {
      number = static_cast<Scalar>(value(detail::load_little_endian<Bits>(bytes)));
      bytes += sizeof(Bits);
    }
  };
  if (tensor.dtype == "F64") {
    read(std::uint64_t(), [](std::uint64_t bits) { return std::bit_cast<double>(bits); });
  } else if (tensor.dtype == "F32") {
    read(std::uint32_t(), [](std::uint32_t bits) { return std::bit_cast<float>(bits); });
  } else if (tensor.dtype == "F16") {
    read(std::uint16_t(), detail::float_of_half);
  } else if (tensor.dtype == "BF16") {
    read(std::uint16_t(), detail::float_of_bfloat);
  } else {
    require(false, "numbers_of: tensor.dtype must be F64, F32, F16 or BF16, got ", tensor.dtype);
  }
  return numbers;
}

/// The bytes of a matrix as a tensor's data: row-major, F32 or F64.
template <class Derived>
std::vector<std::byte> tensor_bytes(const Eigen::MatrixBase<Derived>& matrix) {
  using Scalar = typename Derived::Scalar;
  static_assert(std::is_same_v<Scalar, float> || std::is_same_v<Scalar, double>, "tensors are of float or double");
  using Bits = std::conditional_t<std::is_same_v<Scalar, float>, std::uint32_t, std::uint64_t>;
  std::vector<std::byte> bytes(static_cast<std::size_t>(matrix.size()) * sizeof(Bits));
  std::byte* at = bytes.data();
  for (Index i = 0; i < matrix.rows() && !bytes.empty(); ++i) {
    for (Index j = 0; j < matrix.cols(); ++j, at += sizeof(Bits)) {
      detail::store_little_endian(std::bit_cast<Bits>(Scalar(matrix.coeff(i, j))), at);
    }
  }
  return bytes;
}

}  // namespace recur::inline RECUR_ISA
