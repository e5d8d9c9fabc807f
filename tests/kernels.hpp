// What kernels.cpp compiles: once, and optimised, whatever the tests are compiled with: products, the way through a
// series, and the recurrences of the cells that most tests use.
#pragma once

#include <recur/recur.hpp>

#ifndef RECUR_TEST_KERNELS
#define RECUR_TEST_KERNELS extern template
#endif

namespace recur::inline RECUR_ISA::detail {

RECUR_TEST_KERNELS void add_product(const Lhs<float>&, const float*, Index, Target<float>, Index, bool);
RECUR_TEST_KERNELS void add_product(const Lhs<double>&, const double*, Index, Target<double>, Index, bool);
RECUR_TEST_KERNELS void add_outer_product(const Lhs<float>&, const Lhs<float>&, float*, Index);
RECUR_TEST_KERNELS void add_outer_product(const Lhs<double>&, const Lhs<double>&, double*, Index);

RECUR_TEST_KERNELS class SeriesPass<float>;
RECUR_TEST_KERNELS class SeriesPass<double>;

}  // namespace recur::inline RECUR_ISA::detail
