#pragma once
/// \file
/// Learning step by step, without going back in time, in constant memory.

#include "../cells/influence.hpp"
#include "../layers/series_pass.hpp"

namespace recur::inline RECUR_ISA {

template <class, class>
class AnyCell;

/// Options of Online.
struct OnlineOptions {
  OnlineMethod method = OnlineMethod::best;  ///< of all cells of the network
  /// Steps, >= 1, whose influence is worked out together, where each parameter's is that on its own unit: by `best` and
  /// `snap1`, and by `exact` of cells without a product with h_<t-1>. With 16 or 32 a step takes a third (large layers)
  /// to four fifths (small ones) of the time, on average; the last takes the time for all. Each keeps memory until
  /// then, as a step back through the cell does for each number of a unit's state and once more. gradient() is whole
  /// when it returns: if it is asked for after every step, nothing is saved. Ask for it before parameters change.
  Index every = 1;
};

namespace detail {

/// A layer without a past of its own, or one whose parameters are taken to have none.
struct NoInfluence {
  void clear(Index) {}
  void for_each_buffer(auto&&) const {}
};
template <class L>
inline constexpr bool is_cell = requires { typename L::Recurrence; } && !Composite<const L>;
template <class L>
inline constexpr bool is_any_cell = false;
template <class Scalar, class Team>
inline constexpr bool is_any_cell<AnyCell<Scalar, Team>> = true;

/// The influences of all cells within a layer: of one made of others a tuple or vector.
template <class L>
auto influence_of(const L& layer, OnlineMethod method, Index every) {
  static_assert(!is_any_cell<L>, "Online: not for AnyCell, which hides its rule: use the Cell itself");
  if constexpr (Composite<const L>) {
    auto&& children = children_of(layer);
    if constexpr (requires { children.begin(); }) {
      std::vector<decltype(influence_of(children[0], method, every))> all;
      for (const auto& child : children) all.push_back(influence_of(child, method, every));
      return all;
    } else {
      return std::apply(
          [&](const auto&... each) {
            return std::tuple<decltype(influence_of(each, method, every))...>(influence_of(each, method, every)...);
          },
          children);
    }
  } else if constexpr (is_cell<L>) {
    return CellInfluence<typename L::Rule, typename L::Scalar>(layer, method, every);
  } else {
    return NoInfluence();
  }
}

/// One step of one sequence, forward and back: what SeriesPass does with a series, and nothing that a series needs.
template <class Net>
class OneStep {
  using Scalar = typename Net::Scalar;

 public:
  explicit OneStep(const Tokens& of_one_step) { layout_.assign(TokensView(of_one_step)); }

  /// y_t, with the state before it, of which it makes that after it.
  template <class X>
  const Scalar* forward(const Net& net, const X& x, typename Net::State& state) {
    DropoutSeed none;
    net.prepare_forward(Pass{layout_, none, are_tokens<X>}, work_);
    begin_states(net, layout_, work_, state);
    run_forward(net, chunk(), x, work_);
    final_states(net, layout_, work_, state);
    return net.output_columns(work_).data();
  }
  /// Adds to the gradient.
  template <class X>
  void backward(const Net& net, const X& x, SeriesView<const Scalar> dy, Net& gradient) {
    DropoutSeed none;
    net.prepare_backward(Pass{layout_, none, are_tokens<X>}, work_);
    run_backward(net, chunk(), x, dy, work_, gradient, {});
    net.finish_backward(work_, gradient);
  }
  auto& workspace() { return work_; }
  const auto& workspace() const { return work_; }

 private:
  Chunk chunk() const { return {layout_, team_, {0, 1}, 0, 1}; }

  BatchLayout layout_;
  Team team_;  // of this thread alone
  typename Net::Workspace work_;
};

}  // namespace detail

/// A network that learns while it runs, a step at a time, as Stream runs it:
///
///     recur::Online online(net);
///     for (;;) {
///       const auto y = online.step(x);
///       online.learn(dL_dy);                        // adds to online.gradient()
///       sgd.step(net, online.gradient());           // as often as one likes
///       recur::set_zero(online.gradient());
///     }
///
/// The gradient of L_t is that of this step, from bptt, and dL_t/ds_<t-1> J_<t-1>, where J is d(state) / d(parameters),
/// which each cell carries on from step to step: see OnlineMethod. For one cell and any layers without a state above it
/// the exact method's sum over all steps is the gradient of bptt over the whole series. In a stack, the error goes from
/// a layer to those below it within the step; that through the past of a layer to the parameters of another is left out
/// (K. Irie, A. Gopalakrishnan, J. Schmidhuber, "Exploring the promise and limits of real-time recurrent learning",
/// 2023), as is that of a layer with a state that is no Cell. Where parameters change, J_t goes on from J_<t-1> with
/// those that step t was made with. Dropout and the like are off, as in Stream.
///
/// Memory is constant, and made by the constructor: step() and learn() are noexcept, take no lock and allocate nothing;
/// what does not fit ends the program with a message, as in Stream. The network is read where it is, and must live as
/// long.
template <class Net>
class Online {
 public:
  static_assert(Net::causal, "Online: a bidirectional layer cannot go step by step");
  /// Types of the network; y_t as a view.
  ///@{
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;
  using Output = Eigen::Map<const VectorOf<Scalar, Net::outputs_at_compile_time>>;
  ///@}

