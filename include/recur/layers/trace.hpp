#pragma once
/// \file
/// What forward stores for bptt, and a whole series through a network, forward and backward: in teams of threads, and
/// without the padding of sequences that end early.

#include "../kernels/flush_to_zero.hpp"
#include "layer.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {

/// Series without the padding, where lengths are unequal: columns in the order of BatchLayout.
template <class Scalar>
struct Unpadded {
  Series<Scalar> x, y, dy, dx;
  Tokens tokens;

  static void unpad(const BatchLayout& layout, SeriesView<const Scalar> from, Series<Scalar>& to) {
    to.resize(from.features(), 1, layout.columns());
    for (Index t = 0; t < layout.steps(); ++t)
      for (Index k = 0; k < layout.active(t); ++k)
        to.matrix().col(layout.column(t) + k) = from.matrix().col(t * from.batch() + layout.sequence(k));
  }
  static void unpad(const BatchLayout& layout, const TokensView& from, Tokens& to) {
    to.resize(1, layout.columns());
    for (Index t = 0; t < layout.steps(); ++t)
      for (Index k = 0; k < layout.active(t); ++k)
        to(0, layout.column(t) + k) = from.data()[t * from.batch() + layout.sequence(k)];
  }
  /// Padding becomes zero.
  static void pad(const BatchLayout& layout, SeriesView<const Scalar> from, SeriesView<Scalar> to) {
    to.matrix().setZero();
    for (Index t = 0; t < layout.steps(); ++t)
      for (Index k = 0; k < layout.active(t); ++k)
        to.matrix().col(t * to.batch() + layout.sequence(k)) = from.matrix().col(layout.column(t) + k);
  }

  /// x as columns, in the order of BatchLayout.
  SeriesView<const Scalar> columns_of(SeriesView<const Scalar> of, const BatchLayout& layout) {
    if (!layout.has_unequal_lengths()) return flat(of);
    unpad(layout, of, x);
    return x;
  }
  TokensView columns_of(const TokensView& of, const BatchLayout& layout) {
    if (!layout.has_unequal_lengths()) return {of.data(), 1, of.batch() * of.steps()};
    unpad(layout, of, tokens);
    return {tokens.data(), 1, layout.columns()};
  }
  template <class S>
  static SeriesView<S> flat(const SeriesView<S>& of) {
    return {of.data(), of.features(), 1, of.columns(), of.stride()};
  }
  void for_each_buffer(auto&& f) const { f(x), f(y), f(dy), f(dx), f(tokens); }
};

/// The multiply-adds of a layer for a chunk.
template <class L>
double multiply_adds(const L& layer, const BatchLayout& layout) {
  return static_cast<double>(parameter_count(layer)) * static_cast<double>(std::min(layout.columns(), forward_columns));
}

struct SeriesPass;

}  // namespace detail

/// What forward stores for bptt: the workspace of a layer or network, with the records of all steps, initial state
/// included. It is the memory of both, so that neither allocates when it is called again.
template <class Net>
class Trace {
 public:
  /// Types of the network.
  ///@{
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;
  ///@}

  Index batch() const { return batch_; }  ///< N of the last forward
  Index steps() const { return steps_; }  ///< T of the last forward
  /// What the network keeps of the last forward.
  const typename Net::Workspace& workspace() const { return workspace_; }
  /// Where the steps of the last forward lie in it.
  const BatchLayout& layout() const { return layout_; }
  /// The memory it holds: the records of the longest series so far, and an amount that does not grow with T.
  Index bytes() const {
    return detail::bytes_of(*this) + layout_.bytes() + static_cast<Index>(left_.capacity() * sizeof(Index));
  }
  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const {
    workspace_.for_each_buffer(f);
    unpadded_.for_each_buffer(f);
  }

  /// From here on forward is for training: enables dropout; the mask depends on `seed` and on the number of forward
  /// calls since.
  void train(std::uint64_t seed) { dropout_ = {true, seed}; }
  /// Disables dropout, as at first.
  void evaluate() { dropout_ = {}; }

 private:
  friend detail::SeriesPass;

  detail::EmptiedByMove<Index> batch_, steps_;
  std::vector<Index> left_;  // of each sequence, as in x
  BatchLayout layout_;
  typename Net::Workspace workspace_;
  detail::Unpadded<Scalar> unpadded_;
  DropoutSeed dropout_;
};

