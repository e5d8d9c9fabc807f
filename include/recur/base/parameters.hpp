#pragma once
/// \file
/// Walking over the parameters of a model, or of several models of one type side by side: a network and its gradient,
/// a network, its gradient and an optimiser's moments. Initialisers, optimisers, gradient checks and files all walk
/// visit(), and none of them knows a cell.
///
/// Several networks are one model, to optimisers, clipping, files and all that is below, as a struct of them with a
/// Scalar and a visit(); visit_layers() is for initialize() and forget_bias(). Forward and bptt are each network's own.
/// A file of such a model says what it is where it has a `std::string description() const`, else by the names of its
/// blocks alone.
///
///     struct Translator {
///       using Scalar = float;
///       recur::Gru<float> encoder{8, 16};
///       recur::Sequence<recur::Gru<float>, recur::Readout<float>> decoder{{8, 16}, {16, 8}};
///       static void visit(auto&& f, const recur::Name& name, auto&... models) {
///         recur::visit(f, recur::Name(name, "encoder"), models.encoder...);
///         recur::visit(f, recur::Name(name, "decoder"), models.decoder...);
///       }
///       static void visit_layers(auto& model, auto&& f) { f(model.encoder), f(model.decoder); }
///     };

#include "require.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <tuple>
#include <utility>

namespace recur::inline RECUR_ISA {

/// The name of a block of parameters: "W", or "0.W" for the W of layer 0. It is put together only when asked for.
class Name {
 public:
  /// The name of a whole model: empty.
  Name() = default;
  /// `part` of `parent`, both of which must outlive the name: "0.W".
  Name(const Name& parent, std::string_view part) : parent_(&parent), part_(part) {}
  /// Part number `index` of `parent`, which must outlive the name.
  Name(const Name& parent, std::size_t index) : parent_(&parent), index_(index) {}

  /// The whole name: "0.W".
  std::string str() const {
    if (!parent_) return "";
    const std::string head = parent_->str();
    return head + (head.empty() ? "" : ".") + (part_.empty() ? std::to_string(index_) : std::string(part_));
  }

