#pragma once
/// \file
/// The products. C += A B with a weight matrix A that meets many B, and C += D H^T for the gradients of weights.
///
/// One kernel does both: a tile of C, a few SIMD packets high and a few columns wide, stays in registers while k runs
/// over the inner dimension. Every entry of C is summed in the order of k, whatever the number of columns and
/// wherever they lie, so that a series gives the same bits as its steps run singly. Rows that do not fill a packet go
/// through narrower packets, down to single scalars: nothing is padded.
///
/// The SIMD instructions are Eigen's packet functions: the source vectorises wherever Eigen does.

#include "matrix.hpp"

#include <cmath>

namespace recur {
namespace detail {

/// How many numbers the widest packet holds: 16, 8, 4 or 2; 1 where there is no SIMD.
template <class Scalar>
inline constexpr int full_lanes = Eigen::internal::packet_traits<Scalar>::size;

template <class Scalar, int Lanes>
struct PacketOf {
  using type = typename Eigen::internal::find_best_packet<Scalar, Lanes>::type;
  /// The next narrower packet, and below the narrowest the scalar itself.
  static constexpr int half =
      Eigen::internal::unpacket_traits<typename Eigen::internal::unpacket_traits<type>::half>::size;
  static constexpr int narrower = half < Lanes ? half : 1;
};
template <class Scalar>
struct PacketOf<Scalar, 1> {
  using type = Scalar;
};

inline constexpr int tile_packets = 3;  ///< rows of a tile, in packets
inline constexpr int tile_columns = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 8 : 4;
inline constexpr int tall_packets = 8;  ///< rows of a tile of one column

/// a b + c, rounded once wherever packets are: a row gives the same bits in a packet and alone.
template <int Lanes, class Packet>
EIGEN_STRONG_INLINE Packet multiply_add(const Packet& a, const Packet& b, const Packet& c) {
#ifdef EIGEN_VECTORIZE_FMA
  if constexpr (Lanes == 1) return std::fma(a, b, c);
#endif
  return Eigen::internal::pmadd(a, b, c);
}

/// The entries of B that meet column k of A: b[k k_stride + j j_stride].
template <class Scalar>
struct Multiplier {
  const Scalar* b;
  Index k_stride, j_stride;
};

/// C += A B for a tile of C: Packets packets of Lanes rows high, Columns columns wide.
template <int Lanes, int Packets, int Columns, class Scalar>
EIGEN_STRONG_INLINE void tile(const Scalar* a, Index a_stride, Multiplier<Scalar> by, Index depth, Scalar* c,
                              Index c_stride) {
  using namespace Eigen::internal;
  using Packet = typename PacketOf<Scalar, Lanes>::type;
  Packet sum[Columns][Packets];
#pragma GCC unroll 8
  for (int j = 0; j < Columns; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) sum[j][r] = ploadu<Packet>(c + j * c_stride + r * Lanes);
  for (Index k = 0; k < depth; ++k, a += a_stride, by.b += by.k_stride) {
    Packet rows[Packets];
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) rows[r] = ploadu<Packet>(a + r * Lanes);
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) {
      const Packet factor = pset1<Packet>(by.b[j * by.j_stride]);
#pragma GCC unroll 8
      for (int r = 0; r < Packets; ++r) sum[j][r] = multiply_add<Lanes>(rows[r], factor, sum[j][r]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < Columns; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) pstoreu(c + j * c_stride + r * Lanes, sum[j][r]);
}

/// Cuts rows into strips of at most Packets packets, ever narrower towards the end: strip.template
/// operator()<Lanes, Packets>(first row) for each. How a matrix is packed and how it is read both follow it.
template <class Scalar, int Lanes, int Packets, class Strip>
EIGEN_STRONG_INLINE void for_strips(Index row, Index rows, const Strip& strip) {
  constexpr Index height = Packets * Lanes;
  for (; row + height <= rows; row += height) strip.template operator()<Lanes, Packets>(row);
  if constexpr (Packets > 1) {
    for_strips<Scalar, Lanes, Packets - 1>(row, rows, strip);
  } else if constexpr (Lanes > 1) {
    for_strips<Scalar, PacketOf<Scalar, Lanes>::narrower, 1>(row, rows, strip);
  }
}

/// One strip of rows of C against all columns, the widest tiles first.
template <int Lanes, int Packets, int Columns, class Scalar>
EIGEN_STRONG_INLINE void strip_times_columns(const Scalar* a, Index a_stride, Multiplier<Scalar> by, Index depth,
                                             Scalar* c, Index c_stride, Index columns) {
  for (; columns >= Columns; columns -= Columns, by.b += Columns * by.j_stride, c += Columns * c_stride) {
    tile<Lanes, Packets, Columns>(a, a_stride, by, depth, c, c_stride);
  }
  if constexpr (Columns > 1) {
    strip_times_columns<Lanes, Packets, Columns / 2>(a, a_stride, by, depth, c, c_stride, columns);
  }
}

}  // namespace detail

/// The left side of products: rows x depth, either packed (each strip of rows contiguous, column after column) or a
/// column-major matrix where it lies. A view: valid as long as what it was made from.
template <class Scalar>
struct Panels {
  const Scalar* data;
  Index rows, depth;
  Index stride;  ///< from column to column of a matrix in place; 0 where packed
};

namespace detail {

/// C += A B, strip by strip.
template <int Packets, int Columns, class Scalar>
void product(const Panels<Scalar>& a, Multiplier<Scalar> by, Scalar* c, Index c_stride, Index columns) {
  if (a.depth == 0 || columns == 0) return;  // nothing to add, and perhaps no memory to point into
  for_strips<Scalar, full_lanes<Scalar>, Packets>(0, a.rows, [&]<int Lanes, int High>(Index row) {
    const Scalar* const strip = a.stride == 0 ? a.data + row * a.depth : a.data + row;
    strip_times_columns<Lanes, High, Columns>(strip, a.stride == 0 ? High * Lanes : a.stride, by, a.depth, c + row,
                                              c_stride, columns);
  });
}

}  // namespace detail

/// Storage for a packed copy of a weight matrix. The copy is made at the start of a call that multiplies by it many
/// times, and is not looked at after that call, so that it can never be stale.
template <class Scalar>
class Packed {
 public:
  /// `weights`, or its transpose, ready for products with `columns` columns at a time. One column reads each weight
  /// once: packing would cost as much as the product, so such weights are read where they lie, unless transposed.
  template <class Weights>
  Panels<Scalar> of(const Weights& weights, Index columns) {
    if (columns == 1) return {weights.data(), weights.rows(), weights.cols(), weights.colStride()};
    return pack(weights.data(), weights.rows(), weights.cols(), 1, weights.colStride());
  }
  template <class Weights>
  Panels<Scalar> transpose_of(const Weights& weights, Index columns) {
    if (columns > 1) return pack(weights.data(), weights.cols(), weights.rows(), weights.colStride(), 1);
    auto transposed = storage_.resize(weights.cols(), weights.rows());
    transposed = weights.transpose();
    return {transposed.data(), transposed.rows(), transposed.cols(), transposed.rows()};
  }

