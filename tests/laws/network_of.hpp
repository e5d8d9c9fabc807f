// What is behind AnyNetwork: a network of recur.
#pragma once

#include "../any_cells/any_cells.hpp"
#include "../cells.hpp"
#include "networks.hpp"

#include <recur/stream.hpp>

namespace recur_test {

template <class Net>
NamedMatrices blocks_of(const Net& net) {
  NamedMatrices blocks;
  recur::visit([&](const recur::Name& name, const auto& block) { blocks.emplace_back(name.str(), block); }, net);
  return blocks;
}
template <class Net>
Net of_blocks(Net net, const NamedMatrices& blocks) {
  std::size_t i = 0;
  recur::visit([&](const recur::Name&, auto& block) { block = blocks.at(i++).second; }, net);
  return net;
}

template <class Net, class Interface>
class ForwardOf : public Interface {
 public:
  using Scalar = typename Net::Scalar;
  explicit ForwardOf(Net net) : net_(std::move(net)) {}

  SeriesView<const Scalar> forward(SeriesView<const Scalar> x, const StatesOf<Scalar>& initial) override {
    return net_.forward(x, trace_, state_of(initial));
  }
  StatesOf<Scalar> final_state() const override { return matrices_of(net_.final_state(trace_)); }
  StatesOf<Scalar> random_state(Index batch, std::mt19937& rng) const override {
    return matrices_of(recur_test::random_state(net_, batch, rng));
  }

 protected:
  using State = typename Net::State;

  static StatesOf<Scalar> matrices_of(const State& state) {
    StatesOf<Scalar> matrices;
    recur::visit_state([&](const auto& block) { matrices.push_back(block); }, state);
    return matrices;
  }
  State state_of(const StatesOf<Scalar>& matrices) const {
    if (matrices.empty()) return {};
    auto state = net_.state(0);
    std::size_t i = 0;
    recur::visit_state([&](auto& block) { block = matrices.at(i++); }, state);
    return state;
  }

  Net net_;
  typename Net::Trace trace_;
};

template <class Net>
class NetworkOf : public ForwardOf<Net, AnyNetwork> {
  using ForwardOf<Net, AnyNetwork>::net_, ForwardOf<Net, AnyNetwork>::trace_;

 public:
  explicit NetworkOf(Net net) : ForwardOf<Net, AnyNetwork>(std::move(net)), gradient_(recur::zeros_like(net_)) {}

  std::unique_ptr<AnyNetwork> copy() const override { return std::make_unique<NetworkOf>(net_); }
  std::string description() const override { return net_.description(); }
  Index inputs() const override { return net_.inputs(); }
  Index outputs() const override { return net_.outputs(); }
  bool causal() const override { return Net::causal; }

  void randomize(std::mt19937& rng, double limit) override { net_ = randomized(std::move(net_), rng, limit); }
  NamedMatrices parameters() const override { return blocks_of(net_); }
  void set_parameters(const NamedMatrices& blocks) override { net_ = of_blocks(std::move(net_), blocks); }

