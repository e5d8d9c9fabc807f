// The numbers of ONNX's RNN, GRU and LSTM, from files: onnx/ has its own conformance cases, onnx_more/ what those leave
// out. See oracles/make_onnx_oracles.py for what is in a file.
#include "oracle_files.hpp"

#include <functional>
#include <set>

using namespace recur;
using namespace recur_test;

namespace {

template <class Scalar>
using Values = Eigen::Array<Scalar, Dynamic, 1>;

/// An activation that is chosen when the program runs: a user's own. Whatever is computed, it is one of recur's that
/// computes it, in the scalar type of the cell.
struct Chosen {
  std::function<void(Values<double>&)> in_double;
  std::function<void(Values<float>&)> in_float;

  template <Activation F>
  explicit Chosen(const F& f)
      : in_double([f](auto& a) { a = f.value(a).eval(); }), in_float([f](auto& a) { a = f.value(a).eval(); }) {}

  template <class Array>
  auto value(const Array& a) const {
    using Plain = typename Array::PlainObject;
    Plain h = a;
    if constexpr (requires { h.reshaped(); }) {  // what only checks the rule has no numbers
      Values<typename Plain::Scalar> values = h.reshaped();
      if constexpr (std::is_same_v<typename Plain::Scalar, double>) {
        in_double(values);
      } else {
        in_float(values);
      }
      h.reshaped() = values;
    }
    return h;
  }
  /// Never called: there are no gradients in the files.
  auto slope(const auto& h) const { return 0 * h; }
};
using Gate = Clipped<Chosen>;

/// "0.5,1.25", or none.
std::vector<double> constants_of(const std::string& text) {
  std::vector<double> constants;
  if (text == "none") return constants;
  for (const auto& item : items_of(text)) constants.push_back(std::stod(item));
  return constants;
}

/// The file's activations. Those with constants take the next ones of the file, or have their defaults.
std::vector<Chosen> activations_of(const Safetensors& file) {
  auto alphas = constants_of(file.metadata("activation_alpha")), betas = constants_of(file.metadata("activation_beta"));
  const auto take = [](double& constant, std::vector<double>& from) {
    if (from.empty()) return;
    constant = from.front();
    from.erase(from.begin());
  };
  const auto with_alpha_and_beta = [&](auto f) {
    take(f.alpha, alphas);
    take(f.beta, betas);
    return Chosen{f};
  };
  const auto with_alpha = [&](auto f) {
    take(f.alpha, alphas);
    return Chosen{f};
  };
  const auto chosen = [&](const std::string& name) {
    if (name == "Tanh") return Chosen{Tanh()};
    if (name == "Sigmoid") return Chosen{Logistic()};
    if (name == "Relu") return Chosen{Relu()};
    if (name == "Softsign") return Chosen{Softsign()};
    if (name == "Softplus") return Chosen{Softplus()};
    if (name == "Elu") return with_alpha(Elu());
    if (name == "ThresholdedRelu") return with_alpha(ThresholdedRelu());
    if (name == "HardSigmoid") return with_alpha_and_beta(HardSigmoid());
    INFO("activation " << name);
    if (name == "LeakyRelu") {
      LeakyRelu f;
      take(f.negative_slope, alphas);
      return Chosen{f};
    }
    REQUIRE((name == "Affine" || name == "ScaledTanh"));
    REQUIRE((!alphas.empty() && !betas.empty()));  // these have no defaults
    return name == "Affine" ? with_alpha_and_beta(AffineFunction()) : with_alpha_and_beta(ScaledTanh());
  };
  std::vector<Chosen> result;
  for (const auto& name : items_of(file.metadata("activations"))) result.push_back(chosen(name));
  REQUIRE((alphas.empty() && betas.empty()));
  return result;
}

bool batch_first(const Safetensors& file) { return file.metadata("layout") == "1"; }

/// X, [T, N, I] or [N, T, I].
Series<double> inputs_of(const Safetensors& file) {
  if (!batch_first(file)) return series(file, "X");
  const auto& shape = file.shape("X");
  auto x = Series<double>::from_batch_first(file.values<double>("X").data(), shape.at(2), shape.at(0), shape.at(1));
  if (file.metadata().count("lengths")) x.set_lengths(lengths_of(file.metadata("lengths")));
  return x;
}
/// One direction of a state, [D, N, H] or [N, D, H], as H x N.
MatrixOf<double> state_of(const Safetensors& file, const std::string& name, Index d) {
  if (!batch_first(file)) return slice(file, name, d);
  const auto all = columns(file, name);
  const Index N = file.shape(name).at(0), D = file.shape(name).at(1);
  MatrixOf<double> state(all.rows(), N);
  for (Index n = 0; n < N; ++n) state.col(n) = all.col(n * D + d);
  return state;
}
/// One direction of Y, [T, D, N, H] or [N, T, D, H], as H x (N T).
MatrixOf<double> outputs_of(const Safetensors& file, Index d) {
  const auto all = columns(file, "Y");
  const auto& shape = file.shape("Y");
  const Index T = shape.at(batch_first(file) ? 1 : 0), D = shape.at(batch_first(file) ? 2 : 1),
              N = shape.at(batch_first(file) ? 0 : 2);
  MatrixOf<double> y(all.rows(), N * T);
  for (Index t = 0; t < T; ++t)
    for (Index n = 0; n < N; ++n)
      y.col(t * N + n) = all.col(batch_first(file) ? (n * T + t) * D + d : (t * D + d) * N + n);
  return y;
}

/// One direction of the weights, in recur's order.
struct Weights {
  MatrixOf<double> U, W, b_of_U, b_of_W, P;  // those that the file does not have are empty
};
Weights weights_of(const Safetensors& file, const Gates& gates, Index d) {
  Weights weights;
  const Index hidden = std::stol(file.metadata("hidden_size"));
  weights.U = reordered(slice(file, "W", d).transpose(), gates.U, hidden);
  weights.W = reordered(slice(file, "R", d).transpose(), gates.W, hidden);
  if (file.contains("B")) {
    const VectorOf<double> B = columns(file, "B").col(d);
    weights.b_of_U = reordered(B.head(B.size() / 2), gates.U, hidden);
    weights.b_of_W = reordered(B.tail(B.size() / 2), gates.W, hidden);
  }
  if (file.contains("P")) {
    const MatrixOf<double> P = columns(file, "P").col(d);
    weights.P = reordered(P, {0, 2, 1}).reshaped(P.size() / 3, 3);  // from i, o, f
  }
  return weights;
}

/// A cell with the weights of one direction.
template <class Cell>
Cell cell_of(const Safetensors& file, const Gates& gates, const typename Cell::Rule& rule, Index d) {
  using Scalar = typename Cell::Scalar;
  const auto weights = weights_of(file, gates, d);
  Cell cell(file.shape("X").at(2), std::stol(file.metadata("hidden_size")), rule);
  cell.U = weights.U.cast<Scalar>();
  cell.W = weights.W.cast<Scalar>();
  if (weights.b_of_U.size() > 0) {
    cell.b.head(cell.U.rows()) += weights.b_of_U.cast<Scalar>();
    cell.b.tail(cell.W.rows()) += weights.b_of_W.cast<Scalar>();
  }
  if (weights.P.size() > 0) cell.P = weights.P.cast<Scalar>();
  return cell;
}

/// What a layer makes of x and of the initial state of each of its halves.
struct Computed {
  MatrixOf<double> y;
  std::vector<MatrixOf<double>> final;
};
template <class Layer>
Computed compute(const Layer& layer, const Series<double>& x, const std::vector<MatrixOf<double>>& initial) {
  using Scalar = typename Layer::Scalar;
  auto state = layer.state(x.batch());
  std::size_t half = 0;
  visit_state([&](auto& block) { block = initial.at(half++).template cast<Scalar>(); }, state);
  REQUIRE(half == initial.size());
  auto trace = layer.trace();
  Computed result{layer.forward(x.template cast<Scalar>(), trace, state).matrix().template cast<double>(), {}};
  layer.final_state(trace, state);
  visit_state([&](const auto& block) { result.final.push_back(block.template cast<double>()); }, std::as_const(state));
  return result;
}

using Run = std::function<Computed(const Series<double>& x, const std::vector<MatrixOf<double>>& initial)>;
/// Directions of the file are halves of the layer, from first_half on.
void run(const Run& compute, const Safetensors& file, double tolerance, Index directions, Index first_half) {
  REQUIRE(file.shape("W").at(0) == directions);
  const Index hidden = std::stol(file.metadata("hidden_size"));
  const bool has_c = file.metadata("op") == "LSTM";
  const auto x = inputs_of(file);
  std::vector<MatrixOf<double>> initial;
  for (Index half = 0; half < directions + first_half; ++half) {
    const auto given = [&](const std::string& name) -> MatrixOf<double> {
      if (half < first_half || !file.contains(name)) return MatrixOf<double>::Zero(hidden, x.batch());
      return state_of(file, name, half - first_half);
    };
    initial.push_back(has_c ? stacked(given("initial_h"), given("initial_c")) : given("initial_h"));
  }

  const Computed computed = compute(x, initial);
  Agreement agree(file, tolerance);
  for (Index d = 0; d < directions; ++d) {
    const Index half = first_half + d;
    const auto& final = computed.final.at(static_cast<std::size_t>(half));
    REQUIRE(final.rows() == (has_c ? 2 : 1) * hidden);
    if (file.contains("Y")) agree("Y", computed.y.middleRows(half * hidden, hidden), outputs_of(file, d));
    if (file.contains("Y_h")) agree("Y_h", final.topRows(hidden), state_of(file, "Y_h", d));
    if (has_c && file.contains("Y_c")) agree("Y_c", final.bottomRows(hidden), state_of(file, "Y_c", d));
  }
  agree.report();
}

/// For a rule that is rule_of(direction).
template <class Scalar>
void run_directions(const Safetensors& file, double tolerance, const Gates& gates, const auto& rule_of) {
  using Cell = recur::Cell<decltype(rule_of(0)), Scalar>;
  const auto cell = [&](Index d) { return cell_of<Cell>(file, gates, rule_of(d), d); };
  const auto& direction = file.metadata("direction");
  INFO("direction " << direction);
  const auto run_layer = [&](const auto& layer, Index directions, Index first_half) {
    run([&](const auto& x, const auto& initial) { return compute(layer, x, initial); }, file, tolerance, directions,
        first_half);
  };
  if (direction == "forward") return run_layer(cell(0), 1, 0);
  if (direction == "reverse") return run_layer(Bidirectional(cell(0), cell(0)), 1, 1);
  if (direction == "bidirectional") return run_layer(Bidirectional(cell(0), cell(1)), 2, 0);
  FAIL("unknown direction");
}

template <class Scalar>
void run_ops(const Safetensors& file, double tolerance) {
  const auto activations = activations_of(file);
  const auto chosen = [&](Index i) { return activations.at(static_cast<std::size_t>(i)); };
  const auto gate = [&](Index i) {
    Gate result{.f = chosen(i)};
    if (file.metadata("clip") != "none") result.limit = std::stod(file.metadata("clip"));
    return result;
  };
  const auto& op = file.metadata("op");
  if (op == "RNN") {
    return run_directions<Scalar>(file, tolerance, {{0}, {0}}, [&](Index d) { return ElmanRule<Gate>{gate(d)}; });
  }
  if (op == "GRU") {
    const auto& after = file.metadata("linear_before_reset");
    REQUIRE((after == "0" || after == "1"));
    if (after == "1") {
      return run_directions<Scalar>(file, tolerance, gru_gates,
                                    [&](Index d) { return GruRule<Gate, Gate>{gate(2 * d), gate(2 * d + 1)}; });
    }
    return run_directions<Scalar>(file, tolerance, gru_reset_before_gates, [&](Index d) {
      return GruResetBeforeRule<Gate, Gate>{gate(2 * d), gate(2 * d + 1)};
    });
  }
  REQUIRE(op == "LSTM");
  const auto& coupled = file.metadata("input_forget");
  REQUIRE((coupled == "0" || (coupled == "1" && !file.contains("P"))));
  if (coupled == "1") {
    return run_directions<Scalar>(file, tolerance, {{0, 3, 1}, {0, 3, 1}}, [&](Index d) {  // f goes unread
      return CoupledLstmRule<Gate, Gate, Chosen>{gate(3 * d), gate(3 * d + 1), chosen(3 * d + 2)};
    });
  }
  const Gates gates{{0, 2, 3, 1}, {0, 2, 3, 1}};  // from i, o, f, c
  if (file.contains("P")) {
    return run_directions<Scalar>(file, tolerance, gates, [&](Index d) {
      return PeepholeLstmRule<Gate, Gate, Chosen>{gate(3 * d), gate(3 * d + 1), chosen(3 * d + 2)};
    });
  }
  run_directions<Scalar>(file, tolerance, gates, [&](Index d) {
    return LstmRule<Gate, Gate, Chosen>{gate(3 * d), gate(3 * d + 1), chosen(3 * d + 2)};
  });
}

/// Nothing is in a file that would go unread.
void require_known(const Safetensors& file) {
  const std::set<std::string> tensors{"X", "W", "R", "B", "initial_h", "initial_c", "P", "Y", "Y_h", "Y_c"},
      metadata{"op",   "lengths",     "direction",        "hidden_size",     "layout",      "linear_before_reset",
               "clip", "activations", "activation_alpha", "activation_beta", "input_forget"};
  for (const auto& [name, tensor] : file.tensors()) {
    INFO("tensor " << name);
    REQUIRE(tensors.count(name) == 1);
  }
  for (const auto& [key, text] : file.metadata()) {
    INFO("metadata " << key);
    REQUIRE(metadata.count(key) == 1);
  }
  REQUIRE((file.contains("Y") || file.contains("Y_h") || file.contains("Y_c")));
  REQUIRE((file.metadata("layout") == "0" || batch_first(file)));
}

void run_folder(const std::string& folder) {
  const auto files = oracles_in(RECUR_TEST_ORACLES "/" + folder);
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    const auto& dtype = file.tensor("X").dtype;
    INFO(file.name() << ": " << dtype);
    require_known(file);
    REQUIRE((dtype == "F64" || dtype == "F32"));
    if (dtype == "F64") {
      run_ops<double>(file, 1e-11);
    } else {
      run_ops<float>(file, 5e-5);
    }
  }
}

}  // namespace

TEST_CASE("ONNX's conformance cases of RNN, GRU and LSTM hold", "[oracles][onnx]") { run_folder("onnx"); }

TEST_CASE("So do ONNX's directions, lengths, layouts, activations, clip, input_forget and peepholes",
          "[oracles][onnx]") {
  run_folder("onnx_more");
}
