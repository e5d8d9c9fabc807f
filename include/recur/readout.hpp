#pragma once
/// \file
/// y_t = V h_t, or V h_t + c.

#include "packed.hpp"
#include "parameters.hpp"
#include "series.hpp"

namespace recur {

struct ReadoutOptions {
  bool bias = false;  ///< whether c is added
};

/// y_t = V h_t (+ c), with V: O x H and c: O. All parameters start at zero.
template <class Scalar_ = float, int Hidden = Dynamic, int Outputs = Dynamic>
class Readout {
 public:
  using Scalar = Scalar_;
  using State = NoState;
  static constexpr int inputs_at_compile_time = Hidden;
  static constexpr int outputs_at_compile_time = Outputs;

  /// y_1 .. y_T, and the memory that forward and backward work in.
  class Trace {
    friend Readout;
    Series<Scalar> y_;
    Packed<Scalar> packed_V_;
  };

  Matrix<Scalar, Outputs, Hidden> V;
  Vector<Scalar, Outputs> c;  ///< stays zero, and is no parameter, without ReadoutOptions::bias

  explicit Readout(ReadoutOptions options = {})
    requires(Hidden != Dynamic && Outputs != Dynamic)
      : Readout(Hidden, Outputs, options) {}
  Readout(Index hidden, Index outputs, ReadoutOptions options = {}) : has_bias_(options.bias) {
    require(hidden > 0 && outputs > 0, "Readout: hidden > 0 and outputs > 0 expected, got ", hidden, " and ", outputs);
    require(Hidden == Dynamic || hidden == Hidden, "Readout: hidden must be ", Hidden, " (fixed by its type), got ",
            hidden);
    require(Outputs == Dynamic || outputs == Outputs, "Readout: outputs must be ", Outputs,
            " (fixed by its type), got ", outputs);
    V.setZero(outputs, hidden);
    c.setZero(outputs);
  }

  Index inputs() const { return V.cols(); }
  Index outputs() const { return V.rows(); }
  bool has_bias() const { return has_bias_; }

  static void visit(auto&& f, const Name& name, auto& first, auto&... others) {
    f(Name(name, "V"), first.V, others.V...);
    if (first.has_bias()) f(Name(name, "c"), first.c, others.c...);
  }

  /// The same readout with its parameters in another type.
  template <class Other>
  Readout<Other, Hidden, Outputs> cast() const {
    Readout<Other, Hidden, Outputs> result(inputs(), outputs(), ReadoutOptions{.bias = has_bias_});
    result.V = V.template cast<Other>();
    result.c = c.template cast<Other>();
    return result;
  }

  Trace trace() const { return {}; }
  State state(Index) const { return {}; }
  State final_state(const Trace&) const { return {}; }
  void final_state(const Trace&, State&) const {}

  /// y_1 .. y_T from h_1 .. h_T: a view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> h, Trace& trace, const State& = {}) const {
    require_forward(h, h.features());
    trace.y_.resize(outputs(), h.batch(), h.steps());
    auto y = trace.y_.matrix();
    for (Index j = 0; j < y.cols(); ++j) y.col(j) = c;
    add_product(trace.packed_V_.of(V, y.cols()), h.matrix(), y);
    return output(trace);
  }

  /// The checks of forward, by themselves: h stands for a series of that many features.
  void require_forward(SeriesView<const Scalar> h, Index features, const State& = {}) const {
    require_shapes("forward");
    require(!h.empty(), "forward: x must have at least one step of one sequence, got features ", h.features(),
            ", batch ", h.batch(), ", steps ", h.steps());
    require_equal("forward", "x.features()", features, "inputs()", inputs());
  }
  /// The checks of backward.
  void require_backward(SeriesView<const Scalar> h, const Trace& trace, const State& = {}) const {
    require_shapes("bptt");
    require(!trace.y_.empty(), "bptt: the trace must have been through forward, got an empty one");
    require_equal("bptt", "the trace's outputs", trace.y_.features(), "outputs()", outputs());
    require_same_steps("bptt", "x", h, "the trace", trace.y_);
  }

  SeriesView<const Scalar> output(const Trace& trace) const { return trace.y_; }

  /// Adds dL/dV = sum dy_t h_t^T and dL/dc = sum dy_t to `gradient`, and writes dL/dh_t = V^T dy_t where dh is not
  /// empty. Users call bptt(), which checks.
  void backward(SeriesView<const Scalar> h, Trace& trace, SeriesView<const Scalar> dy, Readout& gradient,
                SeriesView<Scalar> dh = {}, const State& = {}, State* = nullptr) const {
    if (dy.empty()) {
      dh.matrix().setZero();
      return;
    }
    add_outer_product(dy.matrix(), h.matrix(), gradient.V);
    for (Index j = 0; has_bias_ && j < dy.columns(); ++j) gradient.c += dy.matrix().col(j);
    if (!dh.empty()) {
      dh.matrix().setZero();
      add_product(trace.packed_V_.transpose_of(V, dh.columns()), dy.matrix(), dh.matrix());
    }
  }

 private:
  void require_shapes(const char* where) const {
    require(c.size() == outputs(), where, ": V must be O x H and c O, got V ", shape(V), ", c ", shape(c));
  }

  bool has_bias_;
};

}  // namespace recur
