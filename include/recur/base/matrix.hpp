#pragma once
/// \file
/// Types that everything else uses: matrices, views of them, sizes.

#include "isa.hpp"

#include <Eigen/Core>

#include <cstddef>

namespace recur::inline RECUR_ISA {

using Eigen::Dynamic;  ///< a size that is known only when the program runs
/// A size or an index, signed.
using Eigen::Index;

/// A column-major matrix. One of fixed size asks for no alignment beyond its scalar's, so that it is the same in units
/// that are compiled for different processors.
template <class Scalar, int Rows = Dynamic, int Cols = Dynamic>
using MatrixOf = Eigen::Matrix<Scalar, Rows, Cols,
                               (Rows == 1 && Cols != 1 ? Eigen::RowMajor : Eigen::ColMajor) |
                                   (Rows == Dynamic || Cols == Dynamic ? Eigen::AutoAlign : Eigen::DontAlign)>;

/// A column vector.
template <class Scalar, int Rows = Dynamic>
using VectorOf = MatrixOf<Scalar, Rows, 1>;

/// A view of column-major data, which it does not own: rows are neighbours, columns `outerStride()` apart.
template <class Scalar>
using MatrixView = Eigen::Map<MatrixOf<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;
/// The same, to be read only.
template <class Scalar>
using ConstMatrixView = Eigen::Map<const MatrixOf<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// How members of fixed size are aligned: from one cache line on, to cache lines, for a packet that crosses two of them
/// takes twice as long to read. It is the same for every processor.
template <class M>
inline constexpr std::size_t alignment =
    M::SizeAtCompileTime != Dynamic && sizeof(M) >= 64 ? std::size_t(64) : alignof(M);

/// `count` times a size, where the size may be Dynamic.
constexpr int times(int count, int size) { return size == Dynamic ? Dynamic : count * size; }

namespace detail {

/// False, but only known to be when a template is instantiated: for a static_assert that says why it must not be.
template <class...>
inline constexpr bool never = false;

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
