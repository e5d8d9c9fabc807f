#pragma once
/// \file
/// The products: C += A B with a weight matrix A, or its transpose, that meets many B; and C += D H^T for the gradients
/// of weights. A that is used often is packed first: copied into the order in which the kernels read it.

#include "kernel.hpp"

#include <algorithm>

namespace recur {

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
enum class Order {
  in_sequence,  ///< for any number of columns, and with the same bits for each of them
  interleaved,  ///< for one column: as fast as a column can be
  transposed    ///< for few columns: along the columns of the matrix whose transpose this is, where that lies
};

/// The left side of products: rows x depth. A view: valid as long as what it was made from.
template <class Scalar, int Rows = Dynamic, int Depth = Dynamic>
struct Panels {
  const Scalar* data;
  Extent<Rows> rows;
  Extent<Depth> depth;
  Index stride;  ///< from column to column of a matrix in place; 0 where packed: each strip of rows contiguous
  Order order;
};

/// A column-major matrix where it lies.
template <class Weights>
auto in_place(const Weights& weights, Order order) {
  return Panels<typename Weights::Scalar, Weights::RowsAtCompileTime, Weights::ColsAtCompileTime>{
      weights.data(), {weights.rows()}, {weights.cols()}, weights.colStride(), order};
}

/// Storage for a packed copy of a weight matrix. The copy is made at the start of a call that multiplies by it many
/// times, and is not looked at after that call, so that it can never be stale.
template <class Scalar>
class Packed {
 public:
  /// `weights` for products with `columns` columns in all.
  template <class Weights>
  Panels<Scalar> of(const Weights& weights, Index columns) {
    if (columns < few) return dynamic(weights, Order::in_sequence);
    return pack<detail::tile_packets>(weights.data(), weights.rows(), weights.cols(), 1, weights.colStride(),
                                      Order::in_sequence);
  }
  /// `weights` for `count` products with a batch of columns each.
  template <class Weights>
  Panels<Scalar> of(const Weights& weights, Index batch, Index count) {
    if (batch > 1) return of(weights, batch * count);
    // A matrix of one strip is in the right order as it is.
    constexpr Index strip = detail::tall_packets * detail::full_lanes<Scalar>;
    if (count < few || weights.rows() <= strip) return dynamic(weights, Order::interleaved);
    return pack<detail::tall_packets>(weights.data(), weights.rows(), weights.cols(), 1, weights.colStride(),
                                      Order::interleaved);
  }
  /// The transpose of `weights` for `count` products with a batch of columns each.
  template <class Weights>
  Panels<Scalar> transpose_of(const Weights& weights, Index batch, Index count = 1) {
    const Index rows = weights.cols(), depth = weights.rows();
    if (batch * count < 2 * few) {
      return {weights.data(), {rows}, {depth}, weights.colStride(), Order::transposed};
    }
    if (batch == 1) {
      return pack<detail::tall_packets>(weights.data(), rows, depth, weights.colStride(), 1, Order::interleaved);
    }
    return pack<detail::tile_packets>(weights.data(), rows, depth, weights.colStride(), 1, Order::in_sequence);
  }
  Index bytes() const { return storage_.bytes(); }

 private:
  static constexpr Index few = 8;  // columns that a matrix must meet until packing it pays

  template <class Weights>
  static Panels<Scalar> dynamic(const Weights& weights, Order order) {
    return {weights.data(), {weights.rows()}, {weights.cols()}, weights.colStride(), order};
  }

  /// Copies element i row_stride + k column_stride, of strips of Packets packets, to where the kernels look for it.
  template <int MostPackets>
  Panels<Scalar> pack(const Scalar* weights, Index rows, Index depth, Index row_stride, Index column_stride,
                      Order order) {
    Scalar* const packed = storage_.resize(rows, depth).data();
    detail::for_strips<Scalar, detail::full_lanes<Scalar>, MostPackets>(
        0, rows, [&]<int Lanes, int Packets>(Index row) {
          constexpr Index height = Packets * Lanes;
          const Scalar* const strip = weights + row * row_stride;
          Scalar* const out = packed + row * depth;
          Index k = 0;
          if (row_stride == 1) {
            for (; k < depth; ++k) std::copy_n(strip + k * column_stride, height, out + k * height);
          } else if constexpr (Lanes > 1) {
            // A transpose, whose rows are contiguous: squares of packets are transposed in registers.
            for (; k + Lanes <= depth; k += Lanes)
              for (Index r = 0; r < height; r += Lanes)
                transpose_square<Lanes>(strip + r * row_stride + k, row_stride, out + k * height + r, height);
          }
          for (; k < depth; ++k)
            for (Index i = 0; i < height; ++i) out[k * height + i] = strip[i * row_stride + k * column_stride];
        });
    return {packed, {rows}, {depth}, 0, order};
  }

