// Prints a hash of all numbers that recur computes, one line a network and way of use: outputs, states, every gradient,
// and trained parameters. Where two trees print the same, a change between them has changed no bit. The numbers are of
// one machine and one set of flags.
#include "cells.hpp"

#include <cstring>
#include <iomanip>
#include <iostream>
#ifdef _OPENMP
#include <omp.h>
#endif

using namespace recur;
using recur_test::random_series, recur_test::random_state, recur_test::randomized;

namespace {

/// FNV-1a over the bytes of numbers; +0 and -0 are two.
class Hash {
 public:
  template <class Derived>
  void add(const Eigen::DenseBase<Derived>& matrix) {
    for (Index j = 0; j < matrix.cols(); ++j)
      for (Index i = 0; i < matrix.rows(); ++i) {
        const auto number = matrix.derived().coeff(i, j);
        unsigned char bytes[sizeof number];
        std::memcpy(bytes, &number, sizeof number);
        for (const unsigned char byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3u;
      }
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

template <class Net>
void add_parameters(Hash& hash, const Net& net) {
  visit([&](const Name&, const auto& block) { hash.add(block); }, net);
}

void print(const std::string& what, const Hash& hash) {
  std::cout << std::hex << std::setw(16) << std::setfill('0') << hash.value() << std::dec << "  " << what << '\n';
}

template <class Net, class X>
void run(const std::string& name, const Net& net, const X& x, Index window, Index stride) {
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(1);
  auto trace = net.trace();
  trace.train(11);
  auto gradient = zeros_like(net);
  auto initial = random_state(net, x.batch(), rng), d_final = random_state(net, x.batch(), rng), d_initial = initial;
  const auto dy = random_series<Scalar>(net.outputs(), x.batch(), x.steps(), rng);
  Series<Scalar> dx;
  Hash hash;
  for (int round = 0; round < 2; ++round) {
    hash.add(net.forward(x, trace, initial).matrix());
    BpttOptions<Net> options{
        .d_final = &d_final, .d_initial = &d_initial, .accumulate = round > 0, .window = window, .stride = stride};
    if constexpr (std::is_same_v<X, TokensView>) {
      bptt(net, x, trace, dy, gradient, options);
    } else {
      options.dx = &dx;
      bptt(net, x, trace, dy, gradient, options);
      hash.add(dx.matrix());
    }
    add_parameters(hash, gradient);
    visit_state([&](const auto& block) { hash.add(block); }, d_initial);
    net.final_state(trace, initial);
    visit_state([&](const auto& block) { hash.add(block); }, initial);
    trace.evaluate();
  }
  // the loss on the final state alone, and only the gradient of parameters
  bptt(net, x, trace, {}, gradient, {.d_final = &d_final});
  add_parameters(hash, gradient);
  bptt(net, x, trace, dy, gradient);
  add_parameters(hash, gradient);
  print(name, hash);
}

template <class Net>
void all_ways(const std::string& name, const Net& net, Index batch, Index steps) {
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(2);
  auto x = random_series<Scalar>(net.inputs(), batch, steps, rng);
  std::vector<Index> lengths;
  for (Index n = 0; n < batch; ++n) lengths.push_back(n * 13 % (steps + 1));
  if (batch == 1) lengths[0] = steps - 1;
  Tokens tokens(batch, steps);
  for (Index j = 0; j < batch * steps; ++j) tokens.data()[j] = static_cast<int>(j * 7 % net.inputs());
  for (int threads = 1; threads <= 3; ++threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads);
#else
    if (threads > 1) break;
#endif
    const std::string with = name + ", " + std::to_string(batch) + " x " + std::to_string(steps) + ", " +
                             std::to_string(threads) + (threads > 1 ? " threads" : " thread");
    x.set_lengths({});
    tokens.set_lengths({});
    for (const bool end_early : {false, true}) {
      const std::string how = with + (end_early ? ", lengths" : "");
      if (end_early) {
        x.set_lengths(lengths);
        tokens.set_lengths(lengths);
      }
      run(how, net, SeriesView<const Scalar>(x), 0, 0);
      if constexpr (Net::causal) run(how + ", window", net, SeriesView<const Scalar>(x), 9, 4);
      if constexpr (Net::takes_tokens) run(how + ", tokens", net, TokensView(tokens), 0, 0);
    }
  }
  if constexpr (Net::causal) {
    Stream stream(net);
    Hash hash;
    for (Index t = 0; t < steps; ++t) hash.add(stream.step(VectorOf<Scalar>(x[t].col(0))));
    const auto state = stream.state();
    visit_state([&](const auto& block) { hash.add(block); }, state);
    print(name + ", stream", hash);
  }
}

template <class Net>
void trained(const std::string& name, Net net) {
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(3);
  initialize(net, rng);
  auto x = random_series<Scalar>(net.inputs(), 24, 20, rng), target = random_series<Scalar>(net.outputs(), 24, 20, rng);
  std::vector<Index> lengths;
  for (Index n = 0; n < 24; ++n) lengths.push_back(1 + n * 13 % 20);
  x.set_lengths(lengths);
  target.set_lengths(lengths);
  for (const Index window : {0, 6}) {
    if (window > 0 && !Net::causal) continue;
    auto copy = net;
    Adam<Net> adam(copy, {.rate = Scalar(0.01)});
    const auto data = SeriesData(x, target);
    const auto result = train(copy, adam, squared_error, data, rng, {.epochs = 3, .batch = 7, .window = window});
    Hash hash;
    add_parameters(hash, copy);
    print(name + ", trained, window " + std::to_string(window), hash);
    static_cast<void>(result);
  }
}

template <class Scalar>
void everything(const std::string& type) {
  std::mt19937 rng(4);
  int k = 0;
  const auto cells = [&]<class... Rule>(std::tuple<Rule...>) {
    const auto one = [&]<class R>(R*) {
      const std::string name = type + ", rule " + std::to_string(k++);
      all_ways(name, randomized(Cell<R, Scalar>(3, 5), rng), 2, 12);
      all_ways(name + " fixed", randomized(Cell<R, Scalar, 3, 5>(), rng), 2, 12);
      all_ways(name + " wide", randomized(Cell<R, Scalar>(5, 101), rng, 0.2), 1, 20);
      all_ways(name + " wide", randomized(Cell<R, Scalar>(5, 101), rng, 0.2), 27, 45);
      trained(name, Sequence(Cell<R, Scalar>(3, 6), Readout<Scalar>(6, 2, {.bias = true})));
    };
    (one(static_cast<Rule*>(nullptr)), ...);
  };
  cells(recur_test::Rules());
  const auto two = randomized(Sequence(Elman<Scalar>(9, 70), Readout<Scalar>(70, 18, {.bias = true}),
                                       Elman<Scalar>(18, 41), Readout<Scalar>(41, 1, {.bias = true})),
                              rng, 0.2);
  all_ways(type + ", sequence", two, 29, 60);
  trained(type + ", sequence", two);
  const auto both = randomized(Sequence(Stack<Bidirectional<Lstm<Scalar>>>(9, 30, 2, {.dropout = 0.3}),
                                        Dropout<Scalar>(60, 0.2), GruResetBefore<Scalar>(60, 41)),
                               rng, 0.2);
  all_ways(type + ", both ways", both, 29, 60);
  trained(type + ", both ways", both);
  const auto stacked = randomized(Stack<Gru<Scalar>>(9, 40, 3, {.dropout = 0.3}), rng, 0.2);
  all_ways(type + ", stack", stacked, 29, 60);
  all_ways(type + ", stack", stacked, 1, 9);
  trained(type + ", stack", stacked);
  all_ways(type + ", bidirectional", randomized(Bidirectional<Gru<Scalar>>(3, 4), rng), 5, 7);
  const auto nested =
      randomized(Sequence(Sequence(Dropout<Scalar>(6, 0.4), Lstm<Scalar, 6, 16>()), Readout<Scalar, 16, 3>()), rng);
  all_ways(type + ", nested", nested, 6, 30);
  all_ways(type + ", embedded",
           randomized(Sequence(Embedding<Scalar>(9, 90, {.padding = 2}), LayerNorm<Scalar>(90), MinGru<Scalar>(90, 41),
                               LayerNorm<Scalar>(41)),
                      rng, 0.2),
           29, 60);
  all_ways(type + ", dropout first", randomized(Sequence(Dropout<Scalar>(90, 0.4), Readout<Scalar>(90, 100)), rng, 0.2),
           37, 46);
  const auto projected =
      randomized(Stack<ProjectedLstm<Scalar>>({{9, 60, 41}, {41, 60, 41}}, {.dropout = 0.3}), rng, 0.2);
  all_ways(type + ", projected", projected, 29, 60);
  all_ways(type + ", projected", projected, 1, 9);
  trained(type + ", projected", projected);
  all_ways(type + ", side by side",
           randomized(Sequence(Parallel(Elman<Scalar>(9, 41), Readout<Scalar>(9, 30), Dropout<Scalar>(9, 0.3)),
                               Residual(Gru<Scalar>(80, 80)), Sum(Readout<Scalar>(80, 7), Lstm<Scalar>(80, 7)),
                               Dropout<Scalar>(7, 0.4, {.one_mask = true})),
                      rng, 0.2),
           29, 60);
}

}  // namespace

int main() {
  everything<float>("float");
  everything<double>("double");
}
