#pragma once
/// \file
/// What all layers have: forward over a series, a trace of it, final states. And where padding is left out, and put
/// back.

#include "unroll.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {

/// Series without the padding, where lengths are unequal: in the order of Steps.
template <class Scalar>
struct WithoutPadding {
  Series<Scalar> x, y, dy, dx;
  Tokens tokens;

  static void leave_out(const Steps& steps, SeriesView<const Scalar> from, Series<Scalar>& to) {
    to.resize(from.features(), 1, steps.columns());
    for (Index t = 0; t < steps.steps(); ++t)
      for (Index k = 0; k < steps.alive(t); ++k)
        to.matrix().col(steps.column(t) + k) = from.matrix().col(t * from.batch() + steps.sequence(k));
  }
  static void leave_out(const Steps& steps, const TokensView& from, Tokens& to) {
    to.resize(1, steps.columns());
    for (Index t = 0; t < steps.steps(); ++t)
      for (Index k = 0; k < steps.alive(t); ++k)
        to(0, steps.column(t) + k) = from.data()[t * from.batch() + steps.sequence(k)];
  }
  /// Padding becomes zero.
  static void put_back(const Steps& steps, SeriesView<const Scalar> from, SeriesView<Scalar> to) {
    to.matrix().setZero();
    for (Index t = 0; t < steps.steps(); ++t)
      for (Index k = 0; k < steps.alive(t); ++k)
        to.matrix().col(t * to.batch() + steps.sequence(k)) = from.matrix().col(steps.column(t) + k);
  }
  void for_each_buffer(auto&& f) const { f(x), f(y), f(dy), f(dx), f(tokens); }
};

/// x as columns, in the order of Steps.
template <class Scalar>
SeriesView<const Scalar> columns_of(SeriesView<const Scalar> x, const Steps& steps, WithoutPadding<Scalar>& without) {
  if (!steps.ragged()) return {x.data(), x.features(), 1, x.columns(), x.stride()};
  WithoutPadding<Scalar>::leave_out(steps, x, without.x);
  return without.x;
}
template <class Scalar>
TokensView columns_of(const TokensView& x, const Steps& steps, WithoutPadding<Scalar>& without) {
  if (!steps.ragged()) return {x.data(), 1, x.batch() * x.steps()};
  WithoutPadding<Scalar>::leave_out(steps, x, without.tokens);
  return {without.tokens.data(), 1, steps.columns()};
}

}  // namespace detail

/// What forward leaves for bptt: the records of all steps of a layer or network, initial state included, and the memory
/// that both work in, so that neither allocates when it is called again.
template <class Layer>
class Trace {
 public:
  using Scalar = typename Layer::Scalar;
  using State = typename Layer::State;

  Index batch() const { return batch_; }
  Index steps() const { return steps_; }
  /// What the layer keeps of the last forward.
  const typename Layer::Records& records() const { return records_; }
  /// The memory it holds: the records of the longest series so far, and an amount that does not grow with T.
  Index bytes() const {
    return detail::bytes_of(*this) + order_.bytes() + static_cast<Index>(left_.capacity() * sizeof(Index));
  }

  /// From here on forward is for training: each Dropout leaves out what the seed, and how often forward was called
  /// since, say. A network without Dropout does not care.
  void train(std::uint64_t seed) { dropping_ = {true, seed}; }
  /// From here on, as at first, nothing is left out.
  void evaluate() { dropping_ = {}; }

  // ---- What follows is for LayerOf and bptt ----

  const Steps& order() const { return order_; }
  void for_each_buffer(auto&& f) const {
    records_.for_each_buffer(f);
    without_.for_each_buffer(f);
  }

