// The rules that tests have beside those of the library, and random networks, series and states. `Rules` are those
// that project nothing, for the hashes; the laws have theirs in any_cells/ and laws/cells_of_times.cpp.
#pragma once

#include "random_series.hpp"

#include <recur/recur.hpp>

#include <tuple>

namespace recur_test {

/// h_t = (1 - alpha) h_<t-1> + alpha f(a_t): a rule with a constant of its own.
template <recur::Activation F = recur::Tanh>
struct LeakyIntegrator {
  enum Block { f, h, blocks };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  double alpha = 0.3;

  void forward(const auto& before, auto& now) const {
    now[f] = F().value(now[f]);
    now[h] = (1 - alpha) * before[h] + alpha * now[f];
  }
  void backward(const auto&, const auto& now, auto& d_now, auto& d_before) const {
    d_now[f] = alpha * d_now[h] * F().slope(now[f]);
    d_before[h] += (1 - alpha) * d_now[h];
  }
};

/// h_t = h_<t-1> + p (f(a_t) - h_<t-1>): a rule with parameters of its own, one p for each unit.
struct LearnedLeak {
  enum Block { f, h, blocks };
  enum Vector { p, vectors };
  static constexpr recur::BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};

  void forward(const auto& before, auto& now, const auto& own) const {
    now[f] = recur::Tanh().value(now[f]);
    now[h] = before[h] + own[p] * (now[f] - before[h]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& own, auto& d_own) const {
    d_own[p] += d_now[h] * (now[f] - before[h]);
    d_now[f] = d_now[h] * own[p] * recur::Tanh().slope(now[f]);
    d_before[h] += d_now[h] * (1 - own[p]);
  }
};

/// c_t = g c_<t-1> + (1 - g) tanh(a_c), h_t = tanh(c_t): two states, h not the first of them.
struct TwoStates {
  enum Block { g, a, c, h, blocks };
  static constexpr recur::BlockRange from_input{g, 2}, from_hidden{g, 2}, state{c, 2};

  void forward(const auto& before, auto& now) const {
    now[g] = recur::Logistic().value(now[g]);
    now[a] = recur::Tanh().value(now[a]);
    now[c] = now[a] + now[g] * (before[c] - now[a]);
    now[h] = recur::Tanh().value(now[c]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[c] += d_now[h] * recur::Tanh().slope(now[h]);
    d_now[g] = d_now[c] * (before[c] - now[a]) * recur::Logistic().slope(now[g]);
    d_now[a] = d_now[c] * (1 - now[g]) * recur::Tanh().slope(now[a]);
    d_before[c] += d_now[c] * now[g];
  }
};

/// q_t = f(a_t), h_t = R q_t: a projected rule that carries h alone.
struct ProjectedElman {
  enum Block { q, blocks };
  static constexpr recur::BlockRange from_input{q, 1}, from_hidden{q, 1}, state{q, 0};
  static constexpr int projected = q;

  void forward(const auto&, auto& now) const { now[q] = recur::Tanh().value(now[q]); }
  void backward(const auto&, const auto& now, auto& d_now, auto&) const { d_now[q] *= recur::Tanh().slope(now[q]); }
};

/// A projected rule with parameters of its own, whose inputs reach one of its blocks alone, and whose state is what h
/// is projected from: c_t = f c_<t-1> + (1 - f + p) g, h_t = R c_t.
struct ProjectedLeak {
  enum Block { c, f, g, blocks };
  enum Vector { p, vectors };
  static constexpr recur::BlockRange from_input{g, 1}, from_hidden{f, 2}, state{c, 1};
  static constexpr int projected = c;

  void forward(const auto& before, auto& now, const auto& own) const {
    now[f] = recur::Logistic().value(now[f]);
    now[g] = recur::Tanh().value(now[g]);
    now[c] = now[f] * before[c] + (1 - now[f] + own[p]) * now[g];
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& own, auto& d_own) const {
    d_own[p] += d_now[c] * now[g];
    d_now[f] = d_now[c] * (before[c] - now[g]) * recur::Logistic().slope(now[f]);
    d_now[g] = d_now[c] * (1 - now[f] + own[p]) * recur::Tanh().slope(now[g]);
    d_before[c] += d_now[c] * now[f];
  }
};

/// The minimal gated unit (G.-B. Zhou, J. Wu, C.-L. Zhang, Z.-H. Zhou, 2016), with a second product:
/// f = logistic(a_f),  n = tanh(b_n + U_n x_t + W_n (f h_<t-1>)),  h_t = (1 - f) h_<t-1> + f n.
struct MinimalGatedUnit {
  enum Block { f, n, q, h, blocks };
  static constexpr recur::BlockRange from_input{f, 2}, from_hidden{f, 1}, from_halfway{n, 1}, state{h, 1};
  static constexpr int halfway = q;

  void forward_halfway(const auto& before, auto& now) const {
    now[f] = recur::Logistic().value(now[f]);
    now[q] = now[f] * before[h];
  }
  void forward(const auto& before, auto& now) const {
    now[n] = recur::Tanh().value(now[n]);
    now[h] = before[h] + now[f] * (now[n] - before[h]);
  }
  void backward(const auto&, const auto& now, auto& d_now, auto& d_before) const {
    d_now[n] = d_now[h] * now[f] * recur::Tanh().slope(now[n]);
    d_before[h] += d_now[h] * (1 - now[f]);
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[f] = (d_now[h] * (now[n] - before[h]) + d_now[q] * before[h]) * recur::Logistic().slope(now[f]);
    d_before[h] += d_now[q] * now[f];
  }
};

/// The update gate network (J. Collins, J. Sohl-Dickstein, D. Sussillo, 2017, UGRNN):
/// g = logistic(a_g),  c = tanh(a_c),  h_t = g h_<t-1> + (1 - g) c.
struct UpdateGateUnit {
  enum Block { g, c, h, blocks };
  static constexpr recur::BlockRange from_input{g, 2}, from_hidden{g, 2}, state{h, 1};

