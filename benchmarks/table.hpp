#pragma once
/// \file
/// The table for people.

#include <string>

namespace bench {

struct TableOptions {
  std::string filter = ".";  ///< a regular expression: the paths of what to measure
  int rounds = 15;
  double tolerance = -1;  ///< how far results may be from recur's; negative: each library's own
  std::string csv;        ///< a file for the times besides, to be drawn
};

/// Measures and prints, as Markdown, one row a shape: times, what recur makes of the machine, and ratios. In each round
/// every library has its turn, so that what else the machine does meets all alike; the medians count. Throws
/// std::runtime_error where results differ, or a library takes more threads than it should.
void print_table(const TableOptions& options);

}  // namespace bench
