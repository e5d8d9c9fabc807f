// What save.cpp writes and run.cpp, which has no files, must find again in itself.
#pragma once

#include <recur/training/initializer.hpp>
#include <recur/layers/readout.hpp>
#include <recur/layers/sequence.hpp>
#include <recur/cells/elman.hpp>

#include <limits>

namespace recur_test {

using Net = recur::Sequence<recur::Elman<float, recur::Tanh, 1, 4>, recur::Readout<float, 4, 1>>;

inline Net network() {
  Net net;
  std::mt19937 rng(7);
  recur::initialize(net, rng);
  auto& b = net.layer<0>().b;
  b << 0.1f, -0.0f, std::numeric_limits<float>::denorm_min(), 0x1.fffffep-1f;
  return net;
}

/// Every kind of number.
template <class Scalar>
recur::MatrixOf<Scalar, 2, 5> odd_numbers() {
  using Limits = std::numeric_limits<Scalar>;
  recur::MatrixOf<Scalar, 2, 5> m;
  m << 0, -Scalar(0), Scalar(1) / 3, Limits::infinity(), -Limits::infinity(),  //
      Limits::denorm_min(), Limits::min(), Limits::max(), Limits::lowest(), -Limits::quiet_NaN();
  return m;
}

}  // namespace recur_test
