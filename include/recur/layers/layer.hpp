#pragma once
/// \file
/// The manual for writing a layer: what a layer must have, and what layers that are made of others call.

#include "chunk.hpp"

#include <tuple>
#include <vector>

namespace recur::inline RECUR_ISA {

/// A layer of a network: y_1 .. y_T from x_1 .. x_T, and the gradient. It is a class Self : public LayerOf<Self>, or
/// LayerOf<Self, Children...> where it is made of other layers, and has what this concept asks for; everything else it
/// inherits from LayerOf, and hides what it has to do otherwise. One whose y_t depends on x_t alone is shorter as a
/// LayerWithoutState. A whole one, around any other layer:
///
///     template <class Inner>                                                             // y_t = inner's y_t - x_t
///     struct Difference : recur::LayerOf<Difference<Inner>, Inner> {
///       using Scalar = typename Inner::Scalar;
///       using View = recur::SeriesView<const Scalar>;
///       using Workspace = recur::WorkspaceWithOutput<Scalar, Inner>;                     // y, and inner's workspace
///       static constexpr bool takes_tokens = false;
///       Inner inner;
///       explicit Difference(Inner inner_) : inner(std::move(inner_)) {}
///       static auto children(auto& layer) { return std::tie(layer.inner); }
///
///       void prepare_forward(const recur::Pass& pass, Workspace& work) const {
///         inner.prepare_forward(pass, work.template of<0>());
///         work.y.resize(inner.outputs(), 1, pass.layout.columns());
///       }
///       void forward_steps(const recur::Chunk& chunk, View x, Workspace& work) const {
///         run_forward(inner, chunk, x, work.template of<0>());
///         const auto x_chunk = chunk.of(x), of_inner = chunk.of(View(inner.output_columns(work.template of<0>())));
///         const auto y = chunk.of(recur::SeriesView<Scalar>(work.y));
///         chunk.for_own_columns(
///             [&](auto j, auto n) { y.columns(j, n) = of_inner.columns(j, n) - x_chunk.columns(j, n); });
///       }
///       View output_columns(const Workspace& work) const { return work.y; }
///       void backward_steps(const recur::Chunk& chunk, View x, View dy, Workspace& work, Difference& gradient,
///                           recur::SeriesView<Scalar> dx) const {
///         if (!dy.empty() && !dx.empty())
///           chunk.for_own_columns([&](auto j, auto n) { dx.columns(j, n) -= dy.columns(j, n); });
///         run_backward(inner, chunk, x, dy, work.template of<0>(), gradient.inner, dx);
///       }
///     };
///
/// For Stream it also has one step of one sequence: auto memory() const, what it keeps from step to step, and
/// const Scalar* step(const auto& x, auto& memory) const noexcept, which returns where y_t begins. One that carries a
/// state also has clear(memory) and state_in(where, memory), as Cell. The memory of a layer that is made of others is a
/// tuple that begins with those of its children.
///
/// Where a trace keeps a part of the steps alone (TraceOptions), a call goes through the series in segments: all that
/// is said here of all steps is of a segment's then. prepare_forward and prepare_backward are called for each; what
/// finish_backward adds to the gradient is one sum, which prepare_backward sets to zero unless pass.goes_on. Where a
/// segment begins, a layer finds of earlier steps what it carries as a state, and nothing else.
///
/// Inside of layers a series is columns, step after step, without padding, in the order of BatchLayout: x, y, dy and dx
/// are SeriesView of batch 1. Each thread has some of the sequences: it calls forward_steps and backward_steps with
/// every chunk, and writes the columns of its own sequences alone, until it has waited at chunk.barrier() for the
/// others: then it may read theirs, and write its rows of the gradient. In backward_steps, call barrier() after the
/// last read of dy and of whatever the next chunk overwrites: with unequal lengths a column is another thread's then.
/// All threads call it equally often. forward_steps and backward_steps must not throw.
///
/// A layer with parameters of its own has static void visit(f, name, layers ...), as Cell, and void start(auto& rng)
/// where initialize() is to start them otherwise than those of other layers, as LayerNorm. Of layers in a row, all but
/// the first are prepared with pass.in_a_row(false): they read no tokens, and their dL/dx is always wanted. A layer
/// whose children are a vector says State, causal, takes_tokens, inputs(), outputs() and memory() itself: see Stack.
template <class L>
concept Layer = requires(const L& layer, L& gradient, typename L::Workspace& work, const typename L::Workspace& done,
                         const Pass& pass, const Chunk& chunk, SeriesView<const typename L::Scalar> x,
                         SeriesView<const typename L::Scalar> dy, SeriesView<typename L::Scalar> dx) {
  // sizes, constants where they are known when compiling, else Dynamic
  L::inputs_at_compile_time;
  L::outputs_at_compile_time;
  { layer.inputs() } -> std::convertible_to<Index>;
  { layer.outputs() } -> std::convertible_to<Index>;
  // whether y_t depends on x_1 .. x_t alone; if not, a chunk is all steps. Whether x may be tokens
  requires std::same_as<decltype(L::causal), const bool> && std::same_as<decltype(L::takes_tokens), const bool>;
  // throws where public parameters have been given shapes that do not fit; `where` begins the message
  layer.require_shapes("forward");
  // throws where the workspace is not one that this layer has prepared
  layer.require_workspace("bptt", done);
  // once a call, by one thread: sizes the memory that forward_steps writes into, packs weights
  layer.prepare_forward(pass, work);
  // each chunk, from the first to the last, by each thread: y of the chunk; x are the columns of all steps
  layer.forward_steps(chunk, x, work);
  // y of all steps
  { layer.output_columns(done) } -> std::convertible_to<SeriesView<const typename L::Scalar>>;
  // once a call, by one thread: sizes the memory that backward_steps writes into
  layer.prepare_backward(pass, work);
  // each chunk, from the last to the first, by each thread: adds to the gradient, and to dx. dy and dx are the columns
  // of the chunk, and either may be empty: no loss on y, or nobody asks
  layer.backward_steps(chunk, x, dy, work, gradient, dx);
  // once a call, by one thread
  layer.finish_backward(work, gradient);
};

/// A layer that is made of others: children(layer) is a tuple (std::tie) or vector of them.
template <class L>
concept Composite = requires(L& layer) { std::remove_cvref_t<L>::children(layer); };

/// A layer that carries something from step to step, as a matrix of state_size() rows; LayerOf and bptt do the rest.
/// Its workspace holds three matrices for that, which these functions return, of a workspace that is const too.
template <class L>
concept Stateful =
    !Composite<L> && requires(const L& layer, typename L::Workspace& work, const typename L::Workspace& done) {
      { layer.state_size() } -> std::convertible_to<Index>;
      // the states: N columns of the initial ones, then one for each column of x
      layer.states(work), layer.states(done);
      // dL/d(state): N columns of the step before the chunk, then one for each column of the chunk. backward_steps
      // finds in it what comes from later steps and from the final states, and leaves what goes to earlier ones
      layer.d_states(work), layer.d_states(done);
      // a Buffer for dL/d(final state)
      layer.d_final(work), layer.d_final(done);
    };

// ---- Walking over layers that are made of others --------------------------------------------------------------------

namespace detail {

/// What belongs to the children: of a layer or workspace what it says, a state or memory is itself the container.
template <class Any>
decltype(auto) children_of(Any& any) {
  if constexpr (Composite<Any>) {
    return std::remove_const_t<Any>::children(any);
  } else if constexpr (requires { any.children(); }) {
    return any.children();
  } else {
    return (any);
  }
}

/// The part of a container for its i-th child; of an empty vector, which stands for zero, an empty one.
template <class Container>
auto& part_of(Container& container, auto i) {
  if constexpr (requires { container.begin(); }) {
    if constexpr (std::is_const_v<Container>) {
      static const typename Container::value_type zero{};
      return container.empty() ? zero : container[i];
    } else {
      return container[i];
    }
  } else {
    return std::get<i>(container);
  }
}

/// f(i, child, part ...) for each child of a layer, with its part of each of the others: its workspace, state, memory
/// or gradient.
void for_each_child(auto&& f, auto& layer, auto&... others) {
  auto&& children = children_of(layer);
  if constexpr (requires { children.begin(); }) {
    for (std::size_t i = 0; i < children.size(); ++i)
      [&](auto&&... of) { f(i, children[i], part_of(of, i)...); }(children_of(others)...);
  } else {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto at = [&](auto i) {
        [&](auto&&... of) { f(i, std::get<i>(children), part_of(of, i)...); }(children_of(others)...);
      };
      (at(std::integral_constant<std::size_t, I>()), ...);
    }(std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(children)>>>());
  }
}

/// Whether what belongs to a layer, a memory, was made for as many layers within it.
template <class L>
bool of_same_depth(const L& layer, const auto& other) {
  bool same = true;
  if constexpr (Composite<const L>) {
    if constexpr (requires { other.size(); }) same = children_of(layer).size() == other.size();
    if (same)
      for_each_child([&](auto, const auto& child, auto& part) { same &= of_same_depth(child, part); }, layer, other);
  }
  return same;
}
/// Makes a state, of vectors in places, one of a layer.
template <class L>
void fit_state(const L& layer, auto& state) {
  if constexpr (Composite<const L>) {
    if constexpr (requires { state.resize(std::size_t()); }) state.resize(children_of(layer).size());
    for_each_child([](auto, const auto& child, auto& part) { fit_state(child, part); }, layer, state);
  }
}

/// f(layer, part ...) for each layer within a layer, itself perhaps, that is not made of others.
template <class L>
void for_each_leaf(auto&& f, const L& layer, auto&... others) {
  if constexpr (Composite<const L>) {
    for_each_child([&](auto, const auto& child, auto&... parts) { for_each_leaf(f, child, parts...); }, layer,
                   others...);
  } else {
    f(layer, others...);
  }
}
/// The same for each that carries a state.
template <class L>
void for_each_stateful(auto&& f, const L& layer, auto&... others) {
  for_each_leaf(
      [&]<class Leaf>(const Leaf& leaf, auto&... parts) {
        if constexpr (Stateful<Leaf>) f(leaf, parts...);
      },
      layer, others...);
}

// ---- Initial, final and carried states, and their gradients, of all layers ------------------------------------------

/// A layer reads what the one before it gives.
inline void require_in_a_row(const char* where, std::size_t layer, Index features, Index inputs) {
  require(inputs == features, where, ": layer ", layer, " must have ", features, " inputs (the outputs of layer ",
          layer - 1, "), got ", inputs);
}

template <class L>
void require_state(const char* where, const char* what, const L& layer, const typename L::State& state, Index batch) {
  if constexpr (Composite<const L>) {
    if constexpr (requires { state.empty(); }) {
      const std::size_t depth = children_of(layer).size();
      require(state.empty() || state.size() == depth, where, ": ", what, " must have ", depth,
              " states (one for each layer), got ", state.size());
    }
    for_each_child([&](auto, const auto& child, const auto& part) { require_state(where, what, child, part, batch); },
                   layer, state);
  } else if constexpr (Stateful<L>) {
    const bool right = state.cols() == 0 || (state.rows() == layer.state_size() && state.cols() == batch);
    if (!right) {
      require(false, where, ": ", what, " must be ", layer.state_size(), "x", batch, " (state_size() x batch), got ",
              shape(state));
    }
  }
}

template <class L>
void set_zero_state(const L& layer, typename L::State& state, Index batch) {
  fit_state(layer, state);
  for_each_stateful([&](const auto& each, auto& s) { s.setZero(each.state_size(), batch); }, layer, state);
}

/// Each sequence's column of a state, to where it stands in the order of BatchLayout.
void to_layout(const BatchLayout& layout, const auto& state, auto&& columns) {
  for (Index k = 0; k < columns.cols(); ++k) columns.col(k) = state.col(layout.sequence(k));
}

/// Before forward: the initial states of all layers, in the order of BatchLayout.
template <class L>
void begin_states(const L& layer, const BatchLayout& layout, typename L::Workspace& work,
                  const typename L::State& initial) {
  for_each_stateful(
      [&](const auto& each, auto& own, const auto& from) {
        auto first = each.states(own).leftCols(layout.batch());
        if (from.cols() == 0) return void(first.setZero());
        to_layout(layout, from, first);
      },
      layer, work, initial);
}
template <class L>
void final_states(const L& layer, const BatchLayout& layout, const typename L::Workspace& work,
                  typename L::State& state) {
  fit_state(layer, state);
  for_each_stateful(
      [&](const auto& each, const auto& own, auto& to) {
        const auto states = each.states(own);
        to.resize(states.rows(), layout.batch());
        for (Index k = 0; k < layout.batch(); ++k) to.col(layout.sequence(k)) = states.col(layout.last_record(k));
      },
      layer, work, state);
}

/// Before backward: dL/d(final states), in the order of BatchLayout, and of dL/d(initial states), where they are asked
/// for, what belongs to sequences without a step.
template <class L>
void begin_d_states(const L& layer, const BatchLayout& layout, typename L::Workspace& work,
                    const typename L::State& d_final) {
  for_each_stateful(
      [&](const auto& each, auto& own, const auto& from) {
        to_layout(layout, from, each.d_final(own).resize(each.state_size(), from.cols() > 0 ? layout.batch() : 0));
      },
      layer, work, d_final);
}
template <class L>
void begin_d_initial(const L& layer, const BatchLayout& layout, const typename L::Workspace& work,
                     typename L::State& d_initial) {
  fit_state(layer, d_initial);
  for_each_stateful(
      [&](const auto& each, const auto& own, auto& to) {
        to.setZero(each.state_size(), layout.batch());
        const auto d_final = each.d_final(own).view();
        for (Index k = layout.active(0); k < d_final.cols(); ++k) to.col(layout.sequence(k)) = d_final.col(k);
      },
      layer, work, d_initial);
}
/// After the chunk of step 0.
template <class L>
void add_d_initial(const L& layer, const BatchLayout& layout, const typename L::Workspace& work,
                   typename L::State& d_initial) {
  for_each_stateful(
      [&](const auto& each, const auto& own, auto& to) {
        const auto d = each.d_states(own);
        for (Index k = 0; k < layout.active(0); ++k) to.col(layout.sequence(k)) += d.col(k);
      },
      layer, work, d_initial);
}
/// Before a chunk: dL/d(states) of its steps, as the steps after it and the final states have it.
template <class L>
void begin_d_chunk(const L& layer, const Chunk& chunk, typename L::Workspace& work) {
  const BatchLayout& layout = chunk.layout;
  auto d = layer.d_states(work);
  const auto columns = [&](Index first, Index count) {
    return MatrixView<typename L::Scalar>(d.data() + first * d.colStride(), d.rows(), count,
                                          Eigen::OuterStride<>(d.colStride()));
  };
  const Index begin = layout.record(chunk.first + 1) - layout.record(chunk.first);  // of the chunk, in d
  chunk.for_own_columns([&](Index column, Index count) { columns(begin + column, count).setZero(); });
  const auto step = [&](Index t) { return begin + layout.column(t) - chunk.column(); };
  const auto& d_final = std::as_const(layer.d_final(work));
  if (chunk.has_loss && d_final.cols() > 0) {
    for (Index t = chunk.first; t < chunk.end; ++t) {  // for sequences that end with step t
      const auto own = chunk.own(t);
      const Index ends = std::max(own.first, layout.active(t + 1)), count = own.first + own.count - ends;
      if (count > 0) columns(step(t) + ends, count) += d_final.view().middleCols(ends, count);
    }
  }
  // What has come back from the chunk after this one lies where it left it, at the beginning.
  const auto last = chunk.own(chunk.end - 1), before = chunk.own(chunk.first > 0 ? chunk.first - 1 : 0);
  if (chunk.from_later) columns(step(chunk.end - 1) + last.first, last.count) += columns(last.first, last.count);
  columns(before.first, before.count).setZero();
}

}  // namespace detail

