#pragma once
/// \file
/// The name of the instruction set that a translation unit is compiled for.
///
/// One program may have units that are compiled for different processors. Of inline functions that have the same name
/// in several units the linker keeps one, whatever unit it comes from: weights packed for registers of one width would
/// be multiplied as if they had been packed for another. So all of recur is in an inline namespace, which nobody writes
/// and which has another name for each kind of registers that Eigen knows: each unit calls its own functions. What
/// belongs to recur cannot be handed from a unit to one with another name, and who tries is told so by the linker.
///
/// Eigen's own functions are merged all the same. They allocate memory as one unit has it and free it as another does,
/// unless both have the same EIGEN_MAX_ALIGN_BYTES: networks and series whose sizes are known only when the program
/// runs refuse to be made where units differ in that.

#include <Eigen/Core>

/// \cond
#if defined(EIGEN_VECTORIZE_AVX512)
#define RECUR_ISA_SIMD avx512
#elif defined(EIGEN_VECTORIZE_AVX)
#define RECUR_ISA_SIMD avx
#elif defined(EIGEN_VECTORIZE_SVE)
#define RECUR_ISA_SIMD sve
#elif defined(EIGEN_VECTORIZE)
#define RECUR_ISA_SIMD simd  // the 16 bytes that all processors of the kind have
#else
#define RECUR_ISA_SIMD scalar
#endif

#if defined(EIGEN_VECTORIZE_FMA) || defined(__ARM_FEATURE_FMA)
#define RECUR_ISA_FMA _fma
#else
#define RECUR_ISA_FMA
#endif

#define RECUR_ISA_JOIN(simd, fma, bytes) simd##fma##_align##bytes
#define RECUR_ISA_OF(simd, fma, bytes) RECUR_ISA_JOIN(simd, fma, bytes)
/// \endcond

/// avx512_fma_align64, for example: the width of registers, whether products are added in one instruction, and how
/// Eigen aligns memory.
#define RECUR_ISA RECUR_ISA_OF(RECUR_ISA_SIMD, RECUR_ISA_FMA, EIGEN_MAX_ALIGN_BYTES)
/// \cond
#define RECUR_ISA_QUOTED(name) #name
#define RECUR_ISA_TEXT_OF(name) RECUR_ISA_QUOTED(name)
/// \endcond
/// The same in quotes.
#define RECUR_ISA_TEXT RECUR_ISA_TEXT_OF(RECUR_ISA)

namespace recur::all_units {
/// To how many bytes Eigen aligns memory in the unit whose copy of this the linker has kept. No constant, or each unit
/// would take its own.
inline int max_align_bytes = EIGEN_MAX_ALIGN_BYTES;
}  // namespace recur::all_units
