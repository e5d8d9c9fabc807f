#pragma once
/// \file
/// The gradient of input weights that tokens look up: only the columns of tokens that were read are other than zero. A
/// word model reads some hundreds of its ten thousand words in a step: train() makes zero, measures, clips and applies
/// those columns alone.

#include "../layers/trace.hpp"

#include <algorithm>
#include <vector>

namespace recur::inline RECUR_ISA::detail {

/// Which columns of a gradient may be other than zero.
class TouchedColumns {
 public:
  /// All of them, of all matrices.
  TouchedColumns() = default;
  /// Of a gradient that was zero before bptt: where x are tokens, and the matrix is one of those that they look up, the
  /// columns of the tokens in x; of all other matrices all.
  template <class Net>
  TouchedColumns(const Net& net, const typename Net::Trace& trace, const TokensView& x, Net& gradient) {
    for_each_leaf(
        [&](const auto& layer, const auto& work, const auto& g) {
          if constexpr (requires { layer.looked_up(work, g); })
            if (const void* const matrix = layer.looked_up(work, g)) matrices_.push_back(matrix);
        },
        net, trace.workspace(), gradient);
    if (matrices_.empty()) return;
    for (Index t = 0; t < x.steps(); ++t)
      for (Index n = 0; n < x.batch(); ++n)
        if (t < x.length(n)) columns_.push_back(x.data()[t * x.batch() + n]);
    std::sort(columns_.begin(), columns_.end());
    columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
  }
  template <class Net>
  TouchedColumns(const Net&, const typename Net::Trace&, const SeriesView<const typename Net::Scalar>&, Net&) {}

  /// f(some numbers of the gradient, the same of the second model ...), until they were all that may be other than
  /// zero.
  template <Parameterized Net>
  void visit(auto&& f, Net& gradient, auto&... others) const {
    recur::visit(
        [&](const Name&, auto& g, auto&... blocks) {
          if (!looked_up(g)) return in_parts(f, numbers_of(g), numbers_of(blocks)...);
          for (const Index j : columns_) f(numbers_of_column(g, j), numbers_of_column(blocks, j)...);
        },
        gradient, others...);
  }
  /// The same with whole columns.
  template <Parameterized Net>
  void visit_columns(auto&& f, Net& gradient) const {
    recur::visit(
        [&](const Name&, auto& g) {
          if (looked_up(g)) {
            for (const Index j : columns_) f(numbers_of_column(g, j));
          } else {
            for (Index j = 0; j < g.cols(); ++j) f(numbers_of_column(g, j));
          }
        },
        gradient);
  }

 private:
  bool looked_up(const auto& matrix) const {
    return std::find(matrices_.begin(), matrices_.end(), matrix.data()) != matrices_.end();
  }

  std::vector<const void*> matrices_;  // where those of the gradient begin
  std::vector<Index> columns_;         // in ascending order
};

}  // namespace recur::inline RECUR_ISA::detail
