#pragma once
/// \file
/// What the machine could do at best.

#include <string>

namespace bench {

/// Cycles of the core in a second, as they are now: by a chain of additions, each of which waits for the one before.
double clock_rate();

/// Floating-point operations in a second that one core does at most: independent multiply-adds on registers, each
/// counted twice.
template <class Scalar>
double multiply_add_limit();

/// How many numbers of single precision an instruction takes.
int float_lanes();

/// "AMD EPYC, 2 threads; g++ 12.2.0; AVX512, FMA ..."
std::string machine();

}  // namespace bench
