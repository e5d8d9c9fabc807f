#include "step.hpp"
#include "machine.hpp"

#include <cmath>
#include <map>
#include <random>
#include <stdexcept>

namespace bench {
namespace {

// The cells, by the sizes that are known when compiling. RTNeural's are in rtneural.cpp.
struct Elman {
  static constexpr int largest = largest_elman;
  template <int I, int H>
  using Cell = recur::Elman<float, recur::Tanh, I, H>;
};
struct Lstm {
  static constexpr int largest = largest_gated;
  template <int I, int H>
  using Cell = recur::Lstm<float, I, H>;
};
struct Gru {
  static constexpr int largest = largest_gated;
  template <int I, int H>
  using Cell = recur::Gru<float, I, H>;
};

template <class Kind, int I, int H>
class NetSteps : public StepRun {
  using Net = recur::Sequence<typename Kind::template Cell<I, H>, recur::Readout<float, H, I>>;

 public:
  explicit NetSteps(const StepProblem& problem) : problem_(problem), net_(net_of(problem)), stream_(net_) {}
  float run(int count) override {
    return run_steps(problem_, count, [&](float x) { return stream_.step(x); });
  }

 private:
  static Net net_of(const StepProblem& p) {
    Net net(typename Kind::template Cell<I, H>(1, p.hidden()), recur::Readout<float, H, I>(p.hidden(), 1));
    auto& [cell, readout] = net.layers;
    cell.U = p.layer.U;
    cell.W = p.layer.W;
    cell.b = p.layer.b;
    readout.V = p.V.transpose();
    readout.c(0) = p.c;
    return net;
  }

  const StepProblem problem_;
  const Net net_;
  recur::Stream<Net> stream_;
};

template <class Kind>
std::unique_ptr<StepRun> make_dynamic(const StepProblem& problem) {
  return std::make_unique<NetSteps<Kind, recur::Dynamic, recur::Dynamic>>(problem);
}
template <class Kind>
std::unique_ptr<StepRun> make_fixed(const StepProblem& problem) {
  return with_fixed_size<Kind::largest>(problem.hidden(),
                                        [&]<int H>() { return std::make_unique<NetSteps<Kind, 1, H>>(problem); });
}

}  // namespace

StepProblem step_problem(const CellKind& cell, int hidden) {
  StepProblem problem{cell.problem({1, hidden, 1, 1}), recur::VectorOf<float>(hidden), 0.1f, {}};
  std::mt19937 rng(2);
  recur::uniform_within(problem.V, 1 / std::sqrt(hidden), rng);
  for (float& sample : problem.samples) sample = static_cast<float>(recur::uniform(rng, -1, 1));
  return problem;
}
double StepProblem::cycles_limit() const { return static_cast<double>(layer.W.size()) / float_lanes() / 2; }

std::string StepLibrary::path(const char* cell, int hidden) const {
  return std::string("step/") + cell + '/' + name + "/I:1/H:" + std::to_string(hidden) + "/N:1/T:1";
}

std::vector<StepLibrary> step_libraries() {
  using Makers = std::map<std::string, std::unique_ptr<StepRun> (*)(const StepProblem&)>;
  const Makers dynamic{{"elman", make_dynamic<Elman>}, {"lstm", make_dynamic<Lstm>}, {"gru", make_dynamic<Gru>}};
  const Makers fixed{{"elman", make_fixed<Elman>}, {"lstm", make_fixed<Lstm>}, {"gru", make_fixed<Gru>}};
  const auto with = [](const Makers& makers) {
    return [makers](const StepProblem& problem) {
      const auto found = makers.find(problem.layer.cell);
      return found == makers.end() ? nullptr : found->second(problem);
    };
  };
  return {{"recur", "recur", with(dynamic)},
          {"recur-fixed", "recur", with(fixed)},
#ifdef RECUR_BENCHMARK_RTNEURAL
          rtneural_library()
#endif
  };
}

void require_steps_agree(const StepLibrary& library, const StepProblem& problem) {
  const float expected = step_libraries()[0].make(problem)->run(100), got = library.make(problem)->run(100);
  if (!(std::abs(got - expected) <= library.tolerance)) {
    throw std::runtime_error(library.path(problem.layer.cell.c_str(), problem.hidden()) + " gives " +
                             std::to_string(got) + ", and recur " + std::to_string(expected));
  }
}

}  // namespace bench
