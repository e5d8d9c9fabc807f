#pragma once
/// \file
/// A whole series through a network, forward and backward: in teams of threads, without the padding of sequences that
/// end early, and in segments where the records of all steps would be too much. What does not depend on the network's
/// type is compiled once for all networks: SeriesPass, which sees a network as ForwardSteps and BackwardSteps.

#include "../kernels/flush_to_zero.hpp"
#include "../kernels/gemm.hpp"
#include "trace.hpp"

#include <functional>
#include <optional>
#include <variant>

namespace recur::inline RECUR_ISA::detail {

// ---- What goes through the network ----------------------------------------------------------------------------------

/// Whether x are tokens.
template <class X>
inline constexpr bool are_tokens = std::is_same_v<X, TokensView> || std::is_same_v<X, TokensReader>;

/// Some of the steps of x, as columns in the order of BatchLayout.
template <class Scalar>
using InputColumns = std::variant<SeriesView<const Scalar>, TokensView>;

/// x_1 .. x_T, whatever type they have: a view or a reader, of numbers or of tokens.
template <class Scalar>
class SeriesInput {
 public:
  bool of_tokens;
  bool reads;  // in parts: it is not in memory as a whole

  virtual Index batch() const = 0;
  virtual Index steps() const = 0;
  virtual Index steps_left(Index n) const = 0;
  virtual void assign_to(BatchLayout& layout) const = 0;
  /// The steps of the layout's window, of so many features.
  virtual InputColumns<Scalar> columns(Unpadded<Scalar>& unpadded, const BatchLayout& layout, Index inputs) const = 0;

 protected:
  SeriesInput(bool tokens, bool in_parts) : of_tokens(tokens), reads(in_parts) {}
  ~SeriesInput() = default;
};
template <class Scalar, class X>
class SeriesInputOf final : public SeriesInput<Scalar> {
 public:
  explicit SeriesInputOf(const X& x) : SeriesInput<Scalar>(are_tokens<X>, !requires { x.memory(); }), x_(x) {}
  Index batch() const override { return x_.batch(); }
  Index steps() const override { return x_.steps(); }
  Index steps_left(Index n) const override { return x_.steps_left(n); }
  void assign_to(BatchLayout& layout) const override { layout.assign(x_); }
  InputColumns<Scalar> columns(Unpadded<Scalar>& unpadded, const BatchLayout& layout, Index inputs) const override {
    return unpadded.columns_of(x_, layout, inputs);
  }

 private:
  const X& x_;
};

/// A loss of the steps from `first` on, as bptt() takes it: sets dL/dy.
template <class Scalar>
using LossOfPart = std::function<void(Index first, SeriesView<const Scalar> y, Series<Scalar>& dy)>;

// ---- What it goes through -------------------------------------------------------------------------------------------

/// Where a state is: as the caller gave it; or in the trace, before the first step, before the next, after the last,
/// and, from here on, those that are kept on the way.
enum class StateAt : std::size_t { given, initial, now, last, kept };
/// The i-th of those that are kept.
inline StateAt kept_state(std::size_t i) { return static_cast<StateAt>(static_cast<std::size_t>(StateAt::kept) + i); }
/// Where it stands among the states of a trace.
inline std::size_t index_of(StateAt place) { return static_cast<std::size_t>(place) - 1; }

/// A network with its trace, on the way forward: what SeriesPass asks of it. The functions of a layer are behind it,
/// and those of layer.hpp that go through all layers. A class of its own for each Team, as Chunk is: a table of
/// functions must not be shared by code with barriers and code without.
template <class Scalar, class Team_>
class ForwardSteps {
 public:
  virtual Index inputs() const = 0;
  virtual Index outputs() const = 0;
  virtual Index parameters() const = 0;
  virtual Index numbers_of_state() const = 0;  // of all layers, for one sequence
  virtual Index bytes_of_state() const = 0;    // without its numbers
  /// The bytes of a workspace of its own that has been prepared, forward and backward.
  virtual Index bytes_of_workspace(const BatchLayout& layout, DropoutSeed seed) const = 0;

