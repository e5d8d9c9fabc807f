#pragma once
/// \file
/// Parts of a network that learn slower, faster, or not at all.

#include "../base/parameters.hpp"

#include <string>
#include <vector>

namespace recur::inline RECUR_ISA {

/// A part of a network: its block of parameters, or all whose names begin with it and a dot ("0" for "0.W", "0.b"), and
/// what the optimiser's steps are multiplied by there: 0 freezes it.
struct PartRate {
  std::string part;  ///< as visit() names it
  double factor;     ///< >= 0
};

/// Any optimiser, with rates by parts: after its step from theta to theta', each part has
///
///     theta + factor (theta' - theta)        (of a frozen part theta, to the bit)
///
///     recur::ByParts adam(recur::Adam(net, {.rate = 1e-3}), {{"0", 0}, {"1.V", 10}});
///     recur::train(net, adam, recur::squared_error, data, rng);
///
/// Where several parts match, the longest does. Norms and clipping are of the whole gradient. Checkpoints store what
/// the optimiser has, not the parts.
template <class Optimizer>
class ByParts : public Optimizer {
 public:
  /// Throws std::invalid_argument unless factors are finite and >= 0.
  ByParts(Optimizer optimizer, std::vector<PartRate> parts)
      : Optimizer(std::move(optimizer)), parts_(std::move(parts)) {
    for (const PartRate& each : parts_)
      require(detail::is_finite(each.factor) && each.factor >= 0, "ByParts: factors >= 0 expected, got ", each.factor,
              " for ", each.part);
  }

  /// A step of the optimiser. Throws std::invalid_argument where the network has nothing of a part's name, and as the
  /// optimiser does.
  template <class Net>
  void step(Net& net, const Net& gradient) {
    Index blocks = 0;
    recur::visit([&](const Name&, const auto&) { ++blocks; }, net);
    if (std::ssize(factors_) != blocks) find(net);
    before_.clear();
    for_parts(net, [&](double, auto p) { before_.insert(before_.end(), p.begin(), p.end()); });
    Optimizer::step(net, gradient);
    auto before = before_.cbegin();
    for_parts(net, [&](double factor, auto p) {
      for (auto& number : p) {
        const double from = *before++, to = static_cast<double>(number);
        number = static_cast<typename Net::Scalar>(factor == 0 ? from : from + factor * (to - from));
      }
    });
  }

 private:
  /// f(factor, numbers) for each block whose factor is not 1.
  void for_parts(auto& net, auto&& f) const {
    std::size_t i = 0;
    recur::visit(
        [&](const Name&, auto& block) {
          if (const double factor = factors_[i++]; factor != 1) f(factor, detail::numbers_of(block));
        },
        net);
  }
  /// The factor of each block, in the order of visit().
  void find(const auto& net) {
    std::vector<bool> found(parts_.size(), false);
    std::string names;
    std::vector<double> factors;
    recur::visit(
        [&](const Name& of_block, const auto&) {
          const std::string called = of_block.str();
          names += (names.empty() ? "" : ", ") + called;
          std::size_t longest = 0;
          factors.push_back(1);
          for (std::size_t k = 0; k < parts_.size(); ++k) {
            const std::string& part = parts_[k].part;
            if (called != part && called.rfind(part + ".", 0) != 0) continue;
            found[k] = true;
            if (part.size() < longest) continue;
            longest = part.size();
            factors.back() = parts_[k].factor;
          }
        },
        net);
    for (std::size_t k = 0; k < parts_.size(); ++k)
      require(found[k], "ByParts: the network has no part named ", parts_[k].part, ", only ", names);
    factors_ = std::move(factors);
  }

  std::vector<PartRate> parts_;
  std::vector<double> factors_;  // of each block
  std::vector<double> before_;   // parameters of parts, before the step
};

}  // namespace recur::inline RECUR_ISA
