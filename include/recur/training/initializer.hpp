#pragma once
/// \file
/// Where parameters start. Each function fills one matrix, or a block of one, from the caller's engine:
///
///     recur::initialize(net, rng);                            // everything, as PyTorch does
///     recur::orthogonal(net.layer<0>().W, rng);               // then what should be otherwise
///
/// An IRNN (Q. V. Le, N. Jaitly, G. E. Hinton, 2015) is an Elman<float, Relu> with identity(cell.W) and zero(cell.b).

#include "../base/require.hpp"
#include "../base/parameters.hpp"
#include "../base/random.hpp"
#include "../cells/rule.hpp"

#include <cmath>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Fills a matrix or block, column after column, with the results of draw().
template <class Block>
void fill(Block&& block, auto&& draw) {
  using Scalar = typename std::decay_t<Block>::Scalar;
  for (Index j = 0; j < block.cols(); ++j)
    for (Index i = 0; i < block.rows(); ++i) block(i, j) = static_cast<Scalar>(draw());
}

/// The scalar product of two columns of doubles, from the first entry to the last: the same bits with any compiler,
/// which Eigen's, in packets, is not.
double scalar_product(const auto& a, const auto& b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += rounded_product(a(i), b(i));
  return sum;
}

}  // namespace detail

/// Every entry `value`.
template <class Block>
void constant(Block&& block, double value) {
  detail::fill(block, [=] { return value; });
}
/// Every entry 0.
template <class Block>
void zero(Block&& block) {
  constant(block, 0);
}

/// `scale` on the diagonal, zero elsewhere.
template <class Block>
void identity(Block&& block, double scale = 1) {
  using Scalar = typename std::decay_t<Block>::Scalar;
  zero(block);
  for (Index i = 0; i < std::min(block.rows(), block.cols()); ++i) block(i, i) = static_cast<Scalar>(scale);
}

/// Uniform in [-limit, limit).
template <class Block, class Engine>
void uniform_within(Block&& block, double limit, Engine& rng) {
  detail::fill(block, [&] { return uniform(rng, -limit, limit); });
}

/// Uniform in gain * [-l, l), l = sqrt(6 / (rows + cols)) (X. Glorot, Y. Bengio, 2010).
template <class Block, class Engine>
void glorot_uniform(Block&& block, Engine& rng, double gain = 1) {
  const double limit = std::sqrt(6.0 / static_cast<double>(block.rows() + block.cols()));
  uniform_within(block, detail::rounded_product(gain, limit), rng);
}

/// Normal with mean 0 and standard deviation gain * sqrt(2 / (rows + cols)) (X. Glorot, Y. Bengio, 2010).
template <class Block, class Engine>
void glorot_normal(Block&& block, Engine& rng, double gain = 1) {
  const double deviation = gain * std::sqrt(2.0 / static_cast<double>(block.rows() + block.cols()));
  detail::fill(block, [&] { return detail::rounded_product(deviation, normal(rng)); });
}

/// gain * Q with orthonormal columns, or rows where there are more columns than rows: a random rotation (A. M. Saxe,
/// J. L. McClelland, S. Ganguli, 2014), from the Gram-Schmidt process on normal vectors. One seed gives the same bits
/// wherever normal() does; for n x n it takes 4 n^3 operations, one at a time.
template <class Block, class Engine>
void orthogonal(Block&& block, Engine& rng, double gain = 1) {
  const bool wide = block.cols() > block.rows();
  MatrixOf<double> q(wide ? block.cols() : block.rows(), wide ? block.rows() : block.cols());
  const auto norm = [](const auto& column) { return std::sqrt(detail::scalar_product(column, column)); };
  for (Index j = 0; j < q.cols(); ++j) {
    auto column = q.col(j);
    double drawn = 0, left = 0;
    do {
      detail::fill(column, [&] { return normal(rng); });
      drawn = norm(column);
      // Twice is enough: what rounding leaves after the first pass, the second removes.
      for (int pass = 0; pass < 2; ++pass)
        for (Index i = 0; i < j; ++i) {
          const double along = detail::scalar_product(q.col(i), column);
          for (Index k = 0; k < q.rows(); ++k) column(k) -= detail::rounded_product(along, q(k, i));
        }
      left = norm(column);
    } while (left < 1e-6 * drawn);  // drawn within the span of the others: once more
    column /= left;
  }
  using Scalar = typename std::decay_t<Block>::Scalar;
  if (wide) {
    block = (gain * q.transpose()).template cast<Scalar>();
  } else {
    block = (gain * q).template cast<Scalar>();
  }
}

namespace detail {
/// Whether a rule's cell has a product with its hidden state.
template <class Rule>
constexpr bool multiplies_h() {
  return from_hidden<Rule>().count + from_halfway<Rule>().count > 0;
}
}  // namespace detail

/// PyTorch's: every parameter of a layer, biases too, uniform in +-1/sqrt(H), where H are the hidden units of a cell
/// that multiplies by them, and else the inputs: of a readout, a dense layer, or a cell without a product with h. Where
/// nn.LSTM and its like have two biases, of which b is the sum, b is drawn as one of them. A layer with a function
/// start(rng) has that instead (Embedding: normal numbers; LayerNorm: 1 and 0), one that is made of others for what is
/// its own (TiedReadout: c is 0), and a cell whose rule has start(cell, rng) has that besides, mostly as its paper has
/// it: IndRNN, LRU, RG-LRU, sLSTM, GRU-D, and those with layer normalisation. A layer with a function initialize(rng),
/// as AnyCell, does all of it itself.
template <class Layer, class Engine>
void initialize(Layer& layer, Engine& rng) {
  if constexpr (requires { layer.initialize(rng); }) {
    layer.initialize(rng);
  } else if constexpr (requires { Layer::visit_layers(layer, [](auto&) {}); }) {
    Layer::visit_layers(layer, [&](auto& each) { initialize(each, rng); });
    if constexpr (requires { layer.start(rng); }) layer.start(rng);
  } else if constexpr (requires { layer.start(rng); }) {
    layer.start(rng);
  } else {
    double units = static_cast<double>(layer.inputs());
    if constexpr (requires { requires detail::multiplies_h<typename Layer::Rule>(); })
      units = static_cast<double>(layer.hidden());
    recur::visit([&](const Name&, auto& block) { uniform_within(block, 1 / std::sqrt(units), rng); }, layer);
    if constexpr (requires { layer.rule.start(layer, rng); }) layer.rule.start(layer, rng);
  }
}

/// Sets the bias of every forget gate, of the LSTMs in a network: 1 or more, so that at first they remember (F. A. Gers
/// et al., 2000; R. Jozefowicz et al., 2015). PyTorch's initialize() leaves it about 0.
template <class Layer>
void forget_bias(Layer& layer, double value = 1) {
  if constexpr (requires { Layer::visit_layers(layer, [](auto&) {}); }) {
    Layer::visit_layers(layer, [&](auto& each) { forget_bias(each, value); });
  } else if constexpr (requires { layer.set_forget_bias(value); }) {
    layer.set_forget_bias(value);
  } else if constexpr (requires { Layer::Rule::forget; }) {
    constant(layer.b.segment((Layer::Rule::forget - detail::from_bias<typename Layer::Rule>().first) * layer.hidden(),
                             layer.hidden()),
             value);
  }
}

}  // namespace recur::inline RECUR_ISA
