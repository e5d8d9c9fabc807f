// Activations give a number the same bits wherever it lies: in arrays of fixed sizes, and at every address.
#include "activations.hpp"
#include "catch.hpp"
#include "numbers.hpp"

#include <string>
#include <utility>

using namespace recur;
using recur_test::identical, recur_test::case_of, recur_test::Values, recur_test::arguments;

namespace {

/// Of a number alone.
template <class F, class Scalar>
Scalar value_of(Scalar a) {
  const Values<Scalar> one = Values<Scalar>::Constant(1, a), value = case_of<F>().f.value(one);
  return value(0);
}
/// The values of the first numbers, in an array of fixed sizes.
template <class F, int Rows, int Cols, class Scalar>
Values<Scalar> values_in_fixed_array(const Values<Scalar>& a) {
  using Fixed = Eigen::Array<Scalar, Rows, Cols>;
  const Fixed fixed = Eigen::Map<const Fixed>(a.data()), value = case_of<F>().f.value(fixed);
  return Eigen::Map<const Values<Scalar>>(value.data(), value.size());
}
/// Whether the first Rows values, in arrays of Rows x 1 and Rows x 3, are what is expected.
template <class F, int Rows, class Scalar>
bool same_in_fixed_arrays(const Values<Scalar>& a, const Values<Scalar>& expected) {
  const Values<Scalar> thrice = a.head(Rows).replicate(3, 1), wanted = expected.head(Rows);
  return identical(values_in_fixed_array<F, Rows, 1>(a), wanted) &&
         identical(values_in_fixed_array<F, Rows, 3>(thrice), Values<Scalar>(wanted.replicate(3, 1)));
}

/// One activation of part of an array, written into part of another.
template <class F, class Scalar>
void set_segment(Values<Scalar>& h, const Values<Scalar>& a, Index offset, Index length) {
  h.segment(offset, length) = case_of<F>().f.value(a.segment(offset, length));
}

}  // namespace

TEMPLATE_TEST_CASE("Tanh, Logistic, Elu and Softplus have the same bits in arrays of fixed sizes", "[activation]",
                   float, double) {
  const auto a = arguments<TestType>(40);
  // Fixed sizes: Eigen computes those in narrower packets.
  const auto check_fixed = [&]<class F, int... Rows>(const F&, std::integer_sequence<int, Rows...>) {
    Values<TestType> h(40);
    for (Index i = 0; i < 40; ++i) h(i) = value_of<F>(a(i));
    const bool same = (same_in_fixed_arrays<F, Rows>(a, h) && ...);
    INFO(describe(F(), ""));
    CHECK(same);
  };
  constexpr std::integer_sequence<int, 4, 8, 16> rows;
  check_fixed(Tanh(), rows);
  check_fixed(Logistic(), rows);
  check_fixed(Elu(), rows);
  check_fixed(Softplus(), rows);
}

TEMPLATE_TEST_CASE("Tanh, Logistic, Elu and Softplus have the same bits at every address", "[activation]", float,
                   double) {
  constexpr Index most = 40, offsets = 17;
  const auto check = [&](const std::string& name, TestType (*value_of_f)(TestType), const auto& set_segment_of_f) {
    const auto a = arguments<TestType>(most + offsets);
    Values<TestType> expected(a.size());
    for (Index i = 0; i < a.size(); ++i) expected(i) = value_of_f(a(i));
    bool same = true;
    for (Index offset = 0; offset < offsets; ++offset) {
      for (Index length = 1; length <= most; ++length) {
        Values<TestType> h = Values<TestType>::Zero(a.size()), wanted = h;
        set_segment_of_f(h, a, offset, length);
        wanted.segment(offset, length) = expected.segment(offset, length);
        same = same && identical(h, wanted);
      }
    }
    INFO(name);
    CHECK(same);
  };
  check(Tanh::name, value_of<Tanh, TestType>, set_segment<Tanh, TestType>);
  check(Logistic::name, value_of<Logistic, TestType>, set_segment<Logistic, TestType>);
  check("elu", value_of<Elu, TestType>, set_segment<Elu, TestType>);
  check(Softplus::name, value_of<Softplus, TestType>, set_segment<Softplus, TestType>);
}
