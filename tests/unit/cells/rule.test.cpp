#include "catch.hpp"

#include <recur/cells/rule.hpp>
#include <recur/cells/elman.hpp>
#include <recur/cells/gru.hpp>
#include <recur/cells/peephole_lstm.hpp>

#include <cmath>
#include <functional>
#include <type_traits>
#include <vector>

using namespace recur;

namespace rules_to_judge {

/// A rule of three blocks, whose ranges are given.
template <BlockRange Input, BlockRange Hidden, BlockRange States = BlockRange{2, 1}>
struct Ranges {
  enum Block { f, g, h, blocks };
  static constexpr BlockRange from_input = Input, from_hidden = Hidden, state = States;
  void forward(const auto&, auto& now) const { now[h] = now[f]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[h]; }
};

/// A rule without a product with h_<t-1>, which need not be carried, then.
template <BlockRange States>
struct NoProduct {
  enum Block { f, c, h, blocks };
  static constexpr BlockRange from_input{f, 1}, state = States;
  void forward(const auto&, auto& now) const { now[h] = now[c] = now[f]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[c] + d_now[h]; }
};

/// A rule whose hidden state is projected from From.
template <int From, BlockRange States>
struct Projected {
  enum Block { c, f, blocks };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state = States;
  static constexpr int projected = From;
  void forward(const auto&, auto& now) const { now[c] = now[f]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] += d_now[c]; }
};

struct ProjectedWithoutHidden {
  enum Block { c, f, blocks };
  static constexpr BlockRange from_input{f, 1}, state{c, 1};
  static constexpr int projected = f;
  void forward(const auto&, auto&) const {}
  void backward(const auto&, const auto&, auto&, auto&) const {}
};

struct ProjectedWithHalfway : Projected<1, BlockRange{0, 1}> {
  static constexpr int halfway = c;
  static constexpr BlockRange from_halfway{f, 1};
  void forward_halfway(const auto&, auto&) const {}
  void backward_halfway(const auto&, const auto&, auto&, auto&) const {}
};

struct NoHiddenState {
  enum Block { f, blocks };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{f, 1};
  void forward(const auto&, auto&) const {}
  void backward(const auto&, const auto&, auto&, auto&) const {}
};

struct NoBackward {
  enum Block { h, blocks };
  static constexpr BlockRange from_input{h, 1}, from_hidden{h, 1}, state{h, 1};
  void forward(const auto&, auto&) const {}
};

/// A rule with a vector of its own.
struct Vectors {
  enum Block { f, h, blocks };
  enum Vector { p, vectors };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1};
  void forward(const auto&, auto& now, const auto& own) const { now[h] = own[p] * now[f]; }
  void backward(const auto&, const auto& now, auto& d_now, auto&, const auto& own, auto& d_own) const {
    d_now[f] = own[p] * d_now[h];
    d_own[p] += now[f] * d_now[h];
  }
};

struct VectorsInBackwardOnly : Vectors {
  void forward(const auto&, auto&) const {}
};

struct VectorsWithoutGradient : Vectors {
  void backward(const auto&, const auto&, auto&, auto&, const auto&) const {}
};

struct WritesVectors : Vectors {
  void forward(const auto&, auto&, auto& own) const
    requires(!std::is_const_v<std::remove_reference_t<decltype(own)>>);
};

/// A rule with a second product, from the block From to the blocks To.
template <int From, BlockRange To>
struct Halfway {
  enum Block { f, g, q, h, blocks };
  static constexpr BlockRange from_input{f, 1}, from_hidden{f, 1}, state{h, 1}, from_halfway = To;
  static constexpr int halfway = From;
  void forward_halfway(const auto&, auto& now) const { now[q] = now[f]; }
  void forward(const auto&, auto& now) const { now[h] = now[g]; }
  void backward(const auto&, const auto&, auto& d_now, auto&) const { d_now[g] = d_now[h]; }
  void backward_halfway(const auto&, const auto&, auto& d_now, auto&) const { d_now[f] = d_now[q]; }
};

struct HalfwayFromNowhere : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  static constexpr BlockRange from_halfway{g, 1};
  void forward_halfway(const auto&, auto&) const {}
  void backward_halfway(const auto&, const auto&, auto&, auto&) const {}
};

struct HalfwayToNowhere : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  static constexpr int halfway = g;
  void forward_halfway(const auto&, auto&) const {}
  void backward_halfway(const auto&, const auto&, auto&, auto&) const {}
};

struct NoForwardHalfway : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  static constexpr int halfway = g;
  static constexpr BlockRange from_halfway{g, 1};
  void backward_halfway(const auto&, const auto&, auto&, auto&) const {}
};

