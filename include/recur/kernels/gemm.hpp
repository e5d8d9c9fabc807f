#pragma once
/// \file
/// The products: C += A B with a weight matrix A, or its transpose, that meets many B; and C += D H^T for the gradients
/// of weights. A that is used often is packed first: copied into the order in which the kernels read it.

#include "../base/buffer.hpp"
#include "gemm_kernel.hpp"
#include "norm.hpp"

#include <algorithm>

namespace recur::inline RECUR_ISA::detail {

/// A size that is a constant where it is known when compiling.
template <int Size>
struct Extent {
  constexpr Extent(Index) {}
  constexpr operator Index() const { return Size; }
};
template <>
struct Extent<Dynamic> {
  Index size;
  constexpr operator Index() const { return size; }
};

/// How the sums of a product run.
enum class Accumulation {
  in_sequence,  ///< for any number of columns, and with the same bits for each of them
  interleaved,  ///< for one column: as fast as a column can be
  transposed    ///< for few columns: along the columns of the matrix whose transpose this is, where that lies
};

/// The left side of products: rows x depth. A view: valid as long as what it was made from.
template <class Scalar, int Rows = Dynamic, int Depth = Dynamic>
struct Lhs {
  const Scalar* data;
  Extent<Rows> rows;
  Extent<Depth> depth;
  Index stride;  ///< from column to column of a matrix in place; 0 where packed: each strip of rows contiguous
  Accumulation order;
};

/// A column-major matrix where it lies.
template <class Weights>
auto in_place(const Weights& weights, Accumulation order) {
  return Lhs<typename Weights::Scalar, Weights::RowsAtCompileTime, Weights::ColsAtCompileTime>{
      weights.data(), {weights.rows()}, {weights.cols()}, weights.colStride(), order};
}

/// A weight matrix as products want it: a packed copy, or a view of where it lies, which is as good for few columns. It
/// is made at the start of a call that multiplies by it many times, and is not looked at after that call, so that it
/// can never be stale.
template <class Scalar>
class PackBuffer {
 public:
  /// `weights` for products with `columns` columns in all.
  template <class Weights>
  const Lhs<Scalar>& for_columns(const Weights& weights, Index columns) {
    if (columns < few) return in_place(weights, Accumulation::in_sequence);
    return pack<tile_packets>(weights.data(), weights.rows(), weights.cols(), 1, weights.colStride(),
                              Accumulation::in_sequence);
  }
  /// `weights` for `count` products with a batch of columns each.
  template <class Weights>
  const Lhs<Scalar>& for_steps(const Weights& weights, Index batch, Index count) {
    if (batch > 1) return for_columns(weights, batch * count);
    // A matrix of one strip is in the right order as it is.
    constexpr Index strip = tall_packets * full_lanes<Scalar>;
    if (count < few || weights.rows() <= strip) return in_place(weights, Accumulation::interleaved);
    return pack<tall_packets>(weights.data(), weights.rows(), weights.cols(), 1, weights.colStride(),
                              Accumulation::interleaved);
  }
  /// The transpose of `weights` for `count` products with a batch of columns each.
  template <class Weights>
  const Lhs<Scalar>& transpose_of(const Weights& weights, Index batch, Index count = 1) {
    const Index rows = weights.cols(), depth = weights.rows();
    if (batch * count < 2 * few) {
      return lhs_ = {weights.data(), {rows}, {depth}, weights.colStride(), Accumulation::transposed};
    }
    if (batch == 1) {
      return pack<tall_packets>(weights.data(), rows, depth, weights.colStride(), 1, Accumulation::interleaved);
    }
    return pack<tile_packets>(weights.data(), rows, depth, weights.colStride(), 1, Accumulation::in_sequence);
  }
  /// The left side of products that was made last.
  const Lhs<Scalar>& lhs() const { return lhs_; }
  const Scalar* data() const { return storage_.data(); }
  Index bytes() const { return storage_.bytes(); }

 private:
  static constexpr Index few = 8;  // columns that a matrix must meet until packing it pays

