#pragma once
/// \file
/// Networks in words, such as "Sequence(Elman tanh 8 -> 32, Readout 32 -> 4)": for files, which say what they hold, and
/// for messages. A description has everything of a network but its parameters and their type.

#include "isa.hpp"

#include <charconv>
#include <cstddef>
#include <string>

namespace recur::inline RECUR_ISA {

/// Any part of a network in words: what its `std::string description() const` says, which is for parts with constants
/// of their own; else its `static constexpr const char* name`; else `otherwise`.
template <class Any>
std::string describe(const Any& part, const std::string& otherwise) {
  if constexpr (requires { part.description(); }) {
    return part.description();
  } else if constexpr (requires { std::string(Any::name); }) {
    return Any::name;
  } else {
    return otherwise;
  }
}

/// A number in as few digits as tell it from all others, "0.01".
inline std::string describe(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

namespace detail {

/// "LSTM logistic tanh tanh"
template <class... Parts>
std::string describe_parts(std::string name, const Parts&... parts) {
  ((name += " " + describe(parts, "own")), ...);
  return name;
}

/// A rule without a name is known by its blocks: "Rule(5 blocks, inputs into 0-2, hidden into 1-3, state 4-4)".
template <class Rule>
std::string describe_rule(const Rule& rule) {
  const auto range = [](auto blocks) {
    return blocks.count > 0 ? std::to_string(blocks.first) + "-" + std::to_string(blocks.end() - 1) : "none";
  };
  std::string hidden;
  if constexpr (requires { Rule::from_hidden; }) hidden = ", hidden into " + range(Rule::from_hidden);
  return describe(rule, "Rule(" + std::to_string(int(Rule::blocks)) + " blocks, inputs into " +
                            range(Rule::from_input) + hidden + ", state " + range(Rule::state) + ")");
}

inline std::string describe_sizes(std::ptrdiff_t inputs, std::ptrdiff_t outputs) {
  std::string text(" ");  // what begins with a literal and "+" makes g++ 12 warn of its own std::string
  return text.append(std::to_string(inputs)).append(" -> ").append(std::to_string(outputs));
}

/// "Stack(LSTM logistic tanh tanh 8 -> 32, ...)"
template <class Layers>
std::string describe_each(const std::string& name, const Layers& layers) {
  std::string text;
  for (const auto& each : layers) text += (text.empty() ? "" : ", ") + describe(each, "layer");
  return name + "(" + text + ")";
}

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
