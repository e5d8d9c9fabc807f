#pragma once
/// \file
/// Where the steps of a batch lie, for sequences of one length or of many.
///
/// Inside the library a batch is one matrix of columns, step after step. Where all sequences have T steps, each step is
/// N columns. Where lengths differ, the sequences are taken in the order of their lengths, the longest first, and each
/// step has columns for those alone that are not yet at their end: they are the first of the step before. So padding
/// takes part in nothing.

#include "../base/buffer.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace recur::inline RECUR_ISA {

/// Where the steps of a batch lie among its columns. Moved from, it is empty, as by default.
///
/// It may be of a window of the steps alone: steps keep their numbers then, and columns are counted from those of the
/// window's first step.
class BatchLayout {
 public:
  BatchLayout() = default;

  /// As a series or tokens have them: all of their steps. Allocates only to grow.
  template <class X>
  void assign(const X& x) {
    batch_ = x.batch();
    steps_ = x.steps();
    first_ = 0;
    end_ = steps_;
    ragged_ = x.has_lengths();
    if (!ragged_) return;
    length_->resize(static_cast<std::size_t>(batch_));
    sequence_->resize(length_->size());
    std::iota(sequence_->begin(), sequence_->end(), Index(0));
    std::sort(sequence_->begin(), sequence_->end(),
              [&](Index a, Index b) { return x.length(a) != x.length(b) ? x.length(a) > x.length(b) : a < b; });
    std::transform(sequence_->begin(), sequence_->end(), length_->begin(), [&](Index n) { return x.length(n); });
    end_ = steps_ = length_->front();
    column_->assign(static_cast<std::size_t>(steps_) + 1, 0);
    Index active = batch_;
    for (Index t = 0; t < steps_; ++t) {
      while (length_->data()[active - 1] <= t) --active;
      column_->data()[t + 1] = column_->data()[t] + active;
    }
  }

  /// From here on, it is of steps first .. end - 1 alone.
  void narrow(Index first, Index end) {
    first_ = first;
    end_ = end;
  }

  Index batch() const { return batch_; }                ///< N
  Index steps() const { return steps_; }                ///< of the longest sequence
  Index first() const { return first_; }                ///< the window's first step; 0 where it is of all
  Index end() const { return end_; }                    ///< one past the window's last step
  bool has_unequal_lengths() const { return ragged_; }  ///< whether lengths were given
  Index columns() const { return column(end_); }        ///< of the window's steps
  /// Where step t begins, for t = 0 .. steps(); negative for steps before the window.
  Index column(Index t) const { return ragged_ ? column_->data()[t] - column_->data()[first_] : (t - first_) * batch_; }
  /// How many columns step t has; none beyond the last.
  Index active(Index t) const { return t >= steps() ? 0 : column(t + 1) - column(t); }
  /// Which of the caller's sequences is the k-th here.
  Index sequence(Index k) const { return ragged_ ? sequence_->data()[k] : k; }
  /// The steps of the k-th sequence here.
  Index length(Index k) const { return ragged_ ? length_->data()[k] : steps(); }
  /// Those of them that are in the window.
  Index steps_of(Index k) const { return std::clamp<Index>(length(k), first_, end_) - first_; }

  /// Where, in records, the state before step t begins: that after step t - 1, or the one before the window.
  Index record(Index t) const { return t == first_ ? 0 : batch_ + column(t - 1); }
  /// Where the last state of the k-th sequence is, at its own end or that of the window.
  Index last_record(Index k) const { return record(first_ + steps_of(k)) + k; }

  /// A run is steps of at most `columns` columns together, or one step. Where a run that begins at `first` ends.
  Index end_of_run(Index first, Index columns) const {
    if (!ragged_) return std::min(steps(), first + std::max<Index>(1, columns / batch_));
    Index end = first + 1;
    while (end < steps_ && column(end + 1) - column(first) <= columns) ++end;
    return end;
  }
  /// Where a run that ends at `end` begins.
  Index begin_of_run(Index end, Index columns) const {
    if (!ragged_) return std::max<Index>(0, end - std::max<Index>(1, columns / batch_));
    Index first = end - 1;
    while (first > 0 && column(end) - column(first - 1) <= columns) --first;
    return first;
  }

  /// The memory that it holds.
  Index bytes() const {
    return static_cast<Index>((sequence_->capacity() + length_->capacity() + column_->capacity()) * sizeof(Index));
  }

 private:
  detail::EmptiedByMove<Index> batch_, steps_, first_, end_;
  detail::EmptiedByMove<bool> ragged_;
  detail::EmptiedByMove<std::vector<Index>> sequence_, length_;  // of the k-th in the order of lengths
  detail::EmptiedByMove<std::vector<Index>> column_;
};

}  // namespace recur::inline RECUR_ISA
