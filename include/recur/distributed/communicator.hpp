#pragma once
/// \file
/// Processes that train one network together, on one machine or many: what train() and evaluate() ask of that which
/// connects them. MPI is in mpi.hpp.

#include "../base/matrix.hpp"
#include "../base/require.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <numeric>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace recur::inline RECUR_ISA {

/// What connects processes: recur::mpi::Communicator, or a class of your own. All processes call the same functions in
/// the same order, and each returns when it has what it waits for.
template <class C>
concept Communicator =
    requires(C& c, std::span<const std::byte> mine, std::span<std::byte> all, std::span<const std::size_t> sizes) {
      // which of the processes this one is, 0 .. size() - 1, and how many there are
      { c.rank() } -> std::convertible_to<Index>;
      { c.size() } -> std::convertible_to<Index>;
      // to `all`, in every process, the bytes of each, one after another: sizes[r] of process r (MPI_Allgatherv)
      c.gather(mine, sizes, all);
      // of `mine` sizes[r] bytes, one after another, to each process r; and into `all` what each has for this one, of
      // which the last argument has the sizes (MPI_Alltoallv)
      c.exchange(mine, sizes, all, sizes);
    };

/// Thrown in all processes alike where one of them could not go on: what() says which, and why.
class ProcessError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The processes that take part: a view of a Communicator, which must live as long; by default this process alone.
class Processes {
 public:
  Processes() = default;
  /// Those of a communicator.
  template <Communicator C>
    requires(!std::same_as<C, Processes>)
  Processes(C& communicator)  // NOLINT: converts
      : of_(const_cast<void*>(static_cast<const void*>(&communicator))), rank_(communicator.rank()),
        size_(communicator.size()),
        gather_([](void* of, std::span<const std::byte> mine, std::span<const std::size_t> sizes,
                   std::span<std::byte> all) { static_cast<C*>(of)->gather(mine, sizes, all); }),
        exchange_([](void* of, std::span<const std::byte> mine, std::span<const std::size_t> to,
                     std::span<std::byte> all,
                     std::span<const std::size_t> from) { static_cast<C*>(of)->exchange(mine, to, all, from); }) {}

  Index rank() const { return rank_; }                       ///< which of them this one is, from 0 on
  Index size() const { return size_; }                       ///< how many there are
  explicit operator bool() const { return of_ != nullptr; }  ///< whether a communicator was given
  /// In every process the value that the first one has, of a type that can be copied byte by byte: what only one of
  /// them can know, as the time. All have to call it.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  T of_first(const T& mine) const {
    if (size_ == 1) return mine;
    std::vector<std::size_t> sizes(static_cast<std::size_t>(size_), 0);
    sizes[0] = sizeof(T);
    T value = mine;
    gather(std::as_bytes(std::span(&mine, rank_ == 0 ? 1 : 0)), sizes, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  /// As Communicator's.
  ///@{
  void gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes, std::span<std::byte> all) const {
    gather_(of_, mine, sizes, all);
  }
  void exchange(std::span<const std::byte> mine, std::span<const std::size_t> to, std::span<std::byte> all,
                std::span<const std::size_t> from) const {
    exchange_(of_, mine, to, all, from);
  }
  ///@}

 private:
  void* of_ = nullptr;
  Index rank_ = 0, size_ = 1;
  void (*gather_)(void*, std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>) = nullptr;
  void (*exchange_)(void*, std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>,
                    std::span<const std::size_t>) = nullptr;
};

