#pragma once
/// \file
/// Mini-batches in shards. The gradient of each shard is formed alone, and shards are added as the leaves of a tree
/// that knows nothing of processes: so the sum has the same bits on any number of them.
///
/// Processes have shards that follow on each other, and so each has whole branches of the tree. Of each branch every
/// process sends each of the others a slice; each adds up its own slice of all branches, and all gather the slices: two
/// messages for each pair of processes, and twice the bytes of a gradient for each process (as a ring has it). Where a
/// process has several branches, for its shards are not one power of two, it sends the first half of that for each.

#include "../base/parameters.hpp"
#include "communicator.hpp"

#include <bit>

namespace recur::inline RECUR_ISA::detail {

/// Where a branch of shards first .. end - 1 is cut in two: such that the first is a power of two, and no smaller than
/// the second.
inline Index middle(Range branch) {
  return branch.first + static_cast<Index>(std::bit_ceil(static_cast<std::size_t>(branch.size())) / 2);
}
/// f(branch) for the largest branches within `own`, from the first on.
void for_branches(Range branch, Range own, auto&& f) {
  if (branch.end <= own.first || own.end <= branch.first) return;
  if (own.contains(branch)) return f(branch);
  const Index cut = middle(branch);
  for_branches({branch.first, cut}, own, f);
  for_branches({cut, branch.end}, own, f);
}
/// How many those are.
inline Index count_branches(Range all, Range own) {
  Index count = 0;
  for_branches(all, own, [&](Range) { ++count; });
  return count;
}

/// Adds up the numbers of shards, of which each process has some. Keeps its buffers.
template <class Scalar>
class TreeSum {
  using Vector = VectorOf<Scalar>;

 public:
  explicit TreeSum(const Processes& processes) : processes_(processes) {}

  /// Those of `shards` shards that are process r's.
  Range own(Index shards, Index r) const { return part(shards, processes_.size(), r); }
  Range own(Index shards) const { return own(shards, processes_.rank()); }

  /// This process's part: f(shard, numbers) sets the `size` numbers of each of its shards.
  void add_own(Index shards, Index size, auto&& f) {
    shards_ = shards;
    size_ = size;
    branches_ = 0;
    for_branches({0, shards}, own(shards), [&](Range branch) {
      const std::size_t at = branches_++;
      add_branch(branch, at, f);
    });
  }
  /// The sum of all, in all processes, until the next call.
  const Vector& sum() {
    if (processes_.size() == 1) return buffers_[0];
    sum_.resize(size_);
    for (Index first = 0; first < size_; first += at_once) exchange({first, std::min(size_, first + at_once)});
    return sum_;
  }

 private:
  static constexpr Index at_once = Index(1) << 22;  // numbers: so that what is sent does not take as much again

  Vector& buffer(std::size_t at) {
    if (buffers_.size() <= at) buffers_.resize(at + 1);
    buffers_[at].resize(size_);
    return buffers_[at];
  }
  /// The sum of a branch, into buffer `at`; those after it are free.
  void add_branch(Range branch, std::size_t at, auto&& f) {
    if (branch.size() == 1) return f(branch.first, buffer(at));
    const Index cut = middle(branch);
    add_branch({branch.first, cut}, at, f);
    add_branch({cut, branch.end}, at + 1, f);
    buffers_[at] += buffers_[at + 1];
  }

