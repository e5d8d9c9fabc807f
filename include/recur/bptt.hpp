#pragma once
/// \file
/// Backpropagation through time (P. J. Werbos, Proceedings of the IEEE 78, 1990).

#include "parameters.hpp"
#include "series.hpp"
#include "tokens.hpp"

namespace recur {

/// What bptt() can be given and asked for besides; what is left out is neither read nor computed.
template <class Net>
struct BpttOptions {
  /// dL/d(final state), for a loss that looks at the last hidden state, or that continues in a later window.
  const typename Net::State* d_final = nullptr;
  /// Where to write dL/dx, shaped like x; neither x itself nor dy.
  Series<typename Net::Scalar>* dx = nullptr;
  /// Where to write dL/d(initial state).
  typename Net::State* d_initial = nullptr;
  /// Whether to add to what `gradient` holds. By default it is overwritten.
  bool accumulate = false;
};

namespace detail {

template <class Net, class X>
void backpropagate(const Net& net, const X& x, typename Net::Trace& trace, SeriesView<const typename Net::Scalar> dy,
                   Net& gradient, const BpttOptions<Net>& options) {
  using Scalar = typename Net::Scalar;
  const typename Net::State no_state{};
  const auto& d_final = options.d_final ? *options.d_final : no_state;
  require_same_shapes("bptt", "gradient", gradient, "net", net);
  net.require_backward(x, trace, d_final);
  if (!dy.empty() || !options.d_final) {
    require_equal("bptt", "dy.features()", dy.features(), "net.outputs()", net.outputs());
    require_same_steps("bptt", "dy", dy, "x", x);
  }
  if (options.dx && options.dx->data()) {
    require(static_cast<const void*>(options.dx->data()) != x.data(), "bptt: dx and x must be two series, got one");
    require(options.dx->data() != dy.data(), "bptt: dx and dy must be two series, got one");
  }
  if (!options.accumulate) set_zero(gradient);
  if (options.dx) options.dx->resize(net.inputs(), x.batch(), x.steps());
  net.backward(x, trace, dy, gradient, options.dx ? SeriesView<Scalar>(*options.dx) : SeriesView<Scalar>(), d_final,
               options.d_initial);
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
/// Throws std::invalid_argument where a shape does not fit, before anything is written.
/// x may be tokens, which have no gradient: `.dx` must be left out.
template <class Net>
void bptt(const Net& net, SeriesView<const typename Net::Scalar> x, typename Net::Trace& trace,
          SeriesView<const typename Net::Scalar> dy, Net& gradient, BpttOptions<Net> options = {}) {
  require_equal("bptt", "x.features()", x.features(), "net.inputs()", net.inputs());
  detail::backpropagate(net, x, trace, dy, gradient, options);
}
template <class Net>
void bptt(const Net& net, TokensView x, typename Net::Trace& trace, SeriesView<const typename Net::Scalar> dy,
          Net& gradient, BpttOptions<Net> options = {}) {
  require(!options.dx, "bptt: dx must be left out, for x are tokens");
  x.require_inputs("bptt", net.inputs());
  detail::backpropagate(net, x, trace, dy, gradient, options);
}

}  // namespace recur
