#pragma once
/// \file
/// Processes that talk by MPI. It needs an MPI library (libopenmpi-dev, say), whose C functions it calls, and is not
/// included by recur.hpp. With CMake: find_package(MPI REQUIRED), then target_link_libraries(<program> PRIVATE
/// MPI::MPI_CXX); without it: mpicxx.

#include "communicator.hpp"

#include <mpi.h>

#include <climits>
#include <cstdio>
#include <cstdlib>

namespace recur::inline RECUR_ISA::mpi {

/// The processes that mpirun has started, for train() and evaluate():
///
///     int main(int argc, char** argv) {
///       return recur::mpi::run([&](recur::mpi::Communicator& all) {
///         ...                                           // the same in every process, random numbers too
///         recur::train(net, adam, loss, data, rng, {.epochs = 10, .processes = all});
///         if (all.rank() == 0) recur::save("net.safetensors", net);
///         return 0;
///       });
///     }
///
/// One thread of a process, the one that made it, may use it. What MPI itself reports as an error ends all processes.
class Communicator {
 public:
  /// Of the processes of an MPI communicator, which it duplicates. Starts MPI where that has not been done, and then
  /// ends it, too.
  explicit Communicator(MPI_Comm of = MPI_COMM_WORLD) {
    int running = 0;
    MPI_Initialized(&running);
    starts_ = running == 0;
    if (starts_) {
      int provided = 0;
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    }
    MPI_Comm_dup(of, &of_);
    MPI_Comm_rank(of_, &rank_);
    MPI_Comm_size(of_, &size_);
  }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  /// Where it is an exception that ends its life, which the other processes may not know of, it ends them, too.
  ~Communicator() {
    if (size_ > 1 && std::uncaught_exceptions() > exceptions_) abort("an exception");
    MPI_Comm_free(&of_);
    if (starts_) MPI_Finalize();
  }

  /// What recur::Communicator asks for.
  ///@{
  Index rank() const { return rank_; }
  Index size() const { return size_; }
  void gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all) {
    const Counts from(sizes);
    MPI_Allgatherv(mine.data(), int_of(mine.size()), MPI_BYTE, all.data(), from.counts.data(),
                   from.displacements.data(), MPI_BYTE, of_);
  }
  void exchange(std::span<const std::byte> mine, std::span<const std::size_t> to_sizes, std::span<std::byte> all,
                std::span<const std::size_t> from_sizes) {
    const Counts to(to_sizes), from(from_sizes);
    MPI_Alltoallv(mine.data(), to.counts.data(), to.displacements.data(), MPI_BYTE, all.data(), from.counts.data(),
                  from.displacements.data(), MPI_BYTE, of_);
  }
  ///@}

  /// Ends all processes at once, whatever they are doing, with a line on stderr that says which this was, and why.
  [[noreturn]] void abort(const std::string& why) const {
    std::fprintf(stderr, "recur: process %d of %d ends all: %s\n", rank_, size_, why.c_str());
    std::fflush(stderr);
    MPI_Abort(of_, 1);
    std::abort();
  }

 private:
  static int int_of(std::size_t bytes) {
    require(bytes <= INT_MAX, "Communicator: at most 2147483647 bytes at once expected, for MPI counts in int, got ",
            bytes);
    return static_cast<int>(bytes);
  }
  struct Counts {
    std::vector<int> counts, displacements;
    explicit Counts(std::span<const std::size_t> sizes) {
      std::size_t before = 0;
      for (const std::size_t size : sizes) {
        counts.push_back(int_of(size));
        displacements.push_back(int_of(before));
        before += size;
      }
    }
  };

  MPI_Comm of_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, exceptions_ = std::uncaught_exceptions();
  bool starts_ = false;
};

/// f(communicator) in every process, to be main()'s whole. An exception becomes one line on stderr and the result 1:
/// one that all have, as of train(), the first process says; where a process has one alone, or returns something else
/// than 0, it ends all others within moments, so that none waits for it. All that return 0 must have come as far.
/// Returns what f returns.
template <class F>
int run(F&& f) {
  Communicator all;
  try {
    const int result = f(all);
    if (result != 0 && all.size() > 1) all.abort("it returned " + std::to_string(result));
    return result;
  } catch (const ProcessError& error) {
    if (all.rank() == 0) std::fprintf(stderr, "%s\n", error.what());
  } catch (const std::exception& error) {
    if (all.size() > 1) all.abort(error.what());
    std::fprintf(stderr, "%s\n", error.what());
  } catch (...) {
    const char* const what = "it has thrown what is no std::exception";
    if (all.size() > 1) all.abort(what);
    std::fprintf(stderr, "%s\n", what);
  }
  return 1;
}

}  // namespace recur::inline RECUR_ISA::mpi
