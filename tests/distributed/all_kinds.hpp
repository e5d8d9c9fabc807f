// Networks of every kind in training, for the laws of several processes.
#pragma once

#include "io/trainings/trainings.hpp"

namespace recur_test {

/// A network of each kind of cell, with dropout, in double, and three of many layers or of one, in float; by their
/// names; with Adam and std::mt19937(3).
std::vector<std::pair<std::string, std::unique_ptr<Training>>> trainings_of_all_kinds();
/// Bidirectional GRU 1 -> 6, Dropout, Readout, in float; with Adam and std::mt19937(3).
std::unique_ptr<Training> bidirectional_training(const AdamOptions& options);

}  // namespace recur_test
