#pragma once
/// \file
/// A whole series through a network, forward and backward: in teams of threads, without the padding of sequences that
/// end early, and in segments where the records of all steps would be too much.

#include "../kernels/flush_to_zero.hpp"
#include "trace.hpp"

#include <optional>

namespace recur::inline RECUR_ISA::detail {

/// The multiply-adds of a layer for a chunk.
template <class L>
double multiply_adds(const L& layer, const BatchLayout& layout) {
  return static_cast<double>(parameter_count(layer)) * static_cast<double>(std::min(layout.columns(), forward_columns));
}

/// Whether x are tokens.
template <class X>
inline constexpr bool are_tokens = std::is_same_v<X, TokensView> || std::is_same_v<X, TokensReader>;

/// A whole series through a network, forward and back.
struct SeriesPass {
  /// As LayerOf::forward.
  template <class Net, class X>
  static auto forward(const Net& net, const X& x, auto& trace, const typename Net::State& initial) {
    require_forward("forward", net, x, trace, initial);
    begin(net, x, trace, true);
    go_forward(net, x, trace, initial);
    return output(net, trace);
  }

  /// What forward needs, and bptt where it goes forward itself.
  template <class Net, class X>
  static void require_forward(const char* where, const Net& net, const X& x, const auto& trace,
                              const typename Net::State& initial) {
    static_assert(Layer<Net>, "forward: the network must have what recur::Layer asks for");
    x.require_inputs(where, net.inputs());
    net.require_shapes(where);
    require_state(where, "initial", net, initial, x.batch());
    if constexpr (requires { x.memory(); }) {
      trace.for_each_buffer([&, read = x.memory()](const auto& buffer) {
        require(!memory_of(buffer).overlaps(read), where,
                ": x must not lie in this trace, as what it gave before does: it is overwritten");
      });
    }
  }

  /// Before the first step: where the steps lie, and which of them are a segment.
  template <class Net, class X>
  static void begin(const Net& net, const X& x, auto& trace, bool with_output) {
    const bool may_refuse = trace.options_.memory > 0;
    BatchLayout& layout = may_refuse ? trace.next_ : trace.layout_;
    layout.assign(x);
    const Segmentation cut = cut_for(net, x, trace, layout, with_output);
    if (may_refuse) {
      if (cut != trace.cut_) trace.free();  // another use of its memory would come on top
      trace.layout_ = layout;
    }
    trace.cut_ = cut;
    trace.batch_ = 0;  // until all is done: what reads or computes the loss may throw
    trace.steps_ = x.steps();
    trace.left_.resize(static_cast<std::size_t>(x.batch()));
    for (Index n = 0; n < x.batch(); ++n) trace.left_[static_cast<std::size_t>(n)] = x.steps_left(n);
    trace.has_output_ = with_output;
    trace.seed_ = trace.dropout_;
    trace.cut_.edges(trace.layout_, 0, 0, trace.layout_.steps(), trace.edges_);
    trace.kept_count_ = 0;
  }

  /// Through all segments: the records of the last are in the trace then.
  template <class Net, class X>
  static void go_forward(const Net& net, const X& x, auto& trace, const typename Net::State& initial) {
    const BatchLayout& layout = trace.layout_;
    const bool keeps_y = trace.has_output_ && (layout.has_unequal_lengths() || trace.segments() > 1);
    if (keeps_y) trace.unpadded_.y.resize(net.outputs(), layout.batch(), trace.steps_);
    const auto keep_y = [&] {
      if (keeps_y)
        trace.unpadded_.pad(layout, layout.first(), layout.end(), net.output_columns(trace.workspace_),
                            trace.unpadded_.y, 0);
    };
    const auto* before = &initial;
    if (trace.segments() > 1) {
      begin_at_initial(trace, initial);
      before = &state_before(net, x, trace, trace.edges_, trace.segments() - 1, keep_y);
    }
    ColumnsOf<Net, X> columns;
    trace.dropout_ = record(net, x, trace, trace.edges_.end()[-2], trace.edges_.back(), *before, columns);
    keep_y();
    if (keeps_y)
      for (Index t = layout.steps(); t < trace.steps_; ++t)
        SeriesView<typename Net::Scalar>(trace.unpadded_.y)[t].setZero();
    if (trace.segments() > 1) final_states(net, layout, trace.workspace_, trace.final_);
    complete(trace, true);
  }
  /// Whether a trace has what it says; if not, it counts as empty.
  static void complete(auto& trace, bool is) { trace.batch_ = is ? trace.layout_.batch() : 0; }

