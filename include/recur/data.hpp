#pragma once
/// \file
/// What train() learns from.

#include "loss.hpp"
#include "series.hpp"

#include <concepts>
#include <span>

namespace recur {

/// Some sequences of equal length, of which train() asks for windows. read() fills x and the target with
/// steps first .. first + steps - 1 of the named sequences, side by side in that order. SeriesData and ClassData keep
/// everything in memory; a user's own may make it up as it goes.
template <class Data, class Scalar>
concept DataSource =
    requires(const Data data, std::span<const Index> sequences, Series<Scalar>& x, typename Data::Target& target) {
      { data.sequences() } -> std::convertible_to<Index>;
      { data.steps() } -> std::convertible_to<Index>;
      data.read(sequences, Index(), Index(), x, target);
    };

namespace detail {

template <class Scalar>
void read_window(SeriesView<const Scalar> source, std::span<const Index> sequences, Index first, Index steps,
                 Series<Scalar>& window) {
  window.resize(source.features(), static_cast<Index>(sequences.size()), steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < window.batch(); ++n)
      window[t].col(n) = source[first + t].col(sequences[static_cast<std::size_t>(n)]);
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
    target.resize(x.batch(), steps);
    for (Index n = 0; n < x.batch(); ++n)
      target.row(n) = classes_.row(sequences[static_cast<std::size_t>(n)]).segment(first, steps);
  }

 private:
  SeriesView<const Scalar> x_;
  const Classes& classes_;
};
template <class X>
ClassData(const X&, const Classes&) -> ClassData<typename X::Scalar>;

}  // namespace recur
