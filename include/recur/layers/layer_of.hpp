#pragma once
/// \file
/// What all layers have, and the defaults of what Layer asks for.

#include "../base/describe.hpp"
#include "series_pass.hpp"

namespace recur::inline RECUR_ISA {

/// The workspaces of a layer's children: workspace.of<0>() is that of the first.
template <class... Children>
class WorkspaceOf {
 public:
  /// The workspace of child I.
  template <std::size_t I>
  auto& of() {
    return std::get<I>(children_);
  }
  /// The same, to be read.
  template <std::size_t I>
  const auto& of() const {
    return std::get<I>(children_);
  }
  auto& children() { return children_; }              ///< those of all children, a tuple
  const auto& children() const { return children_; }  ///< the same, to be read
  /// f(buffer) for everything that holds memory. A workspace that has more than its children's calls f for that, too.
  void for_each_buffer(auto&& f) const {
    std::apply([&](const auto&... each) { (each.for_each_buffer(f), ...); }, children_);
  }

 private:
  std::tuple<typename Children::Workspace...> children_;
};

/// The same, and y_1 .. y_T as columns.
template <class Scalar, class... Children>
struct WorkspaceWithOutput : WorkspaceOf<Children...> {
  Series<Scalar> y;  ///< y_1 .. y_T
  /// f(buffer) for everything that holds memory.
  void for_each_buffer(auto&& f) const { WorkspaceOf<Children...>::for_each_buffer(f), f(y); }
};

namespace detail {

/// What follows from the children of a layer.
template <class... Children>
struct OfChildren {
  /// Those of the children, in their order: `std::get<0>(state)` is that of the first.
  using State = std::tuple<typename Children::State...>;
  static constexpr bool causal = (Children::causal && ...);
  static constexpr bool takes_tokens = std::tuple_element_t<0, std::tuple<Children...>>::takes_tokens;
};
template <>
struct OfChildren<> {
  using State = NoState;
  static constexpr bool causal = true, takes_tokens = false;
};

}  // namespace detail

/// What all layers have: forward over a series and final states; and the defaults of what Layer asks for.
template <class Self, class... Children>
class LayerOf : public detail::OfChildren<Children...> {
 public:
  /// What forward() leaves for bptt(). trace() makes an empty one, which the first forward() sizes.
  using Trace = recur::Trace<Self>;
  /// An empty trace for this layer. Throws std::invalid_argument as Trace does.
  Trace trace(TraceOptions options = {}) const { return Trace(options); }

  /// The outputs y_1 .. y_T for the inputs x_1 .. x_T, a series of `inputs()` features or tokens, from `initial` (zero
  /// where it is left out): a view of the trace, valid until the trace is used again. Where sequences have lengths, y
  /// is zero past the end of each, and has the same lengths. Throws std::invalid_argument on shapes that do not fit and
  /// on an empty series; the trace is then as it was.
  template <class L = Self>
  SeriesView<const typename L::Scalar> forward(SeriesView<const typename L::Scalar> x, recur::Trace<L>& trace,
                                               const typename L::State& initial = {}) const {
    return detail::forward(self(), x, trace, initial);
  }
  /// The same for tokens.
  template <class L = Self>
  SeriesView<const typename L::Scalar> forward(TokensView x, recur::Trace<L>& trace,
                                               const typename L::State& initial = {}) const {
    static_assert(L::takes_tokens, "forward: tokens are for networks whose first layer is a Cell or an Embedding");
    return detail::forward(self(), x, trace, initial);
  }

  /// The same without a trace, for those who only predict: y as a series of its own. Allocates in every call.
  template <class L = Self>
  Series<typename L::Scalar> forward(SeriesView<const typename L::Scalar> x,
                                     const typename L::State& initial = {}) const {
    auto trace = this->trace();
    return Series<typename L::Scalar>(forward(x, trace, initial));
  }
  /// The same for tokens.
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

  /// The outputs of the last forward. Throws std::invalid_argument where the trace has not been through forward, or was
  /// by bptt(), with a loss, or is of another network.
  template <class L = Self>
  SeriesView<const typename L::Scalar> output(const recur::Trace<L>& trace) const {
    require(trace.batch() > 0, "output: the trace must have been through forward, got an empty one");
    require(trace.has_output(), "output: the trace has no outputs: bptt(), with a loss, went forward itself");
    self().require_workspace("output", trace.workspace());
    return detail::output(detail::OfTrace::memory(trace), self().output_columns(trace.workspace()));
  }

