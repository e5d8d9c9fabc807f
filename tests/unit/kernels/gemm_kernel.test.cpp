// What compilers make of the hot loop of all products. Each packet of A is to be loaded once at each k, and each number
// of B be broadcast once: where a compiler loads again for each multiply-add, as g++ does for Zen if it is let, the
// loads are the limit, and products run at two thirds of the speed. No time shows that on a machine that has loads to
// spare.
#include "catch.hpp"

#ifdef RECUR_COMPILER

#include <cstdio>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace {

using Lines = std::vector<std::string>;

/// The instructions and labels that a compiler writes, without comments, directives and blanks.
Lines assembly_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  Lines lines(1);
  const auto end_line = [&] {
    std::string& line = lines.back();
    line = line.substr(0, line.find('#'));
    const auto first = line.find_first_not_of(" \t"), last = line.find_last_not_of(" \t");
    line = first == std::string::npos ? "" : line.substr(first, last - first + 1);
    const bool label = !line.empty() && line.back() == ':';
    if (!label && (line.empty() || line[0] == '.')) {
      line.clear();
    } else {
      lines.emplace_back();
    }
  };
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    if (c == '\n') {
      end_line();
    } else {
      lines.back() += static_cast<char>(c);
    }
  }
  REQUIRE(pclose(pipe) == 0);
  return lines;
}

bool multiplies(const std::string& instruction, const std::string& suffix) {
  return std::regex_match(instruction, std::regex("v?(fn?m(add|sub)\\d*|mul)" + suffix + "\\s.*"));
}
bool touches_memory(const std::string& instruction) {
  return instruction.find('(') != std::string::npos && instruction.compare(0, 3, "lea") != 0 &&
         instruction.compare(0, 8, "prefetch") != 0;
}

struct Loop {
  long multiplications = 0, loads = 0, of_multiplications = 0;
};

/// All innermost loops, from a label to a jump back to it with neither jumps nor calls between, and what they do with
/// packets of floats (ps) or doubles (pd).
std::vector<Loop> loops_in(const Lines& lines, const std::string& suffix) {
  std::vector<Loop> loops;
  std::map<std::string, std::size_t> labels;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.empty()) continue;
    if (line.back() == ':') {
      labels[line.substr(0, line.size() - 1)] = i;
    } else if (line[0] == 'j' || line.compare(0, 4, "call") == 0 || line.compare(0, 3, "ret") == 0) {
      const auto target = labels.find(line.substr(line.find_last_of(" \t") + 1));
      if (target != labels.end()) {
        Loop loop;
        for (std::size_t k = target->second; k < i; ++k) {
          const bool multiplication = multiplies(lines[k], suffix), load = touches_memory(lines[k]);
          loop.multiplications += multiplication;
          loop.loads += load;
          loop.of_multiplications += multiplication && load;
        }
        loops.push_back(loop);
      }
      labels.clear();
    }
  }
  return loops;
}

}  // namespace

TEST_CASE("The hot loop loads each packet once, whatever it is compiled for", "[packed]") {
  struct Case {
    const char* flags;
    long multiplications, loads;  // of a tile: 3 packets by 4 or 8 columns
  };
  const Case of = GENERATE(Case{"-O2", 12, 7}, Case{"-O3 -march=x86-64-v3", 12, 7}, Case{"-O3 -march=znver3", 12, 7},
                           Case{"-O3 -march=x86-64-v4", 24, 11});
  const Lines lines =
      assembly_of(std::string(RECUR_COMPILER) + " -std=c++20 -w -S -o - " + of.flags + " " + RECUR_TEST_HOT_LOOP);
  for (const char* const suffix : {"ps", "pd"}) {
    INFO(of.flags << ", " << suffix);
    Loop hot;
    long least = 1000;
    for (const Loop& loop : loops_in(lines, suffix))
      if (loop.multiplications == of.multiplications && loop.loads < least) least = (hot = loop).loads;
    CHECK(hot.multiplications == of.multiplications);
    CHECK(hot.of_multiplications == 0);
    CHECK(hot.loads <= of.loads + 2);  // with, at most, a pointer or stride that has no register
  }
}

#endif
