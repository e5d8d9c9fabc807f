#pragma once
/// \file
/// Backpropagation through time (P. J. Werbos, Proceedings of the IEEE 78, 1990).

#include "../layers/series_pass.hpp"

#include <concepts>
#include <functional>

namespace recur::inline RECUR_ISA {

/// Further arguments and results of bptt(); those left out are neither read nor computed.
template <class Net>
struct BpttOptions {
  /// dL/d(final state), for a loss that looks at the last hidden state, or that continues in a later window.
  const typename Net::State* d_final = nullptr;
  /// Where to write dL/dx, shaped like x; not where x or dy lies.
  Series<typename Net::Scalar>* dx = nullptr;
  /// Where to write dL/d(initial state); another state than d_final.
  typename Net::State* d_initial = nullptr;
  /// Whether to add to what `gradient` holds. By default it is overwritten.
  bool accumulate = false;
  /// Truncated BPTT (R. J. Williams, J. Peng, 1990): the loss of each stretch of `stride` steps, counted from the
  /// first, goes back to `window` steps before its end; that of the last, too, where its end would be, if the series
  /// ends before: where a loss goes depends on stride and window alone. 0 for the whole series; a stride of 0 is the
  /// window. A window as long as the series is plain BPTT.
  Index window = 0, stride = 0;  ///< steps of a stretch; 0 for the window
  /// The state before the first step, zero where it is left out, for the form of bptt() that is given a loss; in the
  /// other, forward has been given it.
  const typename Net::State* initial = nullptr;
};

namespace detail {

template <class Net>
void require_gradient(const Net& net, const Net& gradient) {
  require(&gradient != &net, "bptt: gradient must be another object than net, as zeros_like(net) makes it");
  require_same_shapes("bptt", "gradient", gradient, "net", net);
}

/// A stretch of truncated BPTT, or the whole series.
struct Truncation {
  Index window, stride;
};
inline Truncation truncation(Index window, Index stride, Index steps, bool causal) {
  if (window == 0 && stride == 0) return {steps, steps};
  const Truncation of{window, stride > 0 ? stride : window};
  require(stride >= 0 && 0 < of.stride && of.stride <= window, "bptt: 0 <= stride <= window expected, got stride ",
          stride, " and window ", window);
  require(causal, "bptt: a window is for networks that go forward in time alone");
  return of;
}

/// Checks what else both forms are given, and goes back: from dy, or from the loss, where there is one, after forward.
template <bool of_tokens, class Net>
void backpropagate(const Net& net, const SeriesInput<typename Net::Scalar>& x, typename Net::Trace& trace,
                   SeriesView<const typename Net::Scalar> dy, const LossOfPart<typename Net::Scalar>& loss,
                   Net& gradient, const BpttOptions<Net>& options) {
  using Scalar = typename Net::Scalar;
  const typename Net::State no_state{};
  const auto& d_final = options.d_final ? *options.d_final : no_state;
  const auto& initial = options.initial ? *options.initial : no_state;
  require_state("bptt", "d_final", net, d_final, x.batch());
  const Truncation of = truncation(options.window, options.stride, x.steps(), Net::causal);
  require(!options.d_initial || options.d_initial != options.d_final,
          "bptt: d_initial and d_final must be two states, got one");
  ForwardOf<Net, of_tokens> forward(net, trace, initial);
  BackwardOf<Net, of_tokens> back(net, trace, gradient, d_final, options.d_initial);
  SeriesPass<Scalar> pass(forward, x, OfTrace::memory(trace));
  if (loss) pass.forward_for_loss(options.window != 0 || options.stride != 0);
  if (!options.accumulate) set_zero(gradient);
  SeriesView<Scalar> dx;
  if (options.dx) {
    options.dx->resize(net.inputs(), x.batch(), x.steps());
    dx = *options.dx;
  }
  pass.backward(back, dy, loss, dx, of.window, of.stride);
}

/// Throws unless x and dy are such as forward was given, and returned.
template <class X, class Scalar>
void require_series(const X& x, const SeriesMemory<Scalar>& of_trace, const SeriesView<const Scalar>& dy, Index outputs,
                    bool has_d_final, const Series<Scalar>* dx) {
  require(x.batch() == of_trace.batch && x.steps() == of_trace.steps, "bptt: x must have batch ", Index(of_trace.batch),
          " and steps ", Index(of_trace.steps), " (as the trace), got batch ", x.batch(), " and steps ", x.steps());
  for (Index k = 0; k < x.batch(); ++k) {
    const Index n = of_trace.layout.sequence(k);
    require(x.length(n) == of_trace.layout.length(k), "bptt: x.length(", n, ") must be ", of_trace.layout.length(k),
            " (as forward was given), got ", x.length(n));
  }
  if (!dy.empty() || !has_d_final) {
    require_equal("bptt", "dy.features()", dy.features(), "net.outputs()", outputs);
    require_same_steps("bptt", "dy", dy, "x", x);
  }
  require(!dx || !overlap(*dx, dy), "bptt: dx and dy must be two series, got one");
}

/// From dL/dy, after forward.
template <class Net, class X>
void backpropagate_series(const Net& net, const X& x, typename Net::Trace& trace,
                          SeriesView<const typename Net::Scalar> dy, Net& gradient, const BpttOptions<Net>& options) {
  require_gradient(net, gradient);
  require(trace.batch() > 0, "bptt: the trace must have been through forward, got an empty one");
  net.require_shapes("bptt");
  net.require_workspace("bptt", trace.workspace());
  require_series(x, OfTrace::memory(trace), dy, net.outputs(), options.d_final != nullptr, options.dx);
  require(!options.initial, "bptt: initial must be left out where dy is given, for forward has had it");
  backpropagate<are_tokens<X>>(net, SeriesInputOf<typename Net::Scalar, X>(x), trace, dy, {}, gradient, options);
}

/// From a loss, forward and back.
template <class Net, class X>
double backpropagate_loss(const Net& net, const X& x, typename Net::Trace& trace, auto& loss, Net& gradient,
                          const BpttOptions<Net>& options) {
  using Scalar = typename Net::Scalar;
  const typename Net::State zero{};
  require_gradient(net, gradient);
  require_forward("bptt", net, x, trace, options.initial ? *options.initial : zero);
  require(!options.initial || options.initial != options.d_initial,
          "bptt: initial and d_initial must be two states, got one");
  double sum = 0;
  const auto adding = [&](Index first, SeriesView<const Scalar> y, Series<Scalar>& dy) {
    const auto part = loss(first, y, dy);
    static_assert(
        !requires { part.counted; },
        "bptt: the loss must return a number, its part of the sum: a LossValue is a mean over these steps "
        "alone, and so is its dL/dy: multiply both by the share of the steps");
    sum += static_cast<double>(part);
  };
  backpropagate<are_tokens<X>>(net, SeriesInputOf<Scalar, X>(x), trace, {}, std::ref(adding), gradient, options);
  return sum;
}

/// What bptt() calls for the loss of some steps.
template <class F, class Scalar>
concept LossOfSteps = requires(F& f, Index first, SeriesView<const Scalar> y, Series<Scalar>& dy) {
  { f(first, y, dy) } -> std::convertible_to<double>;
};

}  // namespace detail

/// The gradient of a loss with respect to every parameter, from dL/dy_1 .. dL/dy_T:
///
///     dL/da_t = dL/dh_t f'(a_t)                     dL/dh_<t-1> += W^T dL/da_t
///     dL/dW = sum_t dL/da_t h_<t-1>^T,  dL/dU = sum_t dL/da_t x_t^T,  dL/db = sum_t dL/da_t,  dL/dx_t = U^T dL/da_t
///
/// (for the Elman network; other rules put their own derivative in the place of f'). `x` and `trace` are what
/// net.forward was given; `dy` is shaped like its result, or empty where the loss is on the final state alone.
/// The gradient has the type of the network and is overwritten, unless `.accumulate` is set.
///
///     recur::bptt(net, x, trace, dy, gradient);
///     recur::bptt(net, x, trace, dy, gradient, {.dx = &dx, .d_initial = &d_h0});
///
/// On the way back subnormal numbers (below 1.2e-38 in float) count as zero: they would make long series slow.
///
/// Throws std::invalid_argument where a shape does not fit, before anything is written.
/// x may be tokens, which have no gradient: `.dx` must be left out. Where the trace keeps a segment of the steps alone
/// (see TraceOptions), it goes forward again through the others, to the same gradient, to the bit.
template <class Net>
void bptt(const Net& net, SeriesView<const typename Net::Scalar> x, typename Net::Trace& trace,
          SeriesView<const typename Net::Scalar> dy, Net& gradient, BpttOptions<Net> options = {}) {
  require_equal("bptt", "x.features()", x.features(), "net.inputs()", net.inputs());
  require(!options.dx || !detail::overlap(*options.dx, x), "bptt: dx and x must be two series, got one");
  detail::backpropagate_series(net, x, trace, dy, gradient, options);
}
/// The same for tokens. Throws std::invalid_argument where `.dx` is given, too.
template <class Net>
void bptt(const Net& net, TokensView x, typename Net::Trace& trace, SeriesView<const typename Net::Scalar> dy,
          Net& gradient, BpttOptions<Net> options = {}) {
  require(!options.dx, "bptt: dx must be left out, for x are tokens");
  x.require_inputs("bptt", net.inputs());
  detail::backpropagate_series(net, x, trace, dy, gradient, options);
}

/// Forward and back in one call, for series whose outputs are not to be in memory as a whole: y_t and dL/dy_t are there
/// for a segment of steps at a time, as the trace's options say, of which `loss` is called once for each, from the last
/// to the first (with a window: stretch after stretch). It is given the segment's first step, y of its steps, and dL/dy
/// of them, shaped like y, to be set; it returns the part of the loss. Returns the sum of these parts. x may come from
/// a SeriesReader, too: then a file of any length trains in constant memory.
///
///     auto trace = net.trace({.memory = 64 << 20});
///     const double loss = recur::bptt(net, x, trace, [&](recur::Index first, auto y, auto& dy) {
///       const auto part = recur::squared_error(y, target(first, y.steps()), dy);     // a mean over these steps
///       const double share = part.counted / count;                                   // of those of all
///       dy.matrix() *= float(share);
///       return share * part.mean;
///     }, gradient);
///
/// The gradient has the same bits as from forward() and bptt() with the same dL/dy, whatever the trace keeps. Further
/// options: `.initial`. Afterwards net.final_state(trace) is the state after the last step.
///
/// Throws std::invalid_argument where a shape does not fit, before anything is written, and whatever the loss or the
/// reader throws: then the gradient is of no use, and the trace is empty.
template <class Net, detail::LossOfSteps<typename Net::Scalar> LossFunction>
double bptt(const Net& net, SeriesView<const typename Net::Scalar> x, typename Net::Trace& trace, LossFunction&& loss,
            Net& gradient, BpttOptions<Net> options = {}) {
  require(!options.dx || !detail::overlap(*options.dx, x), "bptt: dx and x must be two series, got one");
  return detail::backpropagate_loss(net, x, trace, loss, gradient, options);
}
/// The same for a series that is read in parts.
template <class Net, detail::LossOfSteps<typename Net::Scalar> LossFunction>
double bptt(const Net& net, const SeriesReader<typename Net::Scalar>& x, typename Net::Trace& trace,
            LossFunction&& loss, Net& gradient, BpttOptions<Net> options = {}) {
  return detail::backpropagate_loss(net, x, trace, loss, gradient, options);
}
/// The same for tokens. Throws std::invalid_argument where `.dx` is given, too.
template <class Net, detail::LossOfSteps<typename Net::Scalar> LossFunction>
double bptt(const Net& net, TokensView x, typename Net::Trace& trace, LossFunction&& loss, Net& gradient,
            BpttOptions<Net> options = {}) {
  static_assert(Net::takes_tokens, "bptt: tokens are for networks whose first layer is a Cell or an Embedding");
  require(!options.dx, "bptt: dx must be left out, for x are tokens");
  return detail::backpropagate_loss(net, x, trace, loss, gradient, options);
}
/// The same for tokens that are read in parts.
template <class Net, detail::LossOfSteps<typename Net::Scalar> LossFunction>
double bptt(const Net& net, const TokensReader& x, typename Net::Trace& trace, LossFunction&& loss, Net& gradient,
            BpttOptions<Net> options = {}) {
  static_assert(Net::takes_tokens, "bptt: tokens are for networks whose first layer is a Cell or an Embedding");
  require(!options.dx, "bptt: dx must be left out, for x are tokens");
  return detail::backpropagate_loss(net, x, trace, loss, gradient, options);
}

}  // namespace recur::inline RECUR_ISA
