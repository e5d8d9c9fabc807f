#pragma once
/// \file
/// The kernels of all products (see gemm.hpp). Each keeps its sums in registers while it runs over the inner
/// dimension k:
///
///     tile     a few SIMD packets high and a few columns wide. Every entry is summed in the order of k, whatever the
///              number of columns and wherever they lie, so that a series gives the same bits as its steps run singly.
///     column   one column. There the chain of additions would be the limit: interleaved sums, added up at the end.
///     dots     the transpose of a matrix where it lies, or a matrix of one row: sums along packets.
///     outer    one column times one row: no sums; the column stays in registers while the matrix goes through.
///
/// Rows that do not fill a packet go through narrower packets, down to single scalars: nothing is padded. The SIMD
/// instructions are Eigen's packet functions: the source vectorises wherever Eigen does.

#include "../base/matrix.hpp"

#include <cmath>

namespace recur::inline RECUR_ISA::detail {

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
/// Columns of a tile.
inline constexpr int tile_columns = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 8 : 4;
inline constexpr int tall_packets = 8;  ///< rows of a tile of one column: as many sums as hide a multiply-add's latency

/// a b + c, rounded once wherever packets are: a row gives the same bits in a packet and alone.
template <int Lanes, class Packet>
EIGEN_ALWAYS_INLINE Packet multiply_add(const Packet& a, const Packet& b, const Packet& c) {
#if defined(EIGEN_VECTORIZE_FMA) || defined(__ARM_FEATURE_FMA)
  if constexpr (Lanes == 1) return std::fma(a, b, c);
#endif
  return Eigen::internal::pmadd(a, b, c);
}

/// Keeps a packet in its register. A compiler may rather load it again for each use, as g++ does for AMD's Zen: 16
/// loads for the 12 multiply-adds of a tile instead of 7, and the loads are the limit. Only x86 has multiply-adds that
/// load.
template <int Lanes, class Packet>
EIGEN_ALWAYS_INLINE void keep_in_register([[maybe_unused]] Packet& packet) {
  if constexpr (Lanes > 1) {
#if EIGEN_ARCH_i386_OR_x86_64
    asm("" : "+v"(packet));
#endif
  }
}

/// Copies Packets packets. std::copy_n is a call of memmove where they are more than a few.
template <int Lanes, int Packets, class Scalar>
EIGEN_ALWAYS_INLINE void copy_packets(const Scalar* from, Scalar* to) {
  using Packet = typename PacketOf<Scalar, Lanes>::type;
#pragma GCC unroll 8
  for (int r = 0; r < Packets; ++r)
    Eigen::internal::pstoreu(to + r * Lanes, Eigen::internal::ploadu<Packet>(from + r * Lanes));
}

/// The entries of B that meet column k of A: b[k k_stride + j j_stride]; or packed in panels of tile_columns columns,
/// which begin `panel` apart.
template <class Scalar>
struct Multiplier {
  const Scalar* b;
  Index k_stride, j_stride;
  Index panel = tile_columns * j_stride;

  Multiplier at(Index column) const {
    return {b + column / tile_columns * panel + column % tile_columns * j_stride, k_stride, j_stride, panel};
  }
};

/// What a tile of C may start from instead of C itself: the same column of numbers everywhere, or zero.
template <class Scalar>
struct Start {
  static constexpr Scalar zeros[tall_packets * full_lanes<Scalar>]{};  // as high as any tile

  const Scalar* column = zeros;  ///< null: from C itself
  Index step = 0;                ///< from row to row of it, until the next tile
};

/// Where a tile of C lies, and what it starts from.
template <class Scalar>
struct Target {
  Scalar* c;
  Index c_stride;
  Start<Scalar> start{nullptr};

