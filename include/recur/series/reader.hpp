#pragma once
/// \file
/// A series that is not in memory as a whole: read in parts, from a file, a generator, a database.

#include "series.hpp"
#include "tokens.hpp"

#include <functional>

namespace recur::inline RECUR_ISA {

/// x_1 .. x_T of N sequences, in parts, for the form of bptt() that takes a loss:
///
///     const recur::SeriesReader<float> x(batch, steps, [&](recur::Index first, recur::Series<float>& part) {
///       for (recur::Index t = 0; t < part.steps(); ++t) part[t] = features_of(first + t);
///     });
///
/// `part` has the sizes that are asked for when it is called, features x N x steps. A step may be asked for more than
/// once, later steps before earlier ones, always by the thread that called bptt(), and must be the same each time.
template <class Scalar>
class SeriesReader : public BatchView<SeriesReader<Scalar>> {
  friend BatchView<SeriesReader>;

 public:
  /// Throws std::invalid_argument unless batch > 0, steps > 0 and there is a function.
  SeriesReader(Index batch, Index steps, std::function<void(Index first, Series<Scalar>& part)> read)
      : BatchView<SeriesReader>(batch, steps), read_(std::move(read)) {
    require(batch > 0 && steps > 0, "SeriesReader: batch > 0 and steps > 0 expected, got ", batch, " and ", steps);
    require(bool(read_), "SeriesReader: a function that reads expected, got an empty one");
  }

  /// Steps from `first` on, as many as part has. Throws std::invalid_argument where the function changes its sizes.
  void read(Index first, Series<Scalar>& part) const {
    const Index features = part.features(), batch = part.batch(), steps = part.steps();
    read_(first, part);
    require(part.features() == features && part.batch() == batch && part.steps() == steps,
            "SeriesReader: the function must leave the sizes of its part, features ", features, ", batch ", batch,
            ", steps ", steps, ", as they are, got ", part.features(), ", ", part.batch(), " and ", part.steps());
  }
  /// Nothing of it is known before it is read.
  void require_inputs(const char*, Index) const {}

 private:
  std::function<void(Index, Series<Scalar>&)> read_;
};

/// The same for tokens: part(n, t) is that of sequence n at step first + t.
class TokensReader : public BatchView<TokensReader> {
  friend BatchView<TokensReader>;

 public:
  /// Throws std::invalid_argument unless batch > 0, steps > 0 and there is a function.
  TokensReader(Index batch, Index steps, std::function<void(Index first, Tokens& part)> read)
      : BatchView<TokensReader>(batch, steps), read_(std::move(read)) {
    require(batch > 0 && steps > 0, "TokensReader: batch > 0 and steps > 0 expected, got ", batch, " and ", steps);
    require(bool(read_), "TokensReader: a function that reads expected, got an empty one");
  }

  /// Steps from `first` on, as many as part has. Throws std::invalid_argument where the function changes its sizes.
  void read(Index first, Tokens& part) const {
    const Index batch = part.batch(), steps = part.steps();
    read_(first, part);
    require(part.batch() == batch && part.steps() == steps,
            "TokensReader: the function must leave the sizes of its part, batch ", batch, ", steps ", steps,
            ", as they are, got ", part.batch(), " and ", part.steps());
  }
  /// Nothing of it is known before it is read.
  void require_inputs(const char*, Index) const {}

 private:
  std::function<void(Index, Tokens&)> read_;
};

}  // namespace recur::inline RECUR_ISA
