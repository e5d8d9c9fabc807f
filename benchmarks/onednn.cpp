// oneDNN's vanilla RNN primitive at its fastest setting: primitives made beforehand, weights in the packed formats that
// it asks for, reordered to them once, outside of what is measured. Its 2.x and 3.x.
#include "library.hpp"

#include <dnnl.hpp>

#include <cstring>
#include <numeric>
#include <unordered_map>

namespace bench {
namespace {

using dnnl::memory, dnnl::prop_kind;
using dims = memory::dims;
using tag = memory::format_tag;
using Forward = dnnl::vanilla_rnn_forward;
using Backward = dnnl::vanilla_rnn_backward;

constexpr auto tanh = dnnl::algorithm::eltwise_tanh;
constexpr auto direction = dnnl::rnn_direction::unidirectional_left2right;

class Elman : public Run {
 public:
  explicit Elman(const Problem& p)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_), x_dims_{p.shape.steps, p.shape.batch, p.shape.inputs},
        y_dims_{p.shape.steps, p.shape.batch, p.shape.hidden}, h_dims_{1, 1, p.shape.batch, p.shape.hidden},
        u_dims_{1, 1, p.shape.inputs, 1, p.shape.hidden}, w_dims_{1, 1, p.shape.hidden, 1, p.shape.hidden},
        b_dims_{1, 1, 1, p.shape.hidden} {
    const auto inference = forward_descriptor(prop_kind::forward_inference);
    const auto training = forward_descriptor(prop_kind::forward_training);
    const auto backward = backward_descriptor(training);
    inference_ = Forward(inference);
    training_ = Forward(training);
    backward_ = Backward(backward);

    // x, y and h are plain in all three, and shared. The weights of each are in the format that suits it.
    const auto x = load(p.x.data(), x_dims_, tag::tnc, plain(x_dims_, tag::tnc));
    const auto initial = load(p.initial.data(), h_dims_, tag::ldnc, plain(h_dims_, tag::ldnc));
    y_ = memory(plain(y_dims_, tag::tnc), engine_);
    const auto arguments = [&](const auto& descriptor) {
      return Arguments{{DNNL_ARG_SRC_LAYER, x},
                       {DNNL_ARG_SRC_ITER, initial},
                       {DNNL_ARG_WEIGHTS_LAYER, load(p.U.data(), u_dims_, tag::ldigo, descriptor.weights_layer_desc())},
                       {DNNL_ARG_WEIGHTS_ITER, load(p.W.data(), w_dims_, tag::ldigo, descriptor.weights_iter_desc())},
                       {DNNL_ARG_BIAS, load(p.b.data(), b_dims_, tag::ldgo, descriptor.bias_desc())},
                       {DNNL_ARG_DST_LAYER, y_}};
    };
    inference_arguments_ = arguments(inference);
    training_arguments_ = arguments(training);
    backward_arguments_ = arguments(backward);

    const memory workspace(training.workspace_desc(), engine_);
    training_arguments_[DNNL_ARG_WORKSPACE] = backward_arguments_[DNNL_ARG_WORKSPACE] = workspace;
    dU_ = memory(backward.diff_weights_layer_desc(), engine_);
    dW_ = memory(backward.diff_weights_iter_desc(), engine_);
    db_ = memory(backward.diff_bias_desc(), engine_);
    dx_ = memory(plain(x_dims_, tag::tnc), engine_);
    d_initial_ = memory(plain(h_dims_, tag::ldnc), engine_);
    backward_arguments_.insert(
        {{DNNL_ARG_DIFF_DST_LAYER, load(p.dy.data(), y_dims_, tag::tnc, plain(y_dims_, tag::tnc))},
         {DNNL_ARG_DIFF_SRC_LAYER, dx_},
         {DNNL_ARG_DIFF_SRC_ITER, d_initial_},
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
    if (work == Work::train) {
      all.insert(all.end(), {{"dU", store(dU_, u_dims_, tag::ldigo)},
                             {"dW", store(dW_, w_dims_, tag::ldigo)},
                             {"db", store(db_, b_dims_, tag::ldgo)},
                             {"dx", store(dx_, x_dims_, tag::tnc)},
                             {"d_initial", store(d_initial_, h_dims_, tag::ldnc)}});
    }
    return all;
  }

 private:
  using Arguments = std::unordered_map<int, memory>;

  static memory::desc plain(const dims& sizes, tag layout) { return {sizes, memory::data_type::f32, layout}; }
  static memory::desc any(const dims& sizes) { return plain(sizes, tag::any); }

  Forward::primitive_desc forward_descriptor(prop_kind kind) const {
    const auto x = plain(x_dims_, tag::tnc), y = plain(y_dims_, tag::tnc), h = plain(h_dims_, tag::ldnc);
    const memory::desc U = any(u_dims_), W = any(w_dims_), b = any(b_dims_), none;
#if DNNL_VERSION_MAJOR >= 3
    return {engine_, kind, tanh, direction, x, h, U, W, b, y, none};
#else
    return {{kind, tanh, direction, x, h, U, W, b, y, none}, engine_};
#endif
  }
  Backward::primitive_desc backward_descriptor(const Forward::primitive_desc& training) const {
    const auto x = plain(x_dims_, tag::tnc), y = plain(y_dims_, tag::tnc), h = plain(h_dims_, tag::ldnc);
    const memory::desc U = any(u_dims_), W = any(w_dims_), b = any(b_dims_), none;
    const auto kind = prop_kind::backward;
#if DNNL_VERSION_MAJOR >= 3
    return {engine_, kind, tanh, direction, x, h, U, W, b, y, none, x, h, U, W, b, y, none, training};
#else
    return {{kind, tanh, direction, x, h, U, W, b, y, none, x, h, U, W, b, y, none}, engine_, training};
#endif
  }

  /// A copy of `data`, which is laid out as `layout` says, in the format `wanted`.
  memory load(const float* data, const dims& sizes, tag layout, const memory::desc& wanted) const {
    memory source(plain(sizes, layout), engine_, const_cast<float*>(data)), copy(wanted, engine_);
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
  memory y_, dU_, dW_, db_, dx_, d_initial_;
};

}  // namespace

Library onednn_library() {
  const auto* const version = dnnl_version();
  return {"onednn",
          "oneDNN " + std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
              std::to_string(version->patch),
          [](const Problem& problem) { return std::make_unique<Elman>(problem); }};
}

}  // namespace bench
