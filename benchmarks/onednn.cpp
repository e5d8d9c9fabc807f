// oneDNN's primitives vanilla RNN, LSTM and LBR GRU at their fastest setting: primitives made beforehand, weights in
// the packed formats that it asks for, reordered to them once, outside of what is measured. Its 2.x and 3.x.
#include "library.hpp"

#include <dnnl.hpp>

#include <cstring>
#include <numeric>
#include <tuple>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::memory, dnnl::prop_kind;
using dims = memory::dims;
using tag = memory::format_tag;
constexpr auto left2right = dnnl::rnn_direction::unidirectional_left2right;

struct Descriptors {
  memory::desc x, h, U, W, b, y, none = {};
};

/// What tells the cells apart: their primitives, what those are asked for (first(), then tensors()), and their gates.
struct Elman {
  using Forward = dnnl::vanilla_rnn_forward;
  using Backward = dnnl::vanilla_rnn_backward;
  static auto first() { return std::tuple(dnnl::algorithm::eltwise_tanh, left2right); }
  static auto tensors(const Descriptors& d) { return std::tuple(d.x, d.h, d.U, d.W, d.b, d.y, d.none); }
  static inline const GateOrder order{{0}, {0}, {0}};
};
struct Lstm {
  using Forward = dnnl::lstm_forward;
  using Backward = dnnl::lstm_backward;
  static auto first() { return std::tuple(left2right); }
  static auto tensors(const Descriptors& d) { return std::tuple(d.x, d.h, d.h, d.U, d.W, d.b, d.y, d.none, d.none); }
  static inline const GateOrder order{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
};
struct Gru {  // z, r, n, and a second bias of n: ours are n, r, z in U, r, z, q in W, and n, r, z, q in b
  using Forward = dnnl::lbr_gru_forward;
  using Backward = dnnl::lbr_gru_backward;
  static auto first() { return std::tuple(left2right); }
  static auto tensors(const Descriptors& d) { return std::tuple(d.x, d.h, d.U, d.W, d.b, d.y, d.none); }
  static inline const GateOrder order{{2, 1, 0}, {1, 0, 2}, {2, 1, 0, 3}};
};

template <class Cell>
class Rnn : public Run {
  using Forward = typename Cell::Forward;
  using Backward = typename Cell::Backward;

 public:
  explicit Rnn(const Problem& p)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), x_dims_{p.shape.steps, p.shape.batch, p.shape.inputs},
        y_dims_{p.shape.steps, p.shape.batch, p.shape.hidden}, h_dims_{1, 1, p.shape.batch, p.shape.hidden},
        u_dims_{1, 1, p.shape.inputs, p.U.rows() / p.shape.hidden, p.shape.hidden},
        w_dims_{1, 1, p.shape.hidden, p.W.rows() / p.shape.hidden, p.shape.hidden},
        b_dims_{1, 1, p.b.rows() / p.shape.hidden, p.shape.hidden} {
    const Index hidden = p.shape.hidden;
    const auto inference = forward_descriptor(prop_kind::forward_inference);
    const auto training = forward_descriptor(prop_kind::forward_training);
    const auto backward = backward_descriptor(training);
    inference_ = Forward(inference);
    training_ = Forward(training);
    backward_ = Backward(backward);

    // x, y and the state are plain in all three, and shared. The weights of each are in the format that suits it.
    const auto x = load(p.x.matrix(), x_dims_, tag::tnc, plain(x_dims_, tag::tnc));
    const Matrix U = to_order(Cell::order.U, p.U, hidden), W = to_order(Cell::order.W, p.W, hidden);
    const Matrix b = to_order(Cell::order.b, p.b, hidden);
    y_ = memory(plain(y_dims_, tag::tnc), engine_);
    const auto arguments = [&](const auto& descriptor) {
      return Arguments{{DNNL_ARG_SRC_LAYER, x},
                       {DNNL_ARG_WEIGHTS_LAYER, load(U, u_dims_, tag::ldigo, descriptor.weights_layer_desc())},
                       {DNNL_ARG_WEIGHTS_ITER, load(W, w_dims_, tag::ldigo, descriptor.weights_iter_desc())},
                       {DNNL_ARG_BIAS, load(b, b_dims_, tag::ldgo, descriptor.bias_desc())},
                       {DNNL_ARG_DST_LAYER, y_}};
    };
    inference_arguments_ = arguments(inference);
    training_arguments_ = arguments(training);
    backward_arguments_ = arguments(backward);

    constexpr int state[] = {DNNL_ARG_SRC_ITER, DNNL_ARG_SRC_ITER_C};
    constexpr int d_state[] = {DNNL_ARG_DIFF_SRC_ITER, DNNL_ARG_DIFF_SRC_ITER_C};
    for (Index i = 0; i * hidden < p.initial.rows(); ++i) {
      const auto initial =
          load(p.initial.middleRows(i * hidden, hidden), h_dims_, tag::ldnc, plain(h_dims_, tag::ldnc));
      for (Arguments* all : {&inference_arguments_, &training_arguments_, &backward_arguments_})
        all->insert({state[i], initial});
      d_initial_.emplace_back(plain(h_dims_, tag::ldnc), engine_);
      backward_arguments_.insert({d_state[i], d_initial_.back()});
    }
    const memory workspace(training.workspace_desc(), engine_);
    training_arguments_[DNNL_ARG_WORKSPACE] = backward_arguments_[DNNL_ARG_WORKSPACE] = workspace;
    dU_ = memory(backward.diff_weights_layer_desc(), engine_);
    dW_ = memory(backward.diff_weights_iter_desc(), engine_);
    db_ = memory(backward.diff_bias_desc(), engine_);
    dx_ = memory(plain(x_dims_, tag::tnc), engine_);
    backward_arguments_.insert(
        {{DNNL_ARG_DIFF_DST_LAYER, load(p.dy.matrix(), y_dims_, tag::tnc, plain(y_dims_, tag::tnc))},
         {DNNL_ARG_DIFF_SRC_LAYER, dx_},
         {DNNL_ARG_DIFF_WEIGHTS_LAYER, dU_},
         {DNNL_ARG_DIFF_WEIGHTS_ITER, dW_},
         {DNNL_ARG_DIFF_BIAS, db_}});
  }

