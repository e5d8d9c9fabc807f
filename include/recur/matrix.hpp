#pragma once
/// \file
/// The words that everything else is written in, and the check that is always on.

#include <Eigen/Core>

#include <concepts>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>

namespace recur {

using Eigen::Index;

/// A size that is known only when the program runs.
inline constexpr int Dynamic = Eigen::Dynamic;

/// A column-major matrix. One of fixed size asks for no alignment beyond its scalar's: objects that hold it can be
/// handed from one translation unit to another that was compiled for another processor. (Those of dynamic size must not
/// be: Eigen allocates them as the processor likes it.)
template <class Scalar, int Rows = Dynamic, int Cols = Dynamic>
using Matrix = Eigen::Matrix<Scalar, Rows, Cols,
                             (Rows == 1 && Cols != 1 ? Eigen::RowMajor : Eigen::ColMajor) |
                                 (Rows == Dynamic || Cols == Dynamic ? Eigen::AutoAlign : Eigen::DontAlign)>;

/// A column vector.
template <class Scalar, int Rows = Dynamic>
using Vector = Matrix<Scalar, Rows, 1>;

/// A window on column-major data that somebody else owns: rows are neighbours, columns `outerStride()` apart.
template <class Scalar>
using MatrixView = Eigen::Map<Matrix<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class Scalar>
using ConstMatrixView = Eigen::Map<const Matrix<Scalar>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// How members of fixed size are aligned: from one cache line on, to cache lines, for a packet that crosses two of them
/// takes twice as long to read. It is the same for every processor.
template <class M>
inline constexpr std::size_t alignment =
    M::SizeAtCompileTime != Dynamic && sizeof(M) >= 64 ? std::size_t(64) : alignof(M);

/// `count` times a size, where the size may be Dynamic.
constexpr int times(int count, int size) { return size == Dynamic ? Dynamic : count * size; }

/// The sizes of a matrix as messages show them: "8x3".
struct Shape {
  Index rows, cols;
};
template <class Derived>
Shape shape(const Eigen::EigenBase<Derived>& matrix) {
  return {matrix.rows(), matrix.cols()};
}

/// One part of a message: put into words only when the message is needed.
class Part {
 public:
  Part(const char* text) : text_(text) {}                                          // NOLINT: all of these convert
  Part(const std::string& text) : text_(text.c_str()) {}                           // NOLINT
  Part(Shape shape) : kind_(Kind::shape), rows_(shape.rows), cols_(shape.cols) {}  // NOLINT
  Part(double number) : kind_(Kind::real), real_(number) {}                        // NOLINT
  template <std::integral Number>
  Part(Number number) : kind_(Kind::whole), rows_(static_cast<Index>(number)) {}  // NOLINT

  friend std::ostream& operator<<(std::ostream& out, const Part& part) {
    switch (part.kind_) {
      case Kind::text: return out << part.text_;
      case Kind::whole: return out << part.rows_;
      case Kind::real: return out << part.real_;
      case Kind::shape: break;
    }
    return out << part.rows_ << 'x' << part.cols_;
  }

 private:
  enum class Kind { text, whole, real, shape };
  Kind kind_ = Kind::text;
  const char* text_ = "";
  Index rows_ = 0, cols_ = 0;
  double real_ = 0;
};

/// Throws std::invalid_argument with the given parts as its message unless `holds`. On in every build; called a few times
/// for each call of the library, never for each number.
inline void require(bool holds, std::initializer_list<Part> message) {
  if (holds) return;
  std::ostringstream text;
  for (const Part& part : message) text << part;
  throw std::invalid_argument(text.str());
}
template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) require(holds, {Part(parts)...});
}

/// require() for the commonest case: "forward: x.features() must be 3 (inputs()), got 5".
inline void require_equal(const char* where, const char* what, Index got, const char* expected_what, Index expected) {
  require(got == expected, where, ": ", what, " must be ", expected, " (", expected_what, "), got ", got);
}

/// require() for things that go side by side, step for step: "bptt: dy must have batch 3 and steps 5 (as x), got batch
/// 2 and steps 5".
template <class Got, class Expected>
void require_same_steps(const char* where, const char* what, const Got& got, const char* expected_what,
                        const Expected& expected) {
  require(got.batch() == expected.batch() && got.steps() == expected.steps(), where, ": ", what, " must have batch ",
          expected.batch(), " and steps ", expected.steps(), " (as ", expected_what, "), got batch ", got.batch(),
          " and steps ", got.steps());
}

namespace detail {

/// Memory that grows and never shrinks, to be used again and again for matrices of different sizes.
template <class Scalar>
class Buffer {
 public:
  MatrixView<Scalar> resize(Index rows, Index cols) {
    if (rows * cols > storage_.size()) storage_.resize(rows * cols);
    rows_ = rows;
    cols_ = cols;
    return view();
  }
  MatrixView<Scalar> view() { return {storage_.data(), rows_, cols_, Eigen::OuterStride<>(rows_)}; }
  ConstMatrixView<Scalar> view() const { return {storage_.data(), rows_, cols_, Eigen::OuterStride<>(rows_)}; }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  /// What is held, of which rows() * cols() numbers are in use.
  Index bytes() const { return storage_.size() * static_cast<Index>(sizeof(Scalar)); }

 private:
  Vector<Scalar> storage_;
  Index rows_ = 0, cols_ = 0;
};

}  // namespace detail
}  // namespace recur
