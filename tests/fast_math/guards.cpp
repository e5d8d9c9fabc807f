// Compiled with -ffast-math, under which compilers take it that no number is NaN or infinite: what guards against such
// numbers must hold all the same.
#include "catch.hpp"
#include "folder.hpp"
#include "training.hpp"

#include <recur/training/gradient_check.hpp>
#include <recur/io/network.hpp>
#include <recur/io/pytorch.hpp>

using namespace recur_test;
using Catch::Matchers::ContainsSubstring;

#ifndef __FAST_MATH__
#error "this file is to be compiled with -ffast-math"
#endif

namespace {

// Made when the program runs, out of the compiler's sight.
const std::uint64_t volatile bits_of_nan = 0x7FF8000000000000u, bits_of_infinity = 0x7FF0000000000000u;
double make_nan() { return std::bit_cast<double>(std::uint64_t(bits_of_nan)); }
double make_infinity() { return std::bit_cast<double>(std::uint64_t(bits_of_infinity)); }

/// What train() says of a network that is trained with this loss and rate; the network is as it was before.
std::string training(const auto& loss, double rate = 1e-2) {
  const Echo task(6, 5);
  auto net = net_of(1), before = net;
  Sgd sgd(net);
  sgd.options.rate = rate;
  std::mt19937 rng(1);
  const auto message = message_of<std::runtime_error>([&] {
    train(net, sgd, loss, task.data(), rng,
          {.epochs = 1, .batch = 2, .on_progress = [&](const Progress&) { before = net; }});
  });
  CHECK(same_parameters(net, before));
  return message;
}

}  // namespace

TEST_CASE("Numbers are told from NaN and infinity", "[fast-math]") {
  for (const double sign : {-1., 1.}) {
    CHECK(detail::is_nan(sign * make_nan()));
    CHECK_FALSE(detail::is_nan(sign * make_infinity()));
    CHECK_FALSE(detail::is_finite(std::copysign(make_nan(), sign)));
    CHECK_FALSE(detail::is_finite(std::copysign(make_infinity(), sign)));
    CHECK_FALSE(detail::is_finite(static_cast<float>(std::copysign(make_infinity(), sign))));
    CHECK(detail::is_finite(sign * std::numeric_limits<double>::max()));
    CHECK(detail::is_finite(static_cast<float>(sign) * std::numeric_limits<float>::max()));
    CHECK_FALSE(detail::is_nan(sign * std::numeric_limits<double>::max()));
  }
}

TEST_CASE("Training stops at a loss, a gradient and a step that are not finite", "[fast-math]") {
  const auto loss_of = [](double instead) {
    return [=](const auto& y, const auto& target, auto& dy) {
      LossValue value = squared_error(y, target, dy);
      value.mean = instead;
      return value;
    };
  };
  CHECK_THAT(training(loss_of(make_nan())), ContainsSubstring("train: the loss is nan at epoch 0, batch 0"));
  CHECK_THAT(training(loss_of(make_infinity())), ContainsSubstring("train: the loss is inf at epoch 0, batch 0"));
  const auto steep = [](const auto& y, const auto& target, auto& dy) {
    const LossValue value = squared_error(y, target, dy);
    dy[3](0, 1) = make_infinity();
    return value;
  };
  CHECK_THAT(training(steep), ContainsSubstring("train: the norm of the gradient is "));
  CHECK_THAT(training(squared_error, make_infinity()), ContainsSubstring("train: the step of the optimiser, of rate"));
  CHECK_THAT(training(squared_error, make_nan()), ContainsSubstring("train: the step of the optimiser, of rate"));
  CHECK(training(squared_error) == "(nothing was thrown)");
}

TEST_CASE("Targets that are NaN, and a network that is, are refused", "[fast-math]") {
  Echo task(6, 5);
  task.echo[2](0, 3) = make_nan();
  auto net = net_of(1);
  Sgd sgd(net);
  std::mt19937 rng(1);
  CHECK_THAT(message_of<std::runtime_error>([&] { train(net, sgd, squared_error, task.data(), rng, {.batch = 6}); }),
             ContainsSubstring("train: the loss is nan at epoch 0, batch 0"));
  CHECK(same_parameters(net, net_of(1)));
  net.layer<0>().W(1, 2) = make_nan();
  CHECK(message_of([&] { train(net, sgd, squared_error, task.data(), rng); }) ==
        "train: the parameters of net must be finite, got 0.W nan at (1, 2)");
}

TEST_CASE("A gradient whose norm is not finite is not scaled", "[fast-math]") {
  auto gradient = net_of(1);
  gradient.layer<1>().V(0, 0) = make_infinity();
  const auto before = gradient;
  CHECK_FALSE(detail::is_finite(clip_norm(gradient, 1e-3)));
  CHECK(gradient.layer<0>().W == before.layer<0>().W);
}

TEST_CASE("check_gradient finds a gradient that is NaN", "[fast-math]") {
  const Echo task(2, 3);
  const auto wrong = [](const auto& y, const auto& target, auto& dy) {
    const LossValue value = squared_error(y, target, dy);
    dy[1](0, 1) = make_nan();
    return value;
  };
  CHECK(detail::is_nan(check_gradient(net_of(1), wrong, task.heard, task.echo).relative_error));
  CHECK(check_gradient(net_of(1), squared_error, task.heard, task.echo).relative_error < 1e-7);
}

TEST_CASE("Networks that are not finite are not saved", "[fast-math]") {
  const Folder folder;
  auto net = net_of(1);
  net.layer<0>().b(2) = -make_infinity();
  CHECK(message_of([&] { save(folder / "net", net); }) == "save: 0.b must be finite, got -inf at (2, 0)");
  CHECK_THAT(message_of([&] { save_pytorch(folder / "net", net); }), ContainsSubstring("must be finite, got -inf at"));
  CHECK_FALSE(std::filesystem::exists(folder / "net"));
}