  void exchange(Range numbers) {
    const Index P = processes_.size();
    const auto slice = [&](Index r) {
      const Range of = part(numbers.size(), P, r);
      return Range{numbers.first + of.first, numbers.first + of.end};
    };
    const auto bytes = [](Index count) { return static_cast<std::size_t>(count) * sizeof(Scalar); };
    const Range mine = slice(processes_.rank());
    to_.clear(), to_sizes_.clear(), from_sizes_.clear(), slice_sizes_.clear();
    Index received = 0;
    for (Index r = 0; r < P; ++r) {
      const Range of = slice(r);
      for (std::size_t k = 0; k < branches_; ++k)
        to_.insert(to_.end(), buffers_[k].data() + of.first, buffers_[k].data() + of.end);
      to_sizes_.push_back(bytes(static_cast<Index>(branches_) * of.size()));
      slice_sizes_.push_back(bytes(of.size()));
      const Index from = count_branches({0, shards_}, own(shards_, r)) * mine.size();
      from_sizes_.push_back(bytes(from));
      received += from;
    }
    from_.resize(static_cast<std::size_t>(received));
    processes_.exchange(std::as_bytes(std::span(to_)), to_sizes_, std::as_writable_bytes(std::span(from_)),
                        from_sizes_);
    const Scalar* next = from_.data();
    const Vector& slice_sum = add_received({0, shards_}, next, mine.size(), 0);
    processes_.gather(
        std::as_bytes(std::span(slice_sum.data(), static_cast<std::size_t>(slice_sum.size()))), slice_sizes_,
        std::as_writable_bytes(std::span(sum_.data() + numbers.first, static_cast<std::size_t>(numbers.size()))));
  }
  /// The sum of a branch of all processes, of what has been received, which lies in the order of the tree.
  const Vector& add_received(Range branch, const Scalar*& next, Index size, std::size_t depth) {
    if (slices_.size() <= depth) slices_.resize(depth + 1);
    for (Index r = 0; r < processes_.size(); ++r) {
      if (!own(shards_, r).contains(branch)) continue;
      slices_[depth] = Eigen::Map<const Vector>(next, size);
      next += size;
      return slices_[depth];
    }
    const Index cut = middle(branch);
    add_received({branch.first, cut}, next, size, depth);
    add_received({cut, branch.end}, next, size, depth + 1);
    slices_[depth] += slices_[depth + 1];
    return slices_[depth];
  }

  Processes processes_;
  Index shards_ = 0, size_ = 0;
  std::size_t branches_ = 0;
  std::vector<Vector> buffers_;  // of this process's branches, and further ones to add them up
  std::vector<Vector> slices_;   // the same of what was received
  std::vector<Scalar> to_, from_;
  std::vector<std::size_t> to_sizes_, from_sizes_, slice_sizes_;
  Vector sum_;
};

/// Columns first .. end - 1 of a state, one for each sequence; of one that stands for zero that again.
template <class State>
State columns_of_state(const State& state, Range columns) {
  State part = state;
  visit_state(
      [&](auto& to, const auto& from) {
        if (from.size() == 0) return void(to.resize(from.rows(), 0));
        to = from.middleCols(columns.first, columns.size()).eval();
      },
      part, state);
  return part;
}
/// Writes such columns.
template <class State>
void set_columns_of_state(State& state, Range columns, const State& part) {
  visit_state(
      [&](auto& to, const auto& from) {
        if (from.size() > 0) to.middleCols(columns.first, columns.size()) = from;
      },
      state, part);
}
/// Of a state of which each process knows its own columns, as `columns_of(r)` says, all of them.
template <class Scalar, class State>
void gather_state(const Processes& processes, State& state, auto&& columns_of) {
  if (processes.size() == 1) return;
  std::vector<Scalar> mine;
  Index rows = 0;
  visit_state(
      [&](const auto& s) {
        if (s.size() == 0) return;
        const auto own = s.middleCols(columns_of(processes.rank()).first, columns_of(processes.rank()).size());
        rows += s.rows();
        for (Index j = 0; j < own.cols(); ++j)
          for (Index i = 0; i < own.rows(); ++i) mine.push_back(own(i, j));
      },
      state);
  std::vector<std::size_t> counts;
  for (Index r = 0; r < processes.size(); ++r) counts.push_back(static_cast<std::size_t>(rows * columns_of(r).size()));
  const auto all = gather(processes, std::span<const Scalar>(mine), counts);
  auto next = all.begin();
  for (Index r = 0; r < processes.size(); ++r)
    visit_state(
        [&](auto& s) {
          if (s.size() == 0) return;
          for (Index j = columns_of(r).first; j < columns_of(r).end; ++j)
            for (Index i = 0; i < s.rows(); ++i) s(i, j) = *next++;
        },
        state);
}

}  // namespace recur::inline RECUR_ISA::detail
