// Makes a C++ header of a safetensors file, for programs that have their weights compiled in:
//
//     embed_weights model.safetensors echo > weights.hpp
//
// The header needs the standard library alone. In the namespace `echo` it has an object for each tensor, with its name,
// its sizes and its numbers to the bit (F32 and F64 as they are, F16 and BF16 as float), column-major as Eigen has
// them; and `tensors`, a tuple of all, for recur::load_embedded() of recur/io/embedded.hpp.
#include <recur/io/safetensors.hpp>

#include <cctype>
#include <cstdio>
#include <iostream>
#include <set>

namespace {

/// An exact literal: hexadecimal, or by its bits where it is infinite or none.
std::string literal(float x) {
  char text[64];
  if (std::isfinite(x)) {
    std::snprintf(text, sizeof text, "%af", static_cast<double>(x));
  } else {
    std::snprintf(text, sizeof text, "std::bit_cast<float>(0x%08lXu)",
                  static_cast<unsigned long>(std::bit_cast<std::uint32_t>(x)));
  }
  return text;
}
std::string literal(double x) {
  char text[64];
  if (std::isfinite(x)) {
    std::snprintf(text, sizeof text, "%a", x);
  } else {
    std::snprintf(text, sizeof text, "std::bit_cast<double>(0x%016llXull)",
                  static_cast<unsigned long long>(std::bit_cast<std::uint64_t>(x)));
  }
  return text;
}
std::string literal(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char octal[8];
    std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned>(byte));
    if (c == '"' || c == '\\' || c == '?' || byte < 32 || byte > 126) {
      result += octal;
    } else {
      result += c;
    }
  }
  return result + '"';
}

/// "tensor_0_W" for "0.W": the letters and digits of a name, with what is between them as one underscore; and a number
/// where two names come to the same.
std::string identifier(const std::string& name, std::set<std::string>& used) {
  std::string result = "tensor";
  bool gap = true;
  for (const char c : name) {
    const bool plain = static_cast<unsigned char>(c) < 128 && std::isalnum(static_cast<unsigned char>(c));
    if (plain && gap) result += '_';
    if (plain) result += c;
    gap = !plain;
  }
  std::string unique = result;
  for (int n = 2; !used.insert(unique).second; ++n) unique = result + "_" + std::to_string(n);
  return unique;
}

bool is_identifier(std::string_view name) {
  const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), is_part) &&
         !std::isdigit(static_cast<unsigned char>(name[0]));
}

/// inline constexpr Tensor<float, 2, 2> tensor_W{"W", {0x1p+0f, ...}};
template <class Scalar>
std::string definition(const recur::Safetensors& file, const std::string& name, const std::string& as) {
  const auto matrix = file.matrix<Scalar>(name);
  if (matrix.size() == 0) file.fail("tensor " + recur::quote(name) + " must have numbers in it, got an empty one");
  std::string text = std::string("inline constexpr Tensor<") + (sizeof(Scalar) == 4 ? "float" : "double") + ", " +
                     std::to_string(matrix.rows()) + ", " + std::to_string(matrix.cols()) + "> " + as + "{\n    " +
                     literal(name) + ",\n    {";
  std::size_t column = 5;
  for (recur::Index i = 0; i < matrix.size(); ++i) {  // Matrix is column-major
    const std::string number = literal(matrix.data()[i]) + (i + 1 < matrix.size() ? "," : "}};\n");
    if (column + number.size() > 118) {
      text += "\n     ";
      column = 5;
    }
    text += (column > 5 ? " " : "") + number;
    column += number.size() + 1;
  }
  return text;
}

std::string header(const recur::Safetensors& file, const std::string& name) {
  std::string text =
      "// Made by recur's embed_weights; not to be changed by hand.\n"
      "#pragma once\n\n"
      "#include <bit>\n#include <cstddef>\n#include <tuple>\n\n"
      "namespace " +
      name +
      " {\n\n"
      "/// A matrix, column-major: entry (i, j) is data[i + j * rows].\n"
      "template <class Number, std::size_t Rows, std::size_t Cols>\n"
      "struct Tensor {\n"
      "  static constexpr std::size_t rows = Rows, cols = Cols;\n"
      "  const char* name;\n"
      "  Number data[Rows * Cols];\n"
      "};\n\n";
  std::set<std::string> used;
  std::string all;
  for (const auto& [tensor, entry] : file.tensors()) {
    const std::string as = identifier(tensor, used);
    text += entry.dtype == "F64" ? definition<double>(file, tensor, as) : definition<float>(file, tensor, as);
    all += (all.empty() ? "" : ", ") + as;
  }
  return text + "\ninline constexpr auto tensors = std::tie(" + all + ");\n\n}  // namespace " + name + "\n";
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 3 || !is_identifier(argv[2])) {
    std::cerr << "usage: embed_weights <file.safetensors> <name of a namespace> > <header>\n";
    return 2;
  }
  try {
    std::cout << header(recur::Safetensors::read(argv[1]), argv[2]) << std::flush;
    if (!std::cout) throw std::runtime_error("the header cannot be written");
  } catch (const std::exception& error) {
    std::cerr << "embed_weights: " << error.what() << '\n';
    return 1;
  }
}
