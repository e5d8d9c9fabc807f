#pragma once
/// \file
/// How a rule goes over all units: in pieces of as many rows as packets have.

#include "../kernels/gemm_kernel.hpp"
#include "record.hpp"

#include <algorithm>

namespace recur::inline RECUR_ISA::detail {

/// Blocks of H numbers each, of one sequence: of a record, or what a rule has for each unit.
template <class Data_, int MostBlocks_>
struct UnitBlocks {
  using Data = Data_;
  static constexpr int MostBlocks = MostBlocks_;
  Data* data;
  Index distance;           ///< from block to block
  int blocks = MostBlocks;  ///< how many there are

  template <int Rows>
  EIGEN_ALWAYS_INLINE Blocks<Data, Rows> piece(Index row) const {
    return {data + row, distance};
  }
};

/// A copy of the last rows of some blocks, which do not fill a packet, in rows that do: the last is repeated.
template <int Rows, class Of>
class PaddedPiece {
  using Data = typename Of::Data;

 public:
  EIGEN_ALWAYS_INLINE PaddedPiece(Of of, Index row, Index rows) : of_(of), row_(row), rows_(rows) {
    for (int k = 0; k < of.blocks; ++k)
      for (int i = 0; i < Rows; ++i)
        numbers_[k * Rows + i] = of.data[k * of.distance + row + std::min<Index>(i, rows - 1)];
  }
  EIGEN_ALWAYS_INLINE Blocks<Data, Rows> piece() { return {numbers_, Rows}; }
  EIGEN_ALWAYS_INLINE void put_back() const {
    if constexpr (!std::is_const_v<Data>)
      for (int k = 0; k < of_.blocks; ++k)
        for (Index i = 0; i < rows_; ++i) of_.data[k * of_.distance + row_ + i] = numbers_[k * Rows + i];
  }

 private:
  Of of_;
  Index row_, rows_;
  alignas(64) std::remove_const_t<Data> numbers_[Of::MostBlocks * Rows];
};

/// f(piece ...) for the rows from `row` to H - 1, the same of each of some blocks: as many at once as a packet has,
/// then as a narrower one. Those that are too few for the narrowest go through it in copies, so that each number is
/// computed by packets wherever it stands, and no rule is compiled for single numbers.
template <class Scalar, int Hidden, int Rows = full_lanes<Scalar>>
EIGEN_ALWAYS_INLINE void for_pieces(Index row, Index hidden, const auto& f, auto... of) {
  for (; row + Rows <= hidden; row += Rows) f(of.template piece<Rows>(row)...);
  if constexpr (Rows > 1 && (Hidden == Dynamic || Hidden % Rows != 0)) {
    constexpr int narrower = PacketOf<Scalar, Rows>::narrower;
    if constexpr (narrower > 1) {
      for_pieces<Scalar, Hidden, narrower>(row, hidden, f, of...);
    } else if (row < hidden) {
      [&](auto&&... padded) {
        f(padded.piece()...);
        (padded.put_back(), ...);
      }(PaddedPiece<Rows, decltype(of)>(of, row, hidden - row)...);
    }
  }
}

}  // namespace recur::inline RECUR_ISA::detail
