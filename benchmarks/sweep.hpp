#pragma once
/// \file
/// Cells without a product with the hidden state go through memory, and so they are measured beside a bare loop that
/// goes through the same memory.

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace bench {

struct SweepShape {
  int hidden, batch, steps;
};
/// Records that stay in the nearest caches, and others that do not.
inline constexpr std::array sweep_shapes{SweepShape{64, 1, 128}, SweepShape{512, 1, 1000}, SweepShape{256, 32, 128}};

enum class Way { forward, back };

/// A cell of one input, and the loop.
struct Sweep {
  virtual ~Sweep() = default;
  virtual void recur(Way) = 0;
  /// Touches what recur does as often as recur must: forward, a_t = b + u x_t for some columns, then for each step each
  /// number of its record, and the state before; back, dL/dh_t, each number of the records and of their gradients, and
  /// the sums of dL/dU and dL/db. It computes next to nothing.
  virtual void bare(Way) = 0;
};
struct SweepKind {
  std::string cell;
  std::unique_ptr<Sweep> (*make)(const SweepShape&);

  /// "sweep/forward/mingru/recur/H:64/N:1/T:128"
  std::string path(Way way, const std::string& by, const SweepShape& shape) const;
};
const std::vector<SweepKind>& sweep_kinds();
const char* name(Way way);

}  // namespace bench