struct NoBackwardHalfway : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  static constexpr int halfway = g;
  static constexpr BlockRange from_halfway{g, 1};
  void forward_halfway(const auto&, auto&) const {}
};

/// A hidden state of the blocks 1 and 2.
template <BlockRange Carried>
struct SeveralHidden {
  enum Block { f, g, q, blocks };
  static constexpr BlockRange from_input{f, 1}, state = Carried, h{g, 2};
  void forward(const auto&, auto&) const {}
  void backward(const auto&, const auto&, auto&, auto&) const {}
};

/// A second product from block 2, and a norm of one block, random bits in another.
template <int Normed, int Random>
struct Stages : Halfway<2, BlockRange{1, 1}> {
  static constexpr int blocks = 5;
  static constexpr std::array norms{BlockRange{Normed, 1}};
  double epsilon = 1e-5;
  static constexpr BlockRange random{Random, 1};
  double probability(int) const { return 0.5; }
};

struct WritesBefore : Ranges<BlockRange{0, 1}, BlockRange{0, 1}> {
  void forward(auto& before, auto& now) const
    requires(!std::is_const_v<std::remove_reference_t<decltype(before)>>);
};

}  // namespace rules_to_judge

using namespace rules_to_judge;
using recur::detail::PointwiseArray, recur::detail::PointwiseBlocks;

namespace {

using Numbers = Eigen::ArrayXd;

/// Of all that Eigen computes number by number with arrays, each once, with numbers between 0 and 1.
template <class Array>
std::vector<typename Array::PlainObject> everything(const Array& a, const Array& b) {
  using Plain = typename Array::PlainObject;
  using Scalar = typename Array::Scalar;
  const auto number = [](const auto& mask) { return mask.template cast<Scalar>(); };
  const auto f = [](Scalar x, Scalar y) { return x * y + 1; };
  Plain c = a, d = a, e = a, zero = a, one = a, half = a, filled = a;
  c += b;
  c -= 2 * a;
  c *= b;
  c /= a;
  d += 1;
  d -= 0.5;
  d *= 3;
  d /= 2;
  e = d = c;
  zero.setZero();
  one.setOnes();
  half.setConstant(0.5);
  filled.fill(0.25);
  return {
      // operators
      a + b, a + 1, 1 + a, a - b, a - 1, 1 - a, a * b, a * 2, 2.0f * a, a / b, a / 2, 2 / a, -a, c, d, e,
      // masks
      number(a < b), number(a <= b), number(a > b), number(a >= b), number(a == b), number(a != b), number(a < 0.5),
      number(a <= 0.5), number(0.5 > a), number(0.5 >= a), number(a == 0.5), number(a != 0.5),
      number(a < 0.5 && b < 0.5), number(a < 0.5 || b < 0.5), number(!(a < 0.5)), (a < b).select(a, b),
      (a < b).select(a, 0), (a < b).select(0.5, b), number(a.isNaN()), number(a.isInf()), number(a.isFinite()),
      number(isnan(a)), number(isinf(a)), number(isfinite(a)), number(a.cwiseEqual(b)), number(a.cwiseNotEqual(b)),
      // members
      a.abs(), a.abs2(), a.sign(), a.inverse(), a.square(), a.cube(), a.sqrt(), a.rsqrt(), a.exp(), a.expm1(), a.log(),
      a.log1p(), a.log2(), a.log10(), a.sin(), a.cos(), a.tan(), a.asin(), a.acos(), a.atan(), a.sinh(), a.cosh(),
      a.tanh(), a.asinh(), (1 + a).acosh(), a.atanh(), a.logistic(), a.floor(), a.ceil(), a.round(), a.rint(), a.min(b),
      a.max(b), a.min(0.5), a.max(0.5), a.pow(b), a.pow(2), a.absolute_difference(b), a.cwiseAbs(), a.cwiseAbs2(),
      a.cwiseSqrt(), a.cwiseSign(), a.cwiseInverse(), a.cwiseProduct(b), a.cwiseQuotient(b), a.cwiseMin(b),
      a.cwiseMax(b), a.cwiseMin(0.5), a.cwiseMax(0.5),
      // functions
      abs(a), abs2(a), sign(a), inverse(a), square(a), cube(a), sqrt(a), rsqrt(a), exp(a), expm1(a), log(a), log1p(a),
      log2(a), log10(a), sin(a), cos(a), tan(a), asin(a), acos(a), atan(a), sinh(a), cosh(a), tanh(a), asinh(a),
      acosh(1 + a), atanh(a), logistic(a), floor(a), ceil(a), round(a), rint(a), pow(a, b), pow(a, 2), pow(2.0, a),
      // the user's own
      a.unaryExpr([](Scalar x) { return std::sin(x); }), a.unaryExpr([](Scalar x) { return x < 0.5; }).select(a, b),
      a.binaryExpr(b, f), a.template cast<float>().template cast<Scalar>(), number((a + 1).template cast<int>() == 1),
      // constants
      Plain::Zero(a.rows(), a.cols()), Plain::Ones(a.size()), Plain::Constant(a.rows(), a.cols(), 2),
      Plain::Constant(a.size(), 2), zero, one, half, filled, (a + b).eval(), a.array()};
}

/// How many there are of what is not computed number by number.
template <class A>
constexpr int beyond_pointwise =
    requires(A a) { a.sum(); } + requires(A a) { a.prod(); } + requires(A a) { a.mean(); } +
    requires(A a) { a.minCoeff(); } + requires(A a) { a.maxCoeff(); } + requires(A a) { a.all(); } +
    requires(A a) { a.any(); } + requires(A a) { a.count(); } + requires(A a) { a.hasNaN(); } +
    requires(A a) { a.allFinite(); } + requires(A a) { a.redux(std::plus<>()); } + requires(A a) { a.matrix(); } +
    requires(A a) { a.isApprox(a); } + requires(A a) { a(0); } + requires(A a) { a[0]; } +
    requires(A a) { a.coeff(0); } + requires(A a) { a.data(); } + requires(A a) { a.begin(); } +
    requires(A a) { a.head(1); } + requires(A a) { a.tail(1); } + requires(A a) { a.segment(0, 1); } +
    requires(A a) { a.block(0, 0, 1, 1); } + requires(A a) { a.row(0); } + requires(A a) { a.col(0); } +
    requires(A a) { a.reverse(); } + requires(A a) { a.colwise(); } + requires(A a) { a.replicate(1, 1); } +
    requires(A a) { a.transpose(); } + requires(A a) { a << 1; };

template <class A>
constexpr int can_be_written =
    requires(A a) { a[0] = a[1]; } + requires(A a) { a[0] += 1; } + requires(A a) { a[0].setZero(); };

}  // namespace

