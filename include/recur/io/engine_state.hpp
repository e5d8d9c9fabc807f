#pragma once
/// \file
/// The states of random engines in files. The standard has an engine write its state as numbers with blanks between
/// them, and lets it trust what it reads: libstdc++'s take an index of 100000000 and read there at the next draw. So
/// each number is checked here, before the engine sees it.

#include "safetensors.hpp"

#include <charconv>
#include <locale>
#include <random>
#include <sstream>
#include <type_traits>

namespace recur::inline RECUR_ISA::detail {

/// The state of a random engine, as the standard has it written.
template <class Engine>
std::string engine_state(const Engine& engine) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << engine;
  return text.str();
}

/// Checks the numbers of a state from the last to the first, for an adaptor writes its own after those of the engine
/// that it adapts. What they may be is the standard's, but for the index that libstdc++ adds to some. Other engines
/// than the standard's are not known here: their numbers are taken as they are.
class EngineStateCheck {
 public:
  EngineStateCheck(const Safetensors& file, const std::string& key)
      : file_(file), key_(quote(key)), state_(file.metadata(key)) {
    for (std::size_t begin = 0; begin <= state_.size();) {
      const std::size_t end = std::min(state_.find(' ', begin), state_.size());
      numbers_.push_back(state_.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  /// Throws std::runtime_error: the file's name, and that this is no state of the engine.
  [[noreturn]] void refuse() const {
    file_.fail("must have the state of a random engine in the metadata " + key_ + ", got " + quote(state_));
  }

  template <class Engine>
  void check(std::type_identity<Engine>) {}

  template <class UInt, auto... parameters>
  void check(std::type_identity<std::linear_congruential_engine<UInt, parameters...>>) {
    using Engine = std::linear_congruential_engine<UInt, parameters...>;
    require_left(1);
    take(Engine::min(), Engine::max());
  }

  template <class UInt, auto... parameters>
  void check(std::type_identity<std::mersenne_twister_engine<UInt, parameters...>>) {
    using Engine = std::mersenne_twister_engine<UInt, parameters...>;
    constexpr std::size_t n = Engine::state_size, unused = Engine::mask_bits;
    if (numbers_.size() == n + 1) take(1, n);  // libstdc++: how many words have been drawn
    require_left(n);
    bool stuck = true;  // at zero, for ever
    for (std::size_t k = 1; k < n; ++k) stuck &= take(0, Engine::max()) == 0;
    const std::uint64_t first = take(0, Engine::max());
    if constexpr (unused < Engine::word_size) stuck &= first >> unused == 0;
    if (stuck) refuse();
  }

  template <class UInt, auto... parameters>
  void check(std::type_identity<std::subtract_with_carry_engine<UInt, parameters...>>) {
    using Engine = std::subtract_with_carry_engine<UInt, parameters...>;
    constexpr std::size_t r = Engine::long_lag;
    if (numbers_.size() == r + 2) take(0, r - 1);  // libstdc++: which word is the next
    require_left(r + 1);
    const std::uint64_t carry = take(0, 1);
    bool stuck = true;  // at zero, or with a carry at the largest number, for ever
    for (std::size_t k = 0; k < r; ++k) stuck &= take(0, Engine::max()) == (carry ? Engine::max() : 0);
    if (stuck) refuse();
  }

  template <class Base, auto... parameters>
  void check(std::type_identity<std::discard_block_engine<Base, parameters...>>) {
    take(0, std::discard_block_engine<Base, parameters...>::used_block);
    check(std::type_identity<Base>());
  }

  template <class Base, std::size_t bits, class UInt>
  void check(std::type_identity<std::independent_bits_engine<Base, bits, UInt>>) {
    check(std::type_identity<Base>());
  }

  template <class Base, std::size_t size>
  void check(std::type_identity<std::shuffle_order_engine<Base, size>>) {
    for (std::size_t k = 0; k < size + 1; ++k) take(Base::min(), Base::max());  // the table, and the number drawn last
    check(std::type_identity<Base>());
  }

 private:
  void require_left(std::size_t count) const {
    if (numbers_.size() != count) refuse();
  }
  /// The last of the numbers that are left.
  std::uint64_t take(std::uint64_t least, std::uint64_t most) {
    if (numbers_.empty()) refuse();
    const std::string_view text = numbers_.back();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < least || number > most) {
      file_.fail("number " + std::to_string(numbers_.size()) + " of the metadata " + key_ + " must be from " +
                 std::to_string(least) + " to " + std::to_string(most) + ", got " + quote(text));
    }
    numbers_.pop_back();
    return number;
  }

  const Safetensors& file_;
  std::string key_;
  std::string_view state_;
  std::vector<std::string_view> numbers_;  // those that are not yet checked
};

/// Reads what engine_state() gave into an engine of the same type. Throws std::runtime_error, which names the file,
/// where the engine cannot have written it.
template <class Engine>
void read_engine(const Safetensors& file, const std::string& key, Engine& engine) {
  EngineStateCheck numbers(file, key);
  numbers.check(std::type_identity<Engine>());
  const std::string& state = file.metadata(key);
  std::istringstream text(state);
  text.imbue(std::locale::classic());
  text >> engine;
  if (text.fail() || engine_state(engine) != state) numbers.refuse();
}

}  // namespace recur::inline RECUR_ISA::detail
