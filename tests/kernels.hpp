// The products, which kernels.cpp compiles: once, and optimised, whatever the tests are compiled with.
#pragma once

#include <recur/kernels/gemm.hpp>

#ifndef RECUR_TEST_KERNELS
#define RECUR_TEST_KERNELS extern template
#endif

namespace recur::inline RECUR_ISA::detail {

RECUR_TEST_KERNELS void add_product(const Lhs<float>&, const float*, Index, Target<float>, Index, bool);
RECUR_TEST_KERNELS void add_product(const Lhs<double>&, const double*, Index, Target<double>, Index, bool);
RECUR_TEST_KERNELS void add_outer_product(const Lhs<float>&, const Lhs<float>&, float*, Index);
RECUR_TEST_KERNELS void add_outer_product(const Lhs<double>&, const Lhs<double>&, double*, Index);

}  // namespace recur::inline RECUR_ISA::detail