  /// The first half of bptt with a loss. Where it is truncated, and there are segments, each stretch goes forward by
  /// itself.
  template <class Net, class X>
  static void go_forward_alone(const Net& net, const X& x, auto& trace, const typename Net::State& initial,
                               bool truncated) {
    begin(net, x, trace, false);
    if (trace.segments() == 1 || !truncated) return go_forward(net, x, trace, initial);
    begin_at_initial(trace, initial);
    DropoutSeed seed = trace.seed_;
    trace.layout_.narrow(0, 0);
    net.prepare_forward(Pass{trace.layout_, seed, are_tokens<X>}, trace.workspace_);
    trace.dropout_ = seed;
  }

  /// The workspace of a trace, to work in.
  static auto& workspace(auto& trace) { return trace.workspace_; }

  /// The outputs of the last forward.
  template <class Net>
  static SeriesView<const typename Net::Scalar> output(const Net& net, const auto& trace) {
    using View = SeriesView<const typename Net::Scalar>;
    if (trace.layout_.has_unequal_lengths()) return View(trace.unpadded_.y).with_steps_left(trace.left_);
    View y = trace.unpadded_.y;
    if (trace.segments() == 1) {
      const View columns = net.output_columns(trace.workspace_);
      y = View(columns.data(), columns.features(), trace.batch_, trace.steps_, columns.stride());
    }
    return y.followed_by(trace.left_[0] - trace.steps_);
  }

  /// The state after the last step.
  template <class Net>
  static void final_state(const Net& net, const auto& trace, typename Net::State& state) {
    if (trace.segments() > 1) {
      state = trace.final_;
    } else {
      final_states(net, trace.layout_, trace.workspace_, state);
    }
  }

  /// dL/dy of steps first .. end - 1 as columns: of a whole series, which may be empty.
  template <class Net>
  static auto d_columns(const Net&, auto& trace, SeriesView<const typename Net::Scalar> dy, Index first, Index end) {
    if (dy.empty()) return dy;
    if (!trace.layout_.has_unequal_lengths()) return trace.unpadded_.flat(dy, first, end);
    trace.unpadded_.unpad(trace.layout_, first, end, dy, 0, trace.unpadded_.dy);
    return SeriesView<const typename Net::Scalar>(trace.unpadded_.dy);
  }
  /// The same from a loss, which is called with y of these steps.
  template <class Net>
  static auto d_columns_of_loss(const Net& net, auto& trace, auto& loss, Index first, Index end) {
    using View = SeriesView<const typename Net::Scalar>;
    const BatchLayout& layout = trace.layout_;
    auto& unpadded = trace.unpadded_;
    const View all = net.output_columns(trace.workspace_);
    const View columns = all.window(layout.column(first), layout.column(end) - layout.column(first));
    View y(columns.data(), columns.features(), layout.batch(), layout.has_unequal_lengths() ? 0 : end - first,
           columns.stride());
    if (layout.has_unequal_lengths()) {
      unpadded.y.resize(columns.features(), layout.batch(), end - first);
      unpadded.pad(layout, first, end, columns, unpadded.y, first);
      trace.left_of_part_.resize(trace.left_.size());
      std::transform(trace.left_.begin(), trace.left_.end(), trace.left_of_part_.begin(),
                     [&](Index left) { return std::max<Index>(0, left - first); });
      y = View(unpadded.y).with_steps_left(trace.left_of_part_);
    } else {
      y = y.followed_by(trace.left_[0] - end);
    }
    auto& dy = unpadded.d_part;
    dy.resize(y.features(), y.batch(), y.steps());
    dy.matrix().setZero();
    loss(first, y, dy);
    require(dy.features() == y.features() && dy.batch() == y.batch() && dy.steps() == y.steps(),
            "bptt: the loss must leave the sizes of dy, features ", y.features(), ", batch ", y.batch(), ", steps ",
            y.steps(), ", as they are, got ", dy.features(), ", ", dy.batch(), " and ", dy.steps());
    if (!layout.has_unequal_lengths()) return unpadded.flat(View(dy), 0, dy.steps());
    unpadded.unpad(layout, first, end, dy, first, unpadded.dy);
    return View(unpadded.dy);
  }

