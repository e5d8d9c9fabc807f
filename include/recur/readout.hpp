#pragma once
/// \file
/// y_t = V h_t, or V h_t + c.

#include "describe.hpp"
#include "packed.hpp"
#include "unroll.hpp"

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
   public:
    /// The memory it holds: y_1 .. y_T, and an amount that does not grow with T.
    Index bytes() const { return y_.bytes() + packed_V_.bytes(); }

   private:
    friend Readout;
    Series<Scalar> y_;
    Packed<Scalar> packed_V_;
  };

  using MatrixV = Matrix<Scalar, Outputs, Hidden>;
  alignas(alignment<MatrixV>) MatrixV V;
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
  /// "Readout 32 -> 4 with bias": see describe.hpp.
  std::string description() const {
    return "Readout" + detail::describe_sizes(inputs(), outputs()) + (has_bias_ ? " with bias" : "");
  }

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

  /// y_t, where a Stream keeps it.
  using Memory = Vector<Scalar, Outputs>;
  Memory memory() const { return Memory::Zero(outputs()); }
  void set_state(Memory&, const State&) const {}
  void get_state(const Memory&, State&) const {}
  /// One step of one sequence. Gives where y_t begins. For Stream.
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& h, Memory& y) const noexcept {
    require_shapes("step");
    require(y.size() == outputs() && h.rows() == inputs(),
            "step: the network has other shapes than when the stream was made");
    require(h.data() != y.data(), "step: x must not be what the step before gave, which is overwritten");
    y = c;
    add_product(in_place(V, Order::in_sequence), h, y);
    return y.data();
  }

  /// y_1 .. y_T from h_1 .. h_T: a view of the trace, valid until the trace is used again.
  /// Throws std::invalid_argument on shapes that do not fit and on an empty series.
  SeriesView<const Scalar> forward(SeriesView<const Scalar> h, Trace& trace, const State& initial = {}) const {
    return detail::forward(*this, h, trace, initial);
  }

  SeriesView<const Scalar> output(const Trace& trace) const { return trace.y_; }

  /// Adds dL/dV = sum dy_t h_t^T and dL/dc = sum dy_t to `gradient`, and writes dL/dh_t = V^T dy_t where dh is not
  /// empty. Users call bptt(), which checks.
  void backward(SeriesView<const Scalar> h, Trace& trace, SeriesView<const Scalar> dy, Readout& gradient,
                SeriesView<Scalar> dh = {}, const State& d_final = {}, State* d_initial = nullptr) const {
    detail::backward(*this, h, trace, dy, gradient, dh, d_final, d_initial);
  }

  // ---- What follows is for unroll.hpp, which says when it is called ----

  using Plan = Panels<Scalar>;

  void require_forward(Index features, Index, const State&) const {
    require_shapes("forward");
    require_equal("forward", "x.features()", features, "inputs()", inputs());
  }
  void require_backward(const auto& h, const Trace& trace, const State&) const {
    require_shapes("bptt");
    require(!trace.y_.empty(), "bptt: the trace must have been through forward, got an empty one");
    require_equal("bptt", "the trace's outputs", trace.y_.features(), "outputs()", outputs());
    require_same_steps("bptt", "x", h, "the trace", trace.y_);
  }

  Plan begin_forward(Index N, Index T, Trace& trace, const State&) const {
    trace.y_.resize(outputs(), N, T);
    return trace.packed_V_.for_columns(V, N * T);
  }
  void forward_steps(const Plan& v, const detail::Team& team, SeriesView<const Scalar> h, Trace& trace, Index first,
                     Index count) const {
    detail::for_own_columns(team, h.batch(), count, [&](Index column, Index columns) {
      column += h.batch() * first;
      auto y = SeriesView<Scalar>(trace.y_).columns(column, columns);
      for (Index j = 0; j < columns; ++j) y.col(j) = c;
      add_product(v, h.columns(column, columns), y);
    });
  }

  Plan begin_backward(Index N, Index T, Index, Trace& trace, bool want_dh, const State&) const {
    return want_dh ? trace.packed_V_.transpose_of(V, N * T) : Plan{};
  }
  void backward_steps(const Plan& v, const detail::Team& team, SeriesView<const Scalar> h, Trace&,
                      SeriesView<const Scalar> dy, Readout& gradient, SeriesView<Scalar> dh, Index first,
                      Index count) const {
    if (!dh.empty()) {
      detail::for_own_columns(team, h.batch(), count, [&](Index column, Index columns) {
        auto dh_own = dh.columns(column, columns);
        dh_own.setZero();
        if (!dy.empty()) add_product(v, dy.columns(column, columns), dh_own);
      });
    }
    if (dy.empty()) return;
    team.barrier();
    const auto share = team.share(outputs(), 16);
    const auto d = dy.matrix();
    const auto own = detail::some_rows(d, share);
    add_outer_product(own, h.columns(h.batch() * first, h.batch() * count), detail::some_rows(gradient.V, share));
    for (Index j = 0; has_bias_ && j < own.cols(); ++j) gradient.c.segment(share.first, share.count) += own.col(j);
    team.barrier();
  }
  void end_backward(Trace&, Readout&, State*) const {}

 private:
  void require_shapes(const char* where) const {
    require(V.size() > 0 && c.size() == outputs(), where, ": V must be O x H and c O, got V ", shape(V), ", c ",
            shape(c));
  }

  bool has_bias_;
};

}  // namespace recur
