#pragma once
/// \file
/// Data for train() and evaluate().

#include "loss.hpp"
#include "../series/series.hpp"
#include "../series/tokens.hpp"

#include <concepts>
#include <span>

namespace recur::inline RECUR_ISA {

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

/// Sequences, which train() reads in windows. read() fills x and the target with steps first .. first + steps - 1 of
/// the named sequences, side by side in that order; x of another size is an error. It is a Series<Scalar>, unless
/// there is a type Data::Input = Tokens. Where sequences end before steps(), length(n) says how many steps sequence n
/// has; what is read past that is padding. SeriesData, ClassData and TokenData keep everything in memory; a source of
/// your own may generate its sequences as they are read.
template <class Data, class Scalar>
concept DataSource = requires(const Data data, std::span<const Index> sequences,
                              typename detail::InputOf<Data, Scalar>::type& x, typename Data::Target& target) {
  { data.sequences() } -> std::convertible_to<Index>;
  { data.steps() } -> std::convertible_to<Index>;
  data.read(sequences, Index(), Index(), x, target);
};

namespace detail {

/// The steps of sequence n: all, where the data does not say.
template <class Data>
Index length_of(const Data& data, Index n) {
  if constexpr (requires { data.length(n); }) {
    return std::min<Index>(data.length(n), data.steps());
  } else {
    return data.steps();
  }
}

/// Throws std::invalid_argument unless there is a target for each step of x, or one for each sequence.
void require_steps_of(const char* where, const char* what, Index batch, Index steps, const auto& x) {
  require(batch == x.batch() && (steps == x.steps() || steps == 1), where, ": ", what, " must be ", x.batch(), "x",
          x.steps(), " (batch x steps of x), or ", x.batch(), "x1, got ", batch, "x", steps);
}

template <class Scalar>
void read_window(SeriesView<const Scalar> source, std::span<const Index> sequences, Index first, Index steps,
                 Series<Scalar>& window) {
  window.resize(source.features(), static_cast<Index>(sequences.size()), steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < window.batch(); ++n)
      window[t].col(n) = source[first + t].col(sequences[static_cast<std::size_t>(n)]);
}
/// The same for tokens and classes, N x T.
inline void read_window(const int* source, Index batch, std::span<const Index> sequences, Index first, Index steps,
                        auto& window) {
  window.resize(std::ssize(sequences), steps);
  for (Index t = 0; t < steps; ++t)
    for (Index n = 0; n < std::ssize(sequences); ++n)
      window(n, t) = source[(first + t) * batch + sequences[static_cast<std::size_t>(n)]];
}

}  // namespace detail

/// Inputs and targets that are series. Views of both: they must live as long as it is used. A target of one step is for
/// the whole sequence: see ManyToOne.
/// Throws std::invalid_argument unless both have the same batch and steps, but for targets of one step.
template <class Scalar>
class SeriesData {
 public:
  /// The type of targets.
  using Target = Series<Scalar>;
  /// Throws std::invalid_argument unless both have the same batch and steps, but for targets of one step.
  SeriesData(SeriesView<const Scalar> x, SeriesView<const Scalar> target) : x_(x), target_(target) {
    detail::require_steps_of("SeriesData", "target", target.batch(), target.steps(), x);
  }
  SeriesData(const Series<Scalar>&& temporary, const auto&) = delete;
  SeriesData(const auto&, const Series<Scalar>&& temporary) = delete;
  SeriesData(const Series<Scalar>&& temporary, const Series<Scalar>&& target) = delete;
  /// What DataSource asks for.
  ///@{
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  Index length(Index n) const { return x_.length(n); }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<Scalar>& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    const bool each = target_.steps() == x_.steps();  // step has a target
    detail::read_window(target_, sequences, each ? first : 0, each ? steps : 1, target);
  }
  ///@}

 private:
  SeriesView<const Scalar> x_, target_;
};
/// The type of numbers is that of x.
///@{
template <class X, class Target>
SeriesData(const X&, const Target&) -> SeriesData<typename X::Scalar>;
///@}

