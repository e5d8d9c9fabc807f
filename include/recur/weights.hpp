#pragma once
/// \file
/// What a cell learns, and one step made of it.

#include "parameters.hpp"
#include "record.hpp"
#include "rule.hpp"
#include "team.hpp"
#include "tokens.hpp"

namespace recur {

/// A rule with its parameters: the input weights U: (G_u H) x I, the recurrent weights W: (G_w H) x H and the bias b:
/// (G H), for a rule whose inputs reach G_u blocks, whose hidden state reaches G_w and that has G pre-activation
/// blocks altogether: all 1 for the Elman network. Sizes are given to the constructor, or fixed as template arguments.
/// All parameters start at zero.
template <Rule Rule_, class Scalar_, int Inputs, int Hidden>
class Weights {
 public:
  using Rule = Rule_;
  using Scalar = Scalar_;
  static constexpr int blocks = static_cast<int>(Rule::blocks);
  static constexpr int vectors = detail::vectors_of<Rule>();
  static constexpr BlockRange pre_activations = detail::pre_activations<Rule>;

  using MatrixU = Matrix<Scalar, times(Rule::from_input.count, Hidden), Inputs>;
  using MatrixW = Matrix<Scalar, times(Rule::from_hidden.count, Hidden), Hidden>;
  using VectorB = Vector<Scalar, times(pre_activations.count, Hidden)>;
  using MatrixP = Matrix<Scalar, Hidden, vectors>;
  alignas(alignment<MatrixU>) MatrixU U;
  alignas(alignment<MatrixW>) MatrixW W;
  alignas(alignment<VectorB>) VectorB b;
  alignas(alignment<MatrixP>) MatrixP P;  ///< the rule's own parameters, where it has some
  [[no_unique_address]] Rule rule;

  Weights()
    requires(Inputs != Dynamic && Hidden != Dynamic)
      : Weights(Inputs, Hidden) {}
  Weights(Index inputs, Index hidden, Rule rule_ = {}) : rule(rule_) {
    require(inputs > 0 && hidden > 0, "Cell: inputs > 0 and hidden > 0 expected, got ", inputs, " and ", hidden);
    require(Inputs == Dynamic || inputs == Inputs, "Cell: inputs must be ", Inputs, " (fixed by its type), got ",
            inputs);
    require(Hidden == Dynamic || hidden == Hidden, "Cell: hidden must be ", Hidden, " (fixed by its type), got ",
            hidden);
    U.setZero(Rule::from_input.count * hidden, inputs);
    W.setZero(Rule::from_hidden.count * hidden, hidden);
    b.setZero(pre_activations.count * hidden);
    P.setZero(hidden, vectors);
  }

  Index inputs() const { return U.cols(); }
  Index hidden() const { return W.cols(); }

  static void visit(auto&& f, const Name& name, auto&... cells) {
    f(Name(name, "U"), cells.U...);
    f(Name(name, "W"), cells.W...);
    f(Name(name, "b"), cells.b...);
    if constexpr (vectors > 0) f(Name(name, "P"), cells.P...);
  }

 protected:
  static constexpr BlockRange whole{0, blocks};
  static constexpr BlockRange hidden_block{static_cast<int>(Rule::h), 1};
  /// The rows of some blocks, in `count` columns of records from `column` on. Only two types come of it: expressions of
  /// expressions would each be compiled anew.
  auto rows(auto&& records, BlockRange range, Index column, Index count) const {
    using Data = std::remove_reference_t<decltype(*records.data())>;
    using View = std::conditional_t<std::is_const_v<Data>, ConstMatrixView<Scalar>, MatrixView<Scalar>>;
    const Index stride = records.colStride();
    return View(records.data() + column * stride + range.first * hidden(), range.count * hidden(), count,
                Eigen::OuterStride<>(stride));
  }
  auto rows(auto&& records, BlockRange range) const { return rows(records, range, 0, records.cols()); }
  /// A record as the rule sees it.
  template <int Batch = Dynamic>
  auto blocks_of(auto&& record) const {
    using Data = std::remove_pointer_t<decltype(record.data())>;
    return Blocks<Data, Hidden, Batch>(record.data(), hidden(), record.cols(), record.colStride());
  }
  /// h of a record.
  template <int Batch>
  auto h_of(const auto& record) const {
    if constexpr (Batch == 1) {
      return Eigen::Map<const Vector<Scalar, Hidden>>(record.data() + Rule::h * hidden(), hidden());
    } else {
      return rows(record, hidden_block);
    }
  }

