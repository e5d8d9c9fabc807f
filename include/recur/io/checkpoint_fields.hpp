#pragma once
/// \file
/// What checkpoints are made of: numbers, lists of numbers, networks and states, each under its name.

#include "network.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>

namespace recur::inline RECUR_ISA::detail {

/// The type of the parameters of a network in a file.
template <class Net>
inline constexpr const char* dtype_of = sizeof(typename Net::Scalar) == sizeof(float) ? "F32" : "F64";

/// What a whole number of a checkpoint may be. They count, from 0, but for the best epoch and the metric that says so,
/// which are -1 where there is none.
template <std::integral Number>
struct WholeNumbers {
  static constexpr std::int64_t most =
      static_cast<std::int64_t>(std::min<std::uint64_t>(std::numeric_limits<Number>::max(), std::uint64_t(1) << 53));
  std::int64_t least;

  explicit WholeNumbers(const std::string& name) : least(name == "run.best_epoch" || name == "run.best_by" ? -1 : 0) {}
  bool contain(std::int64_t number) const { return number >= least && number <= most; }
};
/// The type that numbers have in a file.
template <class Number>
inline constexpr const char* dtype_of_number = std::is_floating_point_v<Number> ? "F64" : "I64";

/// Adds parts of any kind: numbers and lists of them, networks, states. Throws std::invalid_argument where a whole
/// number is none that PartReader takes.
template <class Net>
struct PartWriter {
  SafetensorsWriter& file;

  template <class Any>
  void add(const std::string& name, const Any& part) {
    if constexpr (std::is_same_v<Any, typename Net::State>) {
      Index blocks = 0;
      visit_state(
          [&](const auto& block) {
            if (block.size() > 0) file.add(name + "." + std::to_string(blocks++), block);
          },
          part);
      add(name, blocks);
    } else if constexpr (std::is_same_v<Any, Net>) {
      add_parameters(file, Name(Name(), name), part);
    } else if constexpr (std::is_same_v<Any, std::optional<Net>>) {
      add(name, part.has_value());
      if (part) add(name, *part);
    } else if constexpr (requires { part.size(); }) {
      add_numbers(name, std::span(part), {static_cast<Index>(part.size())});
    } else {
      add_numbers(name, std::span(&part, 1), {});
    }
  }

 private:
  template <class Number>
  void add_numbers(const std::string& name, std::span<const Number> numbers, std::vector<Index> shape) {
    std::vector<std::byte> bytes(8 * numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if constexpr (std::is_floating_point_v<Number>) {
        store_little_endian(std::bit_cast<std::uint64_t>(double(numbers[i])), &bytes[8 * i]);
      } else {
        const WholeNumbers<Number> allowed(name);
        const auto number = static_cast<std::int64_t>(numbers[i]);
        require(allowed.contain(number), "save_checkpoint: ", name, " must have whole numbers from ", allowed.least,
                " to ", allowed.most, ", got ", number);
        store_little_endian(static_cast<std::uint64_t>(number), &bytes[8 * i]);
      }
    }
    file.add(name, Tensor{dtype_of_number<Number>, std::move(shape), bytes});
  }
};

/// Reads what PartWriter added.
template <class Net>
struct PartReader {
  StrictReader& reader;
  const Net& net;  // for the shapes

  template <class Any>
  void read(const std::string& name, Any& part) {
    if constexpr (std::is_same_v<Any, typename Net::State>) {
      read_state(name, part);
    } else if constexpr (std::is_same_v<Any, Net>) {
      Net::visit([&](const Name& each, auto& block) { read_block(each.str(), block); }, Name(Name(), name), part);
    } else if constexpr (std::is_same_v<Any, std::optional<Net>>) {
      bool has_value = false;
      read(name, has_value);
      part.reset();
      if (has_value) read(name, part.emplace(net));
    } else if constexpr (requires { part.size(); }) {
      part.resize(words<typename Any::value_type>(name, 1).size() / 8);
      read_numbers(name, std::span(part));
    } else {
      if (words<Any>(name, 0).size() != 8) reader.file.fail("tensor " + quote(name) + " must be one number");
      read_numbers(name, std::span(&part, 1));
    }
  }

 private:
  void read_block(const std::string& name, auto& block) {
    require_dtype(name, dtype_of<Net>);
    reader.read(name, block);
  }
  /// A state of as many sequences as the file has.
  void read_state(const std::string& name, typename Net::State& state) {
    Index blocks = 0;
    read(name, blocks);
    state = {};
    if (blocks == 0) return;
    state = net.state(1);
    int k = 0;
    visit_state(
        [&](auto& block) {
          if (block.rows() == 0) return void(block.resize(0, 0));  // of a cell without a past
          const std::string each = name + "." + std::to_string(k++);
          require_dtype(each, dtype_of<Net>);
          const auto found = reader.file.matrix<typename Net::Scalar>(each);
          if (found.rows() != block.rows()) {
            reader.file.fail("tensor " + quote(each) + " must have " + std::to_string(block.rows()) +
                             " rows, got shape " + text_of_shape(reader.file.shape(each)));
          }
          block = found;
          reader.used.insert(each);
        },
        state);
    if (k != blocks) {
      reader.file.fail("tensor " + quote(name) + " must be " + std::to_string(k) + ", got " + std::to_string(blocks));
    }
  }

  void require_dtype(const std::string& name, const std::string& expected) const {
    const std::string& got = reader.file.tensor(name).dtype;
    if (got != expected) reader.file.fail("tensor " + quote(name) + " must be of " + expected + ", got " + got);
  }
  /// The bytes of a tensor of so many dimensions.
  template <class Number>
  std::span<const std::byte> words(const std::string& name, std::size_t dimensions) const {
    require_dtype(name, dtype_of_number<Number>);
    const Tensor& tensor = reader.file.tensor(name);
    if (tensor.shape.size() != dimensions) {
      reader.file.fail("tensor " + quote(name) + " must have " + std::to_string(dimensions) +
                       " dimensions, got shape " + text_of_shape(tensor.shape));
    }
    return tensor.data;
  }
  template <class Number>
  void read_numbers(const std::string& name, std::span<Number> numbers) {
    const auto bytes = reader.file.tensor(name).data;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto word = load_little_endian<std::uint64_t>(&bytes[8 * i]);
      if constexpr (std::is_floating_point_v<Number>) {
        numbers[i] = static_cast<Number>(std::bit_cast<double>(word));
      } else {
        const WholeNumbers<Number> allowed(name);
        const auto number = static_cast<std::int64_t>(word);
        if (!allowed.contain(number)) {
          reader.file.fail("tensor " + quote(name) + " must have whole numbers from " + std::to_string(allowed.least) +
                           " to " + std::to_string(allowed.most) + ", got " + std::to_string(number));
        }
        numbers[i] = static_cast<Number>(number);
      }
    }
    reader.used.insert(name);
  }
};

}  // namespace recur::inline RECUR_ISA::detail
