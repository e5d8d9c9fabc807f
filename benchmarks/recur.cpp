// recur itself: in float, in double, and in float with two threads.
#include "library.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

/// Lets recur use so many threads while it lives; everything else has one.
class Threads {
 public:
  explicit Threads(int count) { set(count); }
  Threads(const Threads&) = delete;
  ~Threads() { set(1); }

 private:
  static void set([[maybe_unused]] int count) {
#ifdef _OPENMP
    omp_set_num_threads(count);
#endif
  }
};

template <class Cell, int threads>
class Recur : public Run {
  using Scalar = typename Cell::Scalar;

 public:
  explicit Recur(const Problem& problem)
      : cell_(made(problem)), gradient_(recur::zeros_like(cell_)), x_(problem.x.cast<Scalar>()),
        dy_(problem.dy.cast<Scalar>()), initial_(problem.initial.cast<Scalar>()) {
    cell_.U = problem.U.cast<Scalar>();
    cell_.W = problem.W.cast<Scalar>();
    cell_.b = problem.b.cast<Scalar>();
    cell_.P = problem.P.cast<Scalar>();
    cell_.R = problem.R.cast<Scalar>();
  }
  void forward() override {
    const Threads guard(threads);
    cell_.forward(x_, trace_, initial_);
  }
  void train() override {
    const Threads guard(threads);
    cell_.forward(x_, trace_, initial_);
    recur::bptt(cell_, x_, trace_, dy_, gradient_, {.dx = &dx_, .d_initial = &d_initial_});
  }
  Results results(Work work) const override {
    const auto plain = [](const auto& matrix) { return Matrix(matrix.template cast<float>()); };
    Results all{{"y", plain(cell_.output(trace_).matrix())}};
    if (work == Work::train) {
      all.emplace_back("dU", plain(gradient_.U));
      if (gradient_.W.size() > 0) all.emplace_back("dW", plain(gradient_.W));
      if (gradient_.b.size() > 0) all.emplace_back("db", plain(gradient_.b));
      all.insert(all.end(), {{"dx", plain(dx_.matrix())}, {"d_initial", plain(d_initial_)}});
      if (gradient_.P.size() > 0) all.emplace_back("dP", plain(gradient_.P));
      if (gradient_.R.size() > 0) all.emplace_back("dR", plain(gradient_.R));
    }
    return all;
  }
  double bytes_per_step() const override {
    const auto columns = static_cast<double>(trace_.workspace().records().cols());
    return static_cast<double>(trace_.workspace().records().size()) * sizeof(Scalar) * static_cast<double>(x_.batch()) /
           columns;
  }
  double bytes_besides() const override {
    return static_cast<double>(trace_.bytes()) - bytes_per_step() * static_cast<double>(x_.steps());
  }

 private:
  static Cell made(const Problem& problem) {
    if constexpr (Cell::is_projected) {
      return {problem.x.features(), problem.shape.hidden, problem.outputs()};
    } else {
      return {problem.x.features(), problem.shape.hidden};
    }
  }

  Cell cell_, gradient_;
  recur::Series<Scalar> x_, dy_, dx_;
  typename Cell::State initial_, d_initial_;
  typename Cell::Trace trace_;
};

template <class Cell, int threads>
std::unique_ptr<Run> make(const Problem& problem) {
  return std::make_unique<Recur<Cell, threads>>(problem);
}
template <class Scalar, int threads = 1>
std::map<std::string, Library::Make> make_cells() {
  return {{"elman", make<recur::Elman<Scalar>, threads>},
          {"lstm", make<recur::Lstm<Scalar>, threads>},
          {"gru", make<recur::Gru<Scalar>, threads>},
          {"lstm-proj", make<recur::ProjectedLstm<Scalar>, threads>},
          {"lstm-norm", make<recur::LayerNormLstm<Scalar>, threads>},
          {"gru-norm", make<recur::LayerNormGru<Scalar>, threads>},
          {"slstm", make<recur::SLstm<Scalar>, threads>},
          {"ctrnn", make<recur::CtRnn<Scalar>, threads>},
          {"gru-d", make<recur::GruD<Scalar>, threads>},
          {"indrnn", make<recur::IndRnn<Scalar>, threads>},
          {"mingru", make<recur::MinGru<Scalar>, threads>},
          {"minlstm", make<recur::MinLstm<Scalar>, threads>},
          {"qrnn", make<recur::Qrnn<Scalar>, threads>},
          {"rg-lru", make<recur::RgLru<Scalar>, threads>},
          {"lru", make<recur::Lru<Scalar>, threads>}};
}

}  // namespace

Library recur_library() { return {"recur", "recur", make_cells<float>()}; }
Library recur_double_library() { return {"recur-double", "recur", make_cells<double>()}; }
/// Not a bit may depend on the number of threads: the tolerance is 0.
Library recur_2threads_library() { return {"recur-2threads", "recur", make_cells<float, 2>(), 0, 2}; }

}  // namespace bench
