#pragma once
/// \file
/// What a cell learns, and one step made of it.

#include "parameters.hpp"
#include "record.hpp"
#include "rule.hpp"
#include "team.hpp"
#include "tokens.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {

/// The left sides of a step's products.
template <class Hidden, class Halfway>
struct Products {
  Hidden hidden;
  Halfway halfway;
};
template <class Hidden, class Halfway>
Products(Hidden, Halfway) -> Products<Hidden, Halfway>;

}  // namespace detail

/// A rule with its parameters: the input weights U: (G_u H) x I, the recurrent weights W: (G_w H) x H and the bias b:
/// (G H), for a rule whose inputs reach G_u blocks, whose hidden state reaches G_w and that has G pre-activation
/// blocks altogether: all 1 for the Elman network, all 4 for the LSTM. Sizes are given to the constructor, or fixed as
/// template arguments. All parameters start at zero.
template <Rule Rule_, class Scalar_, int Inputs, int Hidden>
class Weights {
  static_assert(detail::compiles<&detail::call_pointwise<Rule_, Scalar_>>);  // the rule is pointwise

 public:
  using Rule = Rule_;
  using Scalar = Scalar_;
  static constexpr int blocks = static_cast<int>(Rule::blocks);
  static constexpr int vectors = detail::vectors_of<Rule>();
  static constexpr BlockRange pre_activations = detail::pre_activations<Rule>;
  static constexpr BlockRange from_halfway = detail::from_halfway<Rule>();
  static constexpr int recurrent = Rule::from_hidden.count + from_halfway.count;  ///< blocks of rows of W

  using MatrixU = MatrixOf<Scalar, times(Rule::from_input.count, Hidden), Inputs>;
  using MatrixW = MatrixOf<Scalar, times(recurrent, Hidden), Hidden>;
  using VectorB = VectorOf<Scalar, times(pre_activations.count, Hidden)>;
  using MatrixP = MatrixOf<Scalar, Hidden, vectors>;
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
    if constexpr (Inputs == Dynamic || Hidden == Dynamic) detail::require_units_alike();
    detail::checked_product("Cell: blocks x hidden x inputs", {blocks, hidden, inputs});
    detail::checked_product("Cell: blocks x hidden x hidden", {blocks, hidden, hidden});
    U.setZero(Rule::from_input.count * hidden, inputs);
    W.setZero(recurrent * hidden, hidden);
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
  /// f.template operator()<Rows>(row, column) for each piece of `columns` columns of H rows: as many rows as a packet
  /// has.
  EIGEN_ALWAYS_INLINE void for_pieces(Index columns, const auto& f) const {
    constexpr int lanes = detail::full_lanes<Scalar>;
    const Index in_packets = hidden() / lanes * lanes;
    for (Index column = 0; column < columns; ++column) {
      for (Index row = 0; row < in_packets; row += lanes) f.template operator()<lanes>(row, column);
      if constexpr (lanes > 1 && (Hidden == Dynamic || Hidden % lanes != 0)) {
        detail::for_strips<Scalar, detail::PacketOf<Scalar, lanes>::narrower, 1>(
            in_packets, hidden(), [&]<int Rows, int>(Index row) { f.template operator()<Rows>(row, column); });
      }
    }
  }
  /// A piece of a record, as the rule sees it.
  template <int Rows>
  EIGEN_ALWAYS_INLINE auto piece(auto& record, Index row, Index column) const {
    using Data = std::remove_pointer_t<decltype(record.data())>;
    return Blocks<Data, Rows>(record.data() + column * record.colStride() + row, hidden());
  }
  /// The same of the rule's own parameters.
  template <int Rows>
  EIGEN_ALWAYS_INLINE auto own_piece(Index row) const {
    return Blocks<const Scalar, Rows>(P.data() + row, hidden());
  }
  /// One block of a record, as a matrix.
  template <int Batch>
  auto block_of(const auto& record, int k) const {
    if constexpr (Batch == 1) {
      return Eigen::Map<const VectorOf<Scalar, Hidden>>(record.data() + k * hidden(), hidden());
    } else {
      return rows(record, BlockRange{k, 1});
    }
  }
  /// Some blocks of rows of W.
  template <int Count>
  auto rows_of_W(int first) const {
    using Rows = MatrixOf<Scalar, times(Count, Hidden), Hidden>;
    return Eigen::Map<const Rows, Eigen::Unaligned, Eigen::OuterStride<>>(
        W.data() + first * hidden(), Count * hidden(), hidden(), Eigen::OuterStride<>(W.colStride()));
  }
  /// The rows of W that meet h_<t-1>, and those of the second product inside the step, where the rule has one.
  auto rows_for_hidden() const { return rows_of_W<Rule::from_hidden.count>(0); }
  auto rows_for_halfway() const { return rows_of_W<from_halfway.count>(Rule::from_hidden.count); }