  template <class Weights>
  const Lhs<Scalar>& in_place(const Weights& weights, Accumulation order) {
    return lhs_ = {weights.data(), {weights.rows()}, {weights.cols()}, weights.colStride(), order};
  }

  /// Copies element i row_stride + k column_stride, of strips of Packets packets, to where the kernels look for it.
  template <int MostPackets>
  const Lhs<Scalar>& pack(const Scalar* weights, Index rows, Index depth, Index row_stride, Index column_stride,
                          Accumulation order) {
    Scalar* const packed = storage_.resize(rows, depth).data();
    for_strips<Scalar, full_lanes<Scalar>, MostPackets>(0, rows, [&]<int Lanes, int Packets>(Index row) {
      constexpr Index height = Packets * Lanes;
      const Scalar* const strip = weights + row * row_stride;
      Scalar* const out = packed + row * depth;
      Index k = 0;
      if (row_stride == 1) {
        for (; k < depth; ++k) copy_packets<Lanes, Packets>(strip + k * column_stride, out + k * height);
      } else if constexpr (Lanes > 1) {
        // A transpose, whose rows are contiguous: squares of packets are transposed in registers.
        for (; k + Lanes <= depth; k += Lanes)
          for (Index r = 0; r < height; r += Lanes)
            transpose_square<Lanes>(strip + r * row_stride + k, row_stride, out + k * height + r, height);
      }
      for (; k < depth; ++k)
        for (Index i = 0; i < height; ++i) out[k * height + i] = strip[i * row_stride + k * column_stride];
    });
    return lhs_ = {packed, {rows}, {depth}, 0, order};
  }

  template <int Lanes>
  static void transpose_square(const Scalar* from, Index from_stride, Scalar* to, Index to_stride) {
    using Packet = typename PacketOf<Scalar, Lanes>::type;
    Eigen::internal::PacketBlock<Packet, Lanes> square;
    for (int i = 0; i < Lanes; ++i) square.packet[i] = Eigen::internal::ploadu<Packet>(from + i * from_stride);
    Eigen::internal::ptranspose(square);
    for (int i = 0; i < Lanes; ++i) Eigen::internal::pstoreu(to + i * to_stride, square.packet[i]);
  }

