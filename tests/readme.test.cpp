// The README says what the files say. Each of its blocks of code is followed back to the file that the comment above
// it names (the first to 00_echo.cpp, whole), which is compiled and run elsewhere; the output that it shows is that of
// the program.
#include "catch.hpp"

#include <cstdio>
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
      CHECK(read(root + path).find(block.text) != std::string::npos);
      ++excerpts;
    }
  }
  CHECK(programs == 1);
  CHECK(outputs == 1);
  CHECK(excerpts >= 2);
}
