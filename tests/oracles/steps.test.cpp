// Forward and all gradients of recurrences with norms, exponential gates, complex states or times, by the equations of
// their papers, in both precisions. See oracles/make_step_oracles.py for what is in the files.
#include "oracle_files.hpp"

using namespace recur;
using namespace recur_test;

namespace {

using Names = std::vector<std::string>;

/// The paper's names of the blocks of rows of U, W and b, of the columns of P, and of the blocks of the state.
struct CellNames {
  Names U, W, b, P, state;
};

/// A tensor of a file's, or several, one above the other.
MatrixOf<double> all_of(const Safetensors& file, const std::string& prefix, const Names& names) {
  MatrixOf<double> all = columns(file, prefix + names.at(0));
  for (std::size_t k = 1; k < names.size(); ++k) all = stacked(all, columns(file, prefix + names[k]));
  return all;
}

template <class Rule, class Scalar>
void run(const Safetensors& file, const CellNames& names) {
  Agreement agree(file, std::is_same_v<Scalar, double> ? 1e-11 : 5e-5);
  const Series<Scalar> x(series(file, "x").cast<Scalar>()), dy(series(file, "dy").cast<Scalar>());
  const Index H = columns(file, "state." + names.state[0]).rows();
  const auto state = [&](const std::string& prefix) {
    return MatrixOf<Scalar>(all_of(file, prefix, names.state).template cast<Scalar>());
  };
  Cell<Rule, Scalar> cell(x.features(), H);
  // f(tensor's name, the part of a cell that it is); rows of weights are [H, I] in the files
  const auto for_each_parameter = [&](auto& of, auto&& f) {
    const auto each_block = [&](const std::string& letter, const Names& gates, auto& block) {
      REQUIRE(block.rows() == std::ssize(gates) * H);
      for (std::size_t g = 0; g < gates.size(); ++g) f(letter + gates[g], block.middleRows(Index(g) * H, H));
    };
    each_block("U.", names.U, of.U);
    each_block("W.", names.W, of.W);
    each_block("b.", names.b, of.b);
    REQUIRE(of.P.cols() == std::ssize(names.P));
    for (std::size_t v = 0; v < names.P.size(); ++v) f(names.P[v], of.P.middleCols(Index(v), 1));
  };
  const auto tensor = [&](const std::string& name, const auto& part) {
    return MatrixOf<double>(columns(file, name).reshaped(part.cols(), part.rows()).transpose());
  };
  for_each_parameter(cell,
                     [&](const std::string& name, auto part) { part = tensor(name, part).template cast<Scalar>(); });

  const auto initial = state("state."), d_final = state("d_final.");
  auto trace = cell.trace();
  auto gradient = zeros_like(cell);
  Series<Scalar> dx;
  MatrixOf<Scalar> d_initial;
  agree("y", cell.forward(x, trace, initial).matrix().template cast<double>(), columns(file, "y"));
  agree("final", cell.final_state(trace).template cast<double>(), all_of(file, "final.", names.state));
  bptt(cell, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  agree("grad.x", dx.matrix().template cast<double>(), columns(file, "grad.x"));
  agree("grad.state", d_initial.template cast<double>(), all_of(file, "grad.state.", names.state));
  for_each_parameter(gradient, [&](const std::string& name, auto part) {
    agree("grad." + name, part.template cast<double>(), tensor("grad." + name, part));
  });
  agree.report();
}

template <class Rule>
void run_all(const std::string& cell, const CellNames& names) {
  int files = 0;
  for (const auto& file : oracles_in(RECUR_TEST_ORACLES "/steps")) {
    if (file.metadata("cell") != cell) continue;
    INFO(file.name());
    run<Rule, double>(file, names);
    run<Rule, float>(file, names);
    ++files;
  }
  CHECK(files == 5);
}

}  // namespace

TEST_CASE("Recurrences with norms are those of their paper, gradients too", "[oracles][papers]") {
  const Names gates{"i", "f", "g", "o"};
  run_all<LayerNormLstmRule>("layer_norm_lstm", {gates,
                                                 gates,
                                                 gates,
                                                 {"gain_u.i", "gain_u.f", "gain_u.g", "gain_u.o", "gain_w.i",
                                                  "gain_w.f", "gain_w.g", "gain_w.o", "gain_c", "bias_c"},
                                                 {"h", "c"}});
  run_all<LayerNormGruRule>("layer_norm_gru", {{"n", "r", "z"},
                                               {"r", "z", "q"},
                                               {"n", "r", "z", "q"},
                                               {"gain_u.n", "gain_u.r", "gain_u.z", "gain_w.r", "gain_w.z", "gain_w.q"},
                                               {"h"}});
}

TEST_CASE("sLSTM and LRU are those of their papers, gradients too", "[oracles][papers]") {
  const Names gates{"i", "f", "z", "o"};
  run_all<SLstmRule>("slstm", {gates, gates, gates, {}, {"h", "c", "n", "m"}});
  run_all<LruRule>("lru", {{"re", "im"}, {}, {}, {"nu", "theta", "gamma"}, {"re", "im"}});
}

TEST_CASE("Recurrences over gaps of time are those of their papers, gradients too", "[oracles][papers]") {
  run_all<CtRnnRule<>>("ct_rnn", {{"a"}, {"a"}, {"a"}, {"log_tau"}, {"h"}});
  run_all<GruDRule>("gru_d", {{"n", "r", "z"}, {"r", "z", "q"}, {"n", "r", "z", "q"}, {"w", "c"}, {"h"}});
}

TEST_CASE("The LSTM with coupled gates is that of its paper, gradients too", "[oracles][papers]") {
  const Names gates{"i", "g", "o"};
  run_all<CoupledLstmRule<>>("cifg", {gates, gates, gates, {}, {"h", "c"}});
}