  Buffer<Scalar> storage_;
  Lhs<Scalar> lhs_{nullptr, {0}, {0}, 0, Accumulation::in_sequence};
};

/// C += A B, or start + A B: of B as many columns at a time as stay in a cache, of a strip of A some 512 k, which meet
/// all of these columns. Of a packed A, what comes next is fetched meanwhile: at the end its beginning, for the next
/// step. An A that stays in the nearest cache as a whole meets so few columns that C goes through there as it lies in
/// memory.
template <int Packets, int Columns, class Scalar>
void product(const Lhs<Scalar>& a, const Multiplier<Scalar>& by, const Target<Scalar>& to, Index columns) {
  constexpr Index near = 16384 / sizeof(Scalar), of_b = 262144 / sizeof(Scalar), fewest = 64, most = 512;
  const Index fit = a.rows * a.depth <= near ? 2 * near / std::max<Index>(a.rows, 1) : std::max(of_b / a.depth, fewest);
  const Index together = std::max<Index>(fit / Columns, 1) * Columns;
  for (Index column = 0; column < columns; column += together) {
    const Index end = std::min(column + together, columns);
    for_strips<Scalar, full_lanes<Scalar>, Packets>(0, a.rows, [&]<int Lanes, int High>(Index row) {
      constexpr Index height = High * Lanes;
      const bool packed = a.stride == 0;
      const Index stride = packed ? height : a.stride;
      const Scalar* const strip = packed ? a.data + row * a.depth : a.data + row;
      Target<Scalar> sums = to.at(row, 0);
      Index k = 0;
      do {
        const Index depth = a.depth - k < 2 * most ? a.depth - k : most;
        const Scalar* const part = strip + k * stride;
        const bool last = row + height == a.rows && k + depth == a.depth;
        // Packed, it is so many lines in a row.
        constexpr Index line = 64 / sizeof(Scalar);
        const NextStrip<Scalar> next{!packed ? nullptr : last ? a.data : part + depth * stride, line, depth * line};
        const Multiplier<Scalar> of_part{by.b + k * by.k_stride, by.k_stride, by.j_stride, by.panel};
        strip_times_columns<Lanes, High, Columns>(part, stride, of_part, depth, sums, column, end, next);
        sums.start = {nullptr};
        k += depth;
      } while (k < a.depth);
    });
  }
}

/// c += A b for one column. Backwards, strips are taken from the last to the first.
template <class Scalar, int Rows, int Depth>
EIGEN_ALWAYS_INLINE void product_of_column(const Lhs<Scalar, Rows, Depth>& a, const Scalar* b, Scalar* c,
                                           bool backwards = false) {
  const auto strip = [&]<int Lanes, int High>(Index row) {
    const Scalar* const data = a.stride == 0 ? a.data + row * a.depth : a.data + row;
    const Index stride = a.stride == 0 ? High * Lanes : a.stride;
    if (a.order == Accumulation::interleaved) {
      column<Lanes, High>(data, stride, b, a.depth, c + row);
    } else {
      tile<Lanes, High, 1>(data, stride, Multiplier<Scalar>{b, 1, 0}, a.depth, Target<Scalar>{c + row, 0});
    }
  };
  constexpr int lanes = full_lanes<Scalar>;
  constexpr Index height = tall_packets * lanes;
  const Index rest = a.rows / height * height;
  backwards = backwards && rest > 0;
  if (backwards) for_strips<Scalar, lanes, tall_packets - 1>(rest, a.rows, strip);
  for (Index row = 0; row < rest; row += height)
    strip.template operator()<lanes, tall_packets>(backwards ? rest - height - row : row);
  if (!backwards) for_strips<Scalar, lanes, tall_packets - 1>(rest, a.rows, strip);
}

/// Whether a matrix is a row of neighbours, which takes its sums along the columns of B.
template <class Scalar, int Rows, int Depth>
bool is_row(const Lhs<Scalar, Rows, Depth>& a) {
  return a.rows == 1 && a.stride <= 1;
}

/// C += A B, or C = start + A B, for sizes known only at run time: one function for all that calls it.
template <class Scalar>
void add_product(const Lhs<Scalar>& a, const Scalar* b, Index b_stride, Target<Scalar> to, Index columns,
                 bool backwards) {
  Scalar* const c = to.c;
  const Index c_stride = to.c_stride;
  const bool in_tiles = a.order == Accumulation::in_sequence && !is_row(a) && (columns > 1 || a.stride == 0);
  if (in_tiles) return product<tile_packets, tile_columns>(a, {b, 1, b_stride}, to, columns);
  if (const Scalar* const start = to.start.column) {
    for (Index j = 0; j < columns; ++j) {
      if (to.start.step == 0)
        std::fill_n(c + j * c_stride, Index(a.rows), Scalar(0));
      else
        std::copy_n(start, Index(a.rows), c + j * c_stride);
    }
  }
  if (a.order == Accumulation::transposed) {
    for (Index j = 0; j < columns; ++j)
      add_dots<tile_columns>(a.data, a.stride, a.depth, a.rows, b + j * b_stride, c + j * c_stride, 1);
  } else if (is_row(a)) {
    add_dots<tile_columns>(b, b_stride, a.depth, columns, a.data, c, c_stride);
  } else {
    for (Index j = 0; j < columns; ++j) product_of_column(a, b + j * b_stride, c + j * c_stride, backwards);
  }
}

/// C += D H^T by packed copies of parts of both, in memory of packed_outer_product_size numbers: panels of H, which
/// stay in a cache, meet one strip of D after the other. So many k at a time that C, too, is read and written seldom.
///@{
inline constexpr Index packed_depth = 256;
template <class Scalar>
inline constexpr Index packed_columns = 262144 / packed_depth / sizeof(Scalar);
template <class Scalar>
inline constexpr Index packed_outer_product_size =
    packed_depth * (packed_columns<Scalar> + tile_packets * full_lanes<Scalar>);

template <class Scalar>
void add_packed_outer_product(const Lhs<Scalar>& d, const Lhs<Scalar>& h, Scalar* c, Index c_stride, Scalar* memory) {
  Scalar* const panels = memory;
  Scalar* const strip = memory + packed_depth * packed_columns<Scalar>;
  for (Index first = 0; first < d.depth; first += packed_depth) {
    const Index depth = std::min<Index>(packed_depth, d.depth - first);
    const Multiplier<Scalar> by{panels, tile_columns, 1, tile_columns * depth};
    for (Index column = 0; column < h.rows; column += packed_columns<Scalar>) {
      const Index count = std::min<Index>(packed_columns<Scalar>, h.rows - column);
      // Few columns at a time, which lie in as many pages; and so many numbers as the compiler knows, for else each few
      // of them would be a call of memmove.
      for (Index begin = 0; begin < depth; begin += 16) {
        const Index end = std::min<Index>(begin + 16, depth);
        for (Index j = 0; j < count; j += tile_columns) {
          const Scalar* const from = h.data + column + j + first * h.stride;
          Scalar* const panel = panels + j * depth;
          if (j + tile_columns <= count) {
            for (Index k = begin; k < end; ++k)
              std::copy_n(from + k * h.stride, tile_columns, panel + k * tile_columns);
          } else {
            for (Index k = begin; k < end; ++k) std::copy_n(from + k * h.stride, count - j, panel + k * tile_columns);
          }
        }
      }
      for_strips<Scalar, full_lanes<Scalar>, tile_packets>(0, d.rows, [&]<int Lanes, int Packets>(Index row) {
        constexpr Index height = Packets * Lanes;
        const Scalar* const from = d.data + row + first * d.stride;
        for (Index k = 0; k < depth; ++k) copy_packets<Lanes, Packets>(from + k * d.stride, strip + k * height);
        const Target<Scalar> to{c + row + column * c_stride, c_stride};
        const NextStrip<Scalar> next{row + height < d.rows ? from + height : nullptr, d.stride, 64 / sizeof(Scalar)};
        strip_times_columns<Lanes, Packets, tile_columns>(strip, height, by, depth, to, 0, count, next);
      });
    }
  }
}
///@}

/// C += d h^T of single columns: C goes through once. Strip by strip, while d stays in registers; tall columns, which
/// lie far apart, one after the other.
template <class Scalar>
void add_outer_product_of_columns(const Scalar* d, Index rows, const Scalar* h, Index columns, Scalar* c,
                                  Index c_stride) {
  constexpr Index many = 4 * tall_packets * full_lanes<Scalar>;
  const Index together = rows < many ? columns : 1;
  for (Index j = 0; j < columns; j += together)
    for_strips<Scalar, full_lanes<Scalar>, tall_packets>(0, rows, [&]<int Lanes, int Packets>(Index row) {
      outer<Lanes, Packets>(d + row, h + j, together, c + row + j * c_stride, c_stride);
    });
}

/// C += D H^T for sizes known only at run time. Both are read where they lie, unless their columns are far apart: then
/// each would take a cache line, or a page, of its own, and parts are packed, where there is memory for them. Each sum
/// runs in the order of k either way.
template <class Scalar>
void add_outer_product(const Lhs<Scalar>& d, const Lhs<Scalar>& h, Scalar* c, Index c_stride, const Scratch& scratch) {
  // Narrow tiles read D more often, and suffer sooner.
  constexpr Index far = (tile_columns < 8 ? 512 : 2048) / sizeof(Scalar);
  constexpr Index tall = 2 * tile_packets * full_lanes<Scalar>, wide = 2 * tile_columns;
  if (d.depth == 1) {
    if (d.rows == 1 && c_stride == 1)  // then C^T is a column
      return add_outer_product_of_columns<Scalar>(h.data, h.rows, d.data, 1, c, 0);
    add_outer_product_of_columns<Scalar>(d.data, d.rows, h.data, h.rows, c, c_stride);
  } else if (d.rows == 1 && c_stride == 1) {
    product<tall_packets, 1>(h, {d.data, d.stride, 0}, Target<Scalar>{c, 0}, 1);
  } else if (d.depth == 2) {  // then it is C that is read and written, column after column
    product<tall_packets, 1>(d, {h.data, h.stride, 1}, Target<Scalar>{c, c_stride}, h.rows);
  } else if (Scalar* const memory = scratch.numbers<Scalar>(packed_outer_product_size<Scalar>);
             memory && d.rows >= tall && h.rows >= wide && d.depth >= 16 && std::max(d.stride, h.stride) >= far) {
    add_packed_outer_product(d, h, c, c_stride, memory);
  } else {
    product<tile_packets, tile_columns>(d, {h.data, h.stride, 1}, Target<Scalar>{c, c_stride}, h.rows);
  }
}

/// C += A B. B and C are Eigen matrices, or blocks or maps of such, with neighbouring rows. With sizes that are known
/// when compiling, and one column, it is straight-line code.
///
/// Weights that are larger than a cache are best swept forth and back in turn: what was read last is still there, and
/// comes first.
template <class Scalar, int Rows, int Depth, class B, class C>
EIGEN_ALWAYS_INLINE void add_product(const Lhs<Scalar, Rows, Depth>& a, const B& b, C&& c, bool backwards = false) {
  if constexpr (Rows != Dynamic && Depth != Dynamic && std::decay_t<B>::ColsAtCompileTime == 1) {
    if (is_row(a)) {
      add_dots<1>(b.data(), 0, a.depth, 1, a.data, c.data(), 0);
    } else {
      product_of_column(a, b.data(), c.data(), backwards);
    }
  } else {
    if (a.depth == 0 || c.cols() == 0) return;  // nothing to add, and perhaps no memory to point into
    add_product<Scalar>({a.data, {a.rows}, {a.depth}, a.stride, a.order}, b.data(), b.colStride(),
                        {c.data(), c.colStride()}, c.cols(), backwards);
  }
}

/// C = start + A B, where every column starts from the one that `start` points at, or from zero: C need not be written
/// first.
///@{
template <class Scalar, int Rows, int Depth, class B, class C>
void set_product(const Lhs<Scalar, Rows, Depth>& a, const B& b, Start<Scalar> start, C&& c) {
  if (c.cols() == 0) return;
  add_product<Scalar>({a.data, {a.rows}, {a.depth}, a.stride, a.order}, b.data(), b.colStride(),
                      {c.data(), c.colStride(), start}, c.cols(), false);
}
template <class Scalar, int Rows, int Depth, class B, class C>
void set_product(const Lhs<Scalar, Rows, Depth>& a, const B& b, const Scalar* start, C&& c) {
  set_product(a, b, Start<Scalar>{start, 1}, c);
}
template <class Scalar, int Rows, int Depth, class B, class C>
void set_product(const Lhs<Scalar, Rows, Depth>& a, const B& b, C&& c) {
  set_product(a, b, Start<Scalar>{}, c);
}
///@}

/// C += D H^T: a sum over the columns of D and H, so that the gradient of weights is one product for many steps.
template <class D, class H, class C>
void add_outer_product(const D& d, const H& h, C&& c, const Scratch& scratch = {}) {
  using Scalar = typename D::Scalar;
  if (d.cols() == 0) return;
  const Lhs<Scalar> left{d.data(), {d.rows()}, {d.cols()}, d.colStride(), Accumulation::in_sequence};
  const Lhs<Scalar> right{h.data(), {h.rows()}, {h.cols()}, h.colStride(), Accumulation::in_sequence};
  add_outer_product(left, right, c.data(), c.colStride(), scratch);
}

}  // namespace recur::inline RECUR_ISA::detail