 private:
  Panels<Scalar> pack(const Scalar* weights, Index rows, Index depth, Index row_stride, Index column_stride) {
    Scalar* const packed = storage_.resize(rows, depth).data();
    detail::for_strips<Scalar, detail::full_lanes<Scalar>, detail::tile_packets>(
        0, rows, [&]<int Lanes, int Packets>(Index row) {
          constexpr int height = Packets * Lanes;
          Scalar* out = packed + row * depth;
          for (Index k = 0; k < depth; ++k)
            for (Index i = row; i < row + height; ++i) *out++ = weights[i * row_stride + k * column_stride];
        });
    return {packed, rows, depth, 0};
  }

  detail::Buffer<Scalar> storage_;
};

/// C += A B. B and C are Eigen matrices, or blocks or maps of such, with neighbouring rows.
template <class Scalar, class B, class C>
void add_product(const Panels<Scalar>& a, const B& b, C&& c) {
  const detail::Multiplier<Scalar> by{b.data(), 1, b.colStride()};
  if (c.cols() == 1 && a.stride != 0) {
    detail::product<detail::tall_packets, 1>(a, by, c.data(), c.colStride(), 1);
  } else {
    detail::product<detail::tile_packets, detail::tile_columns>(a, by, c.data(), c.colStride(), c.cols());
  }
}

/// C += D H^T: a sum over the columns of D and H, so that the gradient of weights is one product for many steps. Both
/// are read where they lie: at each k their entries are neighbours as they are.
template <class D, class H, class C>
void add_outer_product(const D& d, const H& h, C&& c) {
  using Scalar = typename D::Scalar;
  detail::product<detail::tile_packets, detail::tile_columns>(
      Panels<Scalar>{d.data(), d.rows(), d.cols(), d.colStride()},
      detail::Multiplier<Scalar>{h.data(), h.colStride(), 1}, c.data(), c.colStride(), c.cols());
}

}  // namespace recur