  void train(std::uint64_t seed) override { trace_.train(seed); }
  void use_trace(recur::TraceOptions options) override { trace_ = net_.trace(options); }
  Index segments() const override { return trace_.segments(); }
  void bptt(SeriesView<const double> x, SeriesView<const double> dy, const AnyBpttOptions& options) override {
    const auto d_final = this->state_of(options.d_final ? *options.d_final : States());
    auto d_initial = net_.state(x.batch());
    recur::bptt(net_, x, trace_, dy, gradient_, options_of(options, d_final, d_initial));
    if (options.d_initial) *options.d_initial = this->matrices_of(d_initial);
  }
  void bptt_of_loss(const Series<double>& x, SeriesView<const double> dy, const States& initial, Series<double>& y,
                    const AnyBpttOptions& options) override {
    const auto d_final = this->state_of(options.d_final ? *options.d_final : States());
    const auto from = this->state_of(initial);
    auto d_initial = net_.state(x.batch());
    auto all = options_of(options, d_final, d_initial);
    all.initial = &from;
    y.resize(net_.outputs(), x.batch(), x.steps());
    y.matrix().setZero();
    const auto loss = [&](Index first, SeriesView<const double> part, Series<double>& d_part) {
      for (Index t = 0; t < part.steps(); ++t) {
        y[first + t] = part[t];
        d_part[t] = dy[first + t];
      }
      return 0.0;
    };
    const recur::SeriesReader<double> reader(x.batch(), x.steps(), [&](Index first, Series<double>& part) {
      for (Index t = 0; t < part.steps(); ++t) part[t] = x[first + t];
    });
    recur::bptt(net_, x.lengths().empty() ? reader : reader.with_lengths(x.lengths()), trace_, loss, gradient_, all);
    if (options.d_initial) *options.d_initial = this->matrices_of(d_initial);
  }
  NamedMatrices gradient() const override { return blocks_of(gradient_); }
  void set_gradient(double value) override {
    recur::visit([&](const recur::Name&, auto& block) { block.setConstant(value); }, gradient_);
  }
  recur::GradientCheck check_gradient(const Series<double>& x, const Series<double>& target, const States& initial,
                                      const States& d_final, std::optional<std::uint64_t> dropout_seed) const override {
    const auto from = this->state_of(initial), to = this->state_of(d_final);
    return recur::check_gradient(net_, recur::squared_error, x, target,
                                 {.initial = &from, .d_final = &to, .dropout_seed = dropout_seed});
  }
  Series<double> stream(SeriesView<const double> x) const override {
    Series<double> y(net_.outputs(), 1, x.steps());
    if constexpr (Net::causal) {
      recur::Stream stream(net_);
      for (Index t = 0; t < x.steps(); ++t) y[t] = stream.step(recur::VectorOf<double>(x[t]));
    }
    return y;
  }

 private:
  static recur::BpttOptions<Net> options_of(const AnyBpttOptions& options, const typename Net::State& d_final,
                                            typename Net::State& d_initial) {
    return {.d_final = options.d_final ? &d_final : nullptr,
            .dx = options.dx,
            .d_initial = options.d_initial ? &d_initial : nullptr,
            .accumulate = options.accumulate,
            .window = options.window,
            .stride = options.stride};
  }

  Net gradient_;
};

template <class Rule>
struct OtherTypesOf : AnyOtherTypes {
  std::unique_ptr<AnyForward<float>> make_float(Index inputs, Index outputs, std::mt19937& rng,
                                                double limit) const override {
    return std::make_unique<ForwardOf<recur::Cell<Rule, float>, AnyForward<float>>>(
        randomized(cell_of_sizes<Rule, float>(inputs, outputs), rng, limit));
  }
  std::pair<Series<double>, NamedMatrices> run_fixed(const NamedMatrices& parameters, SeriesView<const double> x,
                                                     SeriesView<const double> dy) const override {
    const auto fixed = of_blocks(Fixed(), parameters);
    auto trace = fixed.trace();
    auto gradient = recur::zeros_like(fixed);
    const Series<double> y(fixed.forward(x, trace));
    recur::bptt(fixed, x, trace, dy, gradient);
    return {y, blocks_of(gradient)};
  }
  Series<double> step_fixed(const NamedMatrices& parameters, SeriesView<const double> x) const override {
    const auto fixed = of_blocks(Fixed(), parameters);
    Series<double> y(fixed.outputs(), 1, x.steps());
    auto before = fixed.template record<1>(), now = before;
    for (Index t = 0; t < x.steps(); ++t) {
      fixed.step(recur::VectorOf<double, 3 + shared>(x[t]), before, now);
      y[t] = now.middleRows(projects ? 0 : 5 * recur::detail::made_blocks<Rule>().first, fixed.outputs());
      before = now;
    }
    return y;
  }

 private:
  static constexpr bool projects = recur::Cell<Rule, double>::is_projected;
  static constexpr int shared = recur::Cell<Rule, double>::shared;
  using Fixed = std::conditional_t<projects, recur::Cell<Rule, double, 3, projects ? 7 : 5, 5>,
                                   recur::Cell<Rule, double, 3 + shared, 5>>;
};

/// Its arguments in a vector: what can only be moved has no initialiser list.
template <class... Named>
auto list_of(Named... named) {
  std::vector<std::common_type_t<Named...>> list;
  (list.push_back(std::move(named)), ...);
  return list;
}

template <class Rule>
NamedTypes other_types(std::string name) {
  return {std::move(name), std::make_unique<OtherTypesOf<Rule>>()};
}
template <class Net>
NamedNetwork network(std::string name, Net net) {
  return {std::move(name), std::make_unique<NetworkOf<Net>>(std::move(net))};
}

}  // namespace recur_test