  Target at(Index row, Index column) const {
    return {c + row + column * c_stride, c_stride, {start.column + row * start.step, start.step}};
  }
  const Scalar* first_of(Index j) const { return start.column ? start.column : c + j * c_stride; }
};

/// Fetches a tile of C, which is to be written, into the cache.
template <int Lanes, int Packets, int Columns, class Scalar>
EIGEN_ALWAYS_INLINE void fetch(Target<Scalar> to) {
#pragma GCC unroll 8
  for (int j = 0; j < Columns; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) __builtin_prefetch(to.c + j * to.c_stride + r * Lanes, 1, 3);
}

/// Memory that the next tiles will read. After the last tile there may be none: it is never looked into.
template <class Scalar>
struct Ahead {
  const Scalar* line;
  Index stride;
};

/// C += A B, or start + A B, for a tile of C: Packets packets of Lanes rows high, Columns columns wide. Tall and wide
/// ones fetch what is ahead into the cache meanwhile, a line at each k.
template <int Lanes, int Packets, int Columns, class Scalar>
EIGEN_ALWAYS_INLINE void tile(const Scalar* a, Index a_stride, Multiplier<Scalar> by, Index depth, Target<Scalar> to,
                              Ahead<Scalar> ahead = {}) {
  using namespace Eigen::internal;
  using Packet = typename PacketOf<Scalar, Lanes>::type;
  Packet sum[Columns][Packets];
#pragma GCC unroll 8
  for (int j = 0; j < Columns; ++j)
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) sum[j][r] = ploadu<Packet>(to.first_of(j) + r * Lanes);
  for (Index k = 0; k < depth; ++k, a += a_stride, by.b += by.k_stride) {
    Packet rows[Packets];
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) {
      rows[r] = ploadu<Packet>(a + r * Lanes);
      keep_in_register<Lanes>(rows[r]);
    }
    if constexpr (Columns == tile_columns && Packets > 1) {
      __builtin_prefetch(ahead.line, 0, 2);
      ahead.line += ahead.stride;
    }
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
    for (int r = 0; r < Packets; ++r) pstoreu(to.c + j * to.c_stride + r * Lanes, sum[j][r]);
}

/// c += A b for Packets packets of Lanes rows of one column: of every `ways` neighbouring k each has its own sum.
template <int Lanes, int Packets, class Scalar>
EIGEN_ALWAYS_INLINE void column(const Scalar* a, Index a_stride, const Scalar* b, Index depth, Scalar* c) {
  using namespace Eigen::internal;
  using Packet = typename PacketOf<Scalar, Lanes>::type;
  constexpr int ways = Packets > 4 ? 1 : Packets > 2 ? 2 : Packets > 1 ? 4 : 8;
  Packet sum[ways][Packets];
#pragma GCC unroll 8
  for (int w = 0; w < ways; ++w)
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) sum[w][r] = pset1<Packet>(Scalar(0));
  const auto add = [&](int w) {
    const Packet factor = pset1<Packet>(b[w]);
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r)
      sum[w][r] = multiply_add<Lanes>(ploadu<Packet>(a + w * a_stride + r * Lanes), factor, sum[w][r]);
  };
  for (; depth >= ways; depth -= ways, a += ways * a_stride, b += ways)
#pragma GCC unroll 8
    for (int w = 0; w < ways; ++w) add(w);
#pragma GCC unroll 8
  for (int w = 0; w < ways - 1; ++w)
    if (w < depth) add(w);
#pragma GCC unroll 8
  for (int r = 0; r < Packets; ++r) {
#pragma GCC unroll 4
    for (int half = ways / 2; half > 0; half /= 2)
#pragma GCC unroll 4
      for (int w = 0; w < half; ++w) sum[w][r] = padd(sum[w][r], sum[w + half][r]);
    pstoreu(c + r * Lanes, padd(ploadu<Packet>(c + r * Lanes), sum[0][r]));
  }
}

/// dot[j] += a_j d for Columns columns of a matrix of `rows` rows.
template <int Lanes, int Columns, class Scalar>
EIGEN_ALWAYS_INLINE void dots(const Scalar* a, Index a_stride, const Scalar* d, Index rows, Scalar* dot) {
  using namespace Eigen::internal;
  using Packet = typename PacketOf<Scalar, Lanes>::type;
  if (rows >= Lanes) {
    Packet sum[Columns];
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) sum[j] = pset1<Packet>(Scalar(0));
    for (; rows >= Lanes; rows -= Lanes, a += Lanes, d += Lanes) {
      const Packet factor = ploadu<Packet>(d);
#pragma GCC unroll 8
      for (int j = 0; j < Columns; ++j) sum[j] = multiply_add<Lanes>(ploadu<Packet>(a + j * a_stride), factor, sum[j]);
    }
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) dot[j] += predux(sum[j]);
  }
  if constexpr (Lanes > 1) dots<PacketOf<Scalar, Lanes>::narrower, Columns>(a, a_stride, d, rows, dot);
}

