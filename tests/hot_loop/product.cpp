// The product of packed weights, compiled to assembly by gemm_kernel.test.cpp, which counts what its hot loop loads.
#include <recur/kernels/gemm.hpp>

namespace recur::inline RECUR_ISA::detail {

template void product<tile_packets, tile_columns>(const Lhs<float>&, const Multiplier<float>&, const Target<float>&,
                                                  Index);
template void product<tile_packets, tile_columns>(const Lhs<double>&, const Multiplier<double>&, const Target<double>&,
                                                  Index);

}  // namespace recur::inline RECUR_ISA::detail