  /// As bptt, which has checked: dx may be empty, d_initial null, 0 < stride <= window. `dy` is a series or a loss.
  template <class Net, class X>
  static void backward(const Net& net, const X& x, auto& trace, auto&& dy, const typename Net::State& d_final,
                       Net& gradient, SeriesView<std::type_identity_t<typename Net::Scalar>> dx,
                       typename Net::State* d_initial, Index window, Index stride) {
    const BatchLayout& layout = trace.layout_;
    auto& work = trace.workspace_;
    const std::vector<Index>& edges = trace.stretch_;
    const bool truncated = stride < layout.steps() || window < layout.steps();
    ColumnsOf<Net, X> x_columns;
    bool begun = false;
    // The loss of each stretch of `stride` steps goes back to `window` steps before its end, or before where its end
    // would be: of the last, too, so that where it begins does not depend on the longest sequence of the batch.
    for (Index first = 0; first < std::max<Index>(1, layout.steps()); first += stride) {
      const Index end = std::min(first + stride, layout.steps()), begin = std::max<Index>(0, first + stride - window);
      if (trace.segments() > 1) go_to(net, x, trace, begin, truncated);
      trace.cut_.edges(layout, begin, first, end, trace.stretch_);
      for (Index i = std::ssize(edges) - 1; i-- > 0;) {
        const Index a = edges[static_cast<std::size_t>(i)], b = edges[static_cast<std::size_t>(i) + 1];
        const bool is_recorded = layout.first() <= a && b <= layout.end();
        if (!is_recorded) {
          record(net, x, trace, a, b, state_before(net, x, trace, edges, i, [] {}), x_columns);
          if (b == layout.steps()) final_states(net, layout, work, trace.final_);
        }
        if (!is_recorded || !begun) {
          if (!x_columns) x_columns = trace.unpadded_.columns_of(x, layout, net.inputs());
          net.prepare_backward(Pass{layout, trace.seed_, are_tokens<X>, !dx.empty(), begun}, work);
          if (!begun) begin_d_states(net, layout, work, d_final);
          if (!begun && d_initial) begin_d_initial(net, layout, work, *d_initial);
          begun = true;
        }
        go_back(net, *x_columns, trace, dy, gradient, dx, {a, b, b < end, a >= first});
      }
      if (d_initial && begin == 0) add_d_initial(net, layout, work, *d_initial);
    }
    net.finish_backward(work, gradient);
    if (truncated) trace.kept_count_ = 0;
    for (Index t = layout.steps(); t < dx.steps(); ++t) dx[t].setZero();
  }

 private:
  template <class Net, class X>
  using ColumnsOf =
      std::optional<std::conditional_t<are_tokens<X>, TokensView, SeriesView<const typename Net::Scalar>>>;

  static Chunk whole(const Team& team, const BatchLayout& layout) {
    return {layout, team, share_of_sequences(team, layout), layout.first(), layout.end()};
  }

  /// Forward through steps first .. end - 1, whose records are in the trace then, from the state before them. Returns
  /// the seed for the next forward.
  template <class Net, class X>
  static DropoutSeed record(const Net& net, const X& x, auto& trace, Index first, Index end,
                            const typename Net::State& before, ColumnsOf<Net, X>& columns) {
    BatchLayout& layout = trace.layout_;
    layout.narrow(first, end);
    columns = trace.unpadded_.columns_of(x, layout, net.inputs());
    DropoutSeed seed = trace.seed_;
    net.prepare_forward(Pass{layout, seed, are_tokens<X>}, trace.workspace_);
    begin_states(net, layout, trace.workspace_, before);
    in_team(layout.batch(), multiply_adds(net, layout),
            [&](const Team& team) { run_forward(net, whole(team, layout), *columns, trace.workspace_); });
    return seed;
  }