  void forward() override {
    inference_.execute(stream_, inference_arguments_);
    stream_.wait();
  }
  void train() override {
    training_.execute(stream_, training_arguments_);
    // The primitive adds to the gradients of the parameters.
    for (const memory& gradient : {dU_, dW_, db_})
      std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
    backward_.execute(stream_, backward_arguments_);
    stream_.wait();
  }
  Results results(Work work) const override {
    Results all{{"y", store(y_, y_dims_, tag::tnc)}};
    if (work == Work::forward) return all;
    const Index hidden = y_dims_.back();
    Matrix d_initial = store(d_initial_[0], h_dims_, tag::ldnc);
    if (d_initial_.size() == 2) d_initial = stacked(d_initial, store(d_initial_[1], h_dims_, tag::ldnc));
    const auto gates = [&](const std::vector<int>& order, const memory& from, const dims& sizes, tag layout) {
      const Matrix blocks = store(from, sizes, layout);  // each gate's rows a column
      const Index rows = hidden * static_cast<Index>(order.size());
      return from_order(order, blocks.reshaped(rows, blocks.size() / rows), hidden);
    };
    all.insert(all.end(), {{"dU", gates(Cell::order.U, dU_, u_dims_, tag::ldigo)},
                           {"dW", gates(Cell::order.W, dW_, w_dims_, tag::ldigo)},
                           {"db", gates(Cell::order.b, db_, b_dims_, tag::ldgo)},
                           {"dx", store(dx_, x_dims_, tag::tnc)},
                           {"d_initial", d_initial}});
    return all;
  }

 private:
  using Arguments = std::unordered_map<int, memory>;

  static memory::desc plain(const dims& sizes, tag layout) { return {sizes, memory::data_type::f32, layout}; }
  static memory::desc any(const dims& sizes) { return plain(sizes, tag::any); }

  auto tensors() const {
    return Cell::tensors({plain(x_dims_, tag::tnc), plain(h_dims_, tag::ldnc), any(u_dims_), any(w_dims_), any(b_dims_),
                          plain(y_dims_, tag::tnc)});
  }
  typename Forward::primitive_desc forward_descriptor(prop_kind kind) const {
    const auto make = [&](const auto&... arguments) -> typename Forward::primitive_desc {
#if DNNL_VERSION_MAJOR >= 3
      return {engine_, kind, arguments...};
#else
      return {typename Forward::desc(kind, arguments...), engine_};
#endif
    };
    return std::apply(make, std::tuple_cat(Cell::first(), tensors()));
  }
  /// Asked for everything twice: forward, and its gradient.
  typename Backward::primitive_desc backward_descriptor(const typename Forward::primitive_desc& training) const {
    const auto make = [&](const auto&... arguments) -> typename Backward::primitive_desc {
#if DNNL_VERSION_MAJOR >= 3
      return {engine_, prop_kind::backward, arguments..., training};
#else
      return {typename Backward::desc(prop_kind::backward, arguments...), engine_, training};
#endif
    };
    return std::apply(make, std::tuple_cat(Cell::first(), tensors(), tensors()));
  }

  /// A copy of `numbers`, which are laid out as `layout` says, in the format `wanted`.
  memory load(const Matrix& numbers, const dims& sizes, tag layout, const memory::desc& wanted) const {
    memory source(plain(sizes, layout), engine_, const_cast<float*>(numbers.data())), copy(wanted, engine_);
    reorder(source, copy);
    return copy;
  }
  /// The numbers of `source` in a plain layout: as many rows as its last size.
  Matrix store(memory source, const dims& sizes, tag layout) const {
    const Index count = std::accumulate(sizes.begin(), sizes.end(), Index{1}, std::multiplies<>());
    Matrix matrix(sizes.back(), count / sizes.back());
    memory copy(plain(sizes, layout), engine_, matrix.data());
    reorder(source, copy);
    return matrix;
  }
  void reorder(memory& from, memory& to) const {
    dnnl::stream stream(engine_);
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  const dims x_dims_, y_dims_, h_dims_;  // steps, batch, features; for the state two sizes of 1 before
  const dims u_dims_, w_dims_, b_dims_;  // two sizes of 1, then inputs, gates, outputs
  Forward inference_, training_;
  Backward backward_;
  Arguments inference_arguments_, training_arguments_, backward_arguments_;
  memory y_, dU_, dW_, db_, dx_;
  std::vector<memory> d_initial_;  // of h, and of the LSTM's c
};

template <class Cell>
std::unique_ptr<Run> make(const Problem& problem) {
  return std::make_unique<Rnn<Cell>>(problem);
}

}  // namespace

Library onednn_library() {
  const auto* const version = dnnl_version();
  return {"onednn",
          "oneDNN " + std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
              std::to_string(version->patch),
          {{"elman", make<Elman>}, {"lstm", make<Lstm>}, {"gru", make<Gru>}}};
}

}  // namespace bench