 private:
  const Name* parent_ = nullptr;
  std::string_view part_;
  std::size_t index_ = 0;
};

/// A model, layer or network, whose parameters can be visited: Model::visit(f, name, a, b, ...) calls
/// f(Name(name, "W"), a.W, b.W, ...) for each of its blocks, which are Eigen matrices, always in the same order.
template <class Model>
concept Parameterized = requires(Model& model, const Name& name) {
  std::remove_const_t<Model>::visit([](const Name&, auto&) {}, name, model);
};

/// f(name, block of the first model, block of the second ...) for each block of parameters.
template <class F, Parameterized First, class... Others>
void visit(F&& f, First& first, Others&... others) {
  std::remove_const_t<First>::visit(f, Name(), first, others...);
}
/// The same for a part of a model, whose blocks have names that begin with `name`.
template <class F, Parameterized First, class... Others>
void visit(F&& f, const Name& name, First& first, Others&... others) {
  std::remove_const_t<First>::visit(f, name, first, others...);
}

namespace detail {
/// Numbers as an array, whatever they are part of, so that what is computed number by number is compiled once, and not
/// for every type of matrix.
template <class Scalar>
auto array_of(Scalar* numbers, Index size) {
  using Array = Eigen::Array<std::remove_const_t<Scalar>, Dynamic, 1>;
  return Eigen::Map<std::conditional_t<std::is_const_v<Scalar>, const Array, Array>>(numbers, size);
}
/// The numbers of a block of parameters, column after column; and those of one column.
auto numbers_of(auto& block) { return array_of(block.data(), block.size()); }
auto numbers_of_column(auto& block, Index j) { return array_of(block.data() + j * block.rows(), block.rows()); }

/// f(part of the first, part of the second ...) for arrays of one size, in parts that stay in the nearest cache: what f
/// does in several statements goes through memory once.
void in_parts(auto&& f, auto first, auto... others) {
  constexpr Index most = 1024;
  for (Index i = 0; i < first.size(); i += most) {
    const Index size = std::min(most, first.size() - i);
    f(array_of(first.data() + i, size), array_of(others.data() + i, size)...);
  }
}
/// f(numbers of the first model, of the second ...) for all numbers of each block of parameters, in parts.
template <Parameterized First>
void visit_numbers(auto&& f, First& first, auto&... others) {
  recur::visit([&](const Name&, auto&... blocks) { in_parts(f, numbers_of(blocks)...); }, first, others...);
}
}  // namespace detail

/// The number of parameters.
template <Parameterized Model>
Index parameter_count(const Model& model) {
  Index count = 0;
  recur::visit([&](const Name&, const auto& block) { count += block.size(); }, model);
  return count;
}

/// A copy of all parameters, or of a gradient, as one vector, as other people's optimisers want them: block after block
/// in the order of visit(), each column after column.
template <Parameterized Model>
VectorOf<typename Model::Scalar> parameters_of(const Model& model) {
  VectorOf<typename Model::Scalar> vector(parameter_count(model));
  Index at = 0;
  detail::visit_numbers(
      [&](auto block) {
        vector.segment(at, block.size()) = block;
        at += block.size();
      },
      model);
  return vector;
}
/// Sets all parameters from such a vector. It may be any Eigen vector, of any type of numbers, which are rounded to the
/// model's.
/// Throws std::invalid_argument unless it has parameter_count(model) of them.
template <Parameterized Model, class Derived>
void set_parameters(Model& model, const Eigen::DenseBase<Derived>& vector) {
  static_assert(Derived::IsVectorAtCompileTime, "set_parameters: the parameters must be a vector");
  require_equal("set_parameters", "vector.size()", vector.size(), "parameter_count(model)", parameter_count(model));
  const VectorOf<typename Model::Scalar> all = vector.derived().matrix().template cast<typename Model::Scalar>();
  Index at = 0;
  detail::visit_numbers(
      [&](auto block) {
        block = all.segment(at, block.size());
        at += block.size();
      },
      model);
}

/// Sets all parameters to zero.
template <Parameterized Model>
void set_zero(Model& model) {
  recur::visit(
      [](const Name&, auto& block) {
        if (block.size() > 0)
          std::memset(block.data(), 0, static_cast<std::size_t>(block.size()) * sizeof(*block.data()));
      },
      model);
}

namespace detail {

/// Whether all numbers of a matrix are finite.
template <class Derived>
bool all_finite(const Eigen::DenseBase<Derived>& matrix) {
  bool finite = true;
  for (Index j = 0; j < matrix.cols(); ++j)
    for (Index i = 0; i < matrix.rows(); ++i) finite &= is_finite(matrix.derived().coeff(i, j));
  return finite;
}
/// The first number of a matrix that is not finite, as messages show it: "nan at (0, 3)"; empty where all are.
template <class Derived>
std::string not_finite(const Eigen::DenseBase<Derived>& matrix) {
  if (all_finite(matrix)) return "";
  for (Index j = 0; j < matrix.cols(); ++j)
    for (Index i = 0; i < matrix.rows(); ++i)
      if (const auto value = matrix.derived().coeff(i, j); !is_finite(value)) {
        return std::string(is_nan(value) ? "nan"
                           : value < 0   ? "-inf"
                                         : "inf") +
               " at (" + std::to_string(i) + ", " + std::to_string(j) + ")";
      }
  return "";
}
/// The same for all parameters of a model: "0.W nan at (0, 3)".
template <Parameterized Model>
std::string not_finite_in(const Model& model) {
  std::string found;
  recur::visit(
      [&](const Name& name, const auto& block) {
        if (found.empty() && !all_finite(block)) found = name.str() + " " + not_finite(block);
      },
      model);
  return found;
}

}  // namespace detail

/// A model of the same type and shapes, all zero: a gradient to be filled, say.
template <Parameterized Model>
Model zeros_like(const Model& model) {
  Model zeros = model;
  set_zero(zeros);
  return zeros;
}

/// The state of a layer that carries nothing from step to step.
struct NoState {};

/// f(block of the first state, block of the second ...) for each block of the states of layers and networks: matrices,
/// and tuples and vectors of states.
template <class F, class First, class... Others>
void visit_state(F&& f, First& first, Others&... others) {
  if constexpr (requires { first.cols(); }) {
    f(first, others...);
  } else if constexpr (requires { first.begin(); }) {
    const auto fit = [&](auto& other) {
      if constexpr (!std::is_const_v<std::remove_reference_t<decltype(other)>>) other.resize(first.size());
    };
    (fit(others), ...);
    for (std::size_t l = 0; l < first.size(); ++l) visit_state(f, first[l], others[l]...);
  } else if constexpr (!std::is_same_v<std::remove_const_t<First>, NoState>) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const auto each = [&](auto i) { visit_state(f, std::get<i>(first), std::get<i>(others)...); };
      (each(std::integral_constant<std::size_t, I>()), ...);
    }(std::make_index_sequence<std::tuple_size_v<std::remove_const_t<First>>>());
  }
}

/// Throws std::invalid_argument unless both have blocks of the same shapes; names the first that differs.
template <Parameterized Model>
void require_same_shapes(const char* where, const char* what, const Model& model, const char* expected_what,
                         const Model& expected) {
  recur::visit(
      [&](const Name& name, const auto& ours, const auto& theirs) {
        const bool same = ours.rows() == theirs.rows() && ours.cols() == theirs.cols();
        if (!same) {
          require(false, where, ": ", what, " must have the shapes of ", expected_what, ", but ", name.str(), " is ",
                  shape(ours), ", expected ", shape(theirs));
        }
      },
      model, expected);
  require(parameter_count(model) == parameter_count(expected), where, ": ", what, " must have the shapes of ",
          expected_what, ", but has ", parameter_count(model), " parameters, expected ", parameter_count(expected));
}

}  // namespace recur::inline RECUR_ISA