/// c[k c_stride] += a_k d for all columns a_k of a matrix, the most at once first.
template <int Columns, class Scalar>
EIGEN_ALWAYS_INLINE void add_dots(const Scalar* a, Index a_stride, Index rows, Index columns, const Scalar* d,
                                  Scalar* c, Index c_stride) {
  for (; columns >= Columns; columns -= Columns, a += Columns * a_stride, c += Columns * c_stride) {
    Scalar dot[Columns] = {};
    dots<full_lanes<Scalar>, Columns>(a, a_stride, d, rows, dot);
#pragma GCC unroll 8
    for (int j = 0; j < Columns; ++j) c[j * c_stride] += dot[j];
  }
  if constexpr (Columns > 1) add_dots<Columns / 2>(a, a_stride, rows, columns, d, c, c_stride);
}

/// C += d h^T for Packets packets of Lanes rows: the bits of a tile of depth 1.
template <int Lanes, int Packets, class Scalar>
EIGEN_ALWAYS_INLINE void outer(const Scalar* d, const Scalar* h, Index columns, Scalar* c, Index c_stride) {
  using namespace Eigen::internal;
  using Packet = typename PacketOf<Scalar, Lanes>::type;
  Packet rows[Packets];
#pragma GCC unroll 8
  for (int r = 0; r < Packets; ++r) rows[r] = ploadu<Packet>(d + r * Lanes);
  for (Index j = 0; j < columns; ++j, c += c_stride) {
    const Packet factor = pset1<Packet>(h[j]);
#pragma GCC unroll 8
    for (int r = 0; r < Packets; ++r) {
      Scalar* const at = c + r * Lanes;
      pstoreu(at, multiply_add<Lanes>(rows[r], factor, ploadu<Packet>(at)));
    }
  }
}

/// Cuts rows into strips of at most Packets packets, ever narrower towards the end: strip.template
/// operator()<Lanes, Packets>(first row) for each. How a matrix is packed and how it is read both follow it.
template <class Scalar, int Lanes, int Packets, class Strip>
EIGEN_ALWAYS_INLINE void for_strips(Index row, Index rows, const Strip& strip) {
  constexpr Index height = Packets * Lanes;
  for (; row + height <= rows; row += height) strip.template operator()<Lanes, Packets>(row);
  if constexpr (Packets > 1) {
    for_strips<Scalar, Lanes, Packets - 1>(row, rows, strip);
  } else if constexpr (Lanes > 1) {
    for_strips<Scalar, PacketOf<Scalar, Lanes>::narrower, 1>(row, rows, strip);
  }
}

/// The strip that comes after one, where something does: its line `l` of column k lies at
/// data + k column_stride + l line_stride.
template <class Scalar>
struct NextStrip {
  const Scalar* data = nullptr;
  Index column_stride = 0, line_stride = 0;
};

/// One strip of rows of C against all columns from `column` on, the widest tiles first. What comes after the strip is
/// fetched meanwhile, and the next tile of C, if it is wide; where nothing does, the columns of B that come next.
template <int Lanes, int Packets, int Columns, class Scalar>
void strip_times_columns(const Scalar* a, Index a_stride, const Multiplier<Scalar>& by, Index depth,
                         const Target<Scalar>& to, Index column, Index columns, const NextStrip<Scalar>& next) {
  constexpr Index line = 64 / sizeof(Scalar), lines = (Packets * Lanes + line - 1) / line;
  for (Index j = 0; column + Columns <= columns; column += Columns, ++j) {
    if (Columns > 1 && column + 2 * Columns <= columns) fetch<Lanes, Packets, Columns>(to.at(0, column + Columns));
    Ahead<Scalar> ahead{by.at(column + Columns).b, by.k_stride};
    if (next.data)
      ahead = j < lines ? Ahead<Scalar>{next.data + j * next.line_stride, next.column_stride} : Ahead<Scalar>{a, 0};
    tile<Lanes, Packets, Columns>(a, a_stride, by.at(column), depth, to.at(0, column), ahead);
  }
  if constexpr (Columns > 1) {
    strip_times_columns<Lanes, Packets, Columns / 2>(a, a_stride, by, depth, to, column, columns, next);
  }
}

}  // namespace recur::inline RECUR_ISA::detail
