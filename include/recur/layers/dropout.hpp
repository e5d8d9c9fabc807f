#pragma once
/// \file
/// Dropout (N. Srivastava et al., 2014).

#include "layer_without_state.hpp"

namespace recur::inline RECUR_ISA {

/// Options of Dropout.
struct DropoutOptions {
  /// Whether a sequence has one mask for all its steps (Y. Gal, Z. Ghahramani, "A theoretically grounded application of
  /// dropout in recurrent neural networks", 2016), and not another in each.
  bool one_mask = false;
};

/// y = m x, in training: each m is 0 with probability p, otherwise 1 / (1 - p). Without training y = x. The mask
/// depends on the seed of trace.train(seed), on the number of forward calls since, and on feature, step (unless one
/// mask is for all steps) and sequence; not on threads, nor on the padding of a batch.
///
///     trace.train(rng());                       // each forward from here on has another mask
///     trace.evaluate();                         // y = x, as at first
///
/// train() calls them itself. As in PyTorch's nn.LSTM(dropout=p), it belongs between recurrent layers.
template <class Scalar_ = float, int Features = Dynamic>
class Dropout : public LayerWithoutState<Dropout<Scalar_, Features>, Scalar_> {
  using Base = LayerWithoutState<Dropout, Scalar_>;

 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Features, outputs_at_compile_time = Features;
  ///@}

  /// Throws std::invalid_argument unless 0 <= p < 1.
  explicit Dropout(double p, DropoutOptions options = {})
    requires(Features != Dynamic)
      : Dropout(Features, p, options) {}
  /// Throws std::invalid_argument unless 0 <= p < 1 and features > 0, equal to a size that is fixed.
  Dropout(Index features, double p, DropoutOptions options = {})
      : features_(features), p_(p), one_mask_(options.one_mask) {
    require(features > 0, "Dropout: features > 0 expected, got ", features);
    require(p >= 0 && p < 1, "Dropout: 0 <= p < 1 expected, got ", p);
    detail::require_fixed("Dropout: features", features, Features);
  }

  /// F, F, p, and whether one mask is for all steps.
  ///@{
  Index inputs() const { return features_; }
  Index outputs() const { return features_; }
  double probability() const { return p_; }
  bool one_mask() const { return one_mask_; }
  ///@}
  /// "Dropout 0.2 32 -> 32", "Dropout 0.2 one mask 32 -> 32": see describe.hpp.
  std::string description() const {
    return "Dropout " + describe(p_) + (one_mask_ ? " one mask" : "") + detail::describe_sizes(inputs(), outputs());
  }
  /// The same layer for numbers of another type.
  template <class Other>
  Dropout<Other, Features> cast() const {
    return {features_, p_, DropoutOptions{.one_mask = one_mask_}};
  }

  // ---- A layer: see LayerWithoutState ----

  /// y_1 .. y_T, and in training what x was multiplied by.
  struct Workspace : Base::Workspace {
    Series<Scalar> factors;  ///< F x columns
    DropoutSeed seed;        ///< of this call of forward
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { Base::Workspace::for_each_buffer(f), f(factors); }
  };
  /// y = m x, with each m either 0 or 1 / (1 - p)
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    Base::prepare_forward(pass, work);
    work.seed = {pass.dropout.on && p_ > 0, pass.dropout.next()};
    if (work.seed.on) work.factors.resize(features_, 1, pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) const {
    if (work.seed.on) fill_factors(chunk, work);
    Base::forward_steps(chunk, x, work);
  }
  void forward_columns(const auto& x, auto& y, Workspace& work, Index column) const {
    y = x;
    if (work.seed.on) y.array() *= work.factors.matrix().middleCols(column, y.cols()).array();
  }
  ///@}
  /// dL/dx += m dL/dy
  void add_dx(const auto&, const auto& dy, auto& dx, const Workspace& work, Index column) const {
    if (work.seed.on) {
      dx.array() += work.factors.matrix().middleCols(column, dy.cols()).array() * dy.array();
    } else {
      dx += dy;
    }
  }
  /// No parameters.
  void add_gradient(const auto&...) const {}

  // ---- One step of one sequence, for Stream, which is not in training: y_t = x_t ----

  /// A layer without a state remembers nothing.
  struct Nothing {};
  /// For Stream: y_t = x_t.
  ///@{
  Nothing memory() const { return {}; }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, Nothing&) const noexcept { return x.data(); }
  ///@}

 private:
  void fill_factors(const Chunk& chunk, Workspace& work) const {
    const auto scale = static_cast<Scalar>(1 / (1 - p_));
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      for (Index k = own.first; k < own.first + own.count; ++k) {
        auto factors = work.factors.matrix().col(chunk.layout.column(t) + k);
        work.seed.draw(one_mask_ ? 0 : t, chunk.layout.sequence(k), factors.size(),
                       [&](Index i, double uniform) { factors(i) = uniform < p_ ? Scalar(0) : scale; });
      }
    }
  }

  Index features_;
  double p_;
  bool one_mask_;
};

}  // namespace recur::inline RECUR_ISA
