#pragma once
/// \file
/// Layer normalisation (J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016), PyTorch's nn.LayerNorm.

#include "../kernels/norm.hpp"
#include "layer_of.hpp"

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
class LayerNorm : public LayerOf<LayerNorm<Scalar_, Features>> {
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

  // ---- A layer: see Layer ----

  /// y_1 .. y_T as columns, and what backward needs of each x_t.
  struct Workspace {
    Series<Scalar> y;        ///< F x columns
    Series<Scalar> moments;  ///< 2 x columns: the mean, and 1 / sqrt(variance + epsilon)
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { f(y), f(moments); }
  };

  /// Throw std::invalid_argument where gain and bias, or the workspace, have other shapes than this layer's.
  ///@{
  void require_shapes(const char* where) const {
    require(gain.size() > 0 && bias.size() == gain.size(), where, ": gain and bias must be F numbers each, got ",
            gain.size(), " and ", bias.size());
  }
  void require_workspace(const char* where, const Workspace& work) const {
    require_equal(where, "the trace's outputs", work.y.features(), "outputs()", outputs());
  }
  ///@}
  /// What Layer asks for.
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.y.resize(outputs(), 1, pass.layout.columns());
    work.moments.resize(2, 1, pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, SeriesView<const Scalar> x, Workspace& work) const {
    const auto y = chunk.of(SeriesView<Scalar>(work.y)), moments = chunk.of(SeriesView<Scalar>(work.moments));
    const auto x_chunk = chunk.of(x);
    chunk.for_own_columns([&](Index column, Index columns) {
      for (Index j = column; j < column + columns; ++j)
        normalise(x_chunk.columns(j, 1).data(), y.columns(j, 1).data(), moments.columns(j, 1).data());
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }

  /// With d = gain dL/dy_t:  dL/dx_t += (d - mean(d) - n_t mean(d n_t)) / sqrt(variance + epsilon),
  /// dL/dgain += n_t dL/dy_t,  dL/dbias += dL/dy_t
  void backward_steps(const Chunk& chunk, SeriesView<const Scalar> x, SeriesView<const Scalar> dy, Workspace& work,
                      LayerNorm& gradient, SeriesView<Scalar> dx) const {
    if (dy.empty()) return;
    const auto moments = chunk.of(SeriesView<const Scalar>(work.moments)), x_chunk = chunk.of(x);
    if (!dx.empty()) {
      chunk.for_own_columns([&](Index column, Index columns) {
        for (Index j = column; j < column + columns; ++j)
          add_dx(x_chunk.columns(j, 1).data(), moments.columns(j, 1).data(), dy.columns(j, 1).data(),
                 dx.columns(j, 1).data());
      });
    }
    chunk.barrier();
    const auto share = chunk.share_of_rows(outputs());
    for (Index j = 0; j < chunk.columns(); ++j) {
      const auto x_j = x_chunk.columns(j, 1), dy_j = dy.columns(j, 1);
      const Moments of_x{moments.columns(j, 1)(0, 0), moments.columns(j, 1)(1, 0)};
      detail::for_parts(share.first, share.first + share.count, [&]<int Rows>(Index i) {
        const auto d = detail::numbers_at<Rows>(dy_j.data() + i);
        detail::numbers_at<Rows>(gradient.gain.data() + i) += d * of_x.template normalised<Rows>(x_j.data() + i);
        detail::numbers_at<Rows>(gradient.bias.data() + i) += d;
      });
    }
    chunk.barrier();
  }
  ///@}

  // ---- One step of one sequence, for Stream: returns where y_t begins, in the memory ----

  /// For Stream: y_t, and a step.
  ///@{
  auto memory() const { return VectorOf<Scalar, Features>(VectorOf<Scalar, Features>::Zero(outputs())); }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& y) const noexcept {
    require_shapes("step");
    require(y.size() == outputs() && x.rows() == inputs(),
            "step: the network has other shapes than when the stream was made");
    Scalar moments[2];
    normalise(x.data(), y.data(), moments);
    return y.data();
  }
  ///@}

 private:
  using Moments = detail::Moments<Scalar>;

  void normalise(const Scalar* x, Scalar* y, Scalar* moments) const {
    const auto of_x = Moments::of(x, inputs(), epsilon_);
    detail::for_parts(0, inputs(), [&]<int Rows>(Index i) {
      detail::numbers_at<Rows>(y + i) =
          of_x.template normalised<Rows>(x + i) * detail::numbers_at<Rows>(gain.data() + i) +
          detail::numbers_at<Rows>(bias.data() + i);
    });
    moments[0] = of_x.mean;
    moments[1] = of_x.scale;
  }
  void add_dx(const Scalar* x, const Scalar* moments, const Scalar* dy, Scalar* dx) const {
    const Moments of_x{moments[0], moments[1]};
    detail::through_norm<Scalar>(
        inputs(), of_x.scale,
        [&]<int Rows>(Index i) {
          return (detail::numbers_at<Rows>(gain.data() + i) * detail::numbers_at<Rows>(dy + i)).eval();
        },
        [&]<int Rows>(Index i) { return of_x.template normalised<Rows>(x + i); },
        [&]<int Rows>(Index i, const auto& d) { detail::numbers_at<Rows>(dx + i) += d; });
  }

  double epsilon_;
};

}  // namespace recur::inline RECUR_ISA
