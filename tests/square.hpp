// A layer without a state of a user's own.
#pragma once

#include <recur/recur.hpp>

namespace recur_test {

/// y_t = scale x_t^2
struct Square : recur::LayerWithoutState<Square, double> {
  using Scalar = double;
  recur::VectorOf<double> scale;

  explicit Square(recur::Index features) : scale(recur::VectorOf<double>::Ones(features)) {}
  recur::Index inputs() const { return scale.size(); }
  recur::Index outputs() const { return scale.size(); }
  static void visit(auto&& f, const recur::Name& name, auto&... layers) {
    f(recur::Name(name, "scale"), layers.scale...);
  }

  void forward_columns(const auto& x, auto& y, Workspace&, recur::Index) const {
    y = scale.asDiagonal() * x.cwiseAbs2();
  }
  void add_dx(const auto& x, const auto& dy, auto& dx, const Workspace&, recur::Index) const {
    dx += 2 * (scale.asDiagonal() * x.cwiseProduct(dy));
  }
  void add_gradient(const auto& x, const auto& dy, Square& gradient, const Workspace&, recur::Index, auto share) const {
    gradient.scale.segment(share.first, share.count) +=
        x.middleRows(share.first, share.count).cwiseAbs2().cwiseProduct(dy).rowwise().sum();
  }
  void step_column(const auto& x, auto& y) const { y = scale.asDiagonal() * x.cwiseAbs2(); }
};

}  // namespace recur_test