  /// Gives the memory of the workspace and the states back.
  virtual void free() = 0;
  /// Makes so many places for states to be kept in.
  virtual void reserve(std::size_t states) = 0;
  virtual void copy_state(StateAt from, StateAt to) = 0;

  virtual void prepare(const Pass& pass) = 0;
  virtual void begin_states(const BatchLayout& layout, StateAt from) = 0;
  virtual void run(const ChunkOf<Team_>& whole, const InputColumns<Scalar>& x) = 0;
  virtual SeriesView<const Scalar> output_columns() const = 0;
  virtual void final_states(const BatchLayout& layout, StateAt to) = 0;

 protected:
  ~ForwardSteps() = default;
};

/// The same on the way back, with a gradient, dL/d(final state), and dL/d(initial state) where that is asked for.
template <class Scalar, class Team_>
class BackwardSteps {
 public:
  virtual void prepare(const Pass& pass) = 0;
  /// Before the last chunk.
  virtual void begin_d_states(const BatchLayout& layout) = 0;
  virtual void run(const ChunkOf<Team_>& whole, const InputColumns<Scalar>& x, SeriesView<const Scalar> dy,
                   SeriesView<Scalar> dx) = 0;
  /// After that of step 0.
  virtual void add_d_initial(const BatchLayout& layout) = 0;
  virtual void finish() = 0;

 protected:
  ~BackwardSteps() = default;
};

/// y_1 .. y_T of the last forward, from the network's output columns where all of them are there, else from the copy.
template <class Scalar>
SeriesView<const Scalar> output(const SeriesMemory<Scalar>& of_trace, const SeriesView<const Scalar>& columns) {
  using View = SeriesView<const Scalar>;
  if (of_trace.layout.has_unequal_lengths()) return View(of_trace.unpadded.y).with_steps_left(of_trace.left);
  View y = of_trace.unpadded.y;
  if (of_trace.segments() == 1)
    y = View(columns.data(), columns.features(), of_trace.batch, of_trace.steps, columns.stride());
  return y.followed_by(of_trace.left[0] - of_trace.steps);
}

// ---- The way --------------------------------------------------------------------------------------------------------

/// One call of forward or bptt: a whole series through a network, forward and back.
template <class Scalar, class Team_ = Team>
class SeriesPass {
  using View = SeriesView<const Scalar>;
  using Forward = ForwardSteps<Scalar, Team_>;
  using Backward = BackwardSteps<Scalar, Team_>;
  static constexpr Index bytes_of_number = sizeof(Scalar);

 public:
  SeriesPass(Forward& net, const SeriesInput<Scalar>& x, SeriesMemory<Scalar>& of_trace)
      : net_(net), x_(x), memory_(of_trace) {}

  /// As LayerOf::forward, which has checked.
  View forward() {
    begin(true);
    go_forward();
    return output(memory_, net_.output_columns());
  }

  /// The first half of bptt with a loss. Where it is truncated, and there are segments, each stretch goes forward by
  /// itself.
  void forward_for_loss(bool truncated) {
    begin(false);
    if (segments() == 1 || !truncated) {
      go_forward();
    } else {
      begin_at(StateAt::given);
      DropoutSeed seed = memory_.seed;
      memory_.layout.narrow(0, 0);
      net_.prepare(Pass{memory_.layout, seed, x_.of_tokens});
      memory_.dropout = seed;
    }
  }

