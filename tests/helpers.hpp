// What several tests need.
#pragma once

#include <recur/base/parameters.hpp>

#include <stdexcept>
#include <string>

namespace recur_test {

/// The message of the exception that f() throws, which must be of the given type.
template <class Exception = std::invalid_argument>
std::string message_of(auto&& f) {
  try {
    f();
  } catch (const Exception& exception) {
    return exception.what();
  }
  return "(nothing was thrown)";
}

/// Whether two models have the same parameters, to the bit but for the sign of a zero.
template <recur::Parameterized Model>
bool same_parameters(const Model& a, const Model& b) {
  bool same = true;
  recur::visit(
      [&](const recur::Name&, const auto& p, const auto& q) {
        same = same && p.rows() == q.rows() && p.cols() == q.cols() && (p.array() == q.array()).all();
      },
      a, b);
  return same;
}

}  // namespace recur_test
