#pragma once
/// \file
/// Weights that are compiled into the program, for systems without files. Needs neither files nor JSON.

#include "../base/parameters.hpp"

#include <algorithm>
#include <iterator>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Whether a block of a model could be filled from a tensor, as far as the compiler knows its sizes.
template <class Block, class Tensor>
inline constexpr bool could_fill =
    (Block::RowsAtCompileTime == Dynamic || Block::RowsAtCompileTime == static_cast<Index>(Tensor::rows)) &&
    (Block::ColsAtCompileTime == Dynamic || Block::ColsAtCompileTime == static_cast<Index>(Tensor::cols));

}  // namespace detail

/// Fills a model from the header that examples/embed_weights.cpp makes of a safetensors file:
///
///     #include "weights.hpp"                                  // embed_weights model.safetensors echo > weights.hpp
///     recur::Sequence<recur::Elman<float, recur::Tanh, 1, 4>, recur::Readout<float, 4, 1>> net;
///     recur::load_embedded(echo::tensors, net);
///
/// `tensors` is a tuple of references to objects with the constants `rows` and `cols`, a `name`, as visit() has it, and
/// `data`, rows * cols numbers of float or double, column-major. They are rounded to the nearest of the model's
/// scalars.
///
/// Does not compile where a matrix of the model has fixed sizes that no tensor has. Throws std::invalid_argument, which
/// names the tensor, where a block of the model is missing or has another shape, or a tensor belongs to none; the model
/// is then as it was.
template <class... Tensors, Parameterized Model>
void load_embedded(const std::tuple<const Tensors&...>& tensors, Model& model) {
  const auto for_each_tensor = [&](auto&& f) { std::apply([&](const auto&... tensor) { (f(tensor), ...); }, tensors); };
  recur::visit(
      [&](const Name& name, const auto& block) {
        using Block = std::remove_cvref_t<decltype(block)>;
        // A vector may be one that this model does without, as a Readout does without c, which is known only now.
        static_assert(Block::ColsAtCompileTime == 1 || (detail::could_fill<Block, Tensors> || ...),
                      "load_embedded: a matrix of the model has fixed sizes that none of the tensors has");
        bool found = false;
        for_each_tensor([&](const auto& tensor) {
          if (name.str() != tensor.name) return;
          const Shape has{static_cast<Index>(tensor.rows), static_cast<Index>(tensor.cols)};
          require(has.rows == block.rows() && has.cols == block.cols(), "load_embedded: tensor '", name.str(),
                  "' must be ", shape(block), ", as in the model, got ", has);
          found = true;
        });
        require(found, "load_embedded: the tensors must have a '", name.str(), "' of ", shape(block), ", got none");
      },
      model);
  for_each_tensor([&](const auto& tensor) {
    bool used = false;
    recur::visit([&](const Name& name, const auto&) { used = used || name.str() == tensor.name; }, model);
    require(used, "load_embedded: each tensor must belong to the model, got '", tensor.name, "' of ",
            Shape{static_cast<Index>(tensor.rows), static_cast<Index>(tensor.cols)}, ", which does not");
  });

  recur::visit(
      [&](const Name& name, auto& block) {
        for_each_tensor([&](const auto& tensor) {
          using Scalar = typename std::remove_cvref_t<decltype(block)>::Scalar;
          if (name.str() != tensor.name || block.size() != std::ssize(tensor.data)) return;
          std::transform(std::begin(tensor.data), std::end(tensor.data), block.data(),
                         [](auto number) { return static_cast<Scalar>(number); });
        });
      },
      model);
}

}  // namespace recur::inline RECUR_ISA
