#pragma once
/// \file
/// LibTorch on a long series.

namespace bench {

/// Whether it is compiled in.
bool has_libtorch();
/// Seconds of one forward and backward of nn.LSTM and nn.Linear over T steps of N sequences.
double by_libtorch(long batch, long steps, long hidden);

}  // namespace bench
