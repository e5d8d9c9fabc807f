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
RECUR_TEST_KERNELS void add_outer_product(const Lhs<float>&, const Lhs<float>&, float*, Index, const Scratch&);
RECUR_TEST_KERNELS void add_outer_product(const Lhs<double>&, const Lhs<double>&, double*, Index, const Scratch&);

RECUR_TEST_KERNELS const Lhs<float>& PackBuffer<float>::pack<tile_packets>(const float*, Index, Index, Index, Index,
                                                                           Accumulation);
RECUR_TEST_KERNELS const Lhs<float>& PackBuffer<float>::pack<tall_packets>(const float*, Index, Index, Index, Index,
                                                                           Accumulation);
RECUR_TEST_KERNELS const Lhs<double>& PackBuffer<double>::pack<tile_packets>(const double*, Index, Index, Index, Index,
                                                                             Accumulation);
RECUR_TEST_KERNELS const Lhs<double>& PackBuffer<double>::pack<tall_packets>(const double*, Index, Index, Index, Index,
                                                                             Accumulation);

RECUR_TEST_KERNELS class SeriesPass<float>;
RECUR_TEST_KERNELS class SeriesPass<double>;

#define RECUR_TEST_RECURRENCE(Rule, Scalar)                                                                          \
  RECUR_TEST_KERNELS void Recurrence<Rule, Scalar>::forward_steps(const Chunk&, const SeriesView<const Scalar>&,     \
                                                                  CellWorkspace<Scalar>&) const;                     \
  RECUR_TEST_KERNELS void Recurrence<Rule, Scalar>::backward_steps(const Chunk&, const SeriesView<const Scalar>&,    \
                                                                   SeriesView<const Scalar>, CellWorkspace<Scalar>&, \
                                                                   CellView<Rule, Scalar>, SeriesView<Scalar>) const;
RECUR_TEST_RECURRENCE(ElmanRule<Tanh>, double)
RECUR_TEST_RECURRENCE(LstmRule<>, double)
RECUR_TEST_RECURRENCE(GruRule<>, double)
RECUR_TEST_RECURRENCE(ElmanRule<Tanh>, float)
RECUR_TEST_RECURRENCE(LstmRule<>, float)
RECUR_TEST_RECURRENCE(GruRule<>, float)
#undef RECUR_TEST_RECURRENCE

}  // namespace recur::inline RECUR_ISA::detail