  void forward(const auto& before, auto& now) const {
    now[g] = recur::Logistic().value(now[g]);
    now[c] = recur::Tanh().value(now[c]);
    now[h] = now[c] + now[g] * (before[h] - now[c]);
  }
  void backward(const auto& before, const auto& now, auto& d_now, auto& d_before) const {
    d_now[g] = d_now[h] * (before[h] - now[c]) * recur::Logistic().slope(now[g]);
    d_now[c] = d_now[h] * (1 - now[g]) * recur::Tanh().slope(now[c]);
    d_before[h] += d_now[h] * now[g];
  }
};

/// Its norms with a larger epsilon, so that differences are accurate where all units are nearly the same.
template <class Rule>
struct SmoothlyNormed : Rule {
  SmoothlyNormed() { this->epsilon = 0.1; }
};

/// Two probabilities for each of two states.
struct ZonedOutLstm : recur::ZoneoutRule<recur::LstmRule<>> {
  ZonedOutLstm() { probabilities = {0.2, 0.6}; }
};
/// And one of a rule with a product halfway, whose hidden state is its pre-activation's block.
template <class Rule>
struct ZonedOut : recur::ZoneoutRule<Rule> {
  ZonedOut() { this->probabilities.fill(0.4); }
};

/// A rule of every stage: a product halfway and its norm, shared numbers, blocks without a bias, of which h is two, and
/// functions of its own parameters; its block of inputs is the one that has a bias.
struct EveryStage {
  enum Block { u, w, v, q, dt, h_1, h_2, blocks };
  enum Vector { p, vectors };
  enum Derived { decay, gain, derived };
  static constexpr recur::BlockRange from_input{u, 1}, from_hidden{w, 2}, from_bias{u, 1}, from_shared{dt, 1};
  static constexpr recur::BlockRange state{h_1, 2}, h{h_1, 2};
  static constexpr std::array norms{recur::BlockRange{w, 2}, recur::BlockRange{q, 1}};
  double epsilon = 0.1;

  void derive(const auto& own, auto& of) const {
    of[decay] = (-own[p].exp()).exp();
    of[gain] = 1 + own[p];
  }
  void backward_derive(const auto& own, const auto& of, const auto& d_of, auto& d_own) const {
    d_own[p] += d_of[gain] - d_of[decay] * of[decay] * own[p].exp();
  }
  void forward_halfway(const auto& before, auto& now, const auto& of) const {
    now[u] = recur::Tanh().value(now[u] + of[gain] * now[w]);
    now[q] = now[u] * (1 + before[h_2]) + now[dt];
  }
  void forward(const auto& before, auto& now, const auto& of) const {
    now[h_1] = of[decay] * before[h_1] + now[q];
    now[h_2] = recur::Tanh().value(now[v] + now[q] * now[dt]);
  }
  void backward(const auto&, const auto& now, auto& d_now, auto& d_before, const auto& of, auto&) const {
    d_now[v] = d_now[h_2] * recur::Tanh().slope(now[h_2]);
    d_now[q] = d_now[h_1] + d_now[v] * now[dt];
    d_now[dt] = d_now[v] * now[q];
    d_before[h_1] += d_now[h_1] * of[decay];
  }
  void backward_halfway(const auto& before, const auto& now, auto& d_now, auto& d_before, const auto& of,
                        auto& d_of) const {
    d_of[decay] += d_now[h_1] * before[h_1];
    d_now[dt] += d_now[q];
    d_before[h_2] += d_now[q] * now[u];
    d_now[u] = d_now[q] * (1 + before[h_2]) * recur::Tanh().slope(now[u]);
    d_of[gain] += d_now[u] * now[w];
    d_now[w] = d_now[u] * of[gain];
  }
};

using Rules = std::tuple<recur::ElmanRule<>, LeakyIntegrator<recur::Tanh>, LearnedLeak, TwoStates, recur::LstmRule<>,
                         recur::PeepholeLstmRule<>, recur::GruRule<>, recur::GruResetBeforeRule<>, recur::IndRnnRule<>,
                         recur::MinGruRule<>, recur::MinLstmRule<>, recur::QrnnRule<>, recur::RgLruRule>;

/// Everything random, biases and the rule's own parameters included.
template <class Net>
Net randomized(Net net, std::mt19937& rng, double limit = 0.8) {
  recur::visit([&](const recur::Name&, auto& block) { recur::uniform_within(block, limit, rng); }, net);
  return net;
}
template <class Net>
typename Net::State random_state(const Net& net, recur::Index batch, std::mt19937& rng) {
  auto state = net.state(batch);
  recur::visit_state([&](auto& block) { recur::uniform_within(block, 0.8, rng); }, state);
  bool divides = requires { requires std::is_same_v<typename Net::Rule, recur::SLstmRule>; };
  using SLstm = recur::SLstm<typename Net::Scalar>;
  if constexpr (requires { net.template get_if<SLstm>(); }) divides = net.template get_if<SLstm>() != nullptr;
  if constexpr (requires { state.middleRows(net.hidden(), net.hidden()); }) {
    if (divides) {
      auto n = state.middleRows(2 * net.hidden(), net.hidden());  // what h is divided by, a sum of exponentials
      n = n.cwiseAbs().array() + 0.3;
    }
  }
  return state;
}

}  // namespace recur_test
