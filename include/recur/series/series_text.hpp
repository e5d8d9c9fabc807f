#pragma once
/// \file
/// Series as text, for people: `std::cout << series`.

#include "series_view.hpp"

#include <ostream>
#include <sstream>
#include <string>

namespace recur::inline RECUR_ISA {

namespace detail {

/// f(i) for i = 0 .. count - 1. Where these are many, for the first and the last three of them, with f(-1) for all
/// others.
void for_ends(Index count, const auto& f) {
  constexpr Index most = 10, at_each_end = 3;
  for (Index i = 0; i < count; ++i) {
    if (count > most && i == at_each_end) {
      f(Index(-1));
      i = count - at_each_end;
    }
    f(i);
  }
}

inline std::string count_of(Index count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// One sequence, a line for each step, its numbers in columns.
template <class Scalar>
void write_sequence(std::ostream& out, SeriesView<const Scalar> series, Index n) {
  std::vector<std::vector<std::string>> lines;
  std::size_t width = 0;
  const auto add = [&](const std::string& text) {
    lines.back().push_back(text);
    width = std::max(width, text.size());
  };
  for_ends(series.length(n), [&](Index t) {
    lines.emplace_back();
    if (t < 0) return add("...");
    for_ends(series.features(), [&](Index i) {
      if (i < 0) return add("...");
      std::ostringstream number;
      number.copyfmt(out);
      number << series[t](i, n);
      add(number.str());
    });
  });
  for (const auto& line : lines) {
    out << "\n ";
    for (const auto& text : line) out << ' ' << std::string(width - text.size(), ' ') << text;
  }
}

}  // namespace detail

/// The sizes in a line, then each sequence: a line of its number (and length, where lengths were given), and one of the
/// F features for each of its steps. Of more than 10 sequences, steps or features, three at either end are shown.
/// Numbers are as `out` writes them. There is no end of line after the last.
///
///     Series of 2 features, batch 2, 3 steps
///     sequence 0, 3 steps:
///          0  0.5
///          1    0
///         -1 0.25
///     sequence 1, 1 step:
///       2 3
template <class Scalar>
std::ostream& operator<<(std::ostream& out, SeriesView<Scalar> series) {
  out.width(0);
  out << "Series of " << detail::count_of(series.features(), "feature") << ", batch " << series.batch() << ", "
      << detail::count_of(series.steps(), "step");
  detail::for_ends(series.empty() ? 0 : series.batch(), [&](Index n) {
    if (n < 0) {
      out << "\n...";
      return;
    }
    out << "\nsequence " << n << (series.has_lengths() ? ", " + detail::count_of(series.length(n), "step") : "") << ':';
    detail::write_sequence<std::remove_const_t<Scalar>>(out, series, n);
  });
  return out;
}
/// The same.
template <class Scalar>
std::ostream& operator<<(std::ostream& out, const Series<Scalar>& series) {
  return out << SeriesView<const Scalar>(series);
}

}  // namespace recur::inline RECUR_ISA
