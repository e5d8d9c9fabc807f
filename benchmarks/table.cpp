#include "table.hpp"
#include "contest.hpp"
#include "library.hpp"
#include "machine.hpp"
#include "step.hpp"
#include "sweep.hpp"
#include "training.hpp"

#include <algorithm>
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
/// "32 64 1 128"
std::string numbers(const Shape& s) {
  return std::to_string(s.inputs) + ' ' + std::to_string(s.hidden) + ' ' + std::to_string(s.batch) + ' ' +
         std::to_string(s.steps);
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
    for (const CellKind& cell : cells)
      for (const Work work : {Work::forward, Work::train}) print_series(cell, work);
    print_padded();
    for (const CellKind& cell : cells) print_steps(cell);
    print_sweeps();
    print_training();
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
    for (const StepLibrary& library : step_libraries()) {
      if (library.version != "recur") versions += "; " + library.version;
    }
    for (const std::string& name : missing_libraries()) versions += "; without " + name;
    const std::string line = machine() + versions;
    if (csv_.is_open()) csv_ << "# " << line << '\n';
    std::cout << line << ".\nA core at " << number(cycles_ * 1e-9) << " GHz, whose multiply-adds are at most "
              << number(float_limit_ * 1e-9) << " GFLOP/s in single and " << number(double_limit_ * 1e-9)
              << " in double precision.\n";
  }

  void print_series(const CellKind& cell, Work work) {
    std::vector<std::string> header{std::string(cell.name) + " " + name(work) + ": I H N T", "recur us", "GFLOP/s",
                                    "of limit"};
    for (const Library& library : libraries_) {
      if (is_peer(library, cell.name)) header.push_back(library.name + " us (ratio)");
    }
    header.insert(header.end(), {"double: of limit", "2 threads"});
    bool has_header = false;
    for (const Shape& shape : cell.on) {
      std::vector<Library> chosen;  // recur always among them
      bool any = false;
      for (const Library& library : libraries_) {
        if (!library.takes(cell.name, shape)) continue;
        const bool match = wanted(path(work, cell.name, library.name, shape));
        any = any || match;
        if (match || library.name == "recur") chosen.push_back(library);
      }
      if (!any) continue;
      const Problem problem = cell.problem(shape);
      const auto seconds = measure(chosen, problem, work);
      if (!has_header) print_header(header);
      has_header = true;
      ++rows_;
      print_row(row(problem, work, seconds), header);
      write(problem, work, seconds);
    }
  }

  /// Peers are who has the cell and is neither recur nor a variant of it.
  static bool is_peer(const Library& library, const std::string& cell) {
    return !library.name.starts_with("recur") && library.cells.contains(cell);
  }

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
    const double recur = seconds["recur"], rate = problem.operations(work) / recur;
    std::vector<std::string> cells{numbers(problem.shape)};
    cells.insert(cells.end(), {number(recur * 1e6), number(rate * 1e-9), percent(rate / float_limit_)});
    for (const Library& library : libraries_) {
      if (!is_peer(library, problem.cell)) continue;
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
    csv_ << name(work) << '/' << problem.cell << ',' << numbers(problem.shape);
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

  /// recur with itself: the same batch, half of whose steps are padding.
  void print_padded() {
    const std::vector<std::string> header{"half padded: I H N T         ", "full us", "half us", "half / full"};
    bool has_header = false;
    for (const CellKind& cell : cells)
      for (const Work work : {Work::forward, Work::train})
        for (const Shape& shape : cell.padded()) {
          if (!wanted(padded_path(work, cell.name, false, shape)) && !wanted(padded_path(work, cell.name, true, shape)))
            continue;
          const Problem problem = cell.problem(shape);
          const auto full = recur_library().make(problem), half = recur_library().make(padded(problem));
          std::vector<Contender> contenders{{"full", [&] { (*full)(work); }}, {"half", [&] { (*half)(work); }}};
          disturbed_ = std::max(disturbed_, contest(contenders, options_.rounds));
          const double all = contenders[0].median(), live = contenders[1].median();
          if (!has_header) print_header(header);
          has_header = true;
          ++rows_;
          print_row({std::string(cell.name) + ' ' + name(work) + ' ' + numbers(shape), number(all * 1e6),
                     number(live * 1e6), number(live / all)},
                    header);
        }
  }

  void print_steps(const CellKind& cell) {
    const auto all = step_libraries();
    std::vector<std::string> header{
        std::string(cell.name) + " step: H", "recur ns", "recur-fixed ns", "cycles", "limit: cycles", "fixed / limit"};
    const bool has_peer = all.size() > 2 && all[2].make(step_problem(cell, step_sizes[0]));
    if (has_peer) header.push_back(all[2].name + " ns (ratio)");
    bool has_header = false;
    for (const int hidden : step_sizes) {
      const bool any = std::any_of(all.begin(), all.end(),
                                   [&](const StepLibrary& library) { return wanted(library.path(cell.name, hidden)); });
      if (!any) continue;
      const StepProblem problem = step_problem(cell, hidden);
      if (!all[1].make(problem)) continue;
      std::vector<std::unique_ptr<StepRun>> steps;
      std::vector<Contender> contenders;
      for (const StepLibrary& library : all) {
        auto made = library.make(problem);
        if (!made) continue;
        require_steps_agree(library, problem);
        StepRun& own = *steps.emplace_back(std::move(made));
        contenders.push_back({library.name, [&own] { own.run(steps_in_call); }});
      }
      disturbed_ = std::max(disturbed_, contest(contenders, options_.rounds));
      std::vector<double> seconds;
      for (Contender& contender : contenders) seconds.push_back(contender.median() / steps_in_call);
      if (!has_header) print_header(header);
      has_header = true;
      ++rows_;
      std::vector<std::string> row{
          std::to_string(hidden),         number(seconds[0] * 1e9),
          number(seconds[1] * 1e9),       number(seconds[1] * cycles_),
          number(problem.cycles_limit()), number(seconds[1] * cycles_ / problem.cycles_limit())};
      if (has_peer) row.push_back(number(seconds[2] * 1e9) + " (" + number(seconds[2] / seconds[1]) + ")");
      print_row(row, header);
    }
  }

  /// Cells that only go through memory, and how fast a bare loop does.
  void print_sweeps() {
    const std::vector<std::string> header{"sweep: H N T            ", "forward us", "bare us (of it)", "back us",
                                          "bare us (of it)"};
    bool has_header = false;
    for (const SweepKind& kind : sweep_kinds())
      for (const SweepShape& shape : sweep_shapes) {
        if (!wanted(kind.path(Way::forward, "recur", shape)) && !wanted(kind.path(Way::back, "recur", shape))) continue;
        const auto sweep = kind.make(shape);
        std::vector<std::string> row{kind.cell + ' ' + std::to_string(shape.hidden) + ' ' +
                                     std::to_string(shape.batch) + ' ' + std::to_string(shape.steps)};
        for (const Way way : {Way::forward, Way::back}) {
          std::vector<Contender> contenders{{"recur", [&] { sweep->recur(way); }}, {"bare", [&] { sweep->bare(way); }}};
          disturbed_ = std::max(disturbed_, contest(contenders, options_.rounds));
          const double own = contenders[0].median(), bare = contenders[1].median();
          row.insert(row.end(), {number(own * 1e6), number(bare * 1e6) + " (" + percent(bare / own) + ")"});
        }
        if (!has_header) print_header(header);
        has_header = true;
        ++rows_;
        print_row(row, header);
      }
  }

  /// Whole steps of training, by turns: a few of each library in every round.
  void print_training() {
    const auto all = training_libraries();
    std::vector<std::string> header{"step of training: network", "recur ms", "beside forward and bptt"};
    const bool has_peer = all.size() > 2;
    if (has_peer) header.push_back(all[2].name + " ms (ratio)");
    bool has_header = false;
    for (const Task& task : tasks()) {
      if (std::none_of(all.begin(), all.end(), [&](const auto& library) { return wanted(task.path(library.name)); }))
        continue;
      // Another model: see TorchTraining.
      const bool same_model = task.inputs <= 1000;
      if (has_peer && same_model) require_same_losses(task, all[2], 1e-3);
      std::vector<std::unique_ptr<Training>> trainings;
      for (const TrainingLibrary& library : all) trainings.push_back(library.make(task));
      std::vector<std::vector<double>> seconds(all.size());
      for (int round = 0; round < std::max(1, options_.rounds / 3); ++round)
        for (std::size_t i = 0; i < all.size(); ++i)
          for (const double s : trainings[i]->run(4)) seconds[i].push_back(s);
      std::vector<double> medians;
      for (auto& of : seconds) {
        const auto middle = of.begin() + static_cast<std::ptrdiff_t>(of.size() / 2);
        std::nth_element(of.begin(), middle, of.end());
        medians.push_back(*middle);
      }
      if (!has_header) print_header(header);
      has_header = true;
      ++rows_;
      std::vector<std::string> row{task.name, number(medians[0] * 1e3), percent(1 - medians[1] / medians[0])};
      if (has_peer) row.push_back(number(medians[2] * 1e3) + " (" + number(medians[2] / medians[0]) + ")");
      print_row(row, header);
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
