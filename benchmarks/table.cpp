#include "table.hpp"
#include "contest.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "step.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <limits>
#include <map>
#include <regex>
#include <set>

namespace bench {
namespace {

/// Three digits or so.
std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0, value);
  return text;
}
std::string percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }

/// A row of a Markdown table, whose columns are in line in a terminal too. The first column is to the left.
void print_row(const std::vector<std::string>& cells, const std::vector<std::string>& header) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(std::max(header[i].size(), cells[i].size()) - cells[i].size(), ' ');
    std::cout << "| " << (i == 0 ? cells[i] + padding : padding + cells[i]) << ' ';
  }
  std::cout << "|" << std::endl;
}
void print_header(const std::vector<std::string>& header) {
  std::vector<std::string> rule;
  for (const std::string& cell : header) rule.push_back(std::string(cell.size() - 1, '-') + ':');
  rule[0] = std::string(header[0].size(), '-');
  std::cout << '\n';
  print_row(header, header);
  print_row(rule, header);
}

class Table {
 public:
  explicit Table(const TableOptions& options)
      : options_(options), filter_(options.filter), libraries_(libraries()), cycles_(clock_rate()) {
    if (options.csv.empty()) return;
    csv_.open(options.csv);
    if (!csv_) throw std::runtime_error("cannot write to " + options.csv);
  }

  void print() {
    print_machine();
    for (const Work work : {Work::forward, Work::train}) print_series(work);
    print_steps();
    if (rows_ == 0) throw std::runtime_error("nothing matches " + options_.filter);
    if (disturbed_ > 0.1) {
      std::cerr << "\nThe machine had other work: in one row for " << percent(disturbed_) << " of the time.\n";
    }
  }

 private:
  bool wanted(const std::string& path) const { return std::regex_search(path, filter_); }

  void print_machine() {
    std::string versions;
    for (const Library& library : libraries_) {
      if (library.version != "recur") versions += "; " + library.version;
    }
    for (const std::string& name : missing_libraries()) versions += "; without " + name;
    const std::string line = machine() + versions;
    if (csv_.is_open()) csv_ << "# " << line << '\n';
    std::cout << line << ".\nA core at " << number(cycles_ * 1e-9) << " GHz, whose multiply-adds are at most "
              << number(float_limit_ * 1e-9) << " GFLOP/s in single and " << number(double_limit_ * 1e-9)
              << " in double precision.\n";
  }

  void print_series(Work work) {
    std::vector<std::string> header{std::string(name(work)) + ": I H N T  ", "recur us", "GFLOP/s", "of limit"};
    for (const Library& library : libraries_) {
      if (is_peer(library)) header.push_back(library.name + " us (ratio)");
    }
    header.insert(header.end(), {"double: of limit", "2 threads"});
    bool has_header = false;
    for (const Shape& shape : shapes) {
      std::vector<Library> chosen;  // recur always among them
      bool any = false;
      for (const Library& library : libraries_) {
        if (!library.takes(shape)) continue;
        const bool match = std::regex_search(path(work, "elman", library.name, shape), filter_);
        any = any || match;
        if (match || library.name == "recur") chosen.push_back(library);
      }
      if (!any) continue;
      const Problem problem = elman(shape);
      const auto seconds = measure(chosen, problem, work);
      if (!has_header) print_header(header);
      has_header = true;
      ++rows_;
      print_row(row(problem, work, seconds), header);
      write(problem, work, seconds);
    }
  }

  /// Peers are who is neither recur nor a variant of it.
  static bool is_peer(const Library& library) { return !library.name.starts_with("recur"); }

  /// The seconds of each library.
  std::map<std::string, double> measure(const std::vector<Library>& chosen, const Problem& problem, Work work) {
    std::vector<std::unique_ptr<Run>> runs;
    std::vector<Contender> contenders;
    for (const Library& library : chosen) {
      Run& run = *runs.emplace_back(library.make(problem));
      contenders.push_back({library.name, [&run, work] { run(work); }, library.threads});
      require_agreement(library, problem, work, run, options_.tolerance);
    }
    std::map<std::string, double> seconds;
    disturbed_ = std::max(disturbed_, contest(contenders, options_.rounds));
    for (Contender& contender : contenders) seconds[contender.name] = contender.median();
    return seconds;
  }