  /// For one step of one sequence. So written that fixed sizes stay fixed.
  EIGEN_ALWAYS_INLINE void fill_bias_of_column(auto& record) const {
    Eigen::Map<Vector<Scalar, times(pre_activations.count, Hidden)>>(record.data() + pre_activations.first * hidden(),
                                                                     b.size()) = b;
  }
  void fill_bias(auto&& records) const {
    auto a = rows(records, pre_activations);
    for (Index j = 0; j < a.cols(); ++j) a.col(j) = b;
  }

  /// a_t += U x_t, for x_t in columns, or as tokens whose columns of U are looked up.
  EIGEN_ALWAYS_INLINE void add_inputs(const auto& u, const auto& x, auto&& a) const { add_product(u, x, a); }
  void add_inputs(const auto&, const int* tokens, auto&& a) const {
    for (Index j = 0; j < a.cols(); ++j) a.col(j) += U.col(tokens[j]);
  }
  void add_inputs(const auto& u, const Token& token, auto&& a) const { add_inputs(u, &token.kind, a); }
  /// For a gradient, some rows of dL/dU += d x^T: for tokens, each column of d goes to the column of its token.
  void add_outer_inputs(const auto& d, const auto& x, detail::Team::Share share) {
    add_outer_product(d, x, detail::some_rows(U, share));
  }
  void add_outer_inputs(const auto& d, const int* tokens, detail::Team::Share share) {
    for (Index j = 0; j < d.cols(); ++j) U.col(tokens[j]).segment(share.first, share.count) += d.col(j);
  }

  /// a_t += W h_<t-1>, then the rule; now holds b + U x_t.
  template <class NowBlocks>
  EIGEN_ALWAYS_INLINE void advance(const auto& w, const auto& before, const auto& h_before, auto& now,
                                   NowBlocks now_blocks, bool backwards = false) const {
    add_product(w, h_before, rows(now, Rule::from_hidden), backwards);
    if constexpr (vectors > 0) {
      rule.forward(before, now_blocks, Repeated(P, now.cols()));
    } else {
      rule.forward(before, now_blocks);
    }
  }

  /// The rule's derivative, then dL/dh_<t-1> += W^T dL/da_t, for the sequences from `first` on.
  template <class DNow, class DBefore>
  void retreat(const auto& w_transposed, const auto& before, const auto& now, DNow d_now, DBefore d_before,
               const auto& d_a, auto&& d_h_before, Trace<Scalar>& trace, Index first, bool backwards) const {
    if constexpr (vectors > 0) {
      Summed<Scalar, Hidden> d_p(trace.d_vectors.view(), trace.batch(), first);
      rule.backward(before, now, d_now, d_before, Repeated(P, d_a.cols()), d_p);
    } else {
      rule.backward(before, now, d_now, d_before);
    }
    add_product(w_transposed, d_a, d_h_before, backwards);
  }

  /// U, W and b are public: somebody may have given them other shapes.
  void require_shapes(const char* where) const {
    const bool right = hidden() > 0 && U.cols() > 0 && U.rows() == Rule::from_input.count * hidden() &&
                       W.rows() == Rule::from_hidden.count * hidden() && b.size() == pre_activations.count * hidden();
    require(right, where, ": U must be ", Rule::from_input.count, " H x I, W ", Rule::from_hidden.count, " H x H, b ",
            pre_activations.count, " H, got U ", shape(U), ", W ", shape(W), ", b ", shape(b));
    require_equal(where, "P.rows()", P.rows(), "hidden()", hidden());
  }
};

}  // namespace recur
