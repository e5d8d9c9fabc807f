#pragma once
/// \file
/// Walking over the parameters of a model, or of several models of one type side by side: a network and its gradient,
/// a network, its gradient and an optimiser's moments. Initialisers, optimisers, gradient checks and files all walk
/// visit(), and none of them knows a cell.

#include "matrix.hpp"

#include <string_view>
#include <tuple>
#include <utility>

namespace recur {

/// The name of a block of parameters: "W", or "0.W" for the W of layer 0. It is put together only when asked for.
class Name {
 public:
  Name() = default;
  Name(const Name& parent, std::string_view part) : parent_(&parent), part_(part) {}
  Name(const Name& parent, std::size_t index) : parent_(&parent), index_(index) {}

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

/// The number of parameters.
template <Parameterized Model>
Index parameter_count(const Model& model) {
  Index count = 0;
  recur::visit([&](const Name&, const auto& block) { count += block.size(); }, model);
  return count;
}

template <Parameterized Model>
void set_zero(Model& model) {
  recur::visit([](const Name&, auto& block) { block.setZero(); }, model);
}

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

/// Throws unless both have blocks of the same shapes; names the first that differs.
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

}  // namespace recur
