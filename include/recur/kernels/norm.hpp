#pragma once
/// \file
/// Columns of mean 0 and variance 1, and the way back through them.

#include "../base/matrix.hpp"

#include <cmath>
#include <type_traits>

namespace recur::inline RECUR_ISA::detail {

/// `Rows` numbers of a column, as an Eigen array.
template <int Rows>
auto numbers_at(auto* first) {
  using Data = std::remove_reference_t<decltype(*first)>;
  using Array = Eigen::Array<std::remove_const_t<Data>, Rows, 1>;
  return Eigen::Map<std::conditional_t<std::is_const_v<Data>, const Array, Array>>(first);
}
/// f(i), of so many rows as its template argument says, for the rows first .. end - 1 of a column: eight at once, and
/// the rest singly, wherever they lie: the same bits each time.
EIGEN_ALWAYS_INLINE void for_parts(Index first, Index end, auto&& f) {
  for (; first + 8 <= end; first += 8) f.template operator()<8>(first);
  for (; first < end; ++first) f.template operator()<1>(first);
}
/// The sum of what f(i) returns for `count` rows.
template <class Scalar>
Scalar sum_of(Index count, auto&& f) {
  Eigen::Array<Scalar, 8, 1> sums = Eigen::Array<Scalar, 8, 1>::Zero();
  Scalar rest = 0;
  for_parts(0, count, [&]<int Rows>(Index i) {
    if constexpr (Rows == 8) {
      sums += f.template operator()<Rows>(i);
    } else {
      rest += f.template operator()<Rows>(i)(0);
    }
  });
  return sums.sum() + rest;
}
/// The same, divided by `count`.
template <class Scalar>
Scalar mean_of(Index count, auto&& f) {
  return sum_of<Scalar>(count, f) / static_cast<Scalar>(count);
}

/// n = (x - mean) scale, scale = 1 / sqrt(variance + epsilon), for the `count` numbers of a column.
template <class Scalar>
struct Moments {
  Scalar mean, scale;

  static Moments of(const Scalar* x, Index count, double epsilon) {
    const Scalar mean = mean_of<Scalar>(count, [&]<int Rows>(Index i) { return numbers_at<Rows>(x + i); });
    const Scalar variance =
        mean_of<Scalar>(count, [&]<int Rows>(Index i) { return (numbers_at<Rows>(x + i) - mean).square().eval(); });
    return {mean, 1 / std::sqrt(variance + static_cast<Scalar>(epsilon))};
  }
  /// n of some numbers of the column.
  template <int Rows>
  auto normalised(const Scalar* x) const {
    return ((numbers_at<Rows>(x) - mean) * scale).eval();
  }
};

/// f(i, dL/dx), where dL/dx = scale (d - mean(d) - n mean(d n)), and d(i) and n(i) return some numbers of dL/dn and of
/// n.
template <class Scalar>
void through_norm(Index count, Scalar scale, auto&& d, auto&& n, auto&& f) {
  const Scalar mean_d = mean_of<Scalar>(count, d);
  const Scalar mean_dn = mean_of<Scalar>(count, [&]<int Rows>(Index i) {
    return (d.template operator()<Rows>(i) * n.template operator()<Rows>(i)).eval();
  });
  for_parts(0, count, [&]<int Rows>(Index i) {
    f.template operator()<Rows>(
        i, scale * (d.template operator()<Rows>(i) - mean_d - n.template operator()<Rows>(i) * mean_dn));
  });
}

}  // namespace recur::inline RECUR_ISA::detail