  template <int Lanes>
  static void transpose_square(const Scalar* from, Index from_stride, Scalar* to, Index to_stride) {
    using Packet = typename detail::PacketOf<Scalar, Lanes>::type;
    Eigen::internal::PacketBlock<Packet, Lanes> square;
    for (int i = 0; i < Lanes; ++i) square.packet[i] = Eigen::internal::ploadu<Packet>(from + i * from_stride);
    Eigen::internal::ptranspose(square);
    for (int i = 0; i < Lanes; ++i) Eigen::internal::pstoreu(to + i * to_stride, square.packet[i]);
  }

  detail::Buffer<Scalar> storage_;
};

namespace detail {

/// C += A B, strip by strip.
template <int Packets, int Columns, class Scalar, int Rows, int Depth>
EIGEN_STRONG_INLINE void product(const Panels<Scalar, Rows, Depth>& a, Multiplier<Scalar> by, Scalar* c, Index c_stride,
                                 Index columns) {
  for_strips<Scalar, full_lanes<Scalar>, Packets>(0, a.rows, [&]<int Lanes, int High>(Index row) {
    const Scalar* const strip = a.stride == 0 ? a.data + row * a.depth : a.data + row;
    const Index stride = a.stride == 0 ? High * Lanes : a.stride;
    strip_times_columns<Lanes, High, Columns>(strip, stride, by, a.depth, c + row, c_stride, columns);
  });
}

/// c += A b, strip by strip. Backwards, the strips are taken from the last to the first.
template <class Scalar, int Rows, int Depth>
EIGEN_STRONG_INLINE void product_of_column(const Panels<Scalar, Rows, Depth>& a, const Scalar* b, Scalar* c,
                                           bool backwards) {
  const auto strip = [&]<int Lanes, int High>(Index row) {
    const Scalar* const data = a.stride == 0 ? a.data + row * a.depth : a.data + row;
    column<Lanes, High>(data, a.stride == 0 ? High * Lanes : a.stride, b, a.depth, c + row);
  };
  constexpr Index height = tall_packets * full_lanes<Scalar>;
  const Index rest = a.rows / height * height;
  if (backwards) {
    for (Index row = rest; (row -= height) >= 0;) strip.template operator()<full_lanes<Scalar>, tall_packets>(row);
  } else {
    for (Index row = 0; row < rest; row += height) strip.template operator()<full_lanes<Scalar>, tall_packets>(row);
  }
  for_strips<Scalar, full_lanes<Scalar>, tall_packets - 1>(rest, a.rows, strip);
}

}  // namespace detail

/// C += A B. B and C are Eigen matrices, or blocks or maps of such, with neighbouring rows. Weights that are larger than
/// a cache are best swept forth and back in turn: what was read last is still there, and comes first.
template <class Scalar, int Rows, int Depth, class B, class C>
EIGEN_STRONG_INLINE void add_product(const Panels<Scalar, Rows, Depth>& a, const B& b, C&& c, bool backwards = false) {
  using namespace detail;
  if (a.depth == 0 || c.cols() == 0) return;  // nothing to add, and perhaps no memory to point into
  const Multiplier<Scalar> by{b.data(), 1, b.colStride()};
  if (a.order == Order::transposed) {
    for (Index j = 0; j < c.cols(); ++j)
      add_dots<dots_columns>(a.data, a.stride, a.depth, a.rows, b.data() + j * b.colStride(),
                             c.data() + j * c.colStride(), 1);
  } else if (a.rows == 1 && a.stride <= 1) {
    // One row takes its sums along the columns of B.
    add_dots<dots_columns>(b.data(), b.colStride(), a.depth, c.cols(), a.data, c.data(), c.colStride());
  } else if (a.order == Order::interleaved) {
    product_of_column(a, b.data(), c.data(), backwards);
  } else if (c.cols() == 1 && a.stride != 0) {
    product<tall_packets, 1>(a, by, c.data(), c.colStride(), 1);
  } else {
    product<tile_packets, tile_columns>(a, by, c.data(), c.colStride(), c.cols());
  }
}

/// C += D H^T: a sum over the columns of D and H, so that the gradient of weights is one product for many steps. Both
/// are read where they lie: at each k their entries are neighbours as they are.
template <class D, class H, class C>
void add_outer_product(const D& d, const H& h, C&& c) {
  using namespace detail;
  using Scalar = typename D::Scalar;
  if (d.cols() == 0) return;
  if (d.rows() == 1 && c.colStride() == 1) {  // then its transpose is a column
    const Panels<Scalar> column{h.data(), {h.rows()}, {h.cols()}, h.colStride(), Order::in_sequence};
    product<tall_packets, 1>(column, {d.data(), d.colStride(), 0}, c.data(), 0, 1);
  } else {
    const Panels<Scalar> left{d.data(), {d.rows()}, {d.cols()}, d.colStride(), Order::in_sequence};
    product<tile_packets, tile_columns>(left, {h.data(), h.colStride(), 1}, c.data(), c.colStride(), c.cols());
  }
}

}  // namespace recur
