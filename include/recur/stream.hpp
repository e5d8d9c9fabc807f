#pragma once
/// \file
/// One step at a time, in real time: in an audio callback, a control loop.

#include "kernels/flush_to_zero.hpp"
#include "layers/layer.hpp"

namespace recur::inline RECUR_ISA {

/// A network together with the state of one running sequence:
///
///     recur::Stream stream(net);
///     for (float& sample : block) sample = stream.step(sample);
///
/// step() returns what net.forward() returns for the same inputs: of a batch of one sequence to the bit (with the
/// activations of activation.hpp), of more to rounding.
/// It is noexcept, takes no lock and allocates nothing: all memory is made by the constructor, and is part of the
/// object where the network's sizes are fixed. The network is read where it is, so it must live as long, and several
/// streams may share it, each on its own thread; what it learns meanwhile counts from the next step on (from the same
/// thread: nothing is locked).
///
/// Of silent inputs the state of a cell without a bias (LRU, say) fades, and stays at numbers so small that processors
/// are many times slower with them: a FlushToZero around each block of steps takes them for zero.
///
/// Where a size is known only at run time and is wrong, or the network's are no longer those it had when the stream was
/// made, step() ends the program with a message that says so, for it cannot throw; where sizes are fixed, that is an
/// error when compiling.
template <class Net>
class Stream {
 public:
  static_assert(Net::causal, "Stream: a bidirectional layer cannot go step by step");
  /// Types of the network; y_t as a view.
  ///@{
  using Scalar = typename Net::Scalar;
  using State = typename Net::State;
  using Output = Eigen::Map<const VectorOf<Scalar, Net::outputs_at_compile_time>>;
  ///@}

  /// Starts from the zero state.
  explicit Stream(const Net& net) : net_(&net), memory_(net.memory()) {}
  explicit Stream(const Net&& temporary) = delete;

  /// y_t for x_t, a vector of inputs: a view of a vector of outputs, valid until the next step or reset().
  template <class X>
  EIGEN_ALWAYS_INLINE Output step(const Eigen::MatrixBase<X>& x) noexcept {
    static_assert(X::ColsAtCompileTime == 1, "step: x must be a column vector");
    static_assert(std::is_same_v<typename X::Scalar, Scalar>, "step: x must have the network's scalar type");
    static_assert((X::Flags & Eigen::DirectAccessBit) && X::InnerStrideAtCompileTime == 1,
                  "step: x must lie in memory, its numbers neighbours: evaluate the expression first");
    static_assert(X::RowsAtCompileTime == Dynamic || Net::inputs_at_compile_time == Dynamic ||
                      X::RowsAtCompileTime == Net::inputs_at_compile_time,
                  "step: x must have as many rows as the network has inputs");
    if constexpr (X::RowsAtCompileTime == Dynamic || Net::inputs_at_compile_time == Dynamic) {
      require_equal("step", "x.rows()", x.rows(), "inputs()", net_->inputs());
    }
    using Input = VectorOf<Scalar, Net::inputs_at_compile_time>;
    return {net_->step(Eigen::Map<const Input>(x.derived().data(), net_->inputs()), memory_), net_->outputs()};
  }
  /// The same for a token, 0 .. inputs - 1.
  Output step(Token x) noexcept {
    static_assert(Net::takes_tokens, "step: tokens are for networks whose first layer is a Cell or an Embedding");
    require(x.id >= 0 && x.id < net_->inputs(), "step: x must be in 0 .. ", net_->inputs() - 1,
            " (inputs() kinds of tokens), got ", x.id);
    return {net_->step(x, memory_), net_->outputs()};
  }
  /// The same for a network of one input and one output.
  EIGEN_ALWAYS_INLINE Scalar step(Scalar x) noexcept
    requires((Net::inputs_at_compile_time == 1 || Net::inputs_at_compile_time == Dynamic) &&
             (Net::outputs_at_compile_time == 1 || Net::outputs_at_compile_time == Dynamic))
  {
    require(net_->inputs() == 1 && net_->outputs() == 1,
            "step: a number is for one input and one output, this network has ", net_->inputs(), " and ",
            net_->outputs(), " (a kind of token is recur::Token{3})");
    return *net_->step(VectorOf<Scalar, 1>(x), memory_);
  }

  /// Back to the zero state.
  void reset() noexcept { set_state(memory_, State{}); }
  /// To a given state, of a batch of 1. Throws std::invalid_argument where its shape does not fit.
  void reset(const State& state) {
    auto memory = memory_;  // which stays as it was where a later layer's state does not fit
    set_state(memory, state);
    memory_ = memory;  // in place, where y lies
  }
  /// The state after the last step, of a batch of 1. Throws std::invalid_argument where the network's shapes have
  /// changed.
  State state() const {
    require_depth("state");
    State state;
    detail::fit_state(*net_, state);
    detail::for_each_stateful([](const auto& layer, auto& own, auto& to) { to = layer.state_in("state", own); }, *net_,
                              memory_, state);
    return state;
  }
  const Net& net() const { return *net_; }  ///< as the constructor was given it

 private:
  using Memory = decltype(std::declval<const Net&>().memory());

  void set_state(Memory& memory, const State& state) const {
    require_depth("reset");
    detail::for_each_stateful([](const auto& layer, auto& own) { layer.clear(own); }, *net_, memory);
    detail::require_state("reset", "state", *net_, state, 1);
    detail::for_each_stateful(
        [](const auto& layer, auto& own, const auto& from) {
          if (from.cols() > 0) layer.state_in("reset", own) = from;
        },
        *net_, memory, state);
  }
  void require_depth(const char* where) const {
    require(detail::of_same_depth(*net_, memory_), where,
            ": the network has other shapes than when the stream was made");
  }

  const Net* net_;
  Memory memory_;
};

}  // namespace recur::inline RECUR_ISA