namespace detail {

/// Numbers first .. end - 1 of something.
struct Range {
  Index first = 0, end = 0;
  Index size() const { return end - first; }
  bool contains(Range other) const { return first <= other.first && other.end <= end; }
};
/// Part k of `count` things that are cut into `parts` as even as can be.
inline Range part(Index count, Index parts, Index k) { return {count * k / parts, count * (k + 1) / parts}; }

/// The numbers of all processes, one after another, of which process r has counts[r].
template <class T>
  requires std::is_trivially_copyable_v<T>
std::vector<T> gather(const Processes& processes, std::span<const T> mine, std::vector<std::size_t> counts) {
  if (processes.size() == 1) return {mine.begin(), mine.end()};
  std::vector<T> all(std::accumulate(counts.begin(), counts.end(), std::size_t(0)));
  for (std::size_t& count : counts) count *= sizeof(T);
  processes.gather(std::as_bytes(mine), counts, std::as_writable_bytes(std::span(all)));
  return all;
}
/// The same of one of each.
template <class T>
  requires std::is_trivially_copyable_v<T>
std::vector<T> gather(const Processes& processes, const T& mine) {
  return gather(processes, std::span<const T>(&mine, 1),
                std::vector<std::size_t>(static_cast<std::size_t>(processes.size()), 1));
}
/// The same of texts.
inline std::vector<std::string> gather_texts(const Processes& processes, const std::string& mine) {
  const auto sizes = gather(processes, mine.size());
  const auto all = gather(processes, std::span<const char>(mine), sizes);
  std::vector<std::string> texts;
  std::size_t at = 0;
  for (const std::size_t size : sizes) {
    texts.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at),
                       all.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  return texts;
}

/// The number that f() returns, of all processes. Where it throws in one of them, all throw ProcessError; a process
/// that is alone has the exception as it is.
inline std::vector<double> together(const char* where, const Processes& processes, const std::function<double()>& f) {
  if (processes.size() == 1) return {f()};
  struct Outcome {
    double value;
    bool failed;
  };
  Outcome mine{};
  std::string why;
  try {
    mine.value = f();
  } catch (const std::exception& error) {
    mine.failed = true;
    why = error.what();
  } catch (...) {
    mine.failed = true;
    why = "an exception that is no std::exception";
  }
  if (mine.failed && why.empty()) why = "an exception without a message";
  std::vector<double> values;
  bool failed = false;
  for (const Outcome& each : gather(processes, mine)) {
    values.push_back(each.value);
    failed = failed || each.failed;
  }
  if (failed) {
    const auto texts = gather_texts(processes, why);
    for (std::size_t r = 0; r < texts.size(); ++r)
      if (!texts[r].empty())
        throw ProcessError(std::string(where) + ": process " + std::to_string(r) + " of " +
                           std::to_string(texts.size()) + " has failed: " + texts[r]);
  }
  return values;
}

/// Throws, where something does not hold that does not hold in any process: see require().
void require_alike(const Processes& processes, bool holds, const auto&... message) {
  if (holds) return;
  if (processes.size() == 1) require(false, message...);
  try {
    require(false, message...);
  } catch (const std::exception& error) {
    throw ProcessError(error.what());
  }
}

/// A fingerprint of bytes (FNV-1a: G. Fowler, L. C. Noll, K.-P. Vo, 1991).
class Fingerprint {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) value_ = (value_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3u;
  }
  void add(const std::string& text) { add(std::as_bytes(std::span(text))); }
  std::string text() const {
    std::ostringstream text;
    text << std::hex << value_;
    return text.str();
  }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

/// What has to be the same in all processes: names and values, of which no line is more than one.
class SameEverywhere {
 public:
  void add(const std::string& name, const Part& value) {
    std::ostringstream text;
    text.precision(17);
    text << value;
    names_.push_back(name);
    values_ += text.str() + "\n";
  }
  /// Throws ProcessError, in all processes, where something is not.
  void require_for(const char* where, const Processes& processes) const {
    const auto texts = gather_texts(processes, values_);
    for (std::size_t r = 1; r < texts.size(); ++r) {
      std::istringstream of_first(texts[0]), of_other(texts[r]);
      for (const std::string& name : names_) {
        std::string a, b;
        std::getline(of_first, a);
        std::getline(of_other, b);
        if (a != b)
          throw ProcessError(std::string(where) + ": " + name + " must be the same in all processes, got " + a +
                             " in process 0 and " + b + " in process " + std::to_string(r));
      }
    }
  }

 private:
  std::vector<std::string> names_;
  std::string values_;
};

}  // namespace detail
}  // namespace recur::inline RECUR_ISA