// ---- A layer through its steps, in chunks: what layers that are made of others call ---------------------------------

/// All steps of a chunk through one layer: y is in its output_columns(work) then.
template <class L>
void run_forward(const L& layer, const Chunk& whole, const auto& x, typename L::Workspace& work) {
  if constexpr (L::causal) {
    for (Chunk chunk = whole; chunk.first < whole.end; chunk.first = chunk.end) {
      chunk.end = std::min(whole.end, whole.layout.end_of_run(chunk.first, detail::forward_columns));
      layer.forward_steps(chunk, x, work);
    }
  } else {
    layer.forward_steps(whole, x, work);
  }
}

/// The way back, from the last step to the first. dy and dx are the columns of the chunk, x those of all steps; adds to
/// the gradient, and to dx: see Chunk::set_zero.
template <class L>
void run_backward(const L& layer, const Chunk& whole, const auto& x,
                  SeriesView<const std::type_identity_t<typename L::Scalar>> dy, typename L::Workspace& work,
                  L& gradient, SeriesView<std::type_identity_t<typename L::Scalar>> dx) {
  const auto run = [&](const Chunk& chunk) {
    const auto part = [&](const auto& all) {
      return all.empty() ? all : all.window(chunk.column() - whole.column(), chunk.columns());
    };
    if constexpr (Stateful<L>) detail::begin_d_chunk(layer, chunk, work);
    layer.backward_steps(chunk, x, part(dy), work, gradient, part(dx));
  };
  if constexpr (L::causal) {
    for (Chunk chunk = whole; chunk.end > whole.first; chunk.end = chunk.first) {
      chunk.first = std::max(whole.first, whole.layout.begin_of_run(chunk.end, detail::backward_columns));
      run(chunk);
      chunk.from_later = true;
    }
  } else {
    run(whole);
  }
}

}  // namespace recur::inline RECUR_ISA