  /// As LayerOf::forward.
  template <class X>
  SeriesView<const Scalar> forward(const Layer& layer, const X& x, const State& initial) {
    x.require_inputs("forward", layer.inputs());
    detail::LayerAccess::require_forward(layer, layer.inputs(), x.batch(), initial);
    for_each_buffer([&, read = x.memory()](const auto& buffer) {
      require(!detail::memory_of(buffer).overlaps(read),
              "forward: x must not lie in this trace, as what it gave before does: it is overwritten");
    });
    batch_ = x.batch();
    steps_ = x.steps();
    order_.assign(x);
    const auto columns = detail::columns_of(x, order_, without_);
    const auto plan = detail::LayerAccess::begin_forward(layer, order_, dropping_, records_, initial);
    detail::in_team(batch_, detail::multiply_adds(layer, order_), [&](const detail::Team& team) {
      detail::forward_chunks(layer, plan, whole(team), columns, records_);
    });
    left_.resize(static_cast<std::size_t>(x.batch()));
    for (Index n = 0; n < batch_; ++n) left_[static_cast<std::size_t>(n)] = x.steps_left(n);
    if (!order_.ragged()) return output(layer);
    without_.y.resize(layer.outputs(), batch_, steps_);
    without_.put_back(order_, detail::LayerAccess::output_columns(layer, records_), without_.y);
    return output(layer);
  }

  /// The outputs of the last forward.
  SeriesView<const Scalar> output(const Layer& layer) const {
    if (order_.ragged()) return SeriesView<const Scalar>(without_.y).with_steps_left(left_);
    const auto y = detail::LayerAccess::output_columns(layer, records_);
    return SeriesView<const Scalar>(y.data(), y.features(), batch_, steps_, y.stride()).followed_by(left_[0] - steps_);
  }

  /// As bptt, which has checked: dx may be empty, d_initial null, 0 < stride <= window.
  template <class X>
  void backward(const Layer& layer, const X& x, SeriesView<const Scalar> dy, const State& d_final, Layer& gradient,
                SeriesView<Scalar> dx, State* d_initial, Index window, Index stride) {
    const auto x_columns = detail::columns_of(x, order_, without_);
    SeriesView<const Scalar> dy_columns(dy.data(), dy.features(), 1, dy.columns(), dy.stride());
    SeriesView<Scalar> dx_columns(dx.data(), dx.features(), 1, dx.columns(), dx.stride());
    if (order_.ragged() && !dy.empty()) {
      without_.leave_out(order_, dy, without_.dy);
      dy_columns = without_.dy;
    }
    if (order_.ragged() && !dx.empty()) {
      without_.dx.resize(dx.features(), 1, order_.columns());
      dx_columns = without_.dx;
    }
    const auto of = [](const auto& all, const detail::Chunk& chunk) {
      return all.empty() ? all : all.window(chunk.column(), chunk.columns());
    };

    if (d_initial) detail::LayerAccess::begin_d_initial(layer, order_, d_final, *d_initial);
    const auto plan = detail::LayerAccess::begin_backward(layer, order_, records_, !dx.empty());
    detail::in_team(batch_, detail::multiply_adds(layer, order_), [&](const detail::Team& team) {
      // The loss of each stretch of `stride` steps goes back to `window` steps before its end, or before where its end
      // would be: of the last, too, so that where it begins does not depend on the longest sequence of the batch.
      for (Index first = 0; first < order_.steps(); first += stride) {
        detail::Chunk chunk = whole(team);
        chunk.first = first;
        chunk.end = std::min(first + stride, order_.steps());
        const Index begin = std::max<Index>(0, first + stride - window);
        detail::backward_chunks(layer, plan, chunk, x_columns, records_, of(dy_columns, chunk), d_final, gradient,
                                of(dx_columns, chunk), true);
        if (begin < first) {
          chunk.first = begin;
          chunk.end = first;
          chunk.from_later = true;
          chunk.has_loss = false;
          detail::backward_chunks(layer, plan, chunk, x_columns, records_, {}, d_final, gradient, of(dx_columns, chunk),
                                  false);
        }
        if (d_initial && begin == 0) {
          if (team.member == 0) detail::LayerAccess::add_d_initial(layer, records_, order_, *d_initial);
          team.barrier();
        }
      }
    });
    detail::LayerAccess::end_backward(layer, records_, gradient);
    if (order_.ragged() && !dx.empty()) without_.put_back(order_, without_.dx, dx);
  }