  /// Starts from the zero state, and a gradient of zero. Throws std::invalid_argument where the method is not for a
  /// cell of the network or every < 1, and where its memory could not be counted.
  explicit Online(const Net& net, OnlineOptions options = {})
      : net_(&net), gradient_(zeros_like(net)),
        influence_(detail::influence_of(net, options.method, steps_of(options))), x_(net.inputs(), 1, 1), token_(1, 1),
        dy_(net.outputs(), 1, 1), state_(net.state(1)), d_initial_(net.state(1)), one_(token_) {
    static_assert(Layer<Net>, "Online: the network must have what recur::Layer asks for");
    net.require_shapes("Online");
    x_.matrix().setZero();
    dy_.matrix().setZero();
    // All memory is made here: by a step that nothing comes of.
    const auto both = [&](const auto& x) {
      go_forward(x);
      pass_over();
      go_forward(x);
      go_back(x);
    };
    if constexpr (Net::takes_tokens) {
      token_(0, 0) = 0;
      both(TokensView(token_));
    }
    both(SeriesView<const Scalar>(x_));
    set_zero(gradient());
    reset();
  }
  explicit Online(const Net&& temporary, OnlineOptions options = {}) = delete;
  /// It can be moved, not copied: visit_memory() is for what is to be kept.
  ///@{
  Online(Online&&) = default;
  Online& operator=(Online&&) = default;
  ///@}

  /// y_t for x_t, a vector of inputs: a view of a vector of outputs, valid until the next step.
  template <class X>
  Output step(const Eigen::MatrixBase<X>& x) noexcept {
    static_assert(X::ColsAtCompileTime == 1, "step: x must be a column vector");
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "step: x must have the network's scalar type");
    require_equal("step", "x.rows()", x.rows(), "inputs()", net_->inputs());
    require_net("step");
    pass_over();
    x_[0] = x;
    return go_forward(SeriesView<const Scalar>(x_));
  }
  /// The same for a token, 0 .. inputs - 1.
  Output step(Token x) noexcept {
    static_assert(Net::takes_tokens, "step: tokens are for networks whose first layer is a Cell or an Embedding");
    require_net("step");
    require(x.id >= 0 && x.id < net_->inputs(), "step: x must be in 0 .. ", net_->inputs() - 1,
            " (inputs() kinds of tokens), got ", x.id);
    pass_over();
    token_(0, 0) = x.id;
    return go_forward(TokensView(token_));
  }
  /// The same for a network of one input and one output.
  Scalar step(Scalar x) noexcept
    requires((Net::inputs_at_compile_time == 1 || Net::inputs_at_compile_time == Dynamic) &&
             (Net::outputs_at_compile_time == 1 || Net::outputs_at_compile_time == Dynamic))
  {
    require(net_->inputs() == 1 && net_->outputs() == 1,
            "step: a number is for one input and one output, this network has ", net_->inputs(), " and ",
            net_->outputs(), " (a kind of token is recur::Token{3})");
    return step(VectorOf<Scalar, 1>(x))[0];
  }

  /// Adds the gradient of L_t, of the last step, to gradient(), from dL_t/dy_t: once for each step at most, so that of
  /// several losses dL_t/dy_t is to be added up first.
  template <class D>
  void learn(const Eigen::MatrixBase<D>& dy) noexcept {
    static_assert(D::ColsAtCompileTime == 1, "learn: dL/dy must be a column vector");
    static_assert(std::is_same_v<typename D::Scalar, Scalar>, "learn: dL/dy must have the network's scalar type");
    require_equal("learn", "dL_dy.rows()", dy.rows(), "outputs()", net_->outputs());
    require(now_ != Now::nothing,
            "learn: a step must have been made since the last learn(), reset() or visit_memory()");
    dy_[0] = dy;
    if constexpr (Net::takes_tokens)
      if (now_ == Now::token) return go_back(TokensView(token_));
    go_back(SeriesView<const Scalar>(x_));
  }
  /// The same for a network of one output.
  void learn(Scalar dy) noexcept { learn(VectorOf<Scalar, 1>(dy)); }

  /// What learn() has added up: of the network's type, to be given to an optimiser, and set to zero. It is whole until
  /// the next learn(); where OnlineOptions::every is more than 1, ask for it again then. To ask ends the group of steps
  /// that wait, upon which the rounding of what comes later depends.
  Net& gradient() noexcept {
    require_net("gradient");
    finish();
    return gradient_;
  }
  /// dL/d(initial state), added up, too; of a state since reset(). Zero where the method carries nothing.
  const State& d_initial() noexcept {
    require_net("d_initial");
    finish();
    return d_initial_;
  }

