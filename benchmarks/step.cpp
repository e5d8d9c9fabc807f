#include "step.hpp"
#include "machine.hpp"

#include <recur/recur.hpp>

#include <array>
#include <cmath>
#include <random>
#include <stdexcept>

namespace bench {
namespace {

using Dynamic = recur::Sequence<recur::Elman<float>, recur::Readout<float>>;
template <int H>
using Fixed = recur::Sequence<recur::Elman<float, recur::Tanh, 1, H>, recur::Readout<float, H, 1>>;

template <class Net>
class NetSteps : public Steps {
 public:
  explicit NetSteps(Net net) : net_(std::move(net)), stream_(net_) {
    std::mt19937 rng(1);
    recur::initialize(net_, rng);
    for (float& sample : samples_) sample = static_cast<float>(recur::uniform(rng, -1, 1));
  }
  float run(int count) override {
    float y = 0;
    for (int i = 0; i < count; ++i) y = stream_.step(samples_[static_cast<std::size_t>(i) % samples_.size()]);
    return y;
  }

 private:
  Net net_;
  recur::Stream<Net> stream_;
  std::array<float, 64> samples_;
};

template <int H>
void add(std::vector<StepLibrary>& all) {
  all.push_back({"recur", H, [] {
                   return std::make_unique<NetSteps<Dynamic>>(
                       Dynamic(recur::Elman<float>(1, H), recur::Readout<float>(H, 1)));
                 }});
  all.push_back({"recur-fixed", H, [] { return std::make_unique<NetSteps<Fixed<H>>>(Fixed<H>()); }});
}

}  // namespace

std::string StepLibrary::path() const { return "step/elman/" + name + "/I:1/H:" + std::to_string(hidden) + "/N:1/T:1"; }

double StepLibrary::cycles_limit() const { return static_cast<double>(hidden) * hidden / float_lanes() / 2; }

std::vector<StepLibrary> step_libraries() {
  std::vector<StepLibrary> all;
  add<8>(all);
  add<16>(all);
  add<32>(all);
  add<64>(all);
  add<128>(all);
  return all;
}

void require_steps_agree(int hidden) {
  std::vector<float> outputs;
  for (const StepLibrary& library : step_libraries()) {
    if (library.hidden == hidden) outputs.push_back(library.make()->run(100));
  }
  for (const float output : outputs) {
    if (!(std::abs(output - outputs[0]) <= 1e-5f)) {
      throw std::runtime_error("step: recur and recur-fixed differ for H = " + std::to_string(hidden));
    }
  }
}

}  // namespace bench
