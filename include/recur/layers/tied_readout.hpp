#pragma once
/// \file
/// A readout that shares the weights of an embedding (O. Press, L. Wolf, "Using the output embedding to improve
/// language models", 2017).

#include "embedding.hpp"
#include "sequence.hpp"

namespace recur::inline RECUR_ISA {

/// y_t = E^T h_t + c, for each kind of token its score, where h_t is what the layers make of the embedding's column of
/// token x_t, with E: F x K the embedding's and c: K:
///
///     recur::TiedReadout net(recur::Embedding<float>(10000, 200), recur::Lstm<float>(200, 200));
///     net.body.layer<0>().E
///
/// E is one parameter, whose gradient is the sum of both uses. That of the embedding's padding is the readout's part
/// alone, as PyTorch has it where nn.Linear's weight is nn.Embedding's.
template <class Embedding_, class... Layers>
class TiedReadout : public LayerOf<TiedReadout<Embedding_, Layers...>, Sequence<Embedding_, Layers...>> {
 public:
  /// Types, sizes and constants: see Layer.
  ///@{
  using Embedding = Embedding_;
  using Body = Sequence<Embedding, Layers...>;
  using Scalar = typename Embedding::Scalar;
  static constexpr int Kinds = Embedding::inputs_at_compile_time;
  static constexpr int inputs_at_compile_time = Kinds, outputs_at_compile_time = Kinds;
  ///@}
  Body body;                  ///< the embedding, then the layers
  VectorOf<Scalar, Kinds> c;  ///< K

  /// Throws std::invalid_argument unless the last layer has as many outputs as the embedding.
  explicit TiedReadout(Embedding embedding_, Layers... layers)
      : body(std::move(embedding_), std::move(layers)...), c(VectorOf<Scalar, Kinds>::Zero(outputs())) {
    require_as_many("TiedReadout");
  }

  /// K, and the embedding.
  ///@{
  Index outputs() const { return embedding().inputs(); }
  const Embedding& embedding() const { return body.template layer<0>(); }
  ///@}
  /// f("body....", parameters ...), then c.
  static void visit(auto&& f, const Name& whole, auto&... nets) {
    recur::visit(f, Name(whole, "body"), nets.body...);
    f(Name(whole, "c"), nets.c...);
  }
  /// c starts at zero. For initialize().
  void start(auto&) { c.setZero(); }
  /// The same network with its parameters in another type.
  template <class Other>
  auto cast() const {
    auto result = std::apply(
        [](const auto&... each) {
          const auto tied = []<class... L>(L... layers) { return recur::TiedReadout<L...>(std::move(layers)...); };
          return tied(each.template cast<Other>()...);
        },
        body.layers);
    result.c = c.template cast<Other>();
    return result;
  }
  /// What Layer asks for.
  ///@{
  static constexpr const char* name = "TiedReadout";
  static auto children(auto& net) { return std::tie(net.body); }
  ///@}

