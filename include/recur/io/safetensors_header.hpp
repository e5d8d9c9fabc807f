#pragma once
/// \file
/// The header of a safetensors file: JSON that says which tensors there are, and where. It comes from outside, so
/// nothing in it is believed: it is read number by number, and never builds anything larger than itself.

#include "tensor.hpp"

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace recur::inline RECUR_ISA::detail {

/// Where the data of a tensor are, counted from the header's end.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<Index> shape;
  std::uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafetensorsEntry> tensors;
};

/// Takes the JSON as it comes: {"__metadata__": {key: string ...}, name: {"dtype": string, "shape": [sizes],
/// "data_offsets": [begin, end]} ...}, and throws at the first thing that does not belong there. So nesting is no
/// deeper than this, whatever a file says. `fail` must throw.
template <class Fail>
class SafetensorsJson {
 public:
  explicit SafetensorsJson(const Fail& fail) : fail_(fail) {}

  SafetensorsHeader header;

  // ---- What nlohmann::json calls ----

  bool null() { return refuse("null"); }
  bool boolean(bool value) { return refuse(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return refuse(std::to_string(value)); }
  bool number_float(double, const std::string& text) { return refuse("the number " + quote(text)); }
  bool binary(const nlohmann::json::binary_t&) { return refuse("bytes"); }
  bool number_unsigned(std::uint64_t value) {
    if (where_ == Where::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) return refuse(std::to_string(value));
      entry_->shape.push_back(static_cast<Index>(value));
      return true;
    }
    if (where_ != Where::offsets || offsets_ == 2) return refuse(std::to_string(value));
    (offsets_++ == 0 ? entry_->begin : entry_->end) = value;
    return true;
  }
  bool string(const std::string& value) {
    if (where_ == Where::metadata) {
      header.metadata[key_] = value;
      return true;
    }
    if (where_ != Where::entry || key_ != "dtype") return refuse("the string " + quote(value));
    if (!find_number_type(value)) return refuse(quote(value));
    entry_->dtype = value;
    return true;
  }
  bool start_object(std::size_t) {
    if (where_ == Where::outside) {
      where_ = Where::top;
    } else if (where_ == Where::top && key_ == metadata_key) {
      where_ = Where::metadata;
    } else if (where_ == Where::top) {
      where_ = Where::entry;
      has_dtype_ = has_shape_ = has_offsets_ = false;
    } else {
      return refuse("an object");
    }
    return true;
  }
  bool key(const std::string& key) {
    key_ = key;
    const auto once = [&](bool& seen, const char* what) {
      if (std::exchange(seen, true)) fail_(tensor() + "must have one " + what + ", got two");
    };
    if (where_ == Where::metadata) {
      if (!header.metadata.try_emplace(key).second)
        fail_("__metadata__ must have " + quote(key) + " once, got it twice");
    } else if (where_ == Where::entry) {
      if (key == "dtype") return once(has_dtype_, "dtype"), true;
      if (key == "shape") return once(has_shape_, "shape"), true;
      if (key == "data_offsets") return once(has_offsets_, "data_offsets"), true;
      fail_(tensor() + "must have dtype, shape and data_offsets, got " + quote(key));
    } else if (key == metadata_key) {
      if (std::exchange(has_metadata_, true)) fail_("must have one __metadata__, got two");
    } else {
      const auto [at, is_new] = header.tensors.try_emplace(key);
      name_ = key;
      entry_ = &at->second;
      if (!is_new) fail_(tensor() + "must be there once, got it twice");
    }
    return true;
  }
  bool end_object() {
    if (where_ == Where::entry && !(has_dtype_ && has_shape_ && has_offsets_)) {
      const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets";
      fail_(tensor() + "must have dtype, shape and data_offsets, got no " + missing);
    }
    where_ = where_ == Where::top ? Where::outside : Where::top;
    return true;
  }
  bool start_array(std::size_t) {
    if (where_ != Where::entry || key_ == "dtype") return refuse("a list");
    where_ = key_ == "shape" ? Where::shape : Where::offsets;
    offsets_ = 0;
    return true;
  }
  bool end_array() {
    if (where_ == Where::offsets && offsets_ != 2) refuse("a list of " + std::to_string(offsets_));
    where_ = Where::entry;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error ...; last read: '...'"
    const std::string text = error.what();
    const auto end = text.find("; last read"), begin = text.find("] ");
    fail_("must have a header in JSON, got a " + text.substr(begin + 2, std::min(end - begin - 2, std::size_t(200))));
    return false;
  }

