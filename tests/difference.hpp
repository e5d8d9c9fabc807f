// A layer of a user's own: written with what is public alone, it has everything that the library's layers have.
#pragma once

#include <recur/recur.hpp>

namespace recur_test {

/// y_t = inner's y_t - x_t, around any layer with as many outputs as inputs: what it changes.
template <class Inner>
struct Difference : recur::LayerOf<Difference<Inner>, Inner> {
  using Scalar = typename Inner::Scalar;
  using View = recur::SeriesView<const Scalar>;
  static constexpr bool takes_tokens = false;
  static constexpr const char* name = "Difference";
  using Workspace = recur::WorkspaceWithOutput<Scalar, Inner>;
  Inner inner;

  explicit Difference(Inner inner_) : inner(std::move(inner_)) {}
  static auto children(auto& layer) { return std::tie(layer.inner); }

  void prepare_forward(const recur::Pass& pass, Workspace& work) const {
    inner.prepare_forward(pass, work.template of<0>());
    work.y.resize(inner.outputs(), 1, pass.layout.columns());
  }
  void forward_steps(const recur::Chunk& chunk, View x, Workspace& work) const {
    run_forward(inner, chunk, x, work.template of<0>());
    const auto x_chunk = chunk.of(x), of_inner = chunk.of(View(inner.output_columns(work.template of<0>())));
    const auto y = chunk.of(recur::SeriesView<Scalar>(work.y));
    chunk.for_own_columns([&](auto j, auto n) { y.columns(j, n) = of_inner.columns(j, n) - x_chunk.columns(j, n); });
  }
  View output_columns(const Workspace& work) const { return work.y; }
  void backward_steps(const recur::Chunk& chunk, View x, View dy, Workspace& work, Difference& gradient,
                      recur::SeriesView<Scalar> dx) const {
    if (!dy.empty() && !dx.empty())
      chunk.for_own_columns([&](auto j, auto n) { dx.columns(j, n) -= dy.columns(j, n); });
    run_backward(inner, chunk, x, dy, work.template of<0>(), gradient.inner, dx);
  }

  auto memory() const { return std::tuple(inner.memory(), recur::VectorOf<Scalar>(inner.outputs())); }
  const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& [of_inner, y] = memory;
    y = Eigen::Map<const recur::VectorOf<Scalar>>(inner.step(x, of_inner), inner.outputs()) - x;
    return y.data();
  }
};

}  // namespace recur_test