TEST_CASE("The Rule concept accepts rules", "[rule]") {
  STATIC_REQUIRE(Rule<ElmanRule<>>);
  STATIC_REQUIRE(Rule<ElmanRule<Relu>>);
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 2}, BlockRange{1, 2}>>);  // that overlap
  STATIC_REQUIRE(Rule<Ranges<BlockRange{1, 1}, BlockRange{0, 1}>>);  // that are neighbours
  STATIC_REQUIRE(Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{1, 2}>>);
  STATIC_REQUIRE(Rule<Vectors>);
  STATIC_REQUIRE(Rule<NoProduct<BlockRange{1, 1}>>);
  STATIC_REQUIRE(Rule<NoProduct<BlockRange{1, 2}>>);
  STATIC_REQUIRE(Rule<NoProduct<BlockRange{1, 0}>>);  // nothing is carried
  STATIC_REQUIRE(Rule<PeepholeLstmRule<>>);
  STATIC_REQUIRE(Rule<Halfway<2, BlockRange{1, 1}>>);
  STATIC_REQUIRE(Rule<Halfway<2, BlockRange{0, 2}>>);
  STATIC_REQUIRE(Rule<GruResetBeforeRule<>>);
  STATIC_REQUIRE(Rule<Projected<1, BlockRange{0, 1}>>);
  STATIC_REQUIRE(Rule<Projected<0, BlockRange{0, 2}>>);
  STATIC_REQUIRE(Rule<Projected<1, BlockRange{0, 0}>>);  // h alone is carried
}

TEST_CASE("The Rule concept asks for norms and random bits in blocks that nothing else fills or reads", "[rule]") {
  STATIC_REQUIRE(Rule<Stages<1, 4>>);
  STATIC_REQUIRE(!Rule<Stages<2, 4>>);  // the second product's gradient reads block 2 as it was
  STATIC_REQUIRE(!Rule<Stages<1, 1>>);  // that products fill
  STATIC_REQUIRE(!Rule<Stages<4, 4>>);  // a probability is not to be normalised
  STATIC_REQUIRE(!Rule<Stages<1, 3>>);  // h
  STATIC_REQUIRE(!Rule<Stages<1, 5>>);  // past the end
}

TEST_CASE("The Rule concept asks for a hidden state that is carried as a whole, or not at all", "[rule]") {
  STATIC_REQUIRE(Rule<SeveralHidden<BlockRange{1, 2}>>);
  STATIC_REQUIRE(Rule<SeveralHidden<BlockRange{0, 3}>>);
  STATIC_REQUIRE(Rule<SeveralHidden<BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<SeveralHidden<BlockRange{1, 1}>>);
  STATIC_REQUIRE(!Rule<SeveralHidden<BlockRange{0, 2}>>);
}