 private:
  static constexpr std::string_view metadata_key = "__metadata__";
  enum class Where { outside, top, metadata, entry, shape, offsets };

  std::string tensor() const { return "tensor " + quote(name_) + " "; }

  /// Says what should have been where something else came.
  bool refuse(const std::string& got) const {
    switch (where_) {
      case Where::outside: fail_("must have a header that is an object, got " + got); break;
      case Where::metadata: fail_("__metadata__ " + quote(key_) + " must be a string, got " + got); break;
      case Where::top:
        fail_((key_ == metadata_key ? "__metadata__ " : tensor()) + "must be an object, got " + got);
        break;
      case Where::shape: fail_(tensor() + "must have sizes as its shape, got " + got); break;
      case Where::offsets: fail_(tensor() + "must have [begin, end] as data_offsets, got " + got); break;
      case Where::entry:
        fail_(tensor() +
              (key_ == "dtype"   ? "must have a known dtype (F64, F32, F16, BF16 ...), got "
               : key_ == "shape" ? "must have a list of sizes as its shape, got "
                                 : "must have [begin, end] as data_offsets, got ") +
              got);
        break;
    }
    return false;
  }

  const Fail& fail_;
  Where where_ = Where::outside;
  std::string key_, name_;
  SafetensorsEntry* entry_ = nullptr;  // that of name_
  bool has_metadata_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  int offsets_ = 0;
};

/// The header in `text`, for `data_size` bytes of data, of which each must belong to one tensor. Calls fail(why), which
/// must throw, where it is not valid.
template <class Fail>
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_size, const Fail& fail) {
  if (!text.starts_with('{')) fail("must have a header that begins with '{'");
  if (text.find('\0') != text.npos)
    fail("must have a header in JSON, got a zero byte in it");  // JSON's reader stops there
  SafetensorsJson<Fail> reader(fail);
  nlohmann::json::sax_parse(text.begin(), text.end(), &reader);

  std::vector<const std::pair<const std::string, SafetensorsEntry>*> in_order;
  for (const auto& tensor : reader.header.tensors) {
    const auto& [name, entry] = tensor;
    const auto offsets = "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]";
    if (entry.begin > entry.end || entry.end > data_size) {
      fail("tensor " + quote(name) + " must have data_offsets in order and within the " + std::to_string(data_size) +
           " bytes of data, got " + offsets);
    }
    const auto count = byte_count(*find_number_type(entry.dtype), entry.shape);
    if (count != entry.end - entry.begin) {
      fail("tensor " + quote(name) + " must have " + (count ? std::to_string(*count) : "a whole number of") +
           " bytes (" + entry.dtype + " of shape " + text_of_shape(entry.shape) + "), got data_offsets " + offsets);
    }
    in_order.push_back(&tensor);
  }
  std::sort(in_order.begin(), in_order.end(), [](auto* a, auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t end = 0;
  for (const auto* tensor : in_order) {
    if (tensor->second.begin != end) {
      fail("tensor " + quote(tensor->first) + " must begin at byte " + std::to_string(end) +
           " of the data, where the one before it ends, got " + std::to_string(tensor->second.begin));
    }
    end = tensor->second.end;
  }
  if (end != data_size) {
    fail("must have " + std::to_string(end) + " bytes of data, as its tensors do, got " + std::to_string(data_size));
  }
  return std::move(reader.header);
}

}  // namespace recur::inline RECUR_ISA::detail
