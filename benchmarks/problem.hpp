#pragma once
/// \file
/// What every library is given, and what it must give back.

#include <recur/recur.hpp>

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using recur::Index;
using Matrix = recur::MatrixOf<float>;

struct Shape {
  Index inputs, hidden, batch, steps;
};
/// From one small step to wide layers; then small batches, speech and audio.
inline constexpr Shape shapes[] = {{8, 64, 1, 1},      {10, 20, 3, 5},      {16, 16, 1, 64},    {32, 64, 1, 128},
                                   {64, 128, 1, 128},  {128, 256, 1, 128},  {256, 512, 1, 128}, {32, 64, 16, 128},
                                   {128, 128, 32, 64}, {256, 256, 64, 128}, {512, 512, 64, 64}, {1024, 1024, 64, 32},
                                   {64, 128, 2, 128},  {64, 128, 4, 128},   {64, 128, 8, 128},  {40, 256, 8, 500},
                                   {1, 512, 1, 1000}};
/// Those whose batches are padded.
inline constexpr Shape padded_shapes[] = {{32, 64, 16, 128}, {128, 128, 32, 64}, {256, 256, 64, 128}};
/// Fewer, for cells that are like others.
inline constexpr Shape some_shapes[] = {{64, 128, 1, 128}, {32, 64, 16, 128}, {256, 256, 64, 128}, {4, 512, 1, 1000}};

/// forward: inference of one layer over the series, from a given state. train: that, keeping what it takes, then the
/// gradients of W, U, b, x and the initial state, all of them overwritten.
enum class Work { forward, train };
inline const char* name(Work work) { return work == Work::forward ? "forward" : "train"; }

/// "train/elman/onednn/I:32/H:64/N:1/T:128"
std::string path(Work work, const std::string& cell, const std::string& library, const Shape& shape);

/// One layer with its parameters, and what goes in. Matrices are column-major, laid out as recur has them, so x is the
/// row-major (T, N, I) of other systems, and U their row-major I x (gates H).
struct Problem {
  std::string cell;
  Shape shape;
  Matrix U, W;
  recur::VectorOf<float> b;
  Matrix initial;  ///< the state: h, for the LSTM h and then c
  recur::Series<float> x, dy;
  Matrix P = {};  ///< the rule's own parameters
  Matrix R = {};  ///< of the projected LSTM, whose outputs are half as many as its hidden units

  /// The height of h and y.
  Index outputs() const { return W.cols(); }
  /// Floating-point operations, a multiply-add counted twice: forward is two products, train two more for each of dW
  /// and dU, dx and dh.
  double operations(Work work) const;
};
Problem elman(const Shape& shape), lstm(const Shape& shape), gru(const Shape& shape), lstm_proj(const Shape& shape),
    lstm_norm(const Shape& shape), gru_norm(const Shape& shape), slstm(const Shape& shape), ctrnn(const Shape& shape),
    gru_d(const Shape& shape), indrnn(const Shape& shape), mingru(const Shape& shape), minlstm(const Shape& shape),
    qrnn(const Shape& shape), rg_lru(const Shape& shape), lru(const Shape& shape);

/// The cells, in the order of the tables, by the names that stand in paths, and the shapes that they are measured on.
struct CellKind {
  const char* name;
  Problem (*problem)(const Shape& shape);
  std::span<const Shape> on = shapes;
  /// Those whose batches are padded, too.
  constexpr std::span<const Shape> padded() const {
    return on.size() == std::size(shapes) ? padded_shapes : std::span<const Shape>();
  }
};
inline constexpr CellKind cells[] = {{"elman", elman},
                                     {"lstm", lstm},
                                     {"gru", gru},
                                     {"lstm-proj", lstm_proj},
                                     {"lstm-norm", lstm_norm, some_shapes},
                                     {"gru-norm", gru_norm, some_shapes},
                                     {"slstm", slstm, some_shapes},
                                     {"ctrnn", ctrnn, some_shapes},
                                     {"gru-d", gru_d, some_shapes},
                                     {"indrnn", indrnn},
                                     {"mingru", mingru},
                                     {"minlstm", minlstm, some_shapes},
                                     {"qrnn", qrnn, some_shapes},
                                     {"rg-lru", rg_lru, some_shapes},
                                     {"lru", lru, some_shapes}};

/// The same problem, half of whose steps are padding: its sequences end after 1 .. T steps, spread evenly, in no order.
Problem padded(Problem problem);
/// "padded/train/lstm/half/I:32/H:64/N:16/T:128", and beside it full, the same without padding.
std::string padded_path(Work work, const std::string& cell, bool half, const Shape& shape);

/// The order in which another library has the gates: its block g of H rows is our block U[g], W[g], b[g].
struct GateOrder {
  std::vector<int> U, W, b;
};
/// `matrix`, laid out as ours, with its blocks of `hidden` rows in another order; and back again.
Matrix to_order(const std::vector<int>& order, const Matrix& matrix, Index hidden);
Matrix from_order(const std::vector<int>& order, const Matrix& matrix, Index hidden);
/// One matrix above the other.
Matrix stacked(const Matrix& upper, const Matrix& lower);

/// What came out, in recur's layout and order: y, and after train dU, db, dx, d_initial, and dW, dP and dR where there
/// are such.
using Results = std::vector<std::pair<std::string, Matrix>>;

/// Where the results differ by more than `tolerance` times the largest entry of ours; empty where they agree.
std::string disagreement(const Results& ours, const Results& theirs, double tolerance);

}  // namespace bench
