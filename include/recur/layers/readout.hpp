#pragma once
/// \file
/// y_t = V h_t, or V h_t + c.

#include "../kernels/gemm.hpp"
#include "layer_without_state.hpp"

namespace recur::inline RECUR_ISA {

/// Options of Readout.
struct ReadoutOptions {
  bool bias = false;  ///< whether c is added
};

/// y_t = V h_t (+ c), with V: O x H and c: O. All parameters start at zero.
template <class Scalar_ = float, int Hidden = Dynamic, int Outputs = Dynamic>
class Readout : public LayerWithoutState<Readout<Scalar_, Hidden, Outputs>, Scalar_> {
  using Base = LayerWithoutState<Readout, Scalar_>;

 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Hidden, outputs_at_compile_time = Outputs;
  using MatrixV = MatrixOf<Scalar, Outputs, Hidden>;
  ///@}
  alignas(alignment<MatrixV>) MatrixV V;  ///< O x H
  VectorOf<Scalar, Outputs> c;            ///< stays zero, and is no parameter, without ReadoutOptions::bias

  /// Sizes as the template arguments give them.
  explicit Readout(ReadoutOptions options = {})
    requires(Hidden != Dynamic && Outputs != Dynamic)
      : Readout(Hidden, Outputs, options) {}
  /// Throws std::invalid_argument unless hidden > 0 and outputs > 0, equal to sizes that are fixed, and where V would
  /// have too many numbers.
  Readout(Index hidden, Index outputs, ReadoutOptions options = {}) : has_bias_(options.bias) {
    require(hidden > 0 && outputs > 0, "Readout: hidden > 0 and outputs > 0 expected, got ", hidden, " and ", outputs);
    detail::require_fixed("Readout: hidden", hidden, Hidden);
    detail::require_fixed("Readout: outputs", outputs, Outputs);
    if constexpr (Hidden == Dynamic || Outputs == Dynamic) detail::require_units_alike();
    detail::checked_product("Readout: outputs x hidden", outputs, hidden);
    V.setZero(outputs, hidden);
    c.setZero(outputs);
  }

  Index inputs() const { return V.cols(); }    ///< H
  Index outputs() const { return V.rows(); }   ///< O
  bool has_bias() const { return has_bias_; }  ///< whether c is added
  /// "Readout 32 -> 4 with bias": see describe.hpp.
  std::string description() const {
    return "Readout" + detail::describe_sizes(inputs(), outputs()) + (has_bias_ ? " with bias" : "");
  }
  /// f("V", V ...), then c where there is a bias.
  static void visit(auto&& f, const Name& name, auto& first, auto&... others) {
    f(Name(name, "V"), first.V, others.V...);
    if (first.has_bias()) f(Name(name, "c"), first.c, others.c...);
  }
  /// The same readout with its parameters in another type.
  template <class Other>
  Readout<Other, Hidden, Outputs> cast() const {
    Readout<Other, Hidden, Outputs> result(inputs(), outputs(), ReadoutOptions{.bias = has_bias_});
    visit([](const Name&, auto& to, const auto& from) { to = from.template cast<Other>(); }, Name(), result, *this);
    return result;
  }

  // ---- A layer: see LayerWithoutState ----

  /// y_1 .. y_T, and V as the products want it.
  struct Workspace : Base::Workspace {
    detail::PackBuffer<Scalar> V;  ///< V or its transpose, packed
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { Base::Workspace::for_each_buffer(f), f(V); }
  };
  /// Throws std::invalid_argument where V and c have shapes that do not fit.
  void require_shapes(const char* where) const {
    require(V.size() > 0 && c.size() == outputs(), where, ": V must be O x H and c O, got V ", shape(V), ", c ",
            shape(c));
  }
  /// y_t = V h_t + c
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    Base::prepare_forward(pass, work);
    work.V.for_columns(V, pass.layout.columns());
  }
  void forward_columns(const auto& h, auto& y, Workspace& work, Index) const {
    for (Index j = 0; j < y.cols(); ++j) y.col(j) = c;
    detail::add_product(work.V.lhs(), h, y);
  }
  EIGEN_ALWAYS_INLINE void step_column(const auto& h, auto& y) const {
    y = c;
    detail::add_product(detail::in_place(V, detail::Accumulation::in_sequence), h, y);
  }
  ///@}
  /// dL/dh_t += V^T dy_t,  dL/dV += dy_t h_t^T,  dL/dc += dy_t
  ///@{
  void prepare_backward(const Pass& pass, Workspace& work) const {
    if (pass.wants_dx) work.V.transpose_of(V, most_columns(true, pass.layout));
  }
  void add_dx(const auto&, const auto& dy, auto& dh, const Workspace& work, Index) const {
    detail::add_product(work.V.lhs(), dy, dh);
  }
  void add_gradient(const auto& h, const auto& dy, Readout& gradient, const Workspace&, Index, auto share) const {
    detail::add_outer_product(dy, h, detail::some_rows(gradient.V, share), share.scratch);
    for (Index j = 0; has_bias_ && j < dy.cols(); ++j) gradient.c.segment(share.first, share.count) += dy.col(j);
  }
  ///@}

 private:
  bool has_bias_;
};

}  // namespace recur::inline RECUR_ISA