namespace detail {

/// A whole series through a network, forward and back.
struct SeriesPass {
  /// As LayerOf::forward.
  template <class Net, class X>
  static auto forward(const Net& net, const X& x, auto& trace, const typename Net::State& initial) {
    static_assert(Layer<Net>, "forward: the network must have what recur::Layer asks for");
    x.require_inputs("forward", net.inputs());
    net.require_shapes("forward");
    require_state("forward", "initial", net, initial, x.batch());
    trace.for_each_buffer([&, read = x.memory()](const auto& buffer) {
      require(!memory_of(buffer).overlaps(read),
              "forward: x must not lie in this trace, as what it gave before does: it is overwritten");
    });
    const BatchLayout& layout = trace.layout_;
    trace.batch_ = x.batch();
    trace.steps_ = x.steps();
    trace.layout_.assign(x);
    const auto columns = trace.unpadded_.columns_of(x, layout);
    net.prepare_forward(Pass{layout, trace.dropout_, std::is_same_v<X, TokensView>}, trace.workspace_);
    begin_states(net, layout, trace.workspace_, initial);
    in_team(layout.batch(), multiply_adds(net, layout),
            [&](const Team& team) { run_forward(net, whole(team, layout), columns, trace.workspace_); });

    trace.left_.resize(static_cast<std::size_t>(x.batch()));
    for (Index n = 0; n < x.batch(); ++n) trace.left_[static_cast<std::size_t>(n)] = x.steps_left(n);
    if (layout.has_unequal_lengths()) {
      trace.unpadded_.y.resize(net.outputs(), x.batch(), x.steps());
      trace.unpadded_.pad(layout, net.output_columns(trace.workspace_), trace.unpadded_.y);
    }
    return output(net, trace);
  }

  /// The outputs of the last forward.
  template <class Net>
  static SeriesView<const typename Net::Scalar> output(const Net& net, const auto& trace) {
    using View = SeriesView<const typename Net::Scalar>;
    if (trace.layout_.has_unequal_lengths()) return View(trace.unpadded_.y).with_steps_left(trace.left_);
    const View y = net.output_columns(trace.workspace_);
    return View(y.data(), y.features(), trace.batch_, trace.steps_, y.stride())
        .followed_by(trace.left_[0] - trace.steps_);
  }

  /// As bptt, which has checked: dx may be empty, d_initial null, 0 < stride <= window.
  template <class Net, class X, class Scalar = typename Net::Scalar>
  static void backward(const Net& net, const X& x, auto& trace, SeriesView<const std::type_identity_t<Scalar>> dy,
                       const typename Net::State& d_final, Net& gradient, SeriesView<std::type_identity_t<Scalar>> dx,
                       typename Net::State* d_initial, Index window, Index stride) {
    const BatchLayout& layout = trace.layout_;
    auto& work = trace.workspace_;
    auto& unpadded = trace.unpadded_;
    const auto x_columns = unpadded.columns_of(x, layout);
    auto dy_columns = unpadded.flat(dy);
    auto dx_columns = unpadded.flat(dx);
    if (layout.has_unequal_lengths() && !dy.empty()) {
      unpadded.unpad(layout, dy, unpadded.dy);
      dy_columns = unpadded.dy;
    }
    if (layout.has_unequal_lengths() && !dx.empty()) {
      unpadded.dx.resize(dx.features(), 1, layout.columns());
      dx_columns = unpadded.dx;
    }

    net.prepare_backward(Pass{layout, trace.dropout_, std::is_same_v<X, TokensView>, !dx.empty()}, work);
    begin_d_states(net, layout, work, d_final);
    if (d_initial) begin_d_initial(net, layout, work, *d_initial);
    in_team(layout.batch(), multiply_adds(net, layout), [&](const Team& team) {
      const FlushToZero flush;
      // The loss of each stretch of `stride` steps goes back to `window` steps before its end, or before where its end
      // would be: of the last, too, so that where it begins does not depend on the longest sequence of the batch.
      for (Index first = 0; first < layout.steps(); first += stride) {
        Chunk chunk = whole(team, layout);
        const auto of_chunk = [&](const auto& all) { return all.empty() ? all : chunk.of(all); };
        chunk.first = first;
        chunk.end = std::min(first + stride, layout.steps());
        const Index begin = std::max<Index>(0, first + stride - window);
        chunk.set_zero(of_chunk(dx_columns));
        run_backward(net, chunk, x_columns, of_chunk(dy_columns), work, gradient, of_chunk(dx_columns));
        if (begin < first) {
          chunk.first = begin;
          chunk.end = first;
          chunk.from_later = true;
          chunk.has_loss = false;
          run_backward(net, chunk, x_columns, {}, work, gradient, of_chunk(dx_columns));
        }
        if (d_initial && begin == 0) {
          if (team.member == 0) add_d_initial(net, layout, work, *d_initial);
          team.barrier();
        }
      }
    });
    net.finish_backward(work, gradient);
    if (layout.has_unequal_lengths() && !dx.empty()) unpadded.pad(layout, unpadded.dx, dx);
  }

 private:
  static Chunk whole(const Team& team, const BatchLayout& layout) {
    return {layout, team, share_of_sequences(team, layout), 0, layout.steps()};
  }
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
