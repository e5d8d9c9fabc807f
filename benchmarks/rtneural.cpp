// RTNeural's layers whose sizes are known when compiling, on its Eigen backend.
#include "step.hpp"

#include <RTNeural/RTNeural.h>

namespace bench {
namespace {

using Rows = std::vector<std::vector<float>>;

/// What tells the cells apart.
struct Lstm {
  template <int H>
  using Layer = RTNeural::LSTMLayerT<float, 1, H>;
  static inline const GateOrder order{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
  static void set_bias(auto& layer, const Matrix& b, Index) { layer.setBVals({b.data(), b.data() + b.size()}); }
};
struct Gru {  // z, r, n, each with two biases: ours are n, r, z in U, r, z, q in W, and n, r, z, q in b
  template <int H>
  using Layer = RTNeural::GRULayerT<float, 1, H>;
  static inline const GateOrder order{{2, 1, 0}, {1, 0, 2}, {2, 1, 0, 3}};
  static void set_bias(auto& layer, const Matrix& b, Index hidden) {
    Rows both(2, std::vector<float>(static_cast<std::size_t>(3 * hidden)));
    std::copy_n(b.data(), 3 * hidden, both[0].begin());
    std::copy_n(b.data() + 3 * hidden, hidden, both[1].end() - hidden);
    layer.setBVals(both);
  }
};

/// A vector for each column.
Rows columns(const Matrix& matrix) {
  Rows result;
  for (Index j = 0; j < matrix.cols(); ++j)
    result.emplace_back(matrix.col(j).data(), matrix.col(j).data() + matrix.rows());
  return result;
}

template <class Cell, int H>
class ModelSteps : public StepRun {
 public:
  explicit ModelSteps(const StepProblem& p) : problem_(p) {
    auto& layer = model_.template get<0>();
    layer.setWVals(columns(to_order(Cell::order.U, p.layer.U, H)));
    layer.setUVals(columns(to_order(Cell::order.W, p.layer.W, H)));
    Cell::set_bias(layer, to_order(Cell::order.b, p.layer.b, H), H);
    auto& dense = model_.template get<1>();
    dense.setWeights(Rows{{p.V.data(), p.V.data() + H}});
    dense.setBias(&p.c);
    model_.reset();
  }
  float run(int count) override {
    return run_steps(problem_, count, [&](float x) { return model_.forward(&x); });
  }

 private:
  const StepProblem problem_;
  RTNeural::ModelT<float, 1, 1, typename Cell::template Layer<H>, RTNeural::DenseT<float, H, 1>> model_;
};

template <class Cell>
std::unique_ptr<StepRun> make(const StepProblem& problem) {
  return with_fixed_size<largest_gated>(problem.hidden(),
                                        [&]<int H>() { return std::make_unique<ModelSteps<Cell, H>>(problem); });
}

}  // namespace

/// Its tanh and logistic function are Eigen's, which are less accurate.
StepLibrary rtneural_library() {
  return {"rtneural", "RTNeural",
          [](const StepProblem& problem) -> std::unique_ptr<StepRun> {
            if (problem.layer.cell == "lstm") return make<Lstm>(problem);
            if (problem.layer.cell == "gru") return make<Gru>(problem);
            return nullptr;
          },
          1e-4};
}

}  // namespace bench
