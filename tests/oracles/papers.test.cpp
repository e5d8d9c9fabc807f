// Forward and all gradients of recurrences that have no product with the hidden state, by the equations of their
// papers. See oracles/make_paper_oracles.py for what is in the files.
#include "oracle_files.hpp"

using namespace recur;
using namespace recur_test;

namespace {

using Names = std::vector<std::string>;

/// `gates` are the paper's names of the blocks of rows of U and b, `own` that of the rule's own parameters.
template <class Rule>
void run_paper(const Safetensors& file, const Names& gates, const std::string& own = "") {
  Agreement agree(file, 1e-11);
  const auto x = series(file, "x"), dy = series(file, "dy");
  const auto initial = columns(file, "state"), d_final = columns(file, "d_final");
  const Index H = dy.features();
  Cell<Rule, double> cell(x.features(), H);
  // f(tensor's name, the part of a cell that it is)
  const auto for_each_parameter = [&](auto& of, auto&& f) {
    for (std::size_t g = 0; g < gates.size(); ++g) {
      f("W." + gates[g], of.U.middleRows(Index(g) * H, H));
      f("b." + gates[g], of.b.segment(Index(g) * H, H));
    }
    if (of.P.cols() > 0) f(own, of.P.col(0));
  };
  REQUIRE(cell.U.rows() == std::ssize(gates) * H);
  for_each_parameter(cell, [&](const std::string& name, auto part) {
    part = columns(file, name).reshaped(part.cols(), part.rows()).transpose();
  });

  auto trace = cell.trace();
  agree("y", cell.forward(x, trace, initial).matrix(), columns(file, "y"));
  agree("final", cell.final_state(trace), columns(file, "final"));
  auto gradient = zeros_like(cell);
  Series<double> dx;
  MatrixOf<double> d_initial;
  bptt(cell, x, trace, dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
  agree("grad.x", dx.matrix(), columns(file, "grad.x"));
  agree("grad.state", d_initial, columns(file, "grad.state"));
  for_each_parameter(gradient, [&](const std::string& name, auto part) {
    agree("grad." + name, part, columns(file, "grad." + name).reshaped(part.cols(), part.rows()).transpose());
  });
  agree.report();
}

}  // namespace

TEST_CASE("Recurrences without a product are those of their papers, gradients too", "[oracles][papers]") {
  const auto files = oracles_in(RECUR_TEST_ORACLES "/papers");
  REQUIRE(files.size() == 24);
  for (const auto& file : files) {
    const auto& cell = file.metadata("cell");
    INFO(file.name());
    if (cell == "indrnn" && file.metadata("activation") == "relu") {
      run_paper<IndRnnRule<>>(file, {"a"}, "u");
    } else if (cell == "indrnn") {
      run_paper<IndRnnRule<Tanh>>(file, {"a"}, "u");
    } else if (cell == "min_gru") {
      run_paper<MinGruRule<>>(file, {"z", "h"});
    } else if (cell == "min_lstm") {
      run_paper<MinLstmRule<>>(file, {"f", "i", "h"});
    } else if (cell == "qrnn") {
      run_paper<QrnnRule<>>(file, {"z", "f", "o"});
    } else {
      REQUIRE(cell == "rg_lru");
      run_paper<RgLruRule>(file, {"r", "i", "n"}, "lambda");
    }
  }
}
