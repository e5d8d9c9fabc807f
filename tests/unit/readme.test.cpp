// The README and the pages beside it say what the files say. Each of their blocks of code is followed back to the file
// that the comment above it names (the README's first to 00_echo.cpp, whole), which is compiled and run elsewhere; the
// output that the README shows is that of the program; links lead to files and headings; the tests that it names exist.
#include "catch.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

/// The pages that people read. The README comes first.
const std::vector<std::string> pages = {"README.md",       "examples/README.md",   "include/recur/README.md",
                                        "tests/README.md", "benchmarks/README.md", ".github/CONTRIBUTING.md"};

std::string read(const std::string& path) {
  std::ifstream file(path);
  INFO(path);
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Without the blanks that lines begin with: what stands in a function there is quoted without its indentation.
std::string unindented(const std::string& text) {
  std::istringstream lines(text);
  std::string result = "\n";
  for (std::string line; std::getline(lines, line);) {
    result += line.substr(std::min(line.find_first_not_of(' '), line.size())) + "\n";
  }
  return result;
}

struct Block {
  std::string above;     // the line before it
  std::string language;  // what stands behind the opening fence
  std::string text;
};

std::vector<Block> blocks_of(const std::string& markdown) {
  std::vector<Block> blocks;
  std::istringstream lines(markdown);
  bool inside = false;
  for (std::string line, above; std::getline(lines, line); above = line) {
    if (line.compare(0, 3, "```") == 0) {
      if (!inside) blocks.push_back({above, line.substr(3), ""});
      inside = !inside;
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  REQUIRE_FALSE(inside);
  return blocks;
}

/// How GitHub writes a heading in links to it: lower case, blanks as hyphens, without punctuation.
std::string anchor_of(const std::string& heading) {
  std::string anchor;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') {
      anchor += '-';
    } else if (std::isalnum(byte) || c == '-' || c == '_') {
      anchor += static_cast<char>(std::tolower(byte));
    }
  }
  return anchor;
}
bool has_anchor(const std::string& markdown, const std::string& anchor) {
  std::istringstream lines(markdown);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t text = line.find_first_not_of('#');
    if (text > 0 && text < line.size() && line[text] == ' ' && anchor_of(line.substr(text + 1)) == anchor) return true;
  }
  return false;
}

#ifdef RECUR_ECHO
std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  REQUIRE(pclose(pipe) == 0);
  return output;
}
std::vector<double> numbers_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<double> numbers;
  for (double number = 0; stream >> number;) numbers.push_back(number);
  REQUIRE(stream.eof());  // nothing but numbers
  return numbers;
}
#endif

}  // namespace

TEST_CASE("Every block of code in the README and its pages stands in a file that is compiled and run", "[readme]") {
  const std::string root = RECUR_SOURCE_DIR "/";
  int programs = 0, excerpts = 0, outputs = 0;
  for (const std::string& page : pages) {
    const bool is_readme = page == "README.md";
    for (const Block& block : blocks_of(read(root + page))) {
      INFO(page << ": the block under '" << block.above << "':\n" << block.text);
      if (block.language == "sh") continue;  // those commands are run as they stand
      if (block.language == "text") {
        REQUIRE(is_readme);
        REQUIRE(block.above == "<!-- the output of 00_echo -->");
#ifdef RECUR_ECHO
        // Another compiler or Eigen may round otherwise, and 600 steps of training make more of that.
        const auto printed = numbers_of(output_of(RECUR_ECHO)), shown = numbers_of(block.text);
        REQUIRE(printed.size() == shown.size());
        for (std::size_t i = 0; i < shown.size(); ++i) CHECK(printed[i] == Approx(shown[i]).epsilon(0.01));
#endif
        ++outputs;
      } else if (block.above.empty()) {
        REQUIRE(is_readme);
        REQUIRE(block.language == "cpp");
        CHECK(read(root + "examples/00_echo.cpp") == block.text);
        ++programs;
      } else {
        REQUIRE(block.above.compare(0, 5, "<!-- ") == 0);
        const std::string path = block.above.substr(5, block.above.find(" -->") - 5);
        CHECK(unindented(read(root + path)).find(unindented(block.text)) != std::string::npos);
        ++excerpts;
      }
    }
  }
  CHECK(programs == 1);
  CHECK(outputs == 1);
  CHECK(excerpts >= 12);
}

TEST_CASE("Every link of the README and its pages leads to a file, and to a heading where it names one", "[readme]") {
  const std::string root = RECUR_SOURCE_DIR "/";
  for (const std::string& page : pages) {
    const std::string text = read(root + page), folder = page.substr(0, page.rfind('/') + 1);
    int links = 0;
    for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1)) {
      const std::string target = text.substr(at + 2, text.find(')', at) - at - 2);
      // Other people's pages, and what is code.
      if (target.find("://") != std::string::npos || target.find(' ') != std::string::npos) continue;
      INFO(page << " links to " << target);
      const std::size_t hash = std::min(target.find('#'), target.size());
      const std::string path = root + (hash == 0 ? page : folder + target.substr(0, hash));
      CHECK(std::filesystem::exists(path));
      if (hash < target.size()) CHECK(has_anchor(read(path), target.substr(hash + 1)));
      ++links;
    }
    if (page == "README.md") CHECK(links >= 16);
    if (page == "examples/README.md") CHECK(links >= 10);
  }
}

TEST_CASE("Every line of the README's comparison names a test that there is", "[readme]") {
  const std::string root = RECUR_SOURCE_DIR "/";
  std::string sources;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root + "tests")) {
    if (entry.path().extension() == ".cpp") sources += read(entry.path().string());
  }
  std::istringstream lines(read(root + "README.md"));
  std::string line;
  while (std::getline(lines, line) && line != "## Beside others") {}
  int rows = 0;
  while (std::getline(lines, line) && line.compare(0, 3, "## ") != 0) {
    if (line.compare(0, 2, "| ") != 0 || line.compare(0, 3, "| |") == 0) continue;
    INFO(line);
    const std::size_t last = line.rfind("| ", line.size() - 2) + 2;
    const std::string name = line.substr(last, line.size() - 2 - last);
    if (name[0] == '`') {
      CHECK(std::filesystem::exists(root + name.substr(1, name.size() - 2)));
    } else {
      REQUIRE(name.size() > 2);
      CHECK(sources.find("TEST_CASE(" + name) != std::string::npos);  // in quotes there as here
    }
    ++rows;
  }
  CHECK(rows >= 20);
}
