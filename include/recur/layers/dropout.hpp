#pragma once
/// \file
/// Dropout (N. Srivastava et al., 2014).

#include "../describe.hpp"
#include "../layer.hpp"

namespace recur::inline RECUR_ISA {

/// In training each number of x is left out with probability p, and what stays is scaled by 1 / (1 - p); otherwise y =
/// x. What is left out depends on the seed of trace.train(seed), and on which number of which step of which sequence it
/// is: not on threads, nor on how a batch is padded.
///
///     trace.train(rng());                       // each forward from here on leaves out other numbers
///     trace.evaluate();                         // y = x, as at first
///
/// train() sees to that by itself. As PyTorch's nn.LSTM(dropout=p) has it, it belongs between recurrent layers.
template <class Scalar_ = float, int Features = Dynamic>
class Dropout : public LayerOf<Dropout<Scalar_, Features>> {
 public:
  using Scalar = Scalar_;
  using State = NoState;
  using Trace = recur::Trace<Dropout>;
  static constexpr int inputs_at_compile_time = Features, outputs_at_compile_time = Features;
  static constexpr bool causal = true, takes_tokens = false;

  /// y_1 .. y_T as columns, and in training what x was multiplied by.
  class Records {
   public:
    Index bytes() const { return detail::bytes_of(*this); }
    void for_each_buffer(auto&& f) const { f(y_), f(factors_); }

   private:
    friend Dropout;
    Series<Scalar> y_, factors_;
    detail::Dropping dropping_;
  };

  /// Throws std::invalid_argument unless 0 <= p < 1.
  explicit Dropout(double p)
    requires(Features != Dynamic)
      : Dropout(Features, p) {}
  Dropout(Index features, double p) : features_(features), p_(p) {
    require(features > 0, "Dropout: features > 0 expected, got ", features);
    require(p >= 0 && p < 1, "Dropout: 0 <= p < 1 expected, got ", p);
    require(Features == Dynamic || features == Features, "Dropout: features must be ", Features,
            " (fixed by its type), got ", features);
  }

  Index inputs() const { return features_; }
  Index outputs() const { return features_; }
  double probability() const { return p_; }
  /// "Dropout 0.2 32 -> 32": see describe.hpp.
  std::string description() const { return "Dropout " + describe(p_) + detail::describe_sizes(inputs(), outputs()); }

  static void visit(auto&&, const Name&, auto&...) {}
  template <class Other>
  Dropout<Other, Features> cast() const {
    return {features_, p_};
  }

  /// y_t = x_t: a Stream is not in training.
  struct Memory {};
  Memory memory() const { return {}; }
  void set_state(Memory&, const State&) const {}
  void get_state(const Memory&, State&) const {}
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, Memory&) const noexcept { return x.data(); }

  struct Plan {};

 private:
  friend detail::LayerAccess;

  // ---- The parts of a layer: see unroll.hpp, which says when they are called ----

  void set_zero(State&, Index) const {}
  void require_forward(Index features, Index, const State&) const {
    require_equal("forward", "x.features()", features, "inputs()", inputs());
  }
  void require_backward(const Records& records, const Steps&, const State&) const {
    require_equal("bptt", "the trace's outputs", records.y_.features(), "outputs()", outputs());
  }

  /// y = m x, with each m either 0 or 1 / (1 - p)
  Plan begin_forward(const Steps& steps, detail::Dropping& dropping, Records& records, const State&) const {
    records.y_.resize(features_, 1, steps.columns());
    records.dropping_ = {dropping.on && p_ > 0, dropping.next()};
    if (records.dropping_.on) records.factors_.resize(features_, 1, steps.columns());
    return {};
  }
  void forward_steps(const Plan&, const detail::Chunk& chunk, SeriesView<const Scalar> x, Records& records) const {
    if (records.dropping_.on) fill_factors(chunk, records);
    chunk.for_own_columns([&](Index column, Index columns) {
      column += chunk.column();
      auto y = SeriesView<Scalar>(records.y_).columns(column, columns);
      y = x.columns(column, columns);
      if (records.dropping_.on) y.array() *= SeriesView<Scalar>(records.factors_).columns(column, columns).array();
    });
  }
  SeriesView<const Scalar> output_columns(const Records& records) const { return records.y_; }
  void final_state_of(const Records&, const Steps&, State&) const {}

  /// dL/dx += m dL/dy
  Plan begin_backward(const Steps&, Records&, bool) const { return {}; }
  void backward_steps(const Plan&, const detail::Chunk& chunk, SeriesView<const Scalar>, Records& records,
                      SeriesView<const Scalar> dy, const State&, Dropout&, SeriesView<Scalar> dx) const {
    if (dy.empty() || dx.empty()) return;
    chunk.for_own_columns([&](Index column, Index columns) {
      auto dx_own = dx.columns(column, columns);
      if (records.dropping_.on) {
        const auto factors = SeriesView<Scalar>(records.factors_).columns(chunk.column() + column, columns);
        dx_own.array() += factors.array() * dy.columns(column, columns).array();
      } else {
        dx_own += dy.columns(column, columns);
      }
    });
    chunk.team.barrier();
  }
  void begin_d_initial(const Steps&, const State&, State&) const {}
  void add_d_initial(const Records&, const Steps&, State&) const {}
  void end_backward(Records&, Dropout&) const {}

  /// A generator of its own for each step of each sequence (SplitMix64: G. L. Steele et al., 2014).
  void fill_factors(const detail::Chunk& chunk, Records& records) const {
    const auto mix = [](std::uint64_t z) {
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
      return z ^ (z >> 31);
    };
    const auto scale = static_cast<Scalar>(1 / (1 - p_));
    for (Index t = chunk.first; t < chunk.end; ++t) {
      const auto own = chunk.own(t);
      for (Index k = own.first; k < own.first + own.count; ++k) {
        const auto n = static_cast<std::uint64_t>(chunk.steps.sequence(k));
        std::uint64_t state = mix(mix(records.dropping_.seed + static_cast<std::uint64_t>(t)) + n);
        auto factors = records.factors_.matrix().col(chunk.steps.column(t) + k);
        for (Scalar& factor : factors) {
          const double uniform = static_cast<double>(mix(state += 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53;
          factor = uniform < p_ ? Scalar(0) : scale;
        }
      }
    }
  }

  Index features_;
  double p_;
};

}  // namespace recur::inline RECUR_ISA
