#pragma once
/// \file
/// One step at a time: a network of one input and one output, as in an audio callback.

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace bench {

class Steps {
 public:
  virtual ~Steps() = default;
  /// So many steps, one after the other; gives the last output.
  virtual float run(int count) = 0;
};

struct StepLibrary {
  std::string name;  ///< "recur", or "recur-fixed" where sizes are known when compiling
  int hidden;
  std::function<std::unique_ptr<Steps>()> make;

  /// "step/elman/recur-fixed/I:1/H:64/N:1/T:1"
  std::string path() const;
  /// The fewest cycles in which the multiply-adds of W h can be issued, two packets at a time.
  double cycles_limit() const;
};

std::vector<StepLibrary> step_libraries();

/// Throws std::runtime_error unless all of one size compute the same.
void require_steps_agree(int hidden);

}  // namespace bench
