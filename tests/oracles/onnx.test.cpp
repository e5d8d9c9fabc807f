// The numbers of ONNX's RNN, GRU and LSTM, from files: onnx/ has its own conformance cases, onnx_more/ what those leave
// out. See oracles/make_onnx_oracles.py for what is in a file.
#include "oracle_files.hpp"

#include <set>
#include <variant>

using namespace recur;
using namespace recur_test;

namespace {

/// An activation that is chosen when the program runs: a user's own.
struct Chosen {
  std::variant<Tanh, Logistic, Relu, LeakyRelu, ThresholdedRelu, HardSigmoid, Elu, Softsign, Softplus, AffineFunction,
               ScaledTanh>
      one;

  auto value(const auto& a) const {
    using Array = typename std::decay_t<decltype(a)>::PlainObject;
    const Array plain = a;
    return std::visit([&](const auto& f) -> Array { return f.value(plain); }, one);
  }
  auto slope(const auto& h) const {
    using Array = typename std::decay_t<decltype(h)>::PlainObject;
    const Array plain = h;
    return std::visit([&](const auto& f) -> Array { return f.slope(plain); }, one);
  }
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
template <class Scalar>
Series<Scalar> inputs_of(const Safetensors& file) {
  if (!batch_first(file)) return series<Scalar>(file, "X");
  const auto& shape = file.shape("X");
  auto x = Series<Scalar>::from_batch_first(file.values<Scalar>("X").data(), shape.at(2), shape.at(0), shape.at(1));
  if (file.metadata().count("lengths")) x.set_lengths(lengths_of(file.metadata("lengths")));
  return x;
}
/// One direction of a state, [D, N, H] or [N, D, H], as H x N.
template <class Scalar>
MatrixOf<Scalar> state_of(const Safetensors& file, const std::string& name, Index d) {
  if (!batch_first(file)) return slice<Scalar>(file, name, d);
  const auto all = columns<Scalar>(file, name);
  const Index N = file.shape(name).at(0), D = file.shape(name).at(1);
  MatrixOf<Scalar> state(all.rows(), N);
  for (Index n = 0; n < N; ++n) state.col(n) = all.col(n * D + d);
  return state;
}
/// One direction of Y, [T, D, N, H] or [N, T, D, H], as H x (N T).
template <class Scalar>
MatrixOf<Scalar> outputs_of(const Safetensors& file, Index d) {
  const auto all = columns<Scalar>(file, "Y");
  const auto& shape = file.shape("Y");
  const Index T = shape.at(batch_first(file) ? 1 : 0), D = shape.at(batch_first(file) ? 2 : 1),
              N = shape.at(batch_first(file) ? 0 : 2);
  MatrixOf<Scalar> y(all.rows(), N * T);
  for (Index t = 0; t < T; ++t)
    for (Index n = 0; n < N; ++n)
      y.col(t * N + n) = all.col(batch_first(file) ? (n * T + t) * D + d : (t * D + d) * N + n);
  return y;
}

/// A cell with the weights of one direction.
template <class Cell>
Cell cell_of(const Safetensors& file, const Gates& gates, const typename Cell::Rule& rule, Index d) {
  using Scalar = typename Cell::Scalar;
  const Index hidden = std::stol(file.metadata("hidden_size"));
  Cell cell(file.shape("X").at(2), hidden, rule);
  cell.U = reordered(slice<Scalar>(file, "W", d).transpose(), gates.U);
  cell.W = reordered(slice<Scalar>(file, "R", d).transpose(), gates.W);
  if (file.contains("B")) {
    const VectorOf<Scalar> B = columns<Scalar>(file, "B").col(d);
    cell.b.head(cell.U.rows()) += reordered(B.head(B.size() / 2), gates.U);
    cell.b.tail(cell.W.rows()) += reordered(B.tail(B.size() / 2), gates.W);
  }
  if (file.contains("P")) {
    const VectorOf<Scalar> P = columns<Scalar>(file, "P").col(d);
    cell.P = reordered(P, {0, 2, 1}).reshaped(hidden, 3);  // from i, o, f
  }
  return cell;
}

/// Directions of the file are halves of the layer, from first_half on.
template <class Layer>
void run(const Layer& layer, const Safetensors& file, double tolerance, Index directions, Index first_half) {
  using Scalar = typename Layer::Scalar;
  REQUIRE(file.shape("W").at(0) == directions);
  const Index hidden = std::stol(file.metadata("hidden_size"));
  Agreement agree(file, tolerance);
  const auto in_each_direction = [&](auto& state, auto&& f) {
    Index half = 0;
    visit_state(
        [&](auto& block) {
          const Index d = half++ - first_half;
          if (d < 0) return;
          f("h", d, block.topRows(hidden));
          if (block.rows() > hidden) f("c", d, block.bottomRows(hidden));
        },
        state);
    REQUIRE(half == directions + first_half);
  };

  const auto x = inputs_of<Scalar>(file);
  auto initial = layer.state(x.batch());
  in_each_direction(initial, [&](const std::string& which, Index d, auto block) {
    if (file.contains("initial_" + which)) block = state_of<Scalar>(file, "initial_" + which, d);
  });
  auto trace = layer.trace();
  const auto y = layer.forward(x, trace, initial);
  if (file.contains("Y")) {
    for (Index d = 0; d < directions; ++d)
      agree("Y", y.matrix().middleRows((first_half + d) * hidden, hidden), outputs_of<Scalar>(file, d));
  }
  auto final = layer.final_state(trace);
  in_each_direction(final, [&](const std::string& which, Index d, const auto& block) {
    if (file.contains("Y_" + which)) agree("Y_" + which, block, state_of<Scalar>(file, "Y_" + which, d));
  });
  agree.report();
}

/// For a rule that is rule_of(direction).
template <class Scalar>
void run_directions(const Safetensors& file, double tolerance, const Gates& gates, const auto& rule_of) {
  using Cell = recur::Cell<decltype(rule_of(0)), Scalar>;
  const auto cell = [&](Index d) { return cell_of<Cell>(file, gates, rule_of(d), d); };
  const auto& direction = file.metadata("direction");
  INFO("direction " << direction);
  if (direction == "forward") return run(cell(0), file, tolerance, 1, 0);
  if (direction == "reverse") return run(Bidirectional(cell(0), cell(0)), file, tolerance, 1, 1);
  if (direction == "bidirectional") return run(Bidirectional(cell(0), cell(1)), file, tolerance, 2, 0);
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
  REQUIRE(file.metadata("input_forget") == "0");
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

TEST_CASE("So do ONNX's directions, lengths, layouts, activations, clip and peepholes", "[oracles][onnx]") {
  run_folder("onnx_more");
}