  /// a_t = b + U x_t, for x_t in columns, or as tokens whose columns of U are looked up.
  void begin_steps(const auto& u, const auto& x, auto& records) const {
    begin_unreached(records);
    set_product(u, x, b.data() + begin_of_inputs(), rows(records, Rule::from_input));
  }
  void begin_steps(const auto&, const int* tokens, auto& records) const {
    begin_unreached(records);
    auto a = rows(records, Rule::from_input);
    for (Index j = 0; j < a.cols(); ++j) a.col(j) = b.segment(begin_of_inputs(), U.rows()) + U.col(tokens[j]);
  }
  /// The same for one step of one sequence. So written that fixed sizes stay fixed.
  EIGEN_ALWAYS_INLINE void begin_step(const auto& u, const auto& x, auto& record) const {
    Eigen::Map<VectorOf<Scalar, times(pre_activations.count, Hidden)>>(record.data() + pre_activations.first * hidden(),
                                                                       b.size()) = b;
    auto a = rows(record, Rule::from_input);
    if constexpr (std::is_same_v<std::decay_t<decltype(x)>, Token>) {
      a.col(0) += U.col(x.kind);
    } else {
      add_product(u, x, a);
    }
  }
  /// Where in b those blocks begin that inputs reach.
  Index begin_of_inputs() const { return (Rule::from_input.first - pre_activations.first) * hidden(); }
  /// a_t = b where no input reaches.
  void begin_unreached(auto& records) const {
    constexpr BlockRange all = pre_activations, reached = Rule::from_input;
    for (const BlockRange range :
         {BlockRange{all.first, reached.first - all.first}, BlockRange{reached.end(), all.end() - reached.end()}}) {
      if (range.count == 0) continue;
      auto a = rows(records, range);
      for (Index j = 0; j < a.cols(); ++j) a.col(j) = b.segment((range.first - all.first) * hidden(), a.rows());
    }
  }
  /// For a gradient, some rows of dL/dU += d x^T: for tokens, each column of d goes to the column of its token.
  void add_outer_inputs(const auto& d, const auto& x, detail::Team::Share share) {
    add_outer_product(d, x, detail::some_rows(U, share));
  }
  void add_outer_inputs(const auto& d, const int* tokens, detail::Team::Share share) {
    for (Index j = 0; j < d.cols(); ++j) U.col(tokens[j]).segment(share.first, share.count) += d.col(j);
  }

  /// a_t += W h_<t-1>, then the rule; now holds b + U x_t.
  template <int Batch>
  EIGEN_ALWAYS_INLINE void advance(const auto& w, const auto& before, auto& now, bool backwards = false) const {
    add_product(w.hidden, block_of<Batch>(before, Rule::h), rows(now, Rule::from_hidden), backwards);
    if constexpr (detail::has_halfway<Rule>) {
      for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
        auto piece_now = piece<Rows>(now, row, column);
        rule.forward_halfway(piece<Rows>(before, row, column), piece_now);
      });
      add_product(w.halfway, block_of<Batch>(now, Rule::halfway), rows(now, from_halfway), backwards);
    }
    for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
      auto piece_now = piece<Rows>(now, row, column);
      if constexpr (vectors > 0) {
        rule.forward(piece<Rows>(before, row, column), piece_now, own_piece<Rows>(row));
      } else {
        rule.forward(piece<Rows>(before, row, column), piece_now);
      }
    });
  }

  /// The rule's derivative, then dL/dh_<t-1> += W^T dL/da_t. `own_sums` is where dL/dP is summed, for each sequence
  /// apart, so that the order of the sum does not depend on who comes first: for each vector H x N, of which these
  /// sequences' columns begin at `first`.
  void retreat(const auto& w_transposed, const auto& before, const auto& now, auto& d_before, auto& d_now,
               MatrixView<Scalar> own_sums, Index first, bool backwards) const {
    for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
      auto d_piece = piece<Rows>(d_now, row, column), d_piece_before = piece<Rows>(d_before, row, column);
      const auto piece_before = piece<Rows>(before, row, column), piece_now = piece<Rows>(now, row, column);
      if constexpr (vectors > 0) {
        const Index sums = own_sums.size() / vectors;
        Blocks<Scalar, Rows> d_own(own_sums.data() + (first + column) * hidden() + row, sums);
        rule.backward(piece_before, piece_now, d_piece, d_piece_before, own_piece<Rows>(row), d_own);
      } else {
        rule.backward(piece_before, piece_now, d_piece, d_piece_before);
      }
    });
    if constexpr (detail::has_halfway<Rule>) {
      auto d_halfway = rows(d_now, BlockRange{Rule::halfway, 1});
      d_halfway.setZero();
      add_product(w_transposed.halfway, rows(d_now, from_halfway), d_halfway, backwards);
      for_pieces(now.cols(), [&]<int Rows>(Index row, Index column) {
        auto d_piece = piece<Rows>(d_now, row, column), d_piece_before = piece<Rows>(d_before, row, column);
        rule.backward_halfway(piece<Rows>(before, row, column), piece<Rows>(now, row, column), d_piece, d_piece_before);
      });
    }
    add_product(w_transposed.hidden, rows(d_now, Rule::from_hidden), rows(d_before, hidden_block), backwards);
  }

  /// U, W and b are public: somebody may have given them other shapes.
  void require_shapes(const char* where) const {
    const bool right = hidden() > 0 && U.cols() > 0 && U.rows() == Rule::from_input.count * hidden() &&
                       W.rows() == recurrent * hidden() && b.size() == pre_activations.count * hidden();
    require(right, where, ": U must be ", Rule::from_input.count, " H x I, W ", recurrent, " H x H, b ",
            pre_activations.count, " H, got U ", shape(U), ", W ", shape(W), ", b ", shape(b));
    require_equal(where, "P.rows()", P.rows(), "hidden()", hidden());
  }
};

}  // namespace recur::inline RECUR_ISA
