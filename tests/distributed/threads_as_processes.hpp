// Threads of one program as processes: a recur::Communicator of a user's own.
#pragma once

#include <recur/distributed/communicator.hpp>

#include <algorithm>
#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace recur_test {

using recur::Index;

/// What the threads share.
struct Meeting {
  struct Offer {
    std::span<const std::byte> bytes;
    std::span<const std::size_t> sizes;
  };
  explicit Meeting(Index size) : offers(static_cast<std::size_t>(size)), barrier(size) {}
  std::vector<Offer> offers;
  std::barrier<> barrier;
};

class ThreadCommunicator {
 public:
  ThreadCommunicator(Meeting& meeting, Index rank) : meeting_(meeting), rank_(rank) {}
  Index rank() const { return rank_; }
  Index size() const { return std::ssize(meeting_.offers); }

  void gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all) {
    offer({mine, sizes});
    auto to = all.begin();
    for (const auto& each : meeting_.offers) to = std::copy(each.bytes.begin(), each.bytes.end(), to);
    meeting_.barrier.arrive_and_wait();
    sent += mine.size();
  }
  void exchange(std::span<const std::byte> mine, std::span<const std::size_t> to_sizes, std::span<std::byte> all,
                std::span<const std::size_t>) {
    offer({mine, to_sizes});
    auto to = all.begin();
    for (const auto& each : meeting_.offers) {
      std::size_t before = 0;
      for (Index r = 0; r < rank_; ++r) before += each.sizes[static_cast<std::size_t>(r)];
      const auto part = each.bytes.subspan(before, each.sizes[static_cast<std::size_t>(rank_)]);
      to = std::copy(part.begin(), part.end(), to);
    }
    meeting_.barrier.arrive_and_wait();
    sent += mine.size();
  }

  std::size_t sent = 0;  ///< bytes

 private:
  void offer(Meeting::Offer offer) {
    meeting_.offers[static_cast<std::size_t>(rank_)] = offer;
    meeting_.barrier.arrive_and_wait();
  }

  Meeting& meeting_;
  Index rank_;
};

/// f(communicator) in each of `size` processes, of so many threads, where there is OpenMP. What they throw: of each a
/// message, empty where there was none.
inline std::vector<std::string> in_processes(Index size, const std::function<void(ThreadCommunicator&)>& f,
                                             [[maybe_unused]] int threads_each = 1) {
  Meeting meeting(size);
  std::vector<std::string> messages(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (Index r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      try {
#ifdef _OPENMP
        omp_set_num_threads(threads_each);
#endif
        ThreadCommunicator communicator(meeting, r);
        f(communicator);
      } catch (const std::exception& error) {
        messages[static_cast<std::size_t>(r)] = error.what();
        meeting.barrier.arrive_and_drop();
      }
    });
  for (auto& each : threads) each.join();
  return messages;
}

}  // namespace recur_test