  /// As bptt, which has checked: dx may be empty, 0 < stride <= window. The gradient is that of `dy`, a whole series,
  /// which may be empty, or of the loss, where there is one.
  void backward(Backward& back, View dy, const LossOfPart<Scalar>& loss, SeriesView<Scalar> dx, Index window,
                Index stride) {
    const BatchLayout& layout = memory_.layout;
    const std::vector<Index>& edges = memory_.stretch;
    const bool truncated = stride < layout.steps() || window < layout.steps();
    bool begun = false;
    memory_.scratch.resize(scratch_of_all(layout.batch()), 1);
    complete(false);
    // The loss of each stretch of `stride` steps goes back to `window` steps before its end, or before where its end
    // would be: of the last, too, so that where it begins does not depend on the longest sequence of the batch.
    for (Index first = 0; first < std::max<Index>(1, layout.steps()); first += stride) {
      const Index end = std::min(first + stride, layout.steps()), begin = std::max<Index>(0, first + stride - window);
      if (segments() > 1) go_to(begin, truncated);
      memory_.cut.edges(layout, begin, first, end, memory_.stretch);
      for (Index i = std::ssize(edges) - 1; i-- > 0;) {
        const Index a = edges[static_cast<std::size_t>(i)], b = edges[static_cast<std::size_t>(i) + 1];
        const bool is_recorded = layout.first() <= a && b <= layout.end();
        if (!is_recorded) {
          record(a, b, state_before(edges, i, [] {}));
          if (b == layout.steps()) net_.final_states(layout, StateAt::last);
        }
        if (!is_recorded || !begun) {
          if (!columns_) columns_ = columns_of_x();
          back.prepare(Pass{layout, memory_.seed, x_.of_tokens, !dx.empty(), begun});
          if (!begun) back.begin_d_states(layout);
          begun = true;
        }
        go_back(back, dy, loss, dx, {a, b, b < end, a >= first});
      }
      if (begin == 0) back.add_d_initial(layout);
    }
    back.finish();
    if (truncated) memory_.kept.clear();
    for (Index t = layout.steps(); t < dx.steps(); ++t) dx[t].setZero();
    complete(true);
  }

 private:
  /// Whether the trace has what it says; if not, as while it is on its way, for what reads or computes the loss may
  /// throw, it counts as empty.
  void complete(bool is) { memory_.batch = is ? memory_.layout.batch() : 0; }
  Index segments() const { return memory_.segments(); }
  InputColumns<Scalar> columns_of_x() { return x_.columns(memory_.unpadded, memory_.layout, net_.inputs()); }
  Index threads() const {
    const BatchLayout& layout = memory_.layout;
    return team_size(layout.batch(),
                     [&] { return static_cast<double>(net_.parameters() * std::min(layout.columns(), team_columns)); });
  }
  /// Numbers of memory that packed products need on the way back, for each thread and for the most threads that a batch
  /// may have. Small networks have no such products.
  ///@{
  Index scratch_each() const { return net_.parameters() < 4096 ? 0 : packed_outer_product_size<Scalar>; }
  Index scratch_of_all(Index batch) const {
    return scratch_each() * team_size(batch, [] { return multiply_adds_each; });
  }
  ///@}
  ChunkOf<Team_> whole(const Team_& team) const {
    const BatchLayout& layout = memory_.layout;
    return {layout, team, share_of_sequences(team, layout), layout.first(), layout.end()};
  }

  /// Before the first step: where the steps lie, and which of them are a segment.
  void begin(bool with_output) {
    const bool may_refuse = memory_.options.memory > 0;
    BatchLayout& layout = may_refuse ? memory_.next : memory_.layout;
    x_.assign_to(layout);
    const Segmentation cut = cut_for(layout, with_output);
    if (may_refuse) {
      const bool has_more = memory_.scratch.bytes() > scratch_of_all(layout.batch()) * bytes_of_number;
      if (cut != memory_.cut || has_more) free();  // another use of its memory would come on top
      memory_.layout = layout;
    }
    memory_.cut = cut;
    complete(false);
    memory_.steps = x_.steps();
    memory_.left.resize(static_cast<std::size_t>(layout.batch()));
    for (Index n = 0; n < layout.batch(); ++n) memory_.left[static_cast<std::size_t>(n)] = x_.steps_left(n);
    memory_.has_output = with_output;
    memory_.seed = memory_.dropout;
    memory_.cut.edges(memory_.layout, 0, 0, memory_.layout.steps(), memory_.edges);
    memory_.kept.clear();
  }
  /// The memory of what the last forward left.
  void free() {
    net_.free();
    memory_.unpadded = {};
    memory_.scratch = {};
    memory_.kept = std::vector<Index>();
    memory_.batch = 0;
  }

