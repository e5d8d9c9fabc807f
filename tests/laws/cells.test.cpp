// What holds for every cell there is and will be.
#include "../catch.hpp"
#include "../cells.hpp"
#include "../numbers.hpp"
#include "networks.hpp"

using namespace recur;
using namespace recur_test;

namespace {

void check_approx(const NamedMatrices& a, const NamedMatrices& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(a[i].first);
    CHECK((a[i].second.size() == 0 || a[i].second.isApprox(b[i].second, 1e-12)));
  }
}
States column_of(const States& states, Index n) {
  States columns;
  for (const auto& state : states) columns.push_back(state.col(n));
  return columns;
}

}  // namespace

TEST_CASE("The gradient check passes, one unit and a given initial state included", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(1);
    for (const auto& [inputs, hidden, batch, steps] :
         {std::array{3, 4, 2, 5}, {2, 1, 3, 7}, {1, 5, 1, 1}, {4, 3, 3, 12}}) {
      const auto net = make(inputs, hidden);
      net->randomize(rng);
      auto parameters = net->parameters();
      if (parameters.back().first == "P") parameters.back().second = parameters.back().second.cwiseAbs();
      net->set_parameters(parameters);  // a leak below zero would let the state grow without bounds
      auto x = random_series(net->inputs(), batch, steps, rng);
      auto without_weights = x.matrix().bottomRows(net->inputs() - inputs);
      without_weights = without_weights.cwiseAbs().eval();  // times, with which a state below zero would grow
      const auto target = random_series(net->outputs(), batch, steps, rng);
      const auto initial = net->random_state(batch, rng), d_final = net->random_state(batch, rng);
      const auto check = net->check_gradient(x, target, initial, d_final);
      INFO(name << ": " << check);
      CHECK(check.relative_error < 1e-7);
      CHECK(check.entries == size(net->parameters()) + x.matrix().size() + size(initial));
    }
  }
}

TEST_CASE("A batch equals its columns run singly", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(2);
    INFO(name);
    const auto net = make(3, 7);
    net->randomize(rng);
    const auto singly = net->copy();
    const auto x = random_series(net->inputs(), 5, 6, rng), dy = random_series(net->outputs(), 5, 6, rng);
    const auto initial = net->random_state(5, rng);
    Series<double> dx;
    const Series<double> y(net->forward(x, initial));
    net->bptt(x, dy, {.dx = &dx});

    for (Index n = 0; n < 5; ++n) {
      Series<double> x_n(net->inputs(), 1, 6), dy_n(net->outputs(), 1, 6), dx_n;
      for (Index t = 0; t < 6; ++t) {
        x_n[t] = x[t].col(n);
        dy_n[t] = dy[t].col(n);
      }
      const auto y_n = singly->forward(x_n, column_of(initial, n));
      for (Index t = 0; t < 6; ++t) CHECK(y_n[t].isApprox(y[t].col(n), 1e-14));
      singly->bptt(x_n, dy_n, {.dx = &dx_n, .accumulate = true});
      for (Index t = 0; t < 6; ++t) CHECK(dx_n[t].isApprox(dx[t].col(n), 1e-12));
    }
    check_approx(singly->gradient(), net->gradient());
  }
}

namespace {

template <class Scalar>
void check_steps_run_singly(AnyForward<Scalar>& net, Index inputs, Index batch, std::mt19937& rng) {
  const auto x = random_series<Scalar>(inputs, batch, 9, rng);
  auto state = net.random_state(batch, rng);
  const Series<Scalar> y(net.forward(x, state));
  const auto final = net.final_state();
  for (Index t = 0; t < 9; ++t) {
    INFO("batch " << batch << ", step " << t);
    REQUIRE(identical(net.forward(SeriesView<const Scalar>(x).window(t, 1), state)[0], y[t]));
    state = net.final_state();
  }
  REQUIRE(state.size() == final.size());
  for (std::size_t i = 0; i < final.size(); ++i) CHECK(identical(state[i], final[i]));
}

}  // namespace

TEST_CASE("A series equals its steps run singly, to the bit", "[laws]") {
  const auto for_sizes = [](auto&& check) {
    for (const Index hidden : {1, 5, 16, 37, 64}) {
      INFO("hidden " << hidden);
      std::mt19937 rng(3);
      check(hidden, rng);
    }
  };
  for (const auto& each : all_cells()) {
    INFO(each.name);
    for_sizes([&](Index hidden, auto& rng) {
      const auto net = each.make(3, hidden);
      net->randomize(rng, 0.3);
      for (const Index batch : {1, 3, 8}) check_steps_run_singly<double>(*net, net->inputs(), batch, rng);
    });
  }
  for (const auto& each : all_other_types()) {
    INFO(each.name << " of float");
    const Index inputs = cell_called(each.name).make(3, 1)->inputs();
    for_sizes([&](Index hidden, auto& rng) {
      const auto net = each.types->make_float(3, hidden, rng, 0.3);
      for (const Index batch : {1, 3, 8}) check_steps_run_singly<float>(*net, inputs, batch, rng);
    });
  }
}

