#pragma once
/// \file
/// Zoneout (D. Krueger, T. Maharaj, J. Kramar et al., "Zoneout: regularizing RNNs by randomly preserving hidden
/// activations", 2016), for any rule.

#include "cell.hpp"

namespace recur::inline RECUR_ISA {

/// s_t = m s_<t-1> + (1 - m) s~_t for each of the rule's states s, h among them, where s~_t is what the rule makes of
/// the step: in training each m is 1 with the state's probability, else 0; without training it is the probability.
///
///     recur::Cell<recur::ZoneoutRule<recur::LstmRule<>>, float> lstm(8, 32, {{0.05, 0.5}});       // of h and of c
///
/// Training is what trace.train(seed) begins, as for Dropout. Everything else is the rule's: its parameters, stages and
/// constants. Not for rules whose hidden state is projected, or not carried, nor for those with random bits. Where some
/// of a rule's states mean nothing without each other, as sLSTM's c, n and m, it says so with `static constexpr
/// BlockRange bound`: their probabilities must be 0, which the constructor looks at.
template <class Rule>
struct ZoneoutRule : Rule {
  static_assert(!detail::is_projected<Rule> && Rule::state.contains(detail::made_blocks<Rule>()),
                "ZoneoutRule: only for rules whose hidden state is carried, and not projected");
  static_assert(detail::random_of<Rule>().count == 0, "ZoneoutRule: only for rules without random bits of their own");

  /// What Rule asks for: the rule's blocks, then the states, then m of each.
  ///@{
  static constexpr int states = Rule::state.count, kept = static_cast<int>(Rule::blocks), m = kept + states;
  static constexpr int blocks = m + states;
  static constexpr BlockRange state{kept, states}, random{m, states};
  static constexpr BlockRange h{kept + detail::made_blocks<Rule>().first - Rule::state.first,
                                detail::made_blocks<Rule>().count};
  ///@}

  /// Of each state to be kept as it was.
  std::array<double, states> probabilities = {};

  /// Nothing is kept.
  ZoneoutRule() = default;
  /// Throws std::invalid_argument unless 0 <= p < 1 for each of the states, and 0 for those that are bound together.
  ZoneoutRule(std::array<double, states> p, Rule rule = {}) : Rule(rule), probabilities(p) {  // NOLINT: converts
    for (const double each : p) require(each >= 0 && each < 1, "ZoneoutRule: 0 <= p < 1 expected, got ", each);
    if constexpr (requires { Rule::bound; }) {
      for (int k = 0; k < states; ++k)
        require(p[static_cast<std::size_t>(k)] == 0 || !Rule::bound.contains({Rule::state.first + k, 1}),
                "ZoneoutRule: p of state ", k, " must be 0, for the rule's states are bound together there, got ",
                p[static_cast<std::size_t>(k)]);
    }
  }

  /// What Rule asks for.
  ///@{
  std::string description() const {
    std::string text = "zoneout";
    for (const double each : probabilities) text += ' ' + describe(each);
    return text + " of " + detail::describe_rule(static_cast<const Rule&>(*this));
  }
  double probability(int k) const { return probabilities[static_cast<std::size_t>(k)]; }

  EIGEN_ALWAYS_INLINE void forward_halfway(const auto& before, auto& now, const auto&... own) const
    requires(detail::stops_halfway<Rule>())
  {
    Rule::forward_halfway(as_rule(before), now, own...);
  }
  EIGEN_ALWAYS_INLINE void forward(const auto& before, auto& now, const auto&... own) const {
    Rule::forward(as_rule(before), now, own...);
    for (int k = 0; k < states; ++k)
      now[kept + k] = (1 - now[m + k]) * now[Rule::state.first + k] + now[m + k] * before[kept + k];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, auto&&... own) const {
    for (int k = 0; k < states; ++k) {
      d_before[kept + k] += d_now[kept + k] * now[m + k];
      d_now[Rule::state.first + k] = d_now[kept + k] * (1 - now[m + k]);
    }
    auto d_states = as_rule(d_before);
    Rule::backward(as_rule(before), now, d_now, d_states, own...);
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before, auto&&... own) const
    requires(detail::stops_halfway<Rule>())
  {
    auto d_states = as_rule(d_before);
    Rule::backward_halfway(as_rule(before), now, d_now, d_states, own...);
  }
  ///@}

 private:
  /// The step before, as the rule sees it: its states are those that were kept.
  template <class Blocks>
  struct AsRule {
    Blocks& of;
    decltype(auto) operator[](int k) const {
      return of[Rule::state.contains({k, 1}) ? kept + k - Rule::state.first : k];
    }
  };
  template <class Blocks>
  EIGEN_ALWAYS_INLINE static AsRule<Blocks> as_rule(Blocks& of) {
    return {of};
  }
};

}  // namespace recur::inline RECUR_ISA
