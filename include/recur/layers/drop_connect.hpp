#pragma once
/// \file
/// DropConnect on recurrent weights (L. Wan et al., "Regularization of neural networks using DropConnect", 2013; S.
/// Merity, N. S. Keskar, R. Socher, "Regularizing and optimizing LSTM language models", 2018).

#include "layer_of.hpp"

namespace recur::inline RECUR_ISA {

/// The cell with m W for its W, in training: each m is 0 with probability p, otherwise 1 / (1 - p), drawn once for each
/// call of forward, for all steps and sequences. Without training it is the cell. The mask depends on the seed of
/// trace.train(seed) and on the number of forward calls since.
///
///     recur::DropConnect layer(recur::Lstm<float>(8, 32), 0.5);                                     // layer.cell.W
template <class Cell_>
class DropConnect : public LayerOf<DropConnect<Cell_>, Cell_> {
  static_assert(requires { requires Cell_::recurrent > 0; }, "DropConnect: only for cells with recurrent weights W");

 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  using Cell = Cell_;
  using Scalar = typename Cell::Scalar;
  static constexpr int inputs_at_compile_time = Cell::inputs_at_compile_time;
  static constexpr int outputs_at_compile_time = Cell::outputs_at_compile_time;
  ///@}
  /// Whose weights are dropped.
  Cell cell;

  /// Throws std::invalid_argument unless 0 <= p < 1.
  DropConnect(Cell cell_, double p) : cell(std::move(cell_)), p_(p) {
    require(p >= 0 && p < 1, "DropConnect: 0 <= p < 1 expected, got ", p);
  }

  /// p
  double probability() const { return p_; }
  /// "DropConnect 0.5 of LSTM ... 8 -> 32": see describe.hpp.
  std::string description() const { return "DropConnect " + describe(p_) + " of " + cell.description(); }
  /// f("cell....", parameters ...)
  static void visit(auto&& f, const Name& whole, auto&... layers) {
    Cell::visit(f, Name(whole, "cell"), layers.cell...);
  }
  /// The same layer with its parameters in another type.
  template <class Other>
  auto cast() const {
    return recur::DropConnect<decltype(cell.template cast<Other>())>(cell.template cast<Other>(), p_);
  }

  /// The cell's workspace, and what takes the place of W and dL/dW in training.
  struct Workspace : WorkspaceOf<Cell> {
    bool on = false;                 ///< whether this call of forward is of training
    detail::Buffer<Scalar> factors;  ///< m
    detail::Buffer<Scalar> W;        ///< m W
    detail::Buffer<Scalar> dW;       ///< dL/d(m W)
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const { WorkspaceOf<Cell>::for_each_buffer(f), f(factors), f(W), f(dW); }
  };

  /// What Layer asks for.
  ///@{
  static auto children(auto& layer) { return std::tie(layer.cell); }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    const DropoutSeed seed{pass.dropout.on && p_ > 0, pass.dropout.next()};
    work.on = seed.on;
    if (seed.on) {
      auto factors = work.factors.resize(cell.W.rows(), cell.W.cols());
      const auto scale = static_cast<Scalar>(1 / (1 - p_));
      for (Index j = 0; j < factors.cols(); ++j)
        seed.draw(j, 0, factors.rows(),
                  [&](Index i, double uniform) { factors(i, j) = uniform < p_ ? Scalar(0) : scale; });
      work.W.resize(cell.W.rows(), cell.W.cols()) = factors.cwiseProduct(cell.W);
    }
    recurrence(work).prepare_forward(pass, work.template of<0>());
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    recurrence(work).forward_steps(chunk, x, work.template of<0>());
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const {
    return cell.output_columns(work.template of<0>());
  }
  void prepare_backward(const Pass& pass, Workspace& work) const {
    if (work.on && !pass.goes_on) work.dW.resize(cell.W.rows(), cell.W.cols()).setZero();
    recurrence(work).prepare_backward(pass, work.template of<0>());
  }
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      DropConnect& gradient, SeriesView<Scalar> dx) const {
    using Gradient = typename Recurrence::Gradient;
    detail::begin_d_chunk(cell, chunk, work.template of<0>());
    recurrence(work).backward_steps(chunk, x, dy, work.template of<0>(),
                                    work.on ? Gradient(gradient.cell, work.dW.view()) : Gradient(gradient.cell), dx);
  }
  /// dL/dW += m dL/d(m W)
  void finish_backward(Workspace& work, DropConnect& gradient) const {
    cell.finish_backward(work.template of<0>(), gradient.cell);
    if (work.on) gradient.cell.W += work.factors.view().cwiseProduct(work.dW.view());
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    return cell.step(x, std::get<0>(memory));
  }
  ///@}

 private:
  using Recurrence = typename Cell::Recurrence;
  Recurrence recurrence(const Workspace& work) const {
    return work.on ? Recurrence(cell, work.W.view()) : Recurrence(cell);
  }

  double p_;
};

}  // namespace recur::inline RECUR_ISA