  /// Through all segments: the records of the last are in the trace then.
  void go_forward() {
    const BatchLayout& layout = memory_.layout;
    auto& unpadded = memory_.unpadded;
    const bool keeps_y = memory_.has_output && (layout.has_unequal_lengths() || segments() > 1);
    if (keeps_y) unpadded.y.resize(net_.outputs(), layout.batch(), memory_.steps);
    const auto keep_y = [&] {
      if (keeps_y) unpadded.pad(layout, layout.first(), layout.end(), net_.output_columns(), unpadded.y, 0);
    };
    StateAt before = StateAt::given;
    if (segments() > 1) {
      begin_at(StateAt::given);
      before = state_before(memory_.edges, segments() - 1, keep_y);
    }
    memory_.dropout = record(memory_.edges.end()[-2], memory_.edges.back(), before);
    keep_y();
    if (keeps_y)
      for (Index t = layout.steps(); t < memory_.steps; ++t) SeriesView<Scalar>(unpadded.y)[t].setZero();
    if (segments() > 1) net_.final_states(layout, StateAt::last);
    complete(true);
  }

  /// Forward through steps first .. end - 1, whose records are in the trace then, from the state before them. Returns
  /// the seed for the next forward.
  DropoutSeed record(Index first, Index end, StateAt before) {
    BatchLayout& layout = memory_.layout;
    layout.narrow(first, end);
    columns_ = columns_of_x();
    DropoutSeed seed = memory_.seed;
    net_.prepare(Pass{layout, seed, x_.of_tokens});
    net_.begin_states(layout, before);
    in_team(threads(), [&](const Team_& team) { net_.run(whole(team), *columns_); });
    return seed;
  }