TEST_CASE("The Rule concept asks a projected rule for a product with h alone, and states from the first block on",
          "[rule]") {
  STATIC_REQUIRE(!Rule<Projected<2, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Projected<-1, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Projected<1, BlockRange{1, 1}>>);
  STATIC_REQUIRE(!Rule<Projected<1, BlockRange{0, 3}>>);
  STATIC_REQUIRE(!Rule<Projected<1, BlockRange{0, -1}>>);
  STATIC_REQUIRE(!Rule<ProjectedWithoutHidden>);
  STATIC_REQUIRE(!Rule<ProjectedWithHalfway>);
}

TEST_CASE("The Rule concept rejects gaps, ranges outside the record, and what is missing", "[rule]") {
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{2, 1}>>);  // a gap
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{2, 1}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{1, 3}, BlockRange{1, 1}>>);  // past the end
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 4}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{-1, 2}, BlockRange{0, 1}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 0}, BlockRange{0, 1}>>);                    // empty
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{0, 2}>>);  // h is not carried
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 1}, BlockRange{2, 2}>>);
  STATIC_REQUIRE(!Rule<Ranges<BlockRange{0, 1}, BlockRange{0, 0}>>);
  STATIC_REQUIRE(!Rule<NoProduct<BlockRange{2, 2}>>);
  STATIC_REQUIRE(!Rule<NoHiddenState>);
  STATIC_REQUIRE(!Rule<NoBackward>);
  STATIC_REQUIRE(!Rule<WritesBefore>);
  STATIC_REQUIRE(!Rule<int>);
}

TEST_CASE("The Rule concept asks rules with vectors for functions that take them", "[rule]") {
  STATIC_REQUIRE(!Rule<VectorsInBackwardOnly>);
  STATIC_REQUIRE(!Rule<VectorsWithoutGradient>);
  STATIC_REQUIRE(!Rule<WritesVectors>);
}

TEST_CASE("The Rule concept asks a second product for both its functions, and for blocks within the record", "[rule]") {
  STATIC_REQUIRE(!Rule<NoForwardHalfway>);
  STATIC_REQUIRE(!Rule<NoBackwardHalfway>);
  STATIC_REQUIRE(!Rule<HalfwayFromNowhere>);
  STATIC_REQUIRE(!Rule<HalfwayToNowhere>);
  STATIC_REQUIRE(!Rule<Halfway<4, BlockRange{1, 1}>>);
  STATIC_REQUIRE(!Rule<Halfway<-1, BlockRange{1, 1}>>);
  STATIC_REQUIRE(!Rule<Halfway<2, BlockRange{1, 4}>>);
  STATIC_REQUIRE(!Rule<Halfway<2, BlockRange{1, 0}>>);
  STATIC_REQUIRE(!Rule<Halfway<2, BlockRange{2, 1}>>);  // a gap
}

TEST_CASE("What rules are checked with has what Eigen computes number by number", "[rule]") {
  const Numbers a = Numbers::LinSpaced(9, 0.1, 0.9), b = a.reverse().sqrt();
  const auto whole = everything(a, b);
  for (Index i = 0; i < a.size(); ++i) {  // which it does: each number alone is what it is among the others
    const auto alone = everything(Numbers(a.segment(i, 1)), Numbers(b.segment(i, 1)));
    REQUIRE(alone.size() == whole.size());
    for (std::size_t k = 0; k < whole.size(); ++k) {
      INFO("entry " << k << " of number " << i);
      CHECK(std::abs(alone[k](0) - whole[k](i)) <= 1e-14 * std::abs(whole[k](i)));
    }
  }
  CHECK(everything(PointwiseArray<double>(), PointwiseArray<double>()).size() == whole.size());
  CHECK(everything(PointwiseArray<float>(), PointwiseArray<float>()).size() == whole.size());
}

TEST_CASE("What rules are checked with has nothing else, and cannot be written where it is read", "[rule]") {
  STATIC_REQUIRE(beyond_pointwise<Numbers> == 29);
  STATIC_REQUIRE(beyond_pointwise<PointwiseArray<double>> == 0);
  STATIC_REQUIRE(beyond_pointwise<PointwiseArray<bool>> == 0);
  STATIC_REQUIRE(can_be_written<PointwiseBlocks<PointwiseArray<double>>> == 3);
  STATIC_REQUIRE(can_be_written<PointwiseBlocks<const PointwiseArray<double>>> == 0);
}

TEST_CASE("A rule without constants takes no room", "[rule]") {
  STATIC_REQUIRE(std::is_empty_v<ElmanRule<Tanh>>);
  STATIC_REQUIRE(sizeof(ElmanRule<LeakyRelu>) == sizeof(double));
}
