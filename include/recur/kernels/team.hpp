#pragma once
/// \file
/// Threads, where the program is compiled with OpenMP: the sequences of a batch do not talk to each other, so each
/// thread takes some of them through the whole series.

#include "../base/buffer.hpp"

#include <algorithm>
#include <type_traits>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace recur::inline RECUR_ISA::detail {

// In one program some translation units may be compiled with OpenMP, and some without: their teams are two types, so
// that no thread of the one can come to a function of the other, which would not wait for it.
#ifdef _OPENMP
inline namespace openmp {
#else
inline namespace serial {
#endif

/// One member of a team of threads that all run the same code.
struct Team {
  Index size = 1, member = 0;
  Scratch scratch = {};  ///< of this member

  struct Share {
    Index first, count;
    Scratch scratch = {};
  };
  /// This member's share of `all` things, in whole `grains`.
  Share share(Index all, Index grain) const {
    const auto end_of = [&](Index before) { return before == size ? all : all * before / size / grain * grain; };
    return {end_of(member), end_of(member + 1) - end_of(member), scratch};
  }
  /// Waits for the others.
  void barrier() const {
#ifdef _OPENMP
    if (size > 1) {
#pragma omp barrier
    }
#endif
  }
};

/// The rows of a matrix that are a member's.
template <class M>
auto some_rows(M&& matrix, Team::Share share) {
  using Data = std::remove_pointer_t<decltype(matrix.data())>;
  using Scalar = std::remove_const_t<Data>;
  using View = std::conditional_t<std::is_const_v<Data>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
  return View(matrix.data() + share.first, share.count, matrix.cols(), Eigen::OuterStride<>(matrix.colStride()));
}

/// The fewest sequences for which a thread is worth its while.
inline constexpr Index sequences_each = 8;
/// The fewest multiply-adds of some steps, ten microseconds of them, that are worth waiting for other threads.
inline constexpr double multiply_adds_each = 2e6;

/// How many threads the batch and the work on some steps (in multiply-adds, which work() counts) are worth. A program
/// that is in a parallel region of its own keeps to its threads.
template <class Work>
Index team_size([[maybe_unused]] Index batch, [[maybe_unused]] const Work& work) {
#ifdef _OPENMP
  const Index size = std::min<Index>(omp_get_max_threads(), batch / sequences_each);
  if (size > 1 && work() >= multiply_adds_each && !omp_in_parallel()) return size;
#endif
  return 1;
}
/// f(team) from each member of a team of at most so many threads.
template <class F>
void in_team([[maybe_unused]] Index size, const F& f) {
#ifdef _OPENMP
  if (size > 1) {
#pragma omp parallel num_threads(static_cast<int>(size))
    f(Team{omp_get_num_threads(), omp_get_thread_num()});
    return;
  }
#endif
  f(Team{});
}

}  // namespace
}  // namespace recur::inline RECUR_ISA::detail