  /// The body's workspace, y, and what the readout's gradients need.
  struct Workspace : WorkspaceWithOutput<Scalar, Body> {
    Series<Scalar> dh;             ///< dL/dh of a chunk
    detail::PackBuffer<Scalar> E;  ///< E^T, or E, packed
    detail::Buffer<Scalar> dE;     ///< the readout's part of dL/dE: the embedding's leaves out the padding
    /// f(buffer) for everything that holds memory.
    void for_each_buffer(auto&& f) const {
      WorkspaceWithOutput<Scalar, Body>::for_each_buffer(f);
      f(dh), f(E), f(dE);
    }
  };

  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const {
    body.require_shapes(where);
    require_as_many(where);
    require_equal(where, "c.size()", c.size(), "outputs()", outputs());
  }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    body.prepare_forward(pass, work.template of<0>());
    work.y.resize(outputs(), 1, pass.layout.columns());
    pack(work.E, embedding().E, pass.layout.columns());
  }
  void forward_steps(const Chunk& chunk, const auto& x, Workspace& work) const {
    run_forward(body, chunk, x, work.template of<0>());
    const auto h = hidden(chunk, work);
    const auto y_chunk = chunk.of(SeriesView<Scalar>(work.y));
    chunk.for_own_columns([&](Index column, Index columns) {
      auto y = y_chunk.columns(column, columns);
      for (Index j = 0; j < columns; ++j) y.col(j) = c;
      detail::add_product(work.E.lhs(), h.columns(column, columns), y);
    });
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return work.y; }
  void prepare_backward(const Pass& pass, Workspace& work) const {
    body.prepare_backward(pass, work.template of<0>());
    work.template of<0>().template of<0>().of_tokens = false;  // dL/dE is not of the tokens' columns alone
    work.dh.resize(embedding().outputs(), 1, most_columns(TiedReadout::causal, pass.layout));
    work.E.for_columns(embedding().E, pass.layout.columns());
    if (!pass.goes_on) work.dE.resize(embedding().outputs(), outputs()).setZero();
  }
  /// dL/dh_t = E dL/dy_t,  dL/dE += h_t dL/dy_t^T,  dL/dc += dL/dy_t
  void backward_steps(const Chunk& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      TiedReadout& gradient, SeriesView<Scalar> dx) const {
    SeriesView<const Scalar> dh;
    if (!dy.empty()) {
      const auto d = SeriesView<Scalar>(work.dh).window(0, chunk.columns());
      chunk.set_zero(d);
      chunk.for_own_columns([&](Index column, Index columns) {
        detail::add_product(work.E.lhs(), dy.columns(column, columns), d.columns(column, columns));
      });
      dh = d;
      chunk.barrier();
      const auto share = chunk.share_of_rows(embedding().outputs());
      detail::add_outer_product(detail::some_rows(hidden(chunk, work).matrix(), share), dy.matrix(),
                                detail::some_rows(work.dE.view(), share), share.scratch);
      const auto share_c = chunk.share_of_rows(outputs());
      for (Index j = 0; j < dy.columns(); ++j)
        gradient.c.segment(share_c.first, share_c.count) += dy.matrix().col(j).segment(share_c.first, share_c.count);
      chunk.barrier();
    }
    run_backward(body, chunk, x, dh, work.template of<0>(), gradient.body, dx);
  }
  void finish_backward(Workspace& work, TiedReadout& gradient) const {
    body.finish_backward(work.template of<0>(), gradient.body);
    gradient.body.template layer<0>().E += std::as_const(work.dE).view();
  }
  auto memory() const {
    detail::PackBuffer<Scalar> some_of_E;
    pack(some_of_E, embedding().E.leftCols(std::min(outputs(), kinds_at_once)), 1);  // so that step() allocates nothing
    return std::tuple(body.memory(), VectorOf<Scalar, Kinds>(VectorOf<Scalar, Kinds>::Zero(outputs())), some_of_E);
  }
  EIGEN_ALWAYS_INLINE const Scalar* step(const auto& x, auto& memory) const noexcept {
    auto& y = std::get<1>(memory);
    const Eigen::Map<const VectorOf<Scalar>> h(body.step(x, std::get<0>(memory)), embedding().outputs());
    require(y.size() == outputs() && c.size() == outputs(),
            "step: the network has other shapes than when the stream was made");
    y = c;
    // The bits of forward: some rows of E^T at a time, in the order in which its products want them. A single row would
    // be summed in another.
    for (Index first = 0, count = 0; first < y.size(); first += count) {
      count = std::min(kinds_at_once, y.size() - first);
      if (first + count + 1 == y.size()) --count;
      pack(std::get<2>(memory), embedding().E.middleCols(first, count), 1);
      detail::add_product(std::get<2>(memory).lhs(), h, y.segment(first, count));
    }
    return y.data();
  }
  ///@}

 private:
  static constexpr Index kinds_at_once = 64;

  /// E^T, always packed, so that sums run in one order for any number of columns.
  static void pack(detail::PackBuffer<Scalar>& buffer, const auto& E, Index columns) {
    buffer.transpose_of(E, 2, std::max<Index>(columns, 8));
  }
  SeriesView<const Scalar> hidden(const Chunk& chunk, const Workspace& work) const {
    return chunk.of(SeriesView<const Scalar>(body.output_columns(work.template of<0>())));
  }
  void require_as_many(const char* where) const {
    require_equal(where, "the last layer's outputs()", body.outputs(), "the embedding's", embedding().outputs());
  }
};

}  // namespace recur::inline RECUR_ISA