  struct Steps {
    Index first, end;
    bool from_later, has_loss;
  };
  /// Back through some of the steps whose records are in the trace.
  template <class Net>
  static void go_back(const Net& net, const auto& x_columns, auto& trace, auto& dy, Net& gradient,
                      SeriesView<std::type_identity_t<typename Net::Scalar>> dx, Steps steps) {
    using View = SeriesView<const typename Net::Scalar>;
    const BatchLayout& layout = trace.layout_;
    auto& unpadded = trace.unpadded_;
    View dy_columns;
    if constexpr (std::is_convertible_v<decltype(dy), View>) {
      if (steps.has_loss) dy_columns = d_columns(net, trace, dy, steps.first, steps.end);
    } else {
      if (steps.has_loss) dy_columns = d_columns_of_loss(net, trace, dy, steps.first, steps.end);
    }
    auto dx_columns = dx;
    const bool pads_dx = layout.has_unequal_lengths() && !dx.empty();
    if (pads_dx) {
      unpadded.unpad(layout, steps.first, steps.end, View(dx), 0, unpadded.dx);
      dx_columns = unpadded.dx;
    } else if (!dx.empty()) {
      dx_columns = unpadded.flat(dx, steps.first, steps.end);
    }
    in_team(layout.batch(), multiply_adds(net, layout), [&](const Team& team) {
      const FlushToZero flush;
      Chunk chunk = whole(team, layout);
      chunk.first = steps.first;
      chunk.end = steps.end;
      chunk.from_later = steps.from_later;
      chunk.has_loss = steps.has_loss;
      if (steps.has_loss) chunk.set_zero(dx_columns);
      run_backward(net, chunk, x_columns, dy_columns, trace.workspace_, gradient, dx_columns);
    });
    if (pads_dx) unpadded.pad(layout, steps.first, steps.end, unpadded.dx, dx, 0);
  }

  // ---- States between segments ----

  static void keep(auto& trace, Index step, const auto& state) {
    if (trace.kept_.size() == trace.kept_count_) trace.kept_.emplace_back();
    auto& kept = trace.kept_[trace.kept_count_++];
    kept.step = step;
    kept.state = state;
  }
  static void begin_at_initial(auto& trace, const auto& initial) {
    trace.kept_.reserve(static_cast<std::size_t>(trace.cut_.states));
    trace.kept_count_ = 0;
    keep(trace, 0, initial);
    if (&initial != &trace.initial_) trace.initial_ = initial;
  }
  /// One segment, for the state after it alone.
  template <class Net, class X>
  static void pass_through(const Net& net, const X& x, auto& trace, Index first, Index end,
                           const typename Net::State& before) {
    ColumnsOf<Net, X> columns;
    record(net, x, trace, first, end, before, columns);
    final_states(net, trace.layout_, trace.workspace_, trace.now_);
  }
  /// The state before segment i, whose steps lie between `edges`, from the last one kept before it: those after it are
  /// forgotten, and others are kept on the way. Calls f() after each segment that it goes through.
  template <class Net, class X>
  static const typename Net::State& state_before(const Net& net, const X& x, auto& trace,
                                                 const std::vector<Index>& edges, Index i, auto&& f) {
    const auto edge = [&](Index j) { return edges[static_cast<std::size_t>(j)]; };
    while (trace.kept_[trace.kept_count_ - 1].step > edge(i)) --trace.kept_count_;
    const auto& kept = trace.kept_[trace.kept_count_ - 1];
    Index j = std::lower_bound(edges.begin(), edges.end(), kept.step) - edges.begin();
    const auto* before = &kept.state;
    while (j < i) {
      const Index free = trace.cut_.states - static_cast<Index>(trace.kept_count_);
      for (const Index next = std::min(i, j + to_next_state(i + 1 - j, free + 1)); j < next; ++j) {
        pass_through(net, x, trace, edge(j), edge(j + 1), *before);
        f();
        before = &trace.now_;
      }
      if (free > 0 && j < i) keep(trace, edge(j), trace.now_);
    }
    return *before;
  }
  /// Makes the first state that is kept that before step `begin`; others are forgotten where bptt is truncated.
  template <class Net, class X>
  static void go_to(const Net& net, const X& x, auto& trace, Index begin, bool truncated) {
    if (trace.kept_count_ == 0 || trace.kept_[0].step > begin) begin_at_initial(trace, trace.initial_);
    if (truncated) trace.kept_count_ = 1;
    auto& kept = trace.kept_[0];
    if (kept.step == begin) return;
    trace.cut_.edges(trace.layout_, kept.step, kept.step, begin, trace.stretch_);
    const auto* before = &kept.state;
    for (std::size_t i = 0; i + 1 < trace.stretch_.size(); ++i, before = &trace.now_)
      pass_through(net, x, trace, trace.stretch_[i], trace.stretch_[i + 1], *before);
    kept.step = begin;
    kept.state = trace.now_;
  }