  /// The state after the last step of the last forward; of each sequence after its own last step. Throws
  /// std::invalid_argument where the trace has not been through forward, or is of another network.
  template <class L = Self>
  void final_state(const recur::Trace<L>& trace, typename L::State& state) const {
    require(trace.batch() > 0, "final_state: the trace must have been through forward, got an empty one");
    self().require_workspace("final_state", trace.workspace());
    detail::final_state(self(), trace, state);
  }
  /// The same, returned.
  template <class L = Self>
  typename L::State final_state(const recur::Trace<L>& trace) const {
    typename L::State state;
    final_state(trace, state);
    return state;
  }
  /// The zero state of a batch, to be filled.
  template <class L = Self>
  typename L::State state(Index batch) const {
    typename L::State state;
    detail::set_zero_state(self(), state, batch);
    return state;
  }

  // ---- What a layer has that says nothing else: what its children have, or nothing. See Layer ----

  /// Inputs, where they are known when compiling.
  static constexpr int inputs_at_compile_time = Dynamic, outputs_at_compile_time = Dynamic;  ///< outputs
  /// Of layers in a row, or of one child.
  Index inputs() const { return std::get<0>(Self::children(self())).inputs(); }
  /// Of layers in a row, or of one child.
  Index outputs() const { return std::get<sizeof...(Children) - 1>(Self::children(self())).outputs(); }
  /// "Sequence(Elman tanh 8 -> 32, Readout 32 -> 4)": its name, and its children's descriptions. See describe.hpp.
  template <class L = Self>
    requires Composite<const L>
  std::string description() const {
    std::string text;
    for_each_child([&](auto, const auto& each) { text += (text.empty() ? "" : ", ") + describe(each, "layer"); });
    if constexpr (requires { std::string(Self::name); }) {
      return Self::name + ("(" + text + ")");
    } else {
      return "Layer(" + text + ")";
    }
  }
  /// The parameters of the children, with their numbers for names: "0.W".
  static void visit(auto&& f, const Name& name, auto& first, auto&... others) {
    if constexpr (Composite<decltype(first)>) {
      detail::for_each_child(
          [&](auto i, auto& child, auto&... same) { recur::visit(f, Name(name, std::size_t(i)), child, same...); },
          first, others...);
    }
  }
  /// f(child) for each.
  template <class L>
    requires Composite<L>
  static void visit_layers(L& layer, auto&& f) {
    detail::for_each_child([&](auto, auto& child) { f(child); }, layer);
  }
  /// Throws where a child's parameters have shapes that do not fit: see Layer.
  void require_shapes(const char* where) const {
    for_each_child([&](auto, const auto& child) { child.require_shapes(where); });
  }
  /// Throws where the workspace is not one that this layer has prepared: see Layer.
  void require_workspace(const char* where, const auto& work) const {
    if constexpr (requires { work.children().begin(); }) {
      const std::size_t depth = Self::children(self()).size(), got = work.children().size();
      require(depth == got, where, ": the trace must be of this network, with ", depth, " layers, got one of ", got);
    }
    for_each_child([&](auto, const auto& child, const auto& its) { child.require_workspace(where, its); }, work);
  }
  /// As Layer asks for, of every child.
  void prepare_forward(const Pass& pass, auto& work) const {
    for_each_child([&](auto, const auto& child, auto& its) { child.prepare_forward(pass, its); }, work);
  }
  /// As Layer asks for, of every child.
  void prepare_backward(const Pass& pass, auto& work) const {
    for_each_child([&](auto, const auto& child, auto& its) { child.prepare_backward(pass, its); }, work);
  }
  /// As Layer asks for, of every child.
  void finish_backward(auto& work, auto& gradient) const {
    for_each_child([&](auto, const auto& child, auto& its, auto& d) { child.finish_backward(its, d); }, work, gradient);
  }
  /// For Stream: what each child keeps from step to step.
  auto memory() const {
    if constexpr (sizeof...(Children) > 0)
      return std::apply([](const auto&... each) { return std::tuple<decltype(each.memory())...>(each.memory()...); },
                        Self::children(self()));
  }

 protected:
  /// f(i, child, part ...) for each child, with its part of the others.
  void for_each_child(auto&& f, auto&... others) const {
    if constexpr (Composite<const Self>) detail::for_each_child(f, self(), others...);
  }

 private:
  const Self& self() const { return static_cast<const Self&>(*this); }
};

}  // namespace recur::inline RECUR_ISA