/// Inputs that are a series, targets that are classes. Views of both: they must live as long as it is used. One class
/// for each sequence, N x 1, is for the whole sequence: see ManyToOne.
/// Throws std::invalid_argument unless classes is batch x steps of x, or batch x 1.
template <class Scalar>
class ClassData {
 public:
  /// The type of targets.
  using Target = Classes;
  /// Throws std::invalid_argument unless classes is batch x steps of x, or batch x 1.
  ClassData(SeriesView<const Scalar> x, const Classes& classes) : x_(x), classes_(classes) {
    detail::require_steps_of("ClassData", "classes", classes.rows(), classes.cols(), x);
  }
  ClassData(SeriesView<const Scalar> x, const Classes&& temporary) = delete;
  ClassData(const Series<Scalar>&& temporary, const Classes&) = delete;
  ClassData(const Series<Scalar>&& temporary, const Classes&& classes) = delete;
  /// What DataSource asks for.
  ///@{
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  Index length(Index n) const { return x_.length(n); }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<Scalar>& x, Target& target) const {
    detail::read_window(x_, sequences, first, steps, x);
    const bool each = classes_.cols() == x_.steps();  // step has a target
    detail::read_window(classes_.data(), classes_.rows(), sequences, each ? first : 0, each ? steps : 1, target);
  }
  ///@}

 private:
  SeriesView<const Scalar> x_;
  const Classes& classes_;
};
/// The type of numbers is that of x.
///@{
template <class X>
ClassData(const X&, const Classes&) -> ClassData<typename X::Scalar>;
///@}

/// Inputs that are tokens, targets that are classes. Views of both: they must live as long as it is used. One class for
/// each sequence, N x 1, is for the whole sequence: see ManyToOne.
/// Throws std::invalid_argument unless classes is batch x steps of x, or batch x 1.
class TokenData {
 public:
  /// The types of inputs and targets.
  ///@{
  using Input = Tokens;
  using Target = Classes;
  ///@}
  /// Throws std::invalid_argument unless classes is batch x steps of x, or batch x 1.
  TokenData(TokensView x, const Classes& classes) : x_(x), classes_(classes) {
    detail::require_steps_of("TokenData", "classes", classes.rows(), classes.cols(), x);
  }
  TokenData(TokensView, const Classes&& temporary) = delete;
  TokenData(const Tokens&& temporary, const Classes&) = delete;
  TokenData(const Tokens&& temporary, const Classes&& classes) = delete;
  /// What DataSource asks for.
  ///@{
  Index sequences() const { return x_.batch(); }
  Index steps() const { return x_.steps(); }
  Index length(Index n) const { return x_.length(n); }
  void read(std::span<const Index> sequences, Index first, Index steps, Tokens& x, Target& target) const {
    detail::read_window(x_.data(), x_.batch(), sequences, first, steps, x);
    const bool each = classes_.cols() == x_.steps();  // step has a target
    detail::read_window(classes_.data(), classes_.rows(), sequences, each ? first : 0, each ? steps : 1, target);
  }
  ///@}

 private:
  TokensView x_;
  const Classes& classes_;
};

/// Data with weights: its targets are Weighted, and each step, or feature of the target, counts as often as its weight
/// says.
///
///     const auto weights = recur::present(target);                                          // but for missing values
///     recur::train(net, adam, recur::squared_error, recur::WeightedData(recur::SeriesData(x, target), weights), rng);
///
/// A mask is recur::weights_of<float>(mask). A view of the weights: they must live as long as it is used.
template <class Data, class Scalar>
class WeightedData : public Data {
 public:
  /// The type of targets.
  using Target = Weighted<typename Data::Target, Scalar>;
  /// `weights`: of each step, 1 x N x T; of each sequence, 1 x N x 1; or of each feature of the target. Throws
  /// std::invalid_argument unless they have data's sequences and steps, or one step.
  WeightedData(Data data, SeriesView<const Scalar> weights) : Data(std::move(data)), weights_(weights) {
    require(weights.batch() == this->sequences() && (weights.steps() == this->steps() || weights.steps() == 1),
            "WeightedData: weights must be of ", this->sequences(), " sequences, and of ", this->steps(),
            " steps or 1, got ", weights.batch(), " and ", weights.steps());
  }
  WeightedData(Data data, const Series<Scalar>&& temporary) = delete;
  /// What DataSource asks for.
  void read(std::span<const Index> sequences, Index first, Index steps, auto& x, Target& target) const {
    Data::read(sequences, first, steps, x, target.target);
    const bool each = weights_.steps() == this->steps();
    detail::read_window(weights_, sequences, each ? first : 0, each ? steps : 1, target.weights);
    require(!each || steps_of(target.target) == steps,
            "WeightedData: weights of 1 step expected, as the target's, got ", this->steps());
  }

 private:
  static Index steps_of(const auto& target) {
    if constexpr (requires { target.steps(); }) {
      return target.steps();
    } else {
      return target.cols();
    }
  }

  SeriesView<const Scalar> weights_;
};
/// The type of numbers is that of the weights.
template <class Data, class Weights>
WeightedData(Data, const Weights&) -> WeightedData<Data, typename Weights::Scalar>;

}  // namespace recur::inline RECUR_ISA