TEST_CASE("Zero dL/dy gives a zero gradient", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(4);
    INFO(name);
    const auto net = make(3, 4);
    net->randomize(rng);
    const auto x = random_series(net->inputs(), 2, 5, rng);
    net->set_gradient(0.7);  // overwritten
    auto d_initial = net->random_state(2, rng);
    Series<double> dx;
    net->forward(x);
    net->bptt(x, Series<double>(net->outputs(), 2, 5), {.dx = &dx, .d_initial = &d_initial});
    CHECK(norm(net->gradient()) == 0);
    CHECK(dx.matrix().isZero(0));
    for (const auto& block : d_initial) CHECK(block.isZero(0));
  }
}

TEST_CASE("Two halves of a series, joined by the state and its gradient, are the series", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(5);
    INFO(name);
    const auto net = make(2, 3);
    net->randomize(rng);
    const auto first = net->copy(), second = net->copy();
    const auto x_all = random_series(net->inputs(), 3, 8, rng), dy_all = random_series(net->outputs(), 3, 8, rng);
    const SeriesView<const double> x(x_all), dy(dy_all);
    net->forward(x);
    net->bptt(x, dy);

    first->forward(x.window(0, 5));
    auto middle = first->final_state();
    second->forward(x.window(5, 3), middle);
    second->bptt(x.window(5, 3), dy.window(5, 3), {.d_initial = &middle});
    first->bptt(x.window(0, 5), dy.window(0, 5), {.d_final = &middle});
    auto halves = first->gradient();
    const auto of_second = second->gradient();
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i].second += of_second[i].second;
    check_approx(halves, net->gradient());
  }
}

TEST_CASE("A series of several chunks is its pieces, each of which is one", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(9);
    INFO(name);
    const auto net = make(2, 3);
    net->randomize(rng, 0.4);
    auto parameters = net->parameters();
    if (parameters.back().first == "P") parameters.back().second = parameters.back().second.cwiseAbs();
    net->set_parameters(parameters);  // a leak below zero would let the state grow without bounds
    const auto first = net->copy(), second = net->copy();
    const auto x_all = random_series(net->inputs(), 1, 700, rng), dy_all = random_series(net->outputs(), 1, 700, rng);
    const SeriesView<const double> x(x_all), dy(dy_all);
    Series<double> dx, dx_first, dx_second;
    net->forward(x);
    net->bptt(x, dy, {.dx = &dx});

    first->forward(x.window(0, 350));
    auto middle = first->final_state();
    second->forward(x.window(350, 350), middle);
    second->bptt(x.window(350, 350), dy.window(350, 350), {.dx = &dx_second, .d_initial = &middle});
    first->bptt(x.window(0, 350), dy.window(0, 350), {.d_final = &middle, .dx = &dx_first});
    auto halves = first->gradient();
    const auto of_second = second->gradient();
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i].second += of_second[i].second;
    check_approx(halves, net->gradient());
    CHECK(dx.matrix().leftCols(350).isApprox(dx_first.matrix(), 1e-12));
    CHECK(dx.matrix().rightCols(350).isApprox(dx_second.matrix(), 1e-12));
  }
}

TEST_CASE("A window as long as the series is plain BPTT, whatever the stride", "[laws]") {
  for (const auto& [name, make] : all_cells()) {
    std::mt19937 rng(8);
    const auto net = make(2, 3);
    net->randomize(rng);
    const auto x = random_series(net->inputs(), 3, 9, rng), dy = random_series(net->outputs(), 3, 9, rng);
    const auto d_final = net->random_state(3, rng);
    Series<double> plain_dx, dx;
    States plain_d_initial, d_initial;
    net->forward(x);
    net->bptt(x, dy, {.d_final = &d_final, .dx = &plain_dx, .d_initial = &plain_d_initial});
    const auto plain = net->gradient();
    for (const Index stride : {1, 2, 4, 9, 20}) {
      net->bptt(x, dy, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial, .window = 20, .stride = stride});
      INFO(name << ", stride " << stride);
      CHECK(dx.matrix().isApprox(plain_dx.matrix(), 1e-12));
      CHECK(d_initial.at(0).isApprox(plain_d_initial.at(0), 1e-12));
      check_approx(net->gradient(), plain);
    }
  }
}

TEST_CASE("Sizes fixed at compile time give the bits of sizes given at run time", "[laws]") {
  for (const auto& [name, types] : all_other_types()) {
    std::mt19937 rng(6);
    INFO(name);
    const auto net = cell_called(name).make(3, 5);
    net->randomize(rng);
    const auto x = random_series(net->inputs(), 2, 6, rng), dy = random_series(net->outputs(), 2, 6, rng);
    const auto [y, gradient] = types->run_fixed(net->parameters(), x, dy);
    CHECK(y.matrix() == net->forward(x).matrix());
    net->bptt(x, dy);
    CHECK(same(gradient, net->gradient()));
  }
}

TEST_CASE("One step from a record is one step of the series, to the bit", "[laws]") {
  for (const auto& [name, types] : all_other_types()) {
    std::mt19937 rng(7);
    INFO(name);
    const auto net = cell_called(name).make(3, 5);
    net->randomize(rng);
    const auto x = random_series(net->inputs(), 1, 10, rng);
    const auto y = net->forward(x);
    const auto stepped = types->step_fixed(net->parameters(), x);
    for (Index t = 0; t < 10; ++t) REQUIRE(stepped[t] == y[t]);
  }
}
