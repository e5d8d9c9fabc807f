// What the units of a program that is compiled for two processors give: see two_processors.cpp.
#pragma once

#include <string>
#include <vector>

struct Result {
  std::vector<double> numbers;
  std::string message;  // of the exception that ended it
};
Result for_any_processor();
Result for_this_one();