  /// dL/dy of steps first .. end - 1 as columns.
  View d_columns(View dy, Index first, Index end) {
    auto& unpadded = memory_.unpadded;
    if (dy.empty()) return dy;
    if (!memory_.layout.has_unequal_lengths()) return unpadded.flat(dy, first, end);
    unpadded.unpad(memory_.layout, first, end, dy, 0, unpadded.dy);
    return View(unpadded.dy);
  }
  /// The same from a loss, which is called with y of these steps.
  View d_columns_of(const LossOfPart<Scalar>& loss, Index first, Index end) {
    const BatchLayout& layout = memory_.layout;
    auto& unpadded = memory_.unpadded;
    const View all = net_.output_columns();
    const View columns = all.window(layout.column(first), layout.column(end) - layout.column(first));
    View y(columns.data(), columns.features(), layout.batch(), layout.has_unequal_lengths() ? 0 : end - first,
           columns.stride());
    if (layout.has_unequal_lengths()) {
      unpadded.y.resize(columns.features(), layout.batch(), end - first);
      unpadded.pad(layout, first, end, columns, unpadded.y, first);
      memory_.left_of_part.resize(memory_.left.size());
      std::transform(memory_.left.begin(), memory_.left.end(), memory_.left_of_part.begin(),
                     [&](Index left) { return std::max<Index>(0, left - first); });
      y = View(unpadded.y).with_steps_left(memory_.left_of_part);
    } else {
      y = y.followed_by(memory_.left[0] - end);
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

  struct Steps {
    Index first, end;
    bool from_later, has_loss;
  };
  /// Back through some of the steps whose records are in the trace.
  void go_back(Backward& back, View dy, const LossOfPart<Scalar>& loss, SeriesView<Scalar> dx, const Steps& steps) {
    const BatchLayout& layout = memory_.layout;
    auto& unpadded = memory_.unpadded;
    View dy_columns;
    if (steps.has_loss)
      dy_columns = loss ? d_columns_of(loss, steps.first, steps.end) : d_columns(dy, steps.first, steps.end);
    auto dx_columns = dx;
    const bool pads_dx = layout.has_unequal_lengths() && !dx.empty();
    if (pads_dx) {
      unpadded.unpad(layout, steps.first, steps.end, View(dx), 0, unpadded.dx);
      dx_columns = unpadded.dx;
    } else if (!dx.empty()) {
      dx_columns = unpadded.flat(dx, steps.first, steps.end);
    }
    const Index each = scratch_each();
    in_team(threads(), [&](Team_ team) {
      const FlushToZero flush;
      auto all = memory_.scratch.view();
      if ((team.member + 1) * each <= all.size())  // not so where the loss has asked OpenMP for more threads
        team.scratch = {all.data() + team.member * each, each * bytes_of_number};
      ChunkOf<Team_> chunk = whole(team);
      chunk.first = steps.first;
      chunk.end = steps.end;
      chunk.from_later = steps.from_later;
      chunk.has_loss = steps.has_loss;
      if (steps.has_loss) chunk.set_zero(dx_columns);
      back.run(chunk, *columns_, dy_columns, dx_columns);
    });
    if (pads_dx) unpadded.pad(layout, steps.first, steps.end, unpadded.dx, dx, 0);
  }

  // ---- States between segments ----

  /// Keeps a state, which is that before a step.
  void keep(Index step, StateAt state) {
    net_.copy_state(state, kept_state(memory_.kept.size()));
    memory_.kept.push_back(step);
  }
  StateAt last_kept() const { return kept_state(memory_.kept.size() - 1); }
  void begin_at(StateAt initial) {
    const auto states = static_cast<std::size_t>(memory_.cut.states);
    memory_.kept.reserve(states);
    net_.reserve(states);
    memory_.kept.clear();
    keep(0, initial);
    if (initial != StateAt::initial) net_.copy_state(initial, StateAt::initial);
  }
  /// One segment, for the state after it alone.
  StateAt pass_through(Index first, Index end, StateAt before) {
    record(first, end, before);
    net_.final_states(memory_.layout, StateAt::now);
    return StateAt::now;
  }
  /// The state before segment i, whose steps lie between `edges`, from the last one kept before it: those after it are
  /// forgotten, and others are kept on the way. Calls f() after each segment that it goes through.
  StateAt state_before(const std::vector<Index>& edges, Index i, auto&& f) {
    const auto edge = [&](Index j) { return edges[static_cast<std::size_t>(j)]; };
    while (memory_.kept.back() > edge(i)) memory_.kept.pop_back();
    Index j = std::lower_bound(edges.begin(), edges.end(), memory_.kept.back()) - edges.begin();
    StateAt before = last_kept();
    while (j < i) {
      const Index free = memory_.cut.states - std::ssize(memory_.kept);
      for (const Index next = std::min(i, j + to_next_state(i + 1 - j, free + 1)); j < next; ++j) {
        before = pass_through(edge(j), edge(j + 1), before);
        f();
      }
      if (free > 0 && j < i) keep(edge(j), before);
    }
    return before;
  }
  /// Makes the first state that is kept that before step `begin`; others are forgotten where bptt is truncated.
  void go_to(Index begin, bool truncated) {
    auto& kept = memory_.kept;
    if (kept.empty() || kept[0] > begin) begin_at(StateAt::initial);
    if (truncated) kept.resize(1);
    if (kept[0] == begin) return;
    memory_.cut.edges(memory_.layout, kept[0], kept[0], begin, memory_.stretch);
    StateAt before = kept_state(0);
    for (std::size_t i = 0; i + 1 < memory_.stretch.size(); ++i)
      before = pass_through(memory_.stretch[i], memory_.stretch[i + 1], before);
    kept[0] = begin;
    net_.copy_state(before, kept_state(0));
  }

  // ---- How long segments are ----

  /// What the memory of a network is: measured, with layouts of one chunk and of two.
  void measure(BatchLayout& layout) {
    const Index one = layout.end_of_run(0, backward_columns);
    const Index two = one < layout.steps() ? layout.end_of_run(one, backward_columns) : one;
    MemoryNeed need{.batch = layout.batch(),
                    .parameters = net_.parameters(),
                    .states = net_.numbers_of_state(),
                    .outputs = net_.outputs(),
                    .of_tokens = x_.of_tokens,
                    .for_training = memory_.dropout.on,
                    .unequal = layout.has_unequal_lengths(),
                    .columns = two > one ? 0 : layout.column(one)};
    if (memory_.need.holds_for(need)) return;
    const auto bytes = [&](Index end) {
      layout.narrow(0, end);
      return static_cast<double>(net_.bytes_of_workspace(layout, memory_.dropout));
    };
    const auto columns = [&](Index first, Index end) {
      return static_cast<double>(layout.column(end) - layout.column(first));
    };
    const double of_one = bytes(one), of_two = bytes(two);
    need.column = two > one ? (of_two - of_one) / columns(one, two) : of_one / columns(0, one);
    need.fixed = std::max(0.0, of_one - need.column * columns(0, one));
    layout.narrow(0, layout.steps());
    memory_.need = need;
  }

  /// How the series is cut.
  Segmentation cut_for(BatchLayout& layout, bool with_output) {
    const TraceOptions& options = memory_.options;
    if (options.every > 0) {
      const Index least = std::max(options.every, backward_columns / layout.batch());  // steps of a segment
      return {.every = options.every, .states = layout.steps() / least + 1};
    }
    if (options.memory == 0 || layout.columns() == 0) return {};
    measure(layout);
    MemoryNeed need = memory_.need;
    need.fixed += static_cast<double>(scratch_of_all(layout.batch()) * bytes_of_number);
    return within_memory(layout,
                         {.memory = options.memory,
                          .need = need,
                          .steps = x_.steps(),
                          .inputs = net_.inputs(),
                          .pads = layout.has_unequal_lengths(),
                          .reads = x_.reads,
                          .with_output = with_output,
                          .number = bytes_of_number,
                          .kept_state = static_cast<std::size_t>(net_.bytes_of_state()) + sizeof(Index)},
                         memory_.stretch);
  }

  Forward& net_;
  const SeriesInput<Scalar>& x_;
  SeriesMemory<Scalar>& memory_;
  std::optional<InputColumns<Scalar>> columns_;  // of the steps whose records are in the trace
};

// ---- A network of its own type --------------------------------------------------------------------------------------

/// As ForwardSteps; of tokens or of numbers.
template <class Net, bool of_tokens, class Team_ = Team>
class ForwardOf final : public ForwardSteps<typename Net::Scalar, Team_> {
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;

 public:
  ForwardOf(const Net& net, typename Net::Trace& trace, const State& given)
      : net_(net), work_(OfTrace::workspace(trace)), states_(OfTrace::states(trace)), given_(given) {}

  Index inputs() const override { return net_.inputs(); }
  Index outputs() const override { return net_.outputs(); }
  Index parameters() const override { return parameter_count(net_); }
  Index numbers_of_state() const override {
    Index numbers = 0;
    for_each_stateful([&](const auto& each) { numbers += each.state_size(); }, net_);
    return numbers;
  }
  Index bytes_of_state() const override { return sizeof(State); }
  Index bytes_of_workspace(const BatchLayout& layout, DropoutSeed seed) const override {
    typename Net::Workspace work;
    net_.prepare_forward(Pass{layout, seed, of_tokens}, work);
    net_.prepare_backward(Pass{layout, seed, of_tokens, !of_tokens}, work);
    return bytes_of(work);
  }

  void free() override {
    work_ = typename Net::Workspace();
    states_ = std::vector<State>();  // not {}, which would leave the memory of the table
  }
  void reserve(std::size_t states) override {
    if (states_.size() < index_of(kept_state(states))) states_.resize(index_of(kept_state(states)));
  }
  void copy_state(StateAt from, StateAt to) override { states_[index_of(to)] = state(from); }

  void prepare(const Pass& pass) override { net_.prepare_forward(pass, work_); }
  void begin_states(const BatchLayout& layout, StateAt from) override {
    detail::begin_states(net_, layout, work_, state(from));
  }
  void run(const ChunkOf<Team_>& whole, const InputColumns<Scalar>& x) override {
    if constexpr (of_tokens) {
      run_forward(net_, whole, std::get<TokensView>(x), work_);
    } else {
      run_forward(net_, whole, std::get<SeriesView<const Scalar>>(x), work_);
    }
  }
  SeriesView<const Scalar> output_columns() const override { return net_.output_columns(work_); }
  void final_states(const BatchLayout& layout, StateAt to) override {
    detail::final_states(net_, layout, work_, states_[index_of(to)]);
  }

 private:
  const State& state(StateAt place) const { return place == StateAt::given ? given_ : states_[index_of(place)]; }

  const Net& net_;
  typename Net::Workspace& work_;
  std::vector<State>& states_;
  const State& given_;
};

/// As BackwardSteps.
template <class Net, bool of_tokens, class Team_ = Team>
class BackwardOf final : public BackwardSteps<typename Net::Scalar, Team_> {
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;

 public:
  /// d_initial may be null.
  BackwardOf(const Net& net, typename Net::Trace& trace, Net& gradient, const State& d_final, State* d_initial)
      : net_(net), work_(OfTrace::workspace(trace)), gradient_(gradient), d_final_(d_final), d_initial_(d_initial) {}

  void prepare(const Pass& pass) override { net_.prepare_backward(pass, work_); }
  void begin_d_states(const BatchLayout& layout) override {
    detail::begin_d_states(net_, layout, work_, d_final_);
    if (d_initial_) begin_d_initial(net_, layout, work_, *d_initial_);
  }
  void run(const ChunkOf<Team_>& whole, const InputColumns<Scalar>& x, SeriesView<const Scalar> dy,
           SeriesView<Scalar> dx) override {
    if constexpr (of_tokens) {
      run_backward(net_, whole, std::get<TokensView>(x), dy, work_, gradient_, dx);
    } else {
      run_backward(net_, whole, std::get<SeriesView<const Scalar>>(x), dy, work_, gradient_, dx);
    }
  }
  void add_d_initial(const BatchLayout& layout) override {
    if (d_initial_) detail::add_d_initial(net_, layout, work_, *d_initial_);
  }
  void finish() override { net_.finish_backward(work_, gradient_); }

 private:
  const Net& net_;
  typename Net::Workspace& work_;
  Net& gradient_;
  const State& d_final_;
  State* d_initial_;
};

/// What forward needs, and bptt where it goes forward itself.
template <class Net, class X>
void require_forward(const char* where, const Net& net, const X& x, const typename Net::Trace& trace,
                     const typename Net::State& initial) {
  static_assert(Layer<Net>, "forward: the network must have what recur::Layer asks for");
  x.require_inputs(where, net.inputs());
  net.require_shapes(where);
  require_state(where, "initial", net, initial, x.batch());
  if constexpr (requires { x.memory(); }) {
    const MemoryRange read = x.memory();
    bool overlaps = false;
    trace.for_each_buffer([&](const auto& buffer) { overlaps |= memory_of(buffer).overlaps(read); });
    require(!overlaps, where, ": x must not lie in this trace, as what it gave before does: it is overwritten");
  }
}

/// As LayerOf::forward.
template <class Net, class X>
SeriesView<const typename Net::Scalar> forward(const Net& net, const X& x, typename Net::Trace& trace,
                                               const typename Net::State& initial) {
  require_forward("forward", net, x, trace, initial);
  ForwardOf<Net, are_tokens<X>> steps(net, trace, initial);
  const SeriesInputOf<typename Net::Scalar, X> input(x);
  return SeriesPass<typename Net::Scalar>(steps, input, OfTrace::memory(trace)).forward();
}

/// The state after the last step.
template <class Net>
void final_state(const Net& net, const typename Net::Trace& trace, typename Net::State& state) {
  if (trace.segments() > 1) {
    state = OfTrace::states(trace)[index_of(StateAt::last)];
  } else {
    final_states(net, trace.layout(), trace.workspace(), state);
  }
}

}  // namespace recur::inline RECUR_ISA::detail
