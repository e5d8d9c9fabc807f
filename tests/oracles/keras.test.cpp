// Forward and all gradients of Keras' SimpleRNN, GRU and LSTM, and of ONNX's LSTM with peepholes, from files. See
// oracles/make_keras_oracles.py and oracles/make_peephole_oracles.py for what is in them.
#include "oracle_files.hpp"

using namespace recur;
using namespace recur_test;

namespace {

constexpr double tolerance = 1e-11;

/// What bptt gives.
template <class Cell>
struct Gradients {
  Cell cell;
  Series<double> x;
  MatrixOf<double> initial;
};

/// Runs a cell forward and backward, and holds y and the final state against theirs.
template <class Cell>
Gradients<Cell> run(const Cell& cell, const Series<double>& x, const MatrixOf<double>& initial,
                    const Series<double>& dy, const MatrixOf<double>& d_final, const MatrixOf<double>& their_y,
                    const MatrixOf<double>& their_final, Agreement& agree) {
  auto trace = cell.trace();
  const auto y = cell.forward(x, trace, initial);
  agree("y", y.matrix(), their_y);
  agree("final state", cell.final_state(trace), their_final);
  Gradients<Cell> gradients{zeros_like(cell), {}, {}};
  bptt(cell, x, trace, dy, gradients.cell, {.d_final = &d_final, .dx = &gradients.x, .d_initial = &gradients.initial});
  return gradients;
}

/// The states h, then c where there is one: [N, H] each, or [1, N, H].
MatrixOf<double> states_of(const Safetensors& file, const std::string& h, const std::string& c) {
  return file.contains(c) ? stacked(columns(file, h), columns(file, c)) : columns(file, h);
}

/// [N, T, F]
Series<double> batch_first(const Safetensors& file, const std::string& name) {
  const auto& shape = file.shape(name);
  return Series<double>::from_batch_first(file.values<double>(name).data(), shape.at(2), shape.at(0), shape.at(1));
}

/// A tensor of Keras', whose gates are side by side, as rows in recur's order.
MatrixOf<double> rows_of(const Safetensors& file, const std::string& name, const std::vector<Index>& gates) {
  return reordered(columns(file, name), gates);
}

template <class Cell>
void run_keras(const Safetensors& file, const Gates& gates) {
  Agreement agree(file, tolerance);
  const auto x = batch_first(file, "x");
  Cell cell(x.features(), file.shape("initial_h").at(1));
  cell.U = rows_of(file, "kernel", gates.U);
  cell.W = rows_of(file, "recurrent_kernel", gates.W);
  // One bias, or the input's and the recurrent one.
  const auto biases = columns(file, "bias"), d_biases = columns(file, "grad.bias");
  cell.b.head(cell.U.rows()) += reordered(biases.col(0), gates.U);
  if (biases.cols() == 2) cell.b.tail(cell.W.rows()) += reordered(biases.col(1), gates.W);

  const auto gradients =
      run(cell, x, states_of(file, "initial_h", "initial_c"), batch_first(file, "dy"), states_of(file, "dh_n", "dc_n"),
          batch_first(file, "y").matrix(), states_of(file, "h_n", "c_n"), agree);
  agree("grad.x", gradients.x.matrix(), batch_first(file, "grad.x").matrix());
  agree("grad.initial", gradients.initial, states_of(file, "grad.initial_h", "grad.initial_c"));
  agree("grad.kernel", gradients.cell.U, rows_of(file, "grad.kernel", gates.U));
  agree("grad.recurrent_kernel", gradients.cell.W, rows_of(file, "grad.recurrent_kernel", gates.W));
  agree("grad.bias", gradients.cell.b.head(cell.U.rows()), reordered(d_biases.col(0), gates.U));
  if (biases.cols() == 2) agree("grad.bias", gradients.cell.b.tail(cell.W.rows()), reordered(d_biases.col(1), gates.W));
  agree.report();
}

}  // namespace

TEST_CASE("Whatever Keras' SimpleRNN, GRU and LSTM compute, recur computes, gradients too", "[oracles][keras]") {
  const auto files = oracles_in(RECUR_TEST_ORACLES "/keras");
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    const auto& cell = file.metadata("cell");
    INFO(file.name() << ": cell " << cell);
    if (cell == "simple_rnn") {
      run_keras<Elman<double>>(file, {{0}, {0}});
    } else if (cell == "gru_reset_after") {
      run_keras<Gru<double>>(file, gru_gates);
    } else if (cell == "gru_reset_before") {
      run_keras<GruResetBefore<double>>(file, gru_reset_before_gates);
    } else {
      REQUIRE(cell == "lstm");
      run_keras<Lstm<double>>(file, {{0, 1, 2, 3}, {0, 1, 2, 3}});
    }
  }
}

TEST_CASE("The LSTM with peepholes is ONNX's, gradients too", "[oracles][peephole]") {
  const std::vector<Index> gates{0, 2, 3, 1}, peepholes{0, 2, 1};  // from i, o, f, c, and i, o, f
  const auto files = oracles_in(RECUR_TEST_ORACLES "/peephole");
  REQUIRE_FALSE(files.empty());
  for (const auto& file : files) {
    INFO(file.name());
    REQUIRE(file.metadata("cell") == "lstm_peephole");
    Agreement agree(file, tolerance);
    const Index hidden = file.shape("initial_h").at(2);
    const auto weights = [&](const std::string& name) { return reordered(slice(file, name, 0).transpose(), gates); };
    // B is W's biases, then those of R.
    const auto biases = [&](const std::string& name, Index which) {
      return reordered(columns(file, name).middleRows(which * 4 * hidden, 4 * hidden), gates);
    };
    const auto own = [&](const std::string& name) {
      return reordered(columns(file, name), peepholes).reshaped(hidden, 3).eval();
    };
    const auto x = series(file, "X");
    PeepholeLstm<double> cell(x.features(), hidden);
    cell.U = weights("W");
    cell.W = weights("R");
    cell.b = biases("B", 0) + biases("B", 1);
    cell.P = own("P");

    const auto dy = columns(file, "dY");  // [T, 1, N, H], and so [T, N, H]
    const auto gradients =
        run(cell, x, states_of(file, "initial_h", "initial_c"), Series(view_columns(dy, x.batch())),
            states_of(file, "dY_h", "dY_c"), columns(file, "Y"), states_of(file, "Y_h", "Y_c"), agree);
    agree("grad.X", gradients.x.matrix(), columns(file, "grad.X"));
    agree("grad.initial", gradients.initial, states_of(file, "grad.initial_h", "grad.initial_c"));
    agree("grad.W", gradients.cell.U, weights("grad.W"));
    agree("grad.R", gradients.cell.W, weights("grad.R"));
    for (const Index which : {0, 1}) agree("grad.B", gradients.cell.b, biases("grad.B", which));
    agree("grad.P", gradients.cell.P, own("grad.P"));
    agree.report();
  }
}
