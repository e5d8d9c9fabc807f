#pragma once
/// \file
/// Layer normalisation (J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016), PyTorch's nn.LayerNorm.

#include "../kernels/norm.hpp"
#include "layer_without_state.hpp"

namespace recur::inline RECUR_ISA {

/// Options of LayerNorm.
struct LayerNormOptions {
  double epsilon = 1e-5;  ///< added to the variance
};

/// y_t = gain n_t + bias,  n_t = (x_t - mean) / sqrt(variance + epsilon)
///
/// with the mean and the variance (the mean of squares) of the F features of each x_t. gain and bias: F; they start at
/// 1 and 0, where initialize() leaves them.
template <class Scalar_ = float, int Features = Dynamic>
class LayerNorm : public LayerWithoutState<LayerNorm<Scalar_, Features>, Scalar_> {
  using Base = LayerWithoutState<LayerNorm, Scalar_>;

 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Features, outputs_at_compile_time = Features;
  ///@}
  VectorOf<Scalar, Features> gain;  ///< F
  VectorOf<Scalar, Features> bias;  ///< F

  /// Sizes as the template arguments give them.
  explicit LayerNorm(LayerNormOptions options = {})
    requires(Features != Dynamic)
      : LayerNorm(Features, options) {}
  /// Throws std::invalid_argument unless features > 0, equal to a size that is fixed, and epsilon > 0.
  explicit LayerNorm(Index features, LayerNormOptions options = {}) : epsilon_(options.epsilon) {
    require(features > 0, "LayerNorm: features > 0 expected, got ", features);
    require(epsilon_ > 0, "LayerNorm: epsilon > 0 expected, got ", epsilon_);
    detail::require_fixed("LayerNorm: features", features, Features);
    if constexpr (Features == Dynamic) detail::require_units_alike();
    gain.setOnes(features);
    bias.setZero(features);
  }

  Index inputs() const { return gain.size(); }   ///< F
  Index outputs() const { return gain.size(); }  ///< F
  double epsilon() const { return epsilon_; }    ///< what is added to the variance
  /// "LayerNorm 1e-05 32 -> 32": see describe.hpp.
  std::string description() const {
    return "LayerNorm " + describe(epsilon_) + detail::describe_sizes(inputs(), outputs());
  }
  /// f("gain", gain ...), then bias.
  static void visit(auto&& f, const Name& name, auto&... layers) {
    f(Name(name, "gain"), layers.gain...);
    f(Name(name, "bias"), layers.bias...);
  }
  /// The same layer with its parameters in another type.
  template <class Other>
  LayerNorm<Other, Features> cast() const {
    LayerNorm<Other, Features> result(inputs(), LayerNormOptions{.epsilon = epsilon_});
    visit([](const Name&, auto& to, const auto& from) { to = from.template cast<Other>(); }, Name(), result, *this);
    return result;
  }
  /// gain = 1, bias = 0, as PyTorch has it. For initialize().
  void start(auto&) { gain.setOnes(), bias.setZero(); }

  // ---- A layer: see LayerWithoutState ----

  /// y_1 .. y_T, and what backward needs of each x_t.
  struct Workspace : Base::Workspace {
    Series<Scalar> moments;  ///< 2 x columns: the mean, and 1 / sqrt(variance + epsilon)
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { Base::Workspace::for_each_buffer(f), f(moments); }
  };
  /// Throws std::invalid_argument where gain and bias have shapes that do not fit.
  void require_shapes(const char* where) const {
    require(gain.size() > 0 && bias.size() == gain.size(), where, ": gain and bias must be F numbers each, got ",
            gain.size(), " and ", bias.size());
  }
  /// y_t = gain n_t + bias
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    Base::prepare_forward(pass, work);
    work.moments.resize(2, 1, pass.layout.columns());
  }
  void forward_columns(const auto& x, auto& y, Workspace& work, Index column) const {
    for (Index j = 0; j < y.cols(); ++j) {
      const auto of_x = normalise(x.col(j).data(), y.col(j).data());
      work.moments.matrix().col(column + j) << of_x.mean, of_x.scale;
    }
  }
  EIGEN_ALWAYS_INLINE void step_column(const auto& x, auto& y) const { normalise(x.data(), y.data()); }
  ///@}
  /// With d = gain dL/dy_t:  dL/dx_t += (d - mean(d) - n_t mean(d n_t)) / sqrt(variance + epsilon),
  /// dL/dgain += n_t dL/dy_t,  dL/dbias += dL/dy_t
  ///@{
  void add_dx(const auto& x, const auto& dy, auto& dx, const Workspace& work, Index column) const {
    for (Index j = 0; j < dy.cols(); ++j) {
      const Moments of_x = moments_of(work, column + j);
      const auto at = [j](auto& matrix, Index i) { return matrix.data() + j * matrix.colStride() + i; };
      const auto d = [&]<int Rows>(Index i) {
        return (detail::numbers_at<Rows>(gain.data() + i) * detail::numbers_at<Rows>(at(dy, i))).eval();
      };
      detail::through_norm<Scalar>(
          inputs(), of_x.scale, d, [&]<int Rows>(Index i) { return of_x.template normalised<Rows>(at(x, i)); },
          [&]<int Rows>(Index i, const auto& more) { detail::numbers_at<Rows>(at(dx, i)) += more; });
    }
  }
  void add_gradient(const auto& x, const auto& dy, LayerNorm& gradient, const Workspace& work, Index column,
                    auto share) const {
    for (Index j = 0; j < dy.cols(); ++j) {
      const Moments of_x = moments_of(work, column + j);
      detail::for_parts(0, share.count, [&]<int Rows>(Index i) {
        const auto d = detail::numbers_at<Rows>(dy.col(j).data() + i);
        const auto n = of_x.template normalised<Rows>(x.col(j).data() + share.first + i);
        detail::numbers_at<Rows>(gradient.gain.data() + share.first + i) += d * n;
        detail::numbers_at<Rows>(gradient.bias.data() + share.first + i) += d;
      });
    }
  }
  ///@}

 private:
  using Moments = detail::Moments<Scalar>;

  Moments normalise(const Scalar* x, Scalar* y) const {
    const auto of_x = Moments::of(x, inputs(), epsilon_);
    detail::for_parts(0, inputs(), [&]<int Rows>(Index i) {
      detail::numbers_at<Rows>(y + i) =
          of_x.template normalised<Rows>(x + i) * detail::numbers_at<Rows>(gain.data() + i) +
          detail::numbers_at<Rows>(bias.data() + i);
    });
    return of_x;
  }
  static Moments moments_of(const Workspace& work, Index column) {
    return {work.moments.matrix()(0, column), work.moments.matrix()(1, column)};
  }

  double epsilon_;
};

}  // namespace recur::inline RECUR_ISA
