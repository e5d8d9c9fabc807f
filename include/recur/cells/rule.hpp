#pragma once
/// \file
/// The manual for writing a cell. A cell is a pointwise rule between two matrix products:
///
///     a_t   = b + W h_<t-1> + U x_t          the library's part
///     state = rule(a_t, state_<t-1>)         the rule's part
///
/// A step keeps one *record*: blocks of H rows each, one per gate and state, for N sequences side by side. The library
/// fills the pre-activation blocks, the rule overwrites them with what backward will need, and fills its states:
///
///     struct LeakyIntegrator {                              // h_t = (1 - alpha) h_<t-1> + alpha tanh(a_t)
///       enum Block { f, h, blocks };                        // what a record keeps, in this order
///       static constexpr BlockRange from_input{f, 1};       // U x_t adds into f
///       static constexpr BlockRange from_hidden{f, 1};      // W h_<t-1> adds into f
///       static constexpr BlockRange state{h, 1};            // carried from step to step; h is the output
///       double alpha = 0.1;                                 // rules are objects: constants are members
///
///       void forward(const auto& before, auto& now) const {
///         now[f] = Tanh().value(now[f]);
///         now[h] = (1 - alpha) * before[h] + alpha * now[f];
///       }
///       void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
///         d_now[f] = alpha * d_now[h] * Tanh().slope(now[f]);
///         d_before[h] += (1 - alpha) * d_now[h];
///       }
///     };
///     using Leaky = recur::Cell<LeakyIntegrator, float>;
///
/// Neither function may throw: where there are threads, several are in them at once, each with some of the sequences.
///
/// `now[k]` and its like are Eigen arrays: of each block the same few units of one sequence, for a rule is pointwise,
/// and is called for a handful of numbers at a time. So a reduction, `now[f].mean()` or `before[h].maxCoeff()`, would
/// be of those few units, and does not compile, nor does a single number, `now[f](0)`: Cell compiles each rule once
/// more with arrays that have only what Eigen computes number by number (see pointwise.hpp). A function that a rule
/// calls with its arrays takes them as `const auto&`, not as Eigen::ArrayBase.
///
/// The two ranges may overlap in part (GRU) or whole; their union, which must have no gap, has the bias. A rule without
/// from_hidden has no product with h_<t-1>, and so its cell no W: all products of a series are one, and the steps are
/// a single pass over the records (IndRnnRule, MinGruRule). Its states need not have h among them, and there may be
/// none: BlockRange{h, 0} (DenseRule). Of the step before, a rule may read its states alone: before[k] of other blocks
/// does not survive from one call to the next, and what is added to d_before[k] of them is lost.
///
/// A forward of many lines is worth EIGEN_ALWAYS_INLINE: called for a packet at a time, it is slower where the compiler
/// leaves it a function (the step of an LSTM of 32 units by a sixth).
///
/// backward is given d_now, dL/d(record), with h and the state blocks filled, and leaves dL/d(pre-activation) in the
/// pre-activation blocks; to d_before it adds what reaches the states of the step before directly, other than through
/// W. Pre-activation blocks that are not states hold anything on entry and must be assigned.
///
/// A rule with parameters of its own, vectors of H (peepholes, say), lists them and gets those of its units too:
///
///     enum Vector { p_i, p_f, p_o, vectors };
///     void forward(const auto& before, auto& now, const auto& p) const;           // p[p_i] * before[c] ...
///     void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& p,
///                   auto& d_p) const;                         // d_p[p_i] += d_now[i] * before[c] ...
///
/// and they are visited, trained and saved as the cell's P, H x vectors. initialize() starts all parameters as PyTorch
/// does; a rule whose own should start otherwise, gains at 1, has start(auto& cell, auto& rng), called after that.
///
/// A step is a short list of stages, of which most rules need two. In their order, with what asks for them:
///
///     a_t = b + U x_t + W h_<t-1>                    from_input, from_hidden; from_bias, from_shared
///     norms of what these have filled                norms
///     the first part of the rule                     forward_halfway, where a product or a norm is to follow
///     a product with a block of this step            halfway, from_halfway
///     norms of other blocks                          norms
///     the rule                                       forward
///     h_t = R q_t                                    projected
///
/// **A second product** inside the step is of the last rows of W with a block that the rule makes from the others
/// (GruResetBeforeRule, whose candidate waits for r h_<t-1>):
///
///     static constexpr int halfway = q;                         // W q, for the block q of this step,
///     static constexpr BlockRange from_halfway{n, 1};           // adds into n
///     void forward_halfway(const auto& before, auto& now) const;                  // first: makes now[q]; then forward
///     void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before) const;
///
/// The last, called after backward, finds in d_now[q] what has come back through the product. Where the rule has
/// vectors of its own, both get p, and backward_halfway gets d_p.
///
/// **Norms** are ranges of blocks, each of which, all its numbers together, is brought to mean 0 and variance 1
/// (LayerNormLstmRule: of W h_<t-1>, of U x_t and, halfway, of a copy n of c_t):
///
///     static constexpr std::array norms{BlockRange{u, 4}, BlockRange{w, 4}, BlockRange{n, 1}};
///     double epsilon = 1e-5;                                    // added to the variance
///
/// A range in from_input or from_hidden is normalised once the products are there, any other between forward_halfway
/// and forward. A rule has gains and biases as vectors of its own. In backward it assigns d_now[k] of what was
/// normalised, and forward_halfway's blocks find in it, in backward_halfway, what has come back through the norm. The
/// way back reads what was normalised, and the block of a second product: forward must leave both as they are.
///
/// **Biases** are of other blocks than products fill, or of none, where a rule says so: `BlockRange from_bias{i, 4}`.
///
/// **Numbers that all units share**, as the time since the step before, are the last rows of x, which have no weights
/// then: each fills a block. backward assigns d_now of it, as of a pre-activation (CtRnnRule):
///
///     static constexpr BlockRange from_shared{dt, 1};
///
/// **Random bits** fill blocks for each step of training, 1 with a probability; without training it is the probability
/// that fills them (ZoneoutRule):
///
///     static constexpr BlockRange random{m, 2};
///     double probability(int k) const;                          // of the k-th of these blocks
///
/// States of which none may be kept without the others, for they are scaled alike (SLstmRule), are
/// `static constexpr BlockRange bound{c, 3};`.
///
/// **Functions of the rule's own parameters**, a decay exp(-exp(p)), may be computed once a call. All functions of a
/// step are given them instead of p then (LruRule):
///
///     enum Derived { decay, derived };
///     void derive(const auto& p, auto& q) const;                                    // q[decay] = (-p[nu].exp()).exp()
///     void backward_derive(const auto& p, const auto& q, const auto& d_q, auto& d_p) const;        // d_p[nu] += ...
///
/// **A hidden state of several blocks**, for H outputs each (LruRule, whose h is complex), is a range of them instead
/// of one: `static constexpr BlockRange h{re, 2};`
///
/// **A projection**, h_t = R q_t, ends the step; its result is of another height than H (ProjectedLstmRule). Such a
/// rule has no block h, for h_t stands in a record before all blocks, and its states begin at block 0 (there may be
/// none):
///
///     static constexpr int projected = q;                 // h_t = R q_t: in backward d_now[q] has what comes of it
///     static constexpr BlockRange state{c, 1};                  // the first block; the state is h, then c
///
/// Files say what they hold, and loading into another cell is an error. For that a rule may have a name, or, where it
/// has constants of its own, which are no parameters, put them into words:
///
///     static constexpr const char* name = "GRU";
///     std::string description() const { return "leaky " + recur::describe(alpha); }

