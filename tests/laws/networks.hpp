// The networks that every law is tested for, each behind one small virtual class: a network is compiled once, and so is
// a law. A new cell is one more line in any_cells/ or of cells_of_times.cpp, a new layer one of layers.cpp; a new kind
// of stage also one of types_of_*.cpp.
#pragma once

#include <recur/layers/segments.hpp>
#include <recur/series/series.hpp>
#include <recur/training/gradient_check.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace recur_test {

using recur::Index, recur::MatrixOf, recur::Series, recur::SeriesView;

/// Parameters by their names; the states of all layers in their order. No state at all stands for zero.
using NamedMatrices = std::vector<std::pair<std::string, MatrixOf<double>>>;
template <class Scalar>
using StatesOf = std::vector<MatrixOf<Scalar>>;
using States = StatesOf<double>;

/// A network that goes through series, with a trace of its own.
template <class Scalar>
struct AnyForward {
  virtual ~AnyForward() = default;
  virtual SeriesView<const Scalar> forward(SeriesView<const Scalar> x, const StatesOf<Scalar>& initial = {}) = 0;
  virtual StatesOf<Scalar> final_state() const = 0;
  virtual StatesOf<Scalar> random_state(Index batch, std::mt19937& rng) const = 0;
};

/// As recur::BpttOptions.
struct AnyBpttOptions {
  const States* d_final = nullptr;
  Series<double>* dx = nullptr;
  States* d_initial = nullptr;
  bool accumulate = false;
  Index window = 0, stride = 0;
};

/// A network with a trace and a gradient. A copy has the same parameters, and a trace and a gradient of its own.
struct AnyNetwork : AnyForward<double> {
  virtual std::unique_ptr<AnyNetwork> copy() const = 0;
  virtual std::string description() const = 0;
  virtual Index inputs() const = 0;
  virtual Index outputs() const = 0;
  virtual bool causal() const = 0;

  virtual void randomize(std::mt19937& rng, double limit = 0.8) = 0;
  virtual NamedMatrices parameters() const = 0;
  virtual void set_parameters(const NamedMatrices& blocks) = 0;

  virtual void train(std::uint64_t seed) = 0;               // of the trace
  virtual void use_trace(recur::TraceOptions options) = 0;  // a new one
  virtual Index segments() const = 0;                       // of it
  virtual void bptt(SeriesView<const double> x, SeriesView<const double> dy, const AnyBpttOptions& options = {}) = 0;
  /// With a loss whose gradient is dy, and which puts what it is given into y; x is read in parts, by a reader.
  virtual void bptt_of_loss(const Series<double>& x, SeriesView<const double> dy, const States& initial,
                            Series<double>& y, const AnyBpttOptions& options = {}) = 0;
  virtual NamedMatrices gradient() const = 0;
  virtual void set_gradient(double value) = 0;
  virtual recur::GradientCheck check_gradient(const Series<double>& x, const Series<double>& target,
                                              const States& initial, const States& d_final,
                                              std::optional<std::uint64_t> dropout_seed = {}) const = 0;
  /// y, by a Stream; of one sequence, where y_t depends on x_1 .. x_t alone.
  virtual Series<double> stream(SeriesView<const double> x) const = 0;
};

/// A cell of float, and one of 3 inputs and 5 outputs that are fixed at compile time.
struct AnyOtherTypes {
  virtual ~AnyOtherTypes() = default;
  virtual std::unique_ptr<AnyForward<float>> make_float(Index inputs, Index outputs, std::mt19937& rng,
                                                        double limit) const = 0;
  /// y and the gradient, of fixed sizes.
  virtual std::pair<Series<double>, NamedMatrices> run_fixed(const NamedMatrices& parameters,
                                                             SeriesView<const double> x,
                                                             SeriesView<const double> dy) const = 0;
  /// h_1 .. h_T of one sequence, by cell.step() from record to record, of fixed sizes.
  virtual Series<double> step_fixed(const NamedMatrices& parameters, SeriesView<const double> x) const = 0;
};

/// As NamedAnyCell, and of more inputs where some have no weights.
struct NamedCell {
  std::string name;
  std::function<std::unique_ptr<AnyNetwork>(Index inputs, Index outputs)> make;
};
struct NamedTypes {
  std::string name;
  std::unique_ptr<const AnyOtherTypes> types;
};
/// Of 3 inputs or one more: a cell of 4 units of every kind, and networks of layers.
struct NamedNetwork {
  std::string name;
  std::unique_ptr<AnyNetwork> network;
};
const std::vector<NamedCell>& all_cells();
const NamedCell& cell_called(const std::string& name);
/// Of a rule for each kind of stage: what sizes and scalars change is not the rule's.
const std::vector<NamedTypes>& all_other_types();
std::vector<NamedNetwork> all_networks();

// What these are made of.
std::vector<NamedCell> cells_of_times();
std::vector<NamedTypes> types_of_plain_cells();
std::vector<NamedTypes> types_of_staged_cells();
std::vector<NamedNetwork> networks_of_layers();

/// Whether two lists of matrices are the same to the bit but for the sign of a zero.
bool same(const States& a, const States& b);
bool same(const NamedMatrices& a, const NamedMatrices& b);
/// The largest difference of any two numbers of two lists of the same shapes; NaN where one is.
double difference(const States& a, const States& b);
double difference(const NamedMatrices& a, const NamedMatrices& b);
double norm(const NamedMatrices& blocks);
Index size(const States& states);
Index size(const NamedMatrices& blocks);

}  // namespace recur_test
