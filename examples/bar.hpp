#pragma once
// A progress bar, for the examples that take their time. Nothing of recur.

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>

/// With blanks for control characters, such as would upset a terminal.
inline std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return std::iscntrl(c) != 0 && c != '\n'; }, ' ');
  return text;
}

/// The last line of a terminal, drawn again and again; where the output is none, a plain line now and then.
class Bar {
 public:
  /// `before` are seconds that have already been spent.
  explicit Bar(double before = 0) : before_(before) {}
  ~Bar() {
    if (open_) std::printf("\n");
  }
  double seconds() const {
    return before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  /// Whether it is time for a line above the bar: every four seconds.
  bool due() const { return seconds() >= due_; }
  void above(std::string line) {
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::printf("%s%s\n", erase(), printable(line).c_str());
    due_ = seconds() + 4;
    shown_ = -1;
  }
  /// How many steps will have been done when `seconds` are over, if so far it were `steps`; at first there is no
  /// telling.
  long steps_within(double within, long steps) const {
    return seconds() > 1 ? static_cast<long>(double(steps) * within / seconds()) : std::numeric_limits<long>::max();
  }
  /// `share` is how much is done, of 1; `text` stands beside it.
  void show(double share, const std::string& text) {
    const double now = seconds();
    if (share < 1 && shown_ >= 0 && now < (terminal_ ? shown_ + 0.1 : due_)) return;
    if (!terminal_) due_ = std::max(due_, now + 4);
    shown_ = now;
    open_ = terminal_ && share < 1;
    const std::string done(static_cast<std::size_t>(20 * std::min(share, 1.0)), '#');
    std::printf("%s[%-20s] %3.0f %%, %s, ", erase(), done.c_str(), 100 * share, text.c_str());
    std::printf(share < 1 ? "%.0f s left%s" : "%.0f s%s", share < 1 ? now / share - now : now, open_ ? "" : "\n");
    std::fflush(stdout);
  }

 private:
  const char* erase() const { return terminal_ ? "\r\033[K" : ""; }

  double before_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool terminal_ = isatty(STDOUT_FILENO) != 0, open_ = false;
  double due_ = 0, shown_ = -1;
};
