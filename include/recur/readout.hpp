#pragma once
/// \file
/// y_t = V h_t, or V h_t + c.

#include "describe.hpp"
#include "layer.hpp"
#include "packed.hpp"

namespace recur::inline RECUR_ISA {

struct ReadoutOptions {
  bool bias = false;  ///< whether c is added
};

/// y_t = V h_t (+ c), with V: O x H and c: O. All parameters start at zero.
template <class Scalar_ = float, int Hidden = Dynamic, int Outputs = Dynamic>
class Readout : public LayerOf<Readout<Scalar_, Hidden, Outputs>> {
 public:
  using Scalar = Scalar_;
  using State = NoState;
  static constexpr int inputs_at_compile_time = Hidden;
  static constexpr int outputs_at_compile_time = Outputs;
  static constexpr bool causal = true, takes_tokens = false;
  using Trace = recur::Trace<Readout>;

  /// y_1 .. y_T as columns, and the memory that forward and backward work in.
  class Records {
   public:
    /// The memory it holds: y_1 .. y_T, and an amount that does not grow with T.
    Index bytes() const { return detail::bytes_of(*this); }
    void for_each_buffer(auto&& f) const { f(y_), f(packed_V_); }

   private:
    friend Readout;
    Series<Scalar> y_;
    Packed<Scalar> packed_V_;
  };

  using MatrixV = MatrixOf<Scalar, Outputs, Hidden>;
  alignas(alignment<MatrixV>) MatrixV V;
  VectorOf<Scalar, Outputs> c;  ///< stays zero, and is no parameter, without ReadoutOptions::bias

  explicit Readout(ReadoutOptions options = {})
    requires(Hidden != Dynamic && Outputs != Dynamic)
      : Readout(Hidden, Outputs, options) {}
  Readout(Index hidden, Index outputs, ReadoutOptions options = {}) : has_bias_(options.bias) {
    require(hidden > 0 && outputs > 0, "Readout: hidden > 0 and outputs > 0 expected, got ", hidden, " and ", outputs);
    require(Hidden == Dynamic || hidden == Hidden, "Readout: hidden must be ", Hidden, " (fixed by its type), got ",
            hidden);
    require(Outputs == Dynamic || outputs == Outputs, "Readout: outputs must be ", Outputs,
            " (fixed by its type), got ", outputs);
    if constexpr (Hidden == Dynamic || Outputs == Dynamic) detail::require_units_alike();
    detail::checked_product("Readout: outputs x hidden", {outputs, hidden});
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

  /// y_t, where a Stream keeps it.
  using Memory = VectorOf<Scalar, Outputs>;
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

  using Plan = Panels<Scalar>;

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State&, Index) const {}
  void require_forward(Index features, Index, const State&) const {
    require_shapes("forward");
    require_equal("forward", "x.features()", features, "inputs()", inputs());
  }
  void require_backward(const Records& records, const Steps&, const State&) const {
    require_shapes("bptt");
    require_equal("bptt", "the trace's outputs", records.y_.features(), "outputs()", outputs());
  }

  /// y_t = V h_t + c
  Plan begin_forward(const Steps& steps, detail::Dropping&, Records& records, const State&) const {
    records.y_.resize(outputs(), 1, steps.columns());
    return records.packed_V_.for_columns(V, steps.columns());
  }
  void forward_steps(const Plan& v, const detail::Chunk& chunk, SeriesView<const Scalar> h, Records& records) const {
    chunk.for_own_columns([&](Index column, Index columns) {
      auto y = SeriesView<Scalar>(records.y_).columns(chunk.column() + column, columns);
      for (Index j = 0; j < columns; ++j) y.col(j) = c;
      add_product(v, h.columns(chunk.column() + column, columns), y);
    });
  }
  SeriesView<const Scalar> output_columns(const Records& records) const { return records.y_; }
  void final_state_of(const Records&, const Steps&, State&) const {}

  /// dL/dV += dy_t h_t^T,  dL/dc += dy_t,  dL/dh_t += V^T dy_t
  Plan begin_backward(const Steps& steps, Records& records, bool want_dh) const {
    return want_dh ? records.packed_V_.transpose_of(V, steps.columns()) : Plan{};
  }
  void backward_steps(const Plan& v, const detail::Chunk& chunk, SeriesView<const Scalar> h, Records&,
                      SeriesView<const Scalar> dy, const State&, Readout& gradient, SeriesView<Scalar> dh) const {
    if (dy.empty()) return;
    if (!dh.empty()) {
      chunk.for_own_columns([&](Index column, Index columns) {
        add_product(v, dy.columns(column, columns), dh.columns(column, columns));
      });
    }
    chunk.team.barrier();
    const auto share = chunk.team.share(outputs(), 16);
    const auto own = detail::some_rows(dy.matrix(), share);
    add_outer_product(own, h.columns(chunk.column(), chunk.columns()), detail::some_rows(gradient.V, share));
    for (Index j = 0; has_bias_ && j < own.cols(); ++j) gradient.c.segment(share.first, share.count) += own.col(j);
    chunk.team.barrier();
  }
  void begin_d_initial(const Steps&, const State&, State&) const {}
  void add_d_initial(const Records&, const Steps&, State&) const {}
  void end_backward(Records&, Readout&) const {}

  void require_shapes(const char* where) const {
    require(V.size() > 0 && c.size() == outputs(), where, ": V must be O x H and c O, got V ", shape(V), ", c ",
            shape(c));
  }

  bool has_bias_;
};

}  // namespace recur::inline RECUR_ISA
