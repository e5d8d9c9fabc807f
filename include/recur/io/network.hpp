#pragma once
/// \file
/// recur's own networks in safetensors files: each block of parameters is a tensor, under its name in visit() ("0.U",
/// "1.V"), of shape [rows, cols], or [rows] where it has one column; the metadata say what the network is.

#include "../base/describe.hpp"
#include "../base/parameters.hpp"
#include "safetensors.hpp"

#include <map>
#include <set>

namespace recur::inline RECUR_ISA {

/// The user's texts in a file, by name. Names that begin with "recur." are the library's.
using Metadata = std::map<std::string, std::string>;

namespace detail {

/// "Sequence(a, b(c, d))" is made of a and b(c, d); what does not end in a parenthesis is made of nothing.
inline std::vector<std::string> layers_of(const std::string& description) {
  std::vector<std::string> layers;
  if (!description.ends_with(')')) return layers;
  int depth = 0;
  std::size_t begin = description.find('(') + 1;
  for (std::size_t i = begin; i < description.size(); ++i) {
    const char c = description[i];
    if (c == '(') ++depth;
    if (depth == 0 && (c == ',' || c == ')')) {
      layers.push_back(description.substr(begin, i - begin));
      begin = i + 2;  // after the blank
    }
    if (c == ')') --depth;
  }
  return layers;
}

/// ": layer 1 must be Readout 8 -> 3, got Readout 8 -> 2", where it is one layer that differs.
inline std::string where_they_differ(const std::string& expected, const std::string& got) {
  const auto here = layers_of(expected), there = layers_of(got);
  if (here.empty() || here.size() != there.size()) return "";
  const auto [a, b] = std::mismatch(here.begin(), here.end(), there.begin());
  if (a == here.end()) return "";
  return ": layer " + std::to_string(a - here.begin()) + " must be " + *a + ", got " + *b;
}

/// Throws unless both are the same.
inline void require_description(const Safetensors& file, const std::string& what, const std::string& expected) {
  const std::string& got = file.metadata("recur." + what);
  if (got != expected) {
    const std::string shown = printable(got, 2000);
    file.fail("must have the " + what + " " + expected + ", got " + shown + where_they_differ(expected, shown));
  }
}

inline void set_metadata(SafetensorsWriter& file, const char* where, const Metadata& metadata) {
  for (const auto& [name, text] : metadata) {
    require(!name.starts_with("recur."), where, ": the metadata must not be called recur.*, got ", name);
    file.set_metadata(name, text);
  }
}
inline Metadata metadata_of_user(const Safetensors& file) {
  Metadata metadata = file.metadata();
  std::erase_if(metadata, [](const auto& each) { return each.first.starts_with("recur."); });
  return metadata;
}

/// Throws std::invalid_argument where a parameter that is to be saved is not finite.
template <class Net>
void require_finite(const char* where, const Net& net) {
  recur::visit(
      [&](const Name& name, const auto& block) {
        const std::string found = not_finite(block);
        require(found.empty(), where, ": ", name.str(), " must be finite, got ", found);
      },
      net);
}

/// Throws std::runtime_error where what was read from a tensor is not finite.
inline void require_finite(const Safetensors& file, const std::string& tensor, const auto& matrix) {
  const std::string found = not_finite(matrix);
  if (!found.empty()) file.fail("tensor " + quote(tensor) + " must be finite, got " + found);
}
/// The same for all parameters of a network, whose tensors have names that begin with `parent`.
template <class Net>
void require_finite(const Safetensors& file, const Name& parent, const Net& net) {
  Net::visit([&](const Name& name, const auto& block) { require_finite(file, name.str(), block); }, parent, net);
}

/// Adds the parameters of a network, under names that begin with `parent`.
template <class Net>
void add_parameters(SafetensorsWriter& file, const Name& parent, const Net& net) {
  Net::visit([&](const Name& name, const auto& block) { file.add(name.str(), block); }, parent, net);
}

/// A file, and which of its tensors have been read.
struct StrictReader {
  const Safetensors& file;
  std::set<std::string> used = {};

  /// Fills a matrix with the tensor of that name, which must have its shape.
  void read(const std::string& name, auto& matrix) {
    file.read(name, matrix);
    used.insert(name);
  }
  template <class Net>
  void read_parameters(const Name& parent, Net& net) {
    Net::visit([&](const Name& name, auto& block) { read(name.str(), block); }, parent, net);
  }
  /// Throws unless all have been.
  void require_all_used(const char* what) const {
    for (const auto& [name, tensor] : file.tensors()) {
      if (used.contains(name)) continue;
      file.fail(std::string("must have the tensors of the ") + what + " and no others, got " + quote(name) +
                " of shape " + text_of_shape(tensor.shape));
    }
  }
};

}  // namespace detail

/// Writes a network to a safetensors file, whole or not at all (see write_file()), as F32 or F64, as it is. `metadata`
/// is what should travel with it:
///
///     recur::save("model.safetensors", net, {{"alphabet", "abc"}});
///
/// Throws std::invalid_argument where a parameter is NaN or infinite: such a network is of no use, and should not take
/// the place of one that is; std::runtime_error where the file cannot be written. The old file is then as it was.
template <Parameterized Net>
void save(const std::filesystem::path& path, const Net& net, const Metadata& metadata = {}) {
  detail::require_finite("save", net);
  SafetensorsWriter file;
  detail::set_metadata(file, "save", metadata);
  file.set_metadata("recur.network", describe(net, "network"));
  detail::add_parameters(file, Name(), net);
  file.write(path);
}

/// Reads a network that save() wrote into one of the same layers, sizes, rules and constants; from F64 to F32 it is
/// rounded. Returns the metadata that it was saved with:
///
///     const std::string alphabet = recur::load("model.safetensors", net).at("alphabet");
///
/// A file that has been read (or was in memory all along) does as well as its path.
///
/// Throws std::runtime_error where the file's network is another one, saying what differs, and where a tensor is
/// missing, of another shape, not finite, or no part of the network. The network is then as it was. A file of another
/// program, without such metadata, is read by its tensors' names and shapes alone.
template <Parameterized Net>
Metadata load(const Safetensors& file, Net& net) {
  if (file.metadata().contains("recur.optimizer"))
    file.fail("must have a network alone, got a checkpoint, which load_checkpoint() reads");
  if (file.metadata().contains("recur.network")) detail::require_description(file, "network", describe(net, "network"));
  Net loaded = net;
  detail::StrictReader reader{file};
  reader.read_parameters(Name(), loaded);
  reader.require_all_used("network");
  detail::require_finite(file, Name(), loaded);
  net = std::move(loaded);
  return detail::metadata_of_user(file);
}

/// The same from the file at `path`.
template <Parameterized Net>
Metadata load(const std::filesystem::path& path, Net& net) {
  return load(Safetensors::read(path), net);
}

}  // namespace recur::inline RECUR_ISA