 private:
  detail::Chunk whole(const detail::Team& team) const {
    return {order_, team, detail::share_of_sequences(team, order_), 0, order_.steps()};
  }

  detail::EmptiedByMove<Index> batch_, steps_;
  std::vector<Index> left_;  // of each sequence, as in x
  Steps order_;
  typename Layer::Records records_;
  detail::WithoutPadding<Scalar> without_;
  detail::Dropping dropping_;
};

/// The face of all layers. A layer is class Self : public LayerOf<Self>, with the parts that unroll.hpp asks for.
template <class Self>
class LayerOf {
 public:
  auto trace() const { return recur::Trace<Self>(); }

  /// The outputs y_1 .. y_T for the inputs x_1 .. x_T, a series of `inputs()` features or tokens, from `initial` (zero
  /// where it is left out): a view of the trace, valid until the trace is used again. Where sequences have lengths, y
  /// is zero past the end of each, and has the same lengths. Throws std::invalid_argument on shapes that do not fit and
  /// on an empty series; the trace is then as it was.
  template <class L = Self>
  SeriesView<const typename L::Scalar> forward(SeriesView<const typename L::Scalar> x, Trace<L>& trace,
                                               const typename L::State& initial = {}) const {
    return trace.forward(self(), x, initial);
  }
  template <class L = Self>
  SeriesView<const typename L::Scalar> forward(TokensView x, Trace<L>& trace,
                                               const typename L::State& initial = {}) const {
    static_assert(L::takes_tokens, "forward: tokens are for networks whose first layer is a Cell");
    return trace.forward(self(), x, initial);
  }

  /// The same without a trace, for those who only predict: y as a series of its own. Allocates in every call.
  template <class L = Self>
  Series<typename L::Scalar> forward(SeriesView<const typename L::Scalar> x,
                                     const typename L::State& initial = {}) const {
    auto trace = this->trace();
    return Series<typename L::Scalar>(forward(x, trace, initial));
  }
  template <class L = Self>
  Series<typename L::Scalar> forward(TokensView x, const typename L::State& initial = {}) const {
    auto trace = this->trace();
    return Series<typename L::Scalar>(forward(x, trace, initial));
  }
  /// Not for matrices, which do not say where steps and sequences are.
  template <class Derived>
  void forward(const Eigen::EigenBase<Derived>&, const auto&...) const {
    static_assert(detail::never<Derived>,
                  "forward: x must be a series, not a matrix: recur::view_columns(matrix) looks at one that has a step "
                  "in each column, recur::view_rows(matrix) in each row; tokens come as recur::Tokens");
  }

  /// The outputs of the last forward.
  template <class L = Self>
  SeriesView<const typename L::Scalar> output(const Trace<L>& trace) const {
    require(trace.batch() > 0, "output: the trace must have been through forward, got an empty one");
    return trace.output(self());
  }

  /// The state after the last step of the last forward; of each sequence after its own.
  template <class L = Self>
  void final_state(const Trace<L>& trace, typename L::State& state) const {
    require(trace.batch() > 0, "final_state: the trace must have been through forward, got an empty one");
    detail::LayerAccess::final_state_of(self(), trace.records(), trace.order(), state);
  }
  template <class L = Self>
  typename L::State final_state(const Trace<L>& trace) const {
    typename L::State state;
    final_state(trace, state);
    return state;
  }
  /// The zero state of a batch, to be filled.
  template <class L = Self>
  typename L::State state(Index batch) const {
    typename L::State state;
    detail::LayerAccess::set_zero(self(), state, batch);
    return state;
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace recur::inline RECUR_ISA
