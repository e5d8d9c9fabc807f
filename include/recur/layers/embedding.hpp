#pragma once
/// \file
/// A vector for each kind of token, PyTorch's nn.Embedding.

#include "../kernels/gemm.hpp"
#include "layer_without_state.hpp"

namespace recur::inline RECUR_ISA {

/// Options of Embedding.
struct EmbeddingOptions {
  int padding = -1;  ///< a kind whose gradient is zero after bptt, PyTorch's padding_idx; none, where it is negative
};

/// y_t = E's column of token x_t, with E: F x K, a column of F features for each of K kinds; of a series y_t = E x_t,
/// as if tokens were one-hot. All parameters start at zero; initialize() draws them from a normal distribution, but for
/// those of the padding, as PyTorch does.
///
///     recur::Sequence net(recur::Embedding<float>(10000, 200), recur::Lstm<float>(200, 200), ...);
template <class Scalar_ = float, int Kinds = Dynamic, int Features = Dynamic>
class Embedding : public LayerWithoutState<Embedding<Scalar_, Kinds, Features>, Scalar_> {
  using Base = LayerWithoutState<Embedding, Scalar_>;

 public:
  /// Types and sizes, as template arguments give them.
  ///@{
  using Scalar = Scalar_;
  static constexpr int inputs_at_compile_time = Kinds, outputs_at_compile_time = Features;
  static constexpr bool takes_tokens = true;
  using MatrixE = MatrixOf<Scalar, Features, Kinds>;
  ///@}
  alignas(alignment<MatrixE>) MatrixE E;  ///< F x K

  /// Sizes as the template arguments give them.
  explicit Embedding(EmbeddingOptions options = {})
    requires(Kinds != Dynamic && Features != Dynamic)
      : Embedding(Kinds, Features, options) {}
  /// Throws std::invalid_argument unless kinds > 0 and features > 0, equal to sizes that are fixed, and padding <
  /// kinds, and where E would have too many numbers.
  Embedding(Index kinds, Index features, EmbeddingOptions options = {}) : padding_(std::max(-1, options.padding)) {
    require(kinds > 0 && features > 0, "Embedding: kinds > 0 and features > 0 expected, got ", kinds, " and ",
            features);
    require(padding_ < kinds, "Embedding: padding < kinds expected, got ", padding_, " of ", kinds);
    detail::require_fixed("Embedding: kinds", kinds, Kinds);
    detail::require_fixed("Embedding: features", features, Features);
    if constexpr (Kinds == Dynamic || Features == Dynamic) detail::require_units_alike();
    detail::checked_product("Embedding: features x kinds", features, kinds);
    E.setZero(features, kinds);
  }

  Index inputs() const { return E.cols(); }   ///< K
  Index outputs() const { return E.rows(); }  ///< F
  int padding() const { return padding_; }    ///< the kind whose gradient stays zero; -1 where there is none
  /// "Embedding 10000 -> 200 padding 0": see describe.hpp.
  std::string description() const {
    return "Embedding" + detail::describe_sizes(inputs(), outputs()) +
           (padding_ < 0 ? "" : " padding " + std::to_string(padding_));
  }
  /// f("E", E ...)
  static void visit(auto&& f, const Name& name, auto&... layers) { f(Name(name, "E"), layers.E...); }
  /// The same layer with its parameters in another type.
  template <class Other>
  Embedding<Other, Kinds, Features> cast() const {
    Embedding<Other, Kinds, Features> result(inputs(), outputs(), EmbeddingOptions{.padding = padding_});
    result.E = E.template cast<Other>();
    return result;
  }
  /// Normal numbers, and zero for the padding, as PyTorch has it. For initialize().
  void start(auto& rng) {
    for (Index j = 0; j < E.cols(); ++j)
      for (Index i = 0; i < E.rows(); ++i) E(i, j) = j == padding_ ? Scalar(0) : static_cast<Scalar>(normal(rng));
  }

  // ---- A layer: see LayerWithoutState ----

  /// y_1 .. y_T; E as the products want it, where x is a series.
  struct Workspace : Base::Workspace {
    detail::PackBuffer<Scalar> E;  ///< E or its transpose, packed
    bool of_tokens = false;        ///< whether backward has looked columns of dL/dE up
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { Base::Workspace::for_each_buffer(f), f(E); }
  };
  /// Throws std::invalid_argument where E has another shape than this layer's.
  void require_shapes(const char* where) const {
    require(E.size() > 0, where, ": E must be F x K, got ", shape(E));
    require(padding_ < E.cols(), where, ": E must have a column for the padding, ", padding_, ", got ", shape(E));
  }
  /// As of Cell: where the matrix of the gradient begins that bptt has added to in the columns of tokens alone.
  static const void* looked_up(const Workspace& work, const Embedding& gradient) {
    return work.of_tokens ? gradient.E.data() : nullptr;
  }
  /// y_t = E's column of token x_t, or E x_t
  ///@{
  void prepare_forward(const Pass& pass, Workspace& work) const {
    Base::prepare_forward(pass, work);
    if (!pass.of_tokens) work.E.for_columns(E, pass.layout.columns());
  }
  void forward_columns(const int* tokens, auto& y, Workspace&, Index) const {
    for (Index j = 0; j < y.cols(); ++j) y.col(j) = E.col(tokens[j]);
  }
  void forward_columns(const auto& x, auto& y, Workspace& work, Index) const {
    y.setZero();
    detail::add_product(work.E.lhs(), x, y);
  }
  EIGEN_ALWAYS_INLINE void step_column(Token x, auto& y) const { y = E.col(x.id); }
  EIGEN_ALWAYS_INLINE void step_column(const auto& x, auto& y) const {
    y.setZero();
    detail::add_product(detail::in_place(E, detail::Accumulation::in_sequence), x, y);
  }
  ///@}
  /// dL/dE's column of token x_t += dL/dy_t; of a series dL/dE += dL/dy_t x_t^T and dL/dx_t += E^T dL/dy_t; but for the
  /// column of the padding
  ///@{
  void prepare_backward(const Pass& pass, Workspace& work) const {
    work.of_tokens = pass.of_tokens;
    if (pass.wants_dx) work.E.transpose_of(E, most_columns(true, pass.layout));
  }
  void add_dx(const auto&, const auto& dy, auto& dx, const Workspace& work, Index) const {
    detail::add_product(work.E.lhs(), dy, dx);
  }
  void add_gradient(const int* tokens, const auto& dy, Embedding& gradient, const Workspace&, Index, auto share) const {
    for (Index j = 0; j < dy.cols(); ++j)
      if (tokens[j] != padding_) gradient.E.col(tokens[j]).segment(share.first, share.count) += dy.col(j);
  }
  void add_gradient(const auto& x, const auto& dy, Embedding& gradient, const Workspace&, Index, auto share) const {
    auto dE = detail::some_rows(gradient.E, share);
    const Index before = std::max(0, padding_), after = padding_ + 1, rest = inputs() - after;
    detail::add_outer_product(dy, x.topRows(before), dE.leftCols(before), share.scratch);
    detail::add_outer_product(dy, x.middleRows(after, rest), dE.middleCols(after, rest), share.scratch);
  }
  ///@}

 private:
  int padding_;
};

}  // namespace recur::inline RECUR_ISA
