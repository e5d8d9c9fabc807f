#pragma once
/// \file
/// Backpropagation through time (P. J. Werbos, Proceedings of the IEEE 78, 1990).

#include "../layers/trace.hpp"

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
};

namespace detail {

template <class Net, class X>
void backpropagate(const Net& net, const X& x, typename Net::Trace& trace, SeriesView<const typename Net::Scalar> dy,
                   Net& gradient, const BpttOptions<Net>& options) {
  using Scalar = typename Net::Scalar;
  const typename Net::State no_state{};
  const auto& d_final = options.d_final ? *options.d_final : no_state;
  require(&gradient != &net, "bptt: gradient must be another object than net, as zeros_like(net) makes it");
  require_same_shapes("bptt", "gradient", gradient, "net", net);
  require(trace.batch() > 0, "bptt: the trace must have been through forward, got an empty one");
  net.require_shapes("bptt");
  net.require_workspace("bptt", trace.workspace());
  require_state("bptt", "d_final", net, d_final, trace.batch());
  require_same_steps("bptt", "x", x, "the trace", trace);
  for (Index k = 0; k < x.batch(); ++k) {
    const Index n = trace.layout().sequence(k);
    require(x.length(n) == trace.layout().length(k), "bptt: x.length(", n, ") must be ", trace.layout().length(k),
            " (as forward was given), got ", x.length(n));
  }
  const bool truncated = options.window != 0 || options.stride != 0;
  const Index window = truncated ? options.window : x.steps(), stride = options.stride > 0 ? options.stride : window;
  require(!truncated || (options.stride >= 0 && 0 < stride && stride <= window),
          "bptt: 0 <= stride <= window expected, got stride ", options.stride, " and window ", options.window);
  require(!truncated || Net::causal, "bptt: a window is for networks that go forward in time alone");
  if (!dy.empty() || !options.d_final) {
    require_equal("bptt", "dy.features()", dy.features(), "net.outputs()", net.outputs());
    require_same_steps("bptt", "dy", dy, "x", x);
  }
  require(!options.dx || !overlap(*options.dx, dy), "bptt: dx and dy must be two series, got one");
  require(!options.d_initial || options.d_initial != options.d_final,
          "bptt: d_initial and d_final must be two states, got one");
  if (!options.accumulate) set_zero(gradient);
  if (options.dx) options.dx->resize(net.inputs(), x.batch(), x.steps());
  SeriesPass::backward(net, x, trace, dy, d_final, gradient,
                       options.dx ? SeriesView<Scalar>(*options.dx) : SeriesView<Scalar>(), options.d_initial, window,
                       stride);
}

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
/// x may be tokens, which have no gradient: `.dx` must be left out.
template <class Net>
void bptt(const Net& net, SeriesView<const typename Net::Scalar> x, typename Net::Trace& trace,
          SeriesView<const typename Net::Scalar> dy, Net& gradient, BpttOptions<Net> options = {}) {
  require_equal("bptt", "x.features()", x.features(), "net.inputs()", net.inputs());
  require(!options.dx || !detail::overlap(*options.dx, x), "bptt: dx and x must be two series, got one");
  detail::backpropagate(net, x, trace, dy, gradient, options);
}
/// The same for tokens. Throws std::invalid_argument where `.dx` is given, too.
template <class Net>
void bptt(const Net& net, TokensView x, typename Net::Trace& trace, SeriesView<const typename Net::Scalar> dy,
          Net& gradient, BpttOptions<Net> options = {}) {
  require(!options.dx, "bptt: dx must be left out, for x are tokens");
  x.require_inputs("bptt", net.inputs());
  detail::backpropagate(net, x, trace, dy, gradient, options);
}

}  // namespace recur::inline RECUR_ISA
