#pragma once
/// \file
/// What train() learns from.

#include "loss.hpp"
#include "series.hpp"
#include "tokens.hpp"

#include <concepts>
#include <span>

namespace recur {

namespace detail {

/// What a network reads: Data::Input where it says, Series otherwise.
template <class Data, class Scalar>
struct InputOf {
  using type = Series<Scalar>;
};
template <class Data, class Scalar>
  requires requires { typename Data::Input; }
struct InputOf<Data, Scalar> {
  using type = typename Data::Input;
};

}  // namespace detail

/// Some sequences, of which train() asks for windows. read() fills x and the target with steps first .. first + steps - 1
/// of the named sequences, side by side in that order, and gives x the lengths that are left of them where they end
/// before steps(). x is a Series<Scalar>, unless there is a type Data::Input = Tokens. SeriesData, ClassData and TokenData keep everything in memory; a user's own may
/// make it up as it goes.
template <class Data, class Scalar>
concept DataSource = requires(const Data data, std::span<const Index> sequences,
                              typename detail::InputOf<Data, Scalar>::type& x, typename Data::Target& target) {
  { data.sequences() } -> std::convertible_to<Index>;
  { data.steps() } -> std::convertible_to<Index>;
  data.read(sequences, Index(), Index(), x, target);
};

namespace detail {

/// What a window leaves of the lengths of some sequences.
std::vector<Index> lengths_in_window(const auto& source, std::span<const Index> sequences, Index first, Index steps) {
  std::vector<Index> lengths;
  if (source.has_lengths())
    for (const Index n : sequences) lengths.push_back(std::clamp<Index>(source.length(n) - first, 0, steps));
  return lengths;
}

template <class Scalar>
void read_window(SeriesView<const Scalar> source, std::span<const Index> sequences, Index first, Index steps,
                 Series<Scalar>& window) {
  window.resize(source.features(), static_cast<Index>(sequences.size()), steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < window.batch(); ++n)
      window[t].col(n) = source[first + t].col(sequences[static_cast<std::size_t>(n)]);
  window.set_lengths(lengths_in_window(source, sequences, first, steps));
}
/// The same for tokens and classes, N x T.
inline void read_window(const Classes& source, std::span<const Index> sequences, Index first, Index steps,
                        Classes& window) {
  window.resize(static_cast<Index>(sequences.size()), steps);
  for (Index n = 0; n < window.rows(); ++n)
    window.row(n) = source.row(sequences[static_cast<std::size_t>(n)]).segment(first, steps);
}

}  // namespace detail

/// Inputs and targets that are series. Looks at both: they must live as long as it is used.
template <class Scalar>
class SeriesData {
 public:
  using Target = Series<Scalar>;
  SeriesData(SeriesView<const Scalar> x, SeriesView<const Scalar> target) : x_(x), target_(target) {
    require_same_steps("SeriesData", "target", target, "x", x);
  }
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<Scalar>& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    detail::read_window(target_, sequences, first, steps, target);
  }

 private:
  SeriesView<const Scalar> x_, target_;
};
template <class X, class Target>
SeriesData(const X&, const Target&) -> SeriesData<typename X::Scalar>;

/// Inputs that are a series, targets that are classes. Looks at both: they must live as long as it is used.
template <class Scalar>
class ClassData {
 public:
  using Target = Classes;
  ClassData(SeriesView<const Scalar> x, const Classes& classes) : x_(x), classes_(classes) {
    require(classes.rows() == x.batch() && classes.cols() == x.steps(), "ClassData: classes must be ", x.batch(), "x",
            x.steps(), " (batch x steps of x), got ", shape(classes));
  }
  ClassData(SeriesView<const Scalar> x, const Classes&& temporary) = delete;
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<Scalar>& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    detail::read_window(classes_, sequences, first, steps, target);
  }

 private:
  SeriesView<const Scalar> x_;
  const Classes& classes_;
};
template <class X>
ClassData(const X&, const Classes&) -> ClassData<typename X::Scalar>;

/// Inputs that are tokens, targets that are classes. Looks at both: they must live as long as it is used.
class TokenData {
 public:
  using Input = Tokens;
  using Target = Classes;
  TokenData(const Tokens& x, const Classes& classes) : x_(x), classes_(classes) {
    require(classes.rows() == x.rows() && classes.cols() == x.cols(), "TokenData: classes must be ", x.rows(), "x",
            x.cols(), " (batch x steps of x), got ", shape(classes));
  }
  TokenData(const Tokens&& temporary, const Classes&) = delete;
  TokenData(const Tokens&, const Classes&& temporary) = delete;
  Index sequences() const { return x_.rows(); }
  Index steps() const { return x_.cols(); }
  void read(std::span<const Index> sequences, Index first, Index steps, Tokens& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    detail::read_window(classes_, sequences, first, steps, target);
    x.lengths = detail::lengths_in_window(TokensView(x_), sequences, first, steps);
  }

 private:
  const Tokens& x_;
  const Classes& classes_;
};

}  // namespace recur