  std::vector<std::string> row(const Problem& problem, Work work, std::map<std::string, double> seconds) const {
    const auto& [inputs, hidden, batch, steps] = problem.shape;
    const double recur = seconds["recur"], rate = problem.operations(work) / recur;
    std::vector<std::string> cells;
    cells.push_back(std::to_string(inputs) + ' ' + std::to_string(hidden) + ' ' + std::to_string(batch) + ' ' +
                    std::to_string(steps));
    cells.insert(cells.end(), {number(recur * 1e6), number(rate * 1e-9), percent(rate / float_limit_)});
    for (const Library& library : libraries_) {
      if (!is_peer(library)) continue;
      const double theirs = seconds[library.name];
      cells.push_back(theirs > 0 ? number(theirs * 1e6) + " (" + number(theirs / recur) + ")" : "");
    }
    const double in_double = seconds["recur-double"], with_two = seconds["recur-2threads"];
    cells.push_back(in_double > 0 ? percent(problem.operations(work) / in_double / double_limit_) : "");
    cells.push_back(with_two > 0 ? number(recur / with_two) : "");
    return cells;
  }

  /// The same for the plot: microseconds, always in these columns.
  void write(const Problem& problem, Work work, std::map<std::string, double> seconds) {
    const auto& [inputs, hidden, batch, steps] = problem.shape;
    csv_ << name(work) << ',' << inputs << ' ' << hidden << ' ' << batch << ' ' << steps;
    for (const char* library : {"recur", "onednn", "libtorch", "eigen-loop", "recur-double", "recur-2threads"}) {
      csv_ << ',';
      if (seconds[library] > 0) {
        csv_ << seconds[library] * 1e6;
      } else {
        csv_ << "NaN";
      }
    }
    csv_ << '\n';
  }

  void print_steps() {
    const std::vector<std::string> header{"step: H",       "recur ns",           "cycles", "recur-fixed ns", "cycles",
                                          "limit: cycles", "recur-fixed / limit"};
    bool has_header = false;
    const auto all = step_libraries();
    for (std::size_t i = 0; i < all.size(); i += 2) {  // recur and recur-fixed, for each size
      if (!wanted(all[i].path()) && !wanted(all[i + 1].path())) continue;
      require_steps_agree(all[i].hidden);
      const auto dynamic = all[i].make(), fixed = all[i + 1].make();
      std::vector<Contender> contenders{{all[i].name, [&] { dynamic->run(steps_in_call); }},
                                        {all[i + 1].name, [&] { fixed->run(steps_in_call); }}};
      disturbed_ = std::max(disturbed_, contest(contenders, options_.rounds));
      const double slow = contenders[0].median() / steps_in_call, fast = contenders[1].median() / steps_in_call;
      if (!has_header) print_header(header);
      has_header = true;
      ++rows_;
      print_row({std::to_string(all[i].hidden), number(slow * 1e9), number(slow * cycles_), number(fast * 1e9),
                 number(fast * cycles_), number(all[i].cycles_limit()), number(fast * cycles_ / all[i].cycles_limit())},
                header);
    }
  }

  static constexpr int steps_in_call = 1024;

  const TableOptions options_;
  const std::regex filter_;
  const std::vector<Library> libraries_;
  const double cycles_;  // in a second
  const double float_limit_ = multiply_add_limit<float>(), double_limit_ = multiply_add_limit<double>();
  std::ofstream csv_;
  int rows_ = 0;
  double disturbed_ = 0;  // the worst share of a row's time that went to others
};

}  // namespace

void print_table(const TableOptions& options) { Table(options).print(); }

}  // namespace bench