  // ---- How long segments are ----

  /// What the memory of a network is: measured, with layouts of one chunk and of two.
  template <class Net, class X>
  static void measure(const Net& net, const X&, auto& trace, BatchLayout& layout) {
    const Index one = layout.end_of_run(0, backward_columns);
    const Index two = one < layout.steps() ? layout.end_of_run(one, backward_columns) : one;
    MemoryNeed need{.batch = layout.batch(),
                    .parameters = parameter_count(net),
                    .outputs = net.outputs(),
                    .of_tokens = are_tokens<X>,
                    .for_training = trace.dropout_.on,
                    .unequal = layout.has_unequal_lengths(),
                    .columns = two > one ? 0 : layout.column(one)};
    for_each_stateful([&](const auto& each) { need.states += each.state_size(); }, net);
    if (trace.need_.holds_for(need)) return;
    const auto bytes = [&](Index end) {
      layout.narrow(0, end);
      typename Net::Workspace work;
      DropoutSeed seed = trace.dropout_;
      net.prepare_forward(Pass{layout, seed, are_tokens<X>}, work);
      net.prepare_backward(Pass{layout, seed, are_tokens<X>, !are_tokens<X>}, work);
      return static_cast<double>(bytes_of(work));
    };
    const auto columns = [&](Index first, Index end) {
      return static_cast<double>(layout.column(end) - layout.column(first));
    };
    const double of_one = bytes(one), of_two = bytes(two);
    need.column = two > one ? (of_two - of_one) / columns(one, two) : of_one / columns(0, one);
    need.fixed = std::max(0.0, of_one - need.column * columns(0, one));
    layout.narrow(0, layout.steps());
    trace.need_ = need;
  }

  /// How the series is cut.
  template <class Net, class X>
  static Segmentation cut_for(const Net& net, const X& x, auto& trace, BatchLayout& layout, bool with_output) {
    const TraceOptions& options = trace.options_;
    if (options.every > 0) {
      const Index least = std::max(options.every, backward_columns / x.batch());  // steps of a segment
      return {.every = options.every, .states = layout.steps() / least + 1};
    }
    if (options.memory == 0 || layout.columns() == 0) return {};
    measure(net, x, trace, layout);
    constexpr bool reads = !requires { x.memory(); };
    return within_memory(layout,
                         {.memory = options.memory,
                          .need = trace.need_,
                          .steps = x.steps(),
                          .inputs = net.inputs(),
                          .pads = x.has_lengths(),
                          .reads = reads,
                          .with_output = with_output,
                          .number = sizeof(typename Net::Scalar),
                          .kept_state = sizeof(KeptState<typename Net::State>)},
                         trace.stretch_);
  }
};

}  // namespace recur::inline RECUR_ISA::detail
