// Reads an oracle: a safetensors file of F32 and F64 tensors, as the scripts in tests/oracles write it.
//
//   recur_test::OracleFile file("rnn_tanh_l1_f64_doc.safetensors");
//   file.metadata("cell");                                 // "rnn_tanh"
//   const recur_test::OracleTensor& y = file.tensor("y");  // y.shape == {5, 3, 20}, y.values row-major
//
// Everything is read and checked when it is opened; every error names the file, and the tensor or key.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace recur_test {

struct OracleTensor {
  std::string dtype;                // "F32" or "F64", as stored
  std::vector<std::int64_t> shape;  // as PyTorch has it
  std::vector<double> values;       // row-major
};

class OracleFile {
 public:
  explicit OracleFile(std::string path) : path_(std::move(path)) {
    std::ifstream stream(path_, std::ios::binary);
    std::ostringstream buffer;
    if (!stream || !(buffer << stream.rdbuf())) fail("cannot be read, or is empty");
    const std::string bytes = buffer.str();

    // 8 bytes of header length, the header, the data.
    if (bytes.size() < 8) fail("is too short to hold a header length");
    const auto length = little_endian<std::uint64_t>(bytes.data());
    if (length > bytes.size() - 8) fail("has a header of " + std::to_string(length) + " bytes, past its end");
    const std::string_view content(bytes);
    const auto text = content.substr(8, static_cast<std::size_t>(length));
    const auto data = content.substr(8 + text.size());
    const auto header = nlohmann::json::parse(text, nullptr, false);  // false: no exception of its own
    if (!header.is_object()) fail("has a header that is not a JSON object");

    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        if (!entry.is_object()) fail("has a __metadata__ that is not a JSON object");
        for (const auto& [key, value] : entry.items()) {
          if (!value.is_string()) fail("metadata '" + key + "' is not a string");
          metadata_.emplace(key, value.get<std::string>());
        }
      } else {
        tensors_.emplace(name, read(name, entry, data));
      }
    }
  }

  const std::string& path() const { return path_; }

  std::optional<std::string> find_metadata(const std::string& name) const {
    const auto found = metadata_.find(name);
    return found == metadata_.end() ? std::nullopt : std::optional(found->second);
  }

  std::string metadata(const std::string& name) const {
    const auto found = metadata_.find(name);
    if (found == metadata_.end()) fail("has no metadata '" + name + "'");
    return found->second;
  }

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }

  const OracleTensor& tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("has no tensor '" + name + "'");
    return found->second;
  }

  // Of all tensors, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto& [name, tensor] : tensors_) result.push_back(name);
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw std::runtime_error(path_ + ": " + what); }

  template <class Unsigned>
  static Unsigned little_endian(const char* bytes) {
    Unsigned result = 0;
    for (std::size_t i = sizeof(Unsigned); i-- > 0;) {
      result = static_cast<Unsigned>(result << 8 | static_cast<unsigned char>(bytes[i]));
    }
    return result;
  }

  static bool is_list_of_sizes(const nlohmann::json& list) {
    if (!list.is_array()) return false;
    for (const auto& size : list) {
      if (!size.is_number_unsigned()) return false;
    }
    return true;
  }

  OracleTensor read(const std::string& name, const nlohmann::json& entry, std::string_view data) const {
    const auto check = [&](bool good, const std::string& what) {
      if (!good) fail("tensor '" + name + "' " + what);
    };
    const auto field = [&](const char* key) {
      return entry.is_object() && entry.contains(key) ? entry[key] : nlohmann::json();
    };
    const auto dtype = field("dtype"), shape = field("shape"), offsets = field("data_offsets");
    check(dtype == "F32" || dtype == "F64", "has dtype " + dtype.dump() + ", expected F32 or F64");
    check(is_list_of_sizes(shape), "has shape " + shape.dump() + ", expected a list of sizes");
    check(is_list_of_sizes(offsets) && offsets.size() == 2,
          "has data_offsets " + offsets.dump() + ", expected [begin, end]");

    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    const auto within = " within the " + std::to_string(data.size()) + " bytes of data";
    check(begin <= end && end <= data.size(), "has data_offsets " + offsets.dump() + ", not in order" + within);

    // How many elements the shape asks for; checked at every factor, so that the product cannot overflow.
    OracleTensor result{dtype.get<std::string>(), {}, {}};
    const std::uint64_t size = result.dtype == "F32" ? 4 : 8;
    std::uint64_t count = 1;
    for (const auto& extent : shape) {
      const auto n = extent.get<std::uint64_t>();
      check(n <= data.size(), "has shape " + shape.dump() + ", larger than the file");
      result.shape.push_back(static_cast<std::int64_t>(n));
      count *= n;
      check(count <= data.size(), "has shape " + shape.dump() + ", larger than the file");
    }
    check(count * size == end - begin,
          "has shape " + shape.dump() + " of " + result.dtype + ", but " + std::to_string(end - begin) + " bytes");

    result.values.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t at = begin; at < end; at += size) {
      const char* bytes = data.data() + at;
      result.values.push_back(size == 4 ? double{std::bit_cast<float>(little_endian<std::uint32_t>(bytes))}
                                        : std::bit_cast<double>(little_endian<std::uint64_t>(bytes)));
    }
    return result;
  }

  std::string path_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, OracleTensor> tensors_;
};

}  // namespace recur_test