#include "pointwise.hpp"
#include "record.hpp"

#include <array>
#include <concepts>

namespace recur::inline RECUR_ISA {

namespace detail {

template <class Rule>
constexpr int vectors_of() {
  if constexpr (requires { Rule::vectors; }) {
    return static_cast<int>(Rule::vectors);
  } else {
    return 0;
  }
}
/// The vectors that follow from these.
template <class Rule>
constexpr int derived_of() {
  if constexpr (requires { Rule::derived; }) {
    return static_cast<int>(Rule::derived);
  } else {
    return 0;
  }
}
template <class Rule>
inline constexpr bool has_from_hidden = requires { Rule::from_hidden; };
template <class Rule>
inline constexpr bool has_halfway = requires { Rule::halfway; } || requires { Rule::from_halfway; };
template <class Rule>
inline constexpr bool is_projected = requires { Rule::projected; };

/// The blocks that W h_<t-1> adds into; none, where there is no such product.
template <class Rule>
constexpr BlockRange from_hidden() {
  if constexpr (has_from_hidden<Rule>) {
    return Rule::from_hidden;
  } else {
    return {Rule::from_input.end(), 0};
  }
}
/// The blocks that the second product adds into; none, where there is no such product.
template <class Rule>
constexpr BlockRange from_halfway() {
  if constexpr (has_halfway<Rule>) {
    return Rule::from_halfway;
  } else {
    return {from_hidden<Rule>().end(), 0};
  }
}
/// The blocks that the step makes for what comes after it: h_t, or what h_t is projected from.
template <class Rule>
constexpr BlockRange made_blocks() {
  if constexpr (is_projected<Rule>) {
    return {static_cast<int>(Rule::projected), 1};
  } else if constexpr (requires { static_cast<int>(Rule::h); }) {
    return {static_cast<int>(Rule::h), 1};
  } else {
    return Rule::h;
  }
}
/// The blocks that products fill, pre-activations.
template <class Rule>
inline constexpr BlockRange pre_activations = span(span(Rule::from_input, from_hidden<Rule>()), from_halfway<Rule>());
/// Those that have a bias.
template <class Rule>
constexpr BlockRange from_bias() {
  if constexpr (requires { Rule::from_bias; }) {
    return Rule::from_bias;
  } else {
    return pre_activations<Rule>;
  }
}
/// Those that numbers fill which all units share.
template <class Rule>
constexpr BlockRange from_shared() {
  if constexpr (requires { Rule::from_shared; }) {
    return Rule::from_shared;
  } else {
    return {0, 0};
  }
}
/// Those of random bits.
template <class Rule>
constexpr BlockRange random_of() {
  if constexpr (requires { Rule::random; }) {
    return Rule::random;
  } else {
    return {0, 0};
  }
}
/// The ranges that are normalised.
template <class Rule>
constexpr auto norms_of() {
  if constexpr (requires { Rule::norms; }) {
    return Rule::norms;
  } else {
    return std::array<BlockRange, 0>();
  }
}
/// Whether a range is normalised halfway, not before the rule.
template <class Rule>
constexpr bool is_late(BlockRange norm) {
  return !Rule::from_input.contains(norm) && !from_hidden<Rule>().contains(norm);
}
/// Whether the rule has functions that come first: before a second product, or a norm.
template <class Rule>
constexpr bool stops_halfway() {
  bool stops = has_halfway<Rule>;
  for (const BlockRange norm : norms_of<Rule>()) stops |= is_late<Rule>(norm);
  return stops;
}

/// What rules are checked with: blocks that are read, and such as are written.
using CheckRead = const PointwiseBlocks<const PointwiseArray<double>>;
using CheckWrite = PointwiseBlocks<PointwiseArray<double>>;

/// The functions of a rule without parameters of its own.
template <class R>
concept HasFunctions = requires(const R rule, CheckRead read, CheckWrite write) {
  rule.forward(read, write);
  rule.backward(read, read, write, write);
};
/// Those of a rule with such.
template <class R>
concept HasFunctionsOfVectors = requires(const R rule, CheckRead read, CheckWrite write) {
  rule.forward(read, write, read);
  rule.backward(read, read, write, write, read, write);
};
/// The functions of a rule that come before a second product, or a norm.
template <class R>
concept HasHalfwayFunctions = requires(const R rule, CheckRead read, CheckWrite write) {
  rule.forward_halfway(read, write);
  rule.backward_halfway(read, read, write, write);
};
/// Those of a rule with parameters of its own.
template <class R>
concept HasHalfwayFunctionsOfVectors = requires(const R rule, CheckRead read, CheckWrite write) {
  rule.forward_halfway(read, write, read);
  rule.backward_halfway(read, read, write, write, read, write);
};
/// What vectors that follow from the rule's own parameters ask for.
template <class R>
concept HasDerived = requires(const R rule, CheckRead read, CheckWrite write) {
  requires vectors_of<R>() > 0;
  rule.derive(read, write);
  rule.backward_derive(read, read, read, write);
};
/// Whether norms are ranges within the record, of which no two overlap, nor one the block of a second product, whose
/// gradient reads what it was.
template <class R>
constexpr bool norms_fit() {
  for (std::size_t k = 0; k < R::norms.size(); ++k) {
    if (R::norms[k].count <= 0 || !R::norms[k].within(int(R::blocks))) return false;
    if constexpr (requires { R::halfway; })
      if (R::norms[k].contains({int(R::halfway), 1})) return false;
    for (std::size_t other = 0; other < k; ++other)
      if (R::norms[k].overlaps(R::norms[other])) return false;
  }
  return true;
}
/// Whether no norm is of any of some blocks.
template <class R>
constexpr bool no_norm_overlaps(BlockRange range) {
  for (const BlockRange norm : norms_of<R>())
    if (norm.overlaps(range)) return false;
  return true;
}
/// What norms ask for: such ranges, and a number that is added to the variance.
template <class R>
concept HasNorms = requires(const R rule) {
  { rule.epsilon } -> std::convertible_to<double>;
  requires norms_fit<R>();
};
/// What a range with a bias asks for: of what the inputs reach, all or nothing is in it.
template <class R>
concept HasBias = requires {
  requires R::from_bias.count >= 0 && R::from_bias.within(int(R::blocks));
  requires R::from_bias.contains(R::from_input) || !R::from_bias.overlaps(R::from_input);
};
/// What shared numbers ask for: blocks of their own.
template <class R>
concept HasShared = requires {
  requires R::from_shared.count > 0 && R::from_shared.within(int(R::blocks));
  requires !R::from_shared.overlaps(pre_activations<R>) && !R::from_shared.overlaps(from_bias<R>());
};
/// What random bits ask for: blocks of their own, and the probability that those of the range's k-th block are 1.
template <class R>
concept HasRandom = requires(const R rule) {
  requires R::random.count > 0 && R::random.within(int(R::blocks));
  requires !R::random.overlaps(pre_activations<R>) && !R::random.overlaps(R::state);
  requires !R::random.overlaps(from_bias<R>()) && !R::random.overlaps(from_shared<R>());
  requires no_norm_overlaps<R>(R::random);
  { rule.probability(0) } -> std::convertible_to<double>;
};
/// What a second product asks for: a hidden state of one block, and the blocks that it goes from and to, these without
/// a gap to those of the other products.
template <class R>
concept HasHalfway = requires(const R rule, CheckRead read, CheckWrite write) {
  requires made_blocks<R>().count == 1;
  requires R::halfway >= 0 && R::halfway < int(R::blocks);
  requires R::from_halfway.first >= 0 && R::from_halfway.count > 0 && R::from_halfway.end() <= int(R::blocks);
  requires R::from_halfway.first <= span(R::from_input, from_hidden<R>()).end();
  requires span(R::from_input, from_hidden<R>()).first <= R::from_halfway.end();
};
/// What a product with h_<t-1> asks for: that h is carried, and blocks within the record, without a gap to those that
/// the inputs reach.
template <class R>
concept HasHidden = requires {
  requires R::from_hidden.first >= 0 && R::from_hidden.count > 0 && R::from_hidden.end() <= int(R::blocks);
  requires R::from_input.first <= R::from_hidden.end() && R::from_hidden.first <= R::from_input.end();
  requires is_projected<R> || R::state.contains(made_blocks<R>());
};
/// What a rule has whose hidden state is one of its blocks, or some: those, and states, if any, within the record.
template <class R>
concept HasOwnHidden = requires {
  R::h;
  requires made_blocks<R>().count > 0 && made_blocks<R>().within(int(R::blocks));
  requires R::state.contains(made_blocks<R>()) || !R::state.overlaps(made_blocks<R>());  // carried, all or nothing
  requires R::state.first >= 0 && R::state.count >= 0 && R::state.end() <= int(R::blocks);
};
/// What a rule has whose hidden state is projected: the block that it is projected from, states that begin at block 0,
/// a product with h_<t-1>, and no second one.
template <class R>
concept HasProjection = requires {
  requires int(R::projected) >= 0 && int(R::projected) < int(R::blocks);
  requires R::state.first == 0 && R::state.count >= 0 && R::state.end() <= int(R::blocks);
  requires has_from_hidden<R> && !stops_halfway<R>();
};

/// A rule that has all that any is asked for.
struct HasEverything {
  enum Block { h, n, blocks };
  enum Vector { p, vectors };
  static constexpr BlockRange from_input{h, 1}, from_hidden{h, 1}, from_halfway{h, 1}, state{h, 1};
  static constexpr int halfway = h;
  static constexpr BlockRange from_bias{h, 0};
  static constexpr std::array norms{BlockRange{n, 1}};
  double epsilon = 1;
  void forward(const auto&...) const {}
  void backward(const auto&...) const {}
  void forward_halfway(const auto&...) const {}
  void backward_halfway(const auto&...) const {}
  void derive(const auto&...) const {}
  void backward_derive(const auto&...) const {}
};
/// One with shared numbers and random bits.
struct HasEverythingShared {
  enum Block { h, dt, m, blocks };
  static constexpr BlockRange from_input{h, 1}, from_shared{dt, 1}, random{m, 1}, state{h, 1};
  double probability(int) const { return 0; }
};
/// The same with a projection.
struct HasEveryProjection {
  enum Block { q, blocks };
  static constexpr BlockRange from_input{q, 1}, from_hidden{q, 1}, state{0, 0};
  static constexpr int projected = q;
};
/// R where something is asked of it. A conjunction, unlike a disjunction, lets compilers say which function is missing.
template <bool asked, class R, class Otherwise = HasEverything>
using Where = std::conditional_t<asked, R, Otherwise>;

}  // namespace detail

/// What Cell asks of a rule: the blocks of its record, which of them take the products, which are carried as state;
/// and its functions, with the rule's own parameters where it has some.
template <class R>
concept Rule =
    requires {
      // the number of blocks, and where U x_t adds into, within the record
      static_cast<int>(R::blocks);
      requires R::from_input.first >= 0 && R::from_input.count > 0 && R::from_input.end() <= int(R::blocks);
    } &&
    // the hidden state, and what is carried from step to step
    detail::HasOwnHidden<detail::Where<!detail::is_projected<R>, R>> &&
    detail::HasProjection<detail::Where<detail::is_projected<R>, R, detail::HasEveryProjection>> &&
    // where W h_<t-1> adds into, if it does
    detail::HasHidden<detail::Where<detail::has_from_hidden<R>, R>> &&
    // forward and backward, with the rule's own parameters or without
    detail::HasFunctions<detail::Where<detail::vectors_of<R>() == 0, R>> &&
    detail::HasFunctionsOfVectors<detail::Where<(detail::vectors_of<R>() > 0), R>> &&
    detail::HasDerived<detail::Where<(detail::derived_of<R>() > 0), R>> &&
    // biases, norms, numbers that all units share, random bits, a second product
    detail::HasBias<detail::Where<requires { R::from_bias; }, R>> &&
    detail::HasNorms<detail::Where<requires { R::norms; }, R>> &&
    detail::HasShared<detail::Where<requires { R::from_shared; }, R, detail::HasEverythingShared>> &&
    detail::HasRandom<detail::Where<requires { R::random; }, R, detail::HasEverythingShared>> &&
    detail::HasHalfway<detail::Where<detail::has_halfway<R>, R>> &&
    detail::HasHalfwayFunctions<detail::Where<detail::stops_halfway<R>() && detail::vectors_of<R>() == 0, R>> &&
    detail::HasHalfwayFunctionsOfVectors<detail::Where<detail::stops_halfway<R>() && (detail::vectors_of<R>() > 0), R>>;

namespace detail {

/// Calls the functions of a rule, and is never called itself: it is compiled, so that they are, with arrays that have
/// nothing but what is pointwise.
template <class Rule, class Scalar>
void call_pointwise(const Rule& rule, const PointwiseBlocks<const PointwiseArray<Scalar>>& read,
                    PointwiseBlocks<PointwiseArray<Scalar>>& write) {
  const auto call = [&](const auto&... own) {
    rule.forward(read, write, own...);
    if constexpr (stops_halfway<Rule>()) rule.forward_halfway(read, write, own...);
  };
  const auto call_backward = [&](auto&... own) {
    rule.backward(read, read, write, write, own...);
    if constexpr (stops_halfway<Rule>()) rule.backward_halfway(read, read, write, write, own...);
  };
  if constexpr (vectors_of<Rule>() > 0) {
    call(read), call_backward(read, write);
  } else {
    call(), call_backward();
  }
  if constexpr (derived_of<Rule>() > 0) {
    rule.derive(read, write);
    rule.backward_derive(read, read, read, write);
  }
}

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
