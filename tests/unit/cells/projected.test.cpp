// What is particular to cells whose hidden state is projected; the rest is in the laws and PyTorch's oracles.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/io/network.hpp>
#include <recur/stream.hpp>

#include <sstream>

using namespace recur;
using namespace recur_test;

TEST_CASE("A projected cell has fewer outputs than hidden units, and one parameter more", "[cell]") {
  const ProjectedLstm<float> cell(3, 7, 2);
  CHECK((cell.inputs() == 3 && cell.hidden() == 7 && cell.outputs() == 2));
  CHECK(cell.description() == "projected LSTM of 7 3 -> 2");
  std::ostringstream blocks;
  visit([&](const Name& name,
            const auto& block) { blocks << name.str() << ' ' << block.rows() << "x" << block.cols() << ' '; },
        cell);
  CHECK(blocks.str() == "U 28x3 W 28x2 b 28x1 R 2x7 ");
  CHECK(cell.state(4).rows() == 2 + 7);
  CHECK(cell.record().rows() == 2 + 7 * 7);

  const ProjectedLstm<double, 3, 7, 2> fixed;
  CHECK((fixed.R.rows() == 2 && decltype(fixed)::State::RowsAtCompileTime == 9));
  CHECK(decltype(fixed)::Record<1>::RowsAtCompileTime == 51);
  CHECK(fixed.cast<float>().outputs() == 2);
  CHECK(Lstm<float>(3, 7).R.size() == 0);
}

TEST_CASE("The projection is R, and what it projects is PyTorch's LSTM", "[cell]") {
  std::mt19937 rng(1);
  auto projected = randomized(ProjectedLstm<double>(3, 5, 5), rng);
  projected.R.setIdentity();
  Lstm<double> plain(3, 5);
  plain.U = projected.U, plain.W = projected.W, plain.b = projected.b;
  const auto x = random_series(3, 4, 9, rng), dy = random_series(5, 4, 9, rng);
  auto trace = projected.trace();
  auto plain_trace = plain.trace();
  CHECK(projected.forward(x, trace).matrix().isApprox(plain.forward(x, plain_trace).matrix(), 1e-14));
  auto d = zeros_like(projected);
  auto d_plain = zeros_like(plain);
  bptt(projected, x, trace, dy, d);
  bptt(plain, x, plain_trace, dy, d_plain);
  CHECK(d.U.isApprox(d_plain.U, 1e-12));
  CHECK(d.W.isApprox(d_plain.W, 1e-12));
  CHECK(d.b.isApprox(d_plain.b, 1e-12));
}

TEST_CASE("A projected cell says what does not fit", "[cell]") {
  CHECK(message_of([] { ProjectedLstm<float>(3, 5, 0); }) == "Cell: outputs > 0 expected, got 0");
  CHECK(message_of([] { ProjectedLstm<float>(3, 0, 2); }) == "Cell: inputs > 0 and hidden > 0 expected, got 3 and 0");
  CHECK(message_of([] { ProjectedLstm<float, 3, 5, 2>(3, 5, 4); }) ==
        "Cell: outputs must be 2 (fixed by its type), got 4");

  ProjectedLstm<float> cell(3, 5, 2);
  const Series<float> x(3, 4, 6);
  auto trace = cell.trace();
  const auto refused = [&] { return message_of([&] { cell.forward(x, trace); }); };
  cell.R.setZero(3, 5);
  CHECK(refused() == "forward: R.rows() must be 2 (outputs()), got 3");
  cell.R.setZero(2, 4);
  CHECK(refused() == "forward: U must be 4 H x I, W 4 H x P, b 4 H, got U 20x3, W 20x2, b 20x1");
  cell.R.setZero(2, 5);
  CHECK(message_of([&] { cell.forward(x, trace, MatrixOf<float>(10, 4)); }) ==
        "forward: initial must be 7x4 (state_size() x batch), got 10x4");
  VectorOf<float> x_1 = VectorOf<float>::Zero(3), before = cell.record<1>(), now = VectorOf<float>::Zero(35);
  CHECK(message_of([&] { cell.step(x_1, before, now); }) ==
        "step: now.rows() must be 37 (outputs() + blocks * hidden()), got 35");
  Stream stream(cell);
  CHECK(message_of([&] { stream.reset(MatrixOf<float>(10, 1)); }) ==
        "reset: state must be 7x1 (state_size() x batch), got 10x1");
}

TEST_CASE("A file of a projected cell is of that cell alone", "[cell][io]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  std::mt19937 rng(1);
  const auto cell = randomized(ProjectedLstm<float>(3, 5, 2), rng);
  save(path, cell);
  ProjectedLstm<float> loaded(3, 5, 2), other(3, 7, 2);
  load(path, loaded);
  CHECK(same_parameters(loaded, cell));
  CHECK_THAT(message_of<std::runtime_error>([&] { load(path, other); }),
             Catch::Matchers::ContainsSubstring("projected LSTM of 5 3 -> 2"));
}
