// Elman, forward and train, on twelve shapes from one small step to wide layers; beside the textbook loop in plain
// Eigen. Names are paths: forward/elman/recur/I:32/H:64/N:1/T:128, train/elman/eigen-loop/I:32/...
//
//     recur_benchmark --benchmark_filter=train/
//
// forward is inference of one layer over the series; train is that, then the gradients of W, U, b, x and h_0.
#include <recur/recur.hpp>

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using recur::Index;
using Matrix = Eigen::MatrixXf;

struct Shape {
  Index inputs, hidden, batch, steps;
};
const Shape shapes[] = {{8, 64, 1, 1},      {10, 20, 3, 5},      {16, 16, 1, 64},    {32, 64, 1, 128},
                        {64, 128, 1, 128},  {128, 256, 1, 128},  {256, 512, 1, 128}, {32, 64, 16, 128},
                        {128, 128, 32, 64}, {256, 256, 64, 128}, {512, 512, 64, 64}, {1024, 1024, 64, 32}};

/// One multiply-add counts twice: forward is two products, train two for each of dW, dU, dx and dh besides.
double operations(const Shape& s, bool train) {
  return (train ? 6.0 : 2.0) * static_cast<double>(s.hidden * (s.inputs + s.hidden) * s.batch * s.steps);
}

struct Problem {
  explicit Problem(const Shape& s)
      : cell(s.inputs, s.hidden), x(s.inputs, s.batch, s.steps), dy(s.hidden, s.batch, s.steps) {
    std::mt19937 rng(1);
    recur::initialize(cell, rng);
    x.setRandom(rng);
    dy.setRandom(rng);
  }
  recur::Elman<float> cell;
  recur::Series<float> x, dy;
};

class Recur {
 public:
  static constexpr const char* name = "recur";
  explicit Recur(const Shape& s) : problem_(s), gradient_(recur::zeros_like(problem_.cell)) {}
  float forward() { return problem_.cell.forward(problem_.x, trace_).data()[0]; }
  float train() {
    forward();
    recur::bptt(problem_.cell, problem_.x, trace_, problem_.dy, gradient_, {.dx = &dx_, .d_initial = &d_initial_});
    return gradient_.W(0);
  }

 private:
  Problem problem_;
  recur::Elman<float> gradient_;
  recur::Elman<float>::Trace trace_;
  recur::Series<float> dx_;
  recur::Elman<float>::State d_initial_;
};

/// What one writes first: the equations, step by step, buffers kept.
class EigenLoop {
 public:
  static constexpr const char* name = "eigen-loop";
  explicit EigenLoop(const Shape& s)
      : problem_(s), h_(static_cast<std::size_t>(s.steps) + 1, Matrix::Zero(s.hidden, s.batch)) {}
  float forward() {
    const auto& [cell, x, dy] = problem_;
    for (Index t = 0; t < x.steps(); ++t) {
      a_ = cell.b.replicate(1, x.batch());
      a_.noalias() += cell.U * x[t];
      a_.noalias() += cell.W * h(t);
      h(t + 1) = a_.array().tanh();
    }
    return h(x.steps())(0);
  }
  float train() {
    forward();
    const auto& [cell, x, dy] = problem_;
    dW_ = Matrix::Zero(cell.W.rows(), cell.W.cols());
    dU_ = Matrix::Zero(cell.U.rows(), cell.U.cols());
    db_ = Matrix::Zero(cell.b.rows(), 1);
    dh_ = Matrix::Zero(cell.hidden(), x.batch());
    dx_.resize(x.features(), x.batch(), x.steps());
    for (Index t = x.steps(); t-- > 0;) {
      a_ = (dh_ + dy[t]).array() * (1 - h(t + 1).array().square());
      dW_.noalias() += a_ * h(t).transpose();
      dU_.noalias() += a_ * x[t].transpose();
      db_ += a_.rowwise().sum();
      dx_[t].noalias() = cell.U.transpose() * a_;
      dh_.noalias() = cell.W.transpose() * a_;
    }
    return dW_(0);
  }

 private:
  Matrix& h(Index t) { return h_[static_cast<std::size_t>(t)]; }
  Problem problem_;
  std::vector<Matrix> h_;
  Matrix a_, dW_, dU_, db_, dh_;
  recur::Series<float> dx_;
};

template <class Peer>
void add(const Shape& s) {
  const auto path = [&](const char* work) {
    return std::string(work) + "/elman/" + Peer::name + "/I:" + std::to_string(s.inputs) +
           "/H:" + std::to_string(s.hidden) + "/N:" + std::to_string(s.batch) + "/T:" + std::to_string(s.steps);
  };
  const auto measure = [&](bool train) {
    benchmark::RegisterBenchmark(path(train ? "train" : "forward").c_str(), [s, train](benchmark::State& state) {
      Peer peer(s);
      for (auto _ : state) benchmark::DoNotOptimize(train ? peer.train() : peer.forward());
      state.counters["GFLOP/s"] =
          benchmark::Counter(operations(s, train) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
    })->Unit(benchmark::kMicrosecond);
  };
  measure(false);
  measure(true);
}

}  // namespace

int main(int argc, char** argv) {
  for (const Shape& shape : shapes) {
    add<Recur>(shape);
    add<EigenLoop>(shape);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