  /// Back to the zero state, upon which nothing has had an influence. The gradient stays.
  void reset() noexcept {
    require_net("reset");
    visit_state([](auto& s) { s.setZero(); }, state_);
    begin();
  }
  /// To a given state, of a batch of 1. Throws std::invalid_argument where its shape does not fit.
  void reset(const State& state) {
    require_net("reset");
    detail::require_state("reset", "state", *net_, state, 1);
    const State given = state;  // which may be state_
    reset();
    detail::for_each_stateful(
        [](const auto&, auto& to, const auto& from) {
          if (from.cols() > 0) to = from;
        },
        *net_, state_, given);
  }
  /// The state after the last step, of a batch of 1.
  const State& state() const { return state_; }
  /// The memory that it holds.
  Index bytes() const {
    Index bytes = detail::bytes_of(one_.workspace()) + parameter_count(gradient_) * static_cast<Index>(sizeof(Scalar));
    detail::for_each_leaf(
        [&](const auto&, const auto& influence) {
          influence.for_each_buffer([&](const auto& buffer) { bytes += buffer.bytes(); });
        },
        *net_, influence_);
    return bytes;
  }
  const Net& net() const { return *net_; }  ///< as the constructor was given it
  /// f(name, block) for all that has to be kept to go on to the same bits: the state, dL/d(initial state) and the
  /// influences. What comes next is a step, no learn(). The network and the gradient are the caller's. As gradient()
  /// does, it ends the group of steps that wait.
  void visit_memory(auto&& f) {
    require_net("visit_memory");
    pass_over();
    finish();
    Index k = 0;
    visit_state([&](auto& s) { f("state " + std::to_string(k++), s); }, state_);
    k = 0;
    visit_state([&](auto& s) { f("d_initial " + std::to_string(k++), s); }, d_initial_);
    k = 0;
    detail::for_each_leaf(
        [&](const auto&, auto& influence) {
          if constexpr (requires { influence.matrix(); }) {
            auto matrix = influence.matrix();
            f("influence " + std::to_string(k++), matrix);
          }
        },
        *net_, influence_);
  }

 private:
  void require_net(const char* where) const {
    require_same_shapes(where, "the network", *net_, "what it was when Online was made", gradient_);
  }

  static Index steps_of(const OnlineOptions& options) {
    require(options.every >= 1, "Online: every must be at least 1 step, got ", options.every);
    return options.every;
  }

  enum class Now { nothing, vector, token };  // what the step read that may be learnt from

  /// f(layer, its workspace, influence, gradient, dL/d(initial state)) of each layer with an influence. As on every
  /// way back, subnormal numbers count as zero: what fades would become slow.
  void each_influence(auto&& f) {
    const FlushToZero flush;
    detail::for_each_stateful(
        [&](const auto& layer, auto& work, auto& influence, auto& gradient, auto& d_initial) {
          if constexpr (requires { influence.matrix(); }) f(layer, work, influence, gradient, d_initial);
        },
        *net_, one_.workspace(), influence_, gradient_, d_initial_);
  }
  void begin() {
    now_ = Now::nothing;
    finish();
    detail::for_each_leaf(
        [](const auto& layer, auto& influence) {
          if constexpr (requires { layer.hidden(); }) influence.clear(layer.hidden());
        },
        *net_, influence_);
    visit_state([](auto& s) { s.setZero(); }, d_initial_);
  }
  /// Closes the last step: it can no longer be learnt from.
  void pass_over() {
    now_ = Now::nothing;
    each_influence([](const auto& layer, auto& work, auto& influence, auto& gradient, auto& d_initial) {
      influence.pass_over(layer, work, gradient, d_initial);
    });
  }
  /// Brings influences and the gradient forward by all steps that wait.
  void finish() {
    each_influence([](const auto& layer, auto& work, auto& influence, auto& gradient, auto& d_initial) {
      influence.finish(layer, work, gradient, d_initial);
    });
  }
  template <class X>
  Output go_forward(const X& x) {
    now_ = std::is_same_v<X, TokensView> ? Now::token : Now::vector;
    const Scalar* const y = one_.forward(*net_, x, state_);
    each_influence([](const auto& layer, auto& work, auto& influence, auto&&...) { influence.step(layer, work); });
    return {y, net_->outputs()};
  }
  void go_back(const auto& x) {
    const FlushToZero flush;
    one_.backward(*net_, x, dy_, gradient_);
    each_influence([](const auto& layer, auto& work, auto& influence, auto& gradient, auto& d_initial) {
      influence.learn(layer, work, gradient, d_initial);
    });
    now_ = Now::nothing;
  }

  const Net* net_;
  Net gradient_;
  decltype(detail::influence_of(std::declval<const Net&>(), OnlineMethod(), 1)) influence_;
  Series<Scalar> x_;
  Tokens token_;
  Series<Scalar> dy_;
  State state_, d_initial_;
  detail::OneStep<Net> one_;
  Now now_ = Now::nothing;
};

}  // namespace recur::inline RECUR_ISA
