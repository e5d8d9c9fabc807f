// The README says what the files say. Each of its blocks of code is followed back to the file that the comment above
// it names (the first to 00_echo.cpp, whole), which is compiled and run elsewhere; the output that it shows is that of
// the program; and the tests that it names are there.
#include "catch.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace {

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

#ifdef RECUR_ECHO
std::string output_of(const std::string& command) {
  FILE* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  REQUIRE(pclose(pipe) == 0);
  return output;
}
#endif

std::vector<double> numbers_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<double> numbers;
  for (double number = 0; stream >> number;) numbers.push_back(number);
  REQUIRE(stream.eof());  // nothing but numbers
  return numbers;
}

}  // namespace

TEST_CASE("Every block of code in the README stands in a file that is compiled and run", "[readme]") {
  const std::string root = RECUR_SOURCE_DIR "/";
  int programs = 0, excerpts = 0, outputs = 0;
  for (const Block& block : blocks_of(read(root + "README.md"))) {
    INFO("the block under '" << block.above << "':\n" << block.text);
    if (block.language == "sh") continue;  // those commands are run as they stand
    if (block.language == "text") {
      REQUIRE(block.above == "<!-- the output of 00_echo -->");
#ifdef RECUR_ECHO
      // Another compiler or Eigen may round otherwise, and 600 steps of training make more of that.
      const auto printed = numbers_of(output_of(RECUR_ECHO)), shown = numbers_of(block.text);
      REQUIRE(printed.size() == shown.size());
      for (std::size_t i = 0; i < shown.size(); ++i) CHECK(printed[i] == Approx(shown[i]).epsilon(0.01));
#endif
      ++outputs;
    } else if (block.above.empty()) {
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
  CHECK(programs == 1);
  CHECK(outputs == 1);
  CHECK(excerpts >= 2);
}

TEST_CASE("Every link of the README to a file leads to one", "[readme]") {
  const std::string root = RECUR_SOURCE_DIR "/", text = read(root + "README.md");
  int links = 0;
  for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1)) {
    const std::string target = text.substr(at + 2, text.find(')', at) - at - 2);
    // Other people's pages, this one's own parts, and what is code.
    if (target.find("://") != std::string::npos || target[0] == '#' || target.find(' ') != std::string::npos) continue;
    INFO(target);
    CHECK(std::filesystem::exists(root + target));
    ++links;
  }
  CHECK(links >= 7);
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
