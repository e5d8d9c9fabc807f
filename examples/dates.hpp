#pragma once
// What 09_translate needs that is no network: dates, and texts that are alike. Nothing of recur.

#include <algorithm>
#include <array>
#include <random>
#include <string>

struct Date {
  std::string words, iso;
  /// A day from 1900 to 2099, in one of six ways to say it.
  explicit Date(std::mt19937& rng) {
    static constexpr std::array months{"january", "february", "march",     "april",   "may",      "june",
                                       "july",    "august",   "september", "october", "november", "december"};
    const std::size_t month = rng() % 12, day = 1 + rng() % (month == 1 ? 28 : 30), year = 1900 + rng() % 200;
    const std::string m = std::string(months[month]).substr(0, rng() % 3 == 0 ? 3 : 9);
    const std::string d = std::to_string(day), y = std::to_string(year);
    const auto last = day / 10 == 1 ? 0 : day % 10;
    const std::string nth = d + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
    const std::array ways{d + " " + m + " " + y,   d + ". " + m + " " + y,   m + " " + d + ", " + y,
                          m + " " + nth + " " + y, y + ", " + m + " " + nth, "the " + nth + " of " + m + ", " + y};
    words = ways[rng() % ways.size()];
    iso = y + (month < 9 ? "-0" : "-") + std::to_string(month + 1) + (day < 10 ? "-0" : "-") + d;
  }
};

/// How many characters two texts have in common, at their beginnings and at their ends.
inline auto in_common(const std::string& a, const std::string& b) {
  return (std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin()) +
         (std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin());
}
