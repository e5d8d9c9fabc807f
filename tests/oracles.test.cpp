// The numbers of PyTorch, from files: every *.safetensors in the folder that the environment variable RECUR_ORACLES
// names, or of those kept with the tests.
#include "catch.hpp"

#include <recur/io/safetensors.hpp>
#include <recur/recur.hpp>

#include <cstdlib>
#include <filesystem>

using namespace recur;

namespace {

/// A tensor whose last dimension is features, as a matrix of one column for each of the others: [T, N, F] is F x (N T).
template <class Scalar>
Matrix<Scalar> columns(const Safetensors& file, const std::string& name) {
  const auto values = file.values<Scalar>(name);
  const Index features = file.shape(name).back();
  return Eigen::Map<const Matrix<Scalar>>(values.data(), features, static_cast<Index>(values.size()) / features);
}
/// A weight, G H x I, row-major in the file.
template <class Scalar>
Matrix<Scalar> weights(const Safetensors& file, const std::string& name) {
  return columns<Scalar>(file, name).transpose();
}

template <class Scalar>
Series<Scalar> series(const Safetensors& file, const std::string& name) {
  return Series<Scalar>(view_columns(columns<Scalar>(file, name).eval(), file.shape(name).at(1)));
}
/// [layers, N, H]: layer l.
template <class Scalar>
Matrix<Scalar> state(const Safetensors& file, const std::string& name, std::size_t layer) {
  const Index batch = file.shape(name).at(1);
  return columns<Scalar>(file, name).middleCols(static_cast<Index>(layer) * batch, batch);
}

/// max|ours - theirs| <= tolerance * max(1, max|theirs|)
template <class Scalar>
void agree(const std::string& what, const auto& ours, const auto& theirs) {
  const double tolerance = std::is_same_v<Scalar, double> ? 1e-11 : 5e-5;
  REQUIRE(ours.rows() == theirs.rows());
  REQUIRE(ours.cols() == theirs.cols());
  const double size = std::max(1.0, static_cast<double>(theirs.cwiseAbs().maxCoeff()));
  const double difference = static_cast<double>((ours - theirs).cwiseAbs().maxCoeff()) / size;
  INFO(what << " differs by " << difference);
  CHECK(difference <= tolerance);  // false for NaN too
}

template <class Scalar, class F>
void run(const Safetensors& file) {
  using Layer = Elman<Scalar, F>;
  const auto layers = static_cast<std::size_t>(std::stoi(file.metadata("layers")));
  const auto name = [](const char* kind, std::size_t layer) {
    return kind + std::string("_l") + std::to_string(layer);
  };

  std::vector<Layer> cells;
  std::vector<typename Layer::Trace> traces(layers);
  std::vector<Series<Scalar>> inputs{series<Scalar>(file, "x")};
  for (std::size_t l = 0; l < layers; ++l) {
    const auto U = weights<Scalar>(file, name("weight_ih", l));
    Layer cell(U.cols(), U.rows());
    cell.U = U;
    cell.W = weights<Scalar>(file, name("weight_hh", l));
    cell.b = columns<Scalar>(file, name("bias_ih", l)) + columns<Scalar>(file, name("bias_hh", l));
    inputs.emplace_back(cell.forward(inputs[l], traces[l], state<Scalar>(file, "h0", l)));
    agree<Scalar>("hn", cell.final_state(traces[l]), state<Scalar>(file, "hn", l));
    cells.push_back(std::move(cell));
  }
  agree<Scalar>("y", inputs[layers].matrix(), columns<Scalar>(file, "y"));

  Series<Scalar> dy = series<Scalar>(file, "dy");
  for (std::size_t l = layers; l-- > 0;) {
    const auto d_final = state<Scalar>(file, "dhn", l);
    auto gradient = zeros_like(cells[l]);
    Series<Scalar> dx;
    Matrix<Scalar> d_initial;
    bptt(cells[l], inputs[l], traces[l], dy, gradient, {.d_final = &d_final, .dx = &dx, .d_initial = &d_initial});
    agree<Scalar>(name("grad.weight_ih", l), gradient.U, weights<Scalar>(file, name("grad.weight_ih", l)));
    agree<Scalar>(name("grad.weight_hh", l), gradient.W, weights<Scalar>(file, name("grad.weight_hh", l)));
    agree<Scalar>(name("grad.bias_ih", l), gradient.b, columns<Scalar>(file, name("grad.bias_ih", l)));
    agree<Scalar>(name("grad.bias_hh", l), gradient.b, columns<Scalar>(file, name("grad.bias_hh", l)));
    agree<Scalar>("grad.h0", d_initial, state<Scalar>(file, "grad.h0", l));
    dy = dx;
  }
  agree<Scalar>("grad.x", dy.matrix(), columns<Scalar>(file, "grad.x"));
}

template <class Scalar>
void run(const Safetensors& file) {
  const std::string cell = file.metadata("cell");
  if (cell == "rnn_tanh") return run<Scalar, Tanh>(file);
  if (cell == "rnn_relu") return run<Scalar, Relu>(file);
  FAIL("cell '" << cell << "' is not one of rnn_tanh, rnn_relu");
}

}  // namespace

TEST_CASE("PyTorch's numbers, forward and backward", "[oracles]") {
  const char* const given = std::getenv("RECUR_ORACLES");
  const std::filesystem::path folder = given ? given : RECUR_TEST_ORACLES;
  INFO("the folder " << folder);
  REQUIRE(std::filesystem::is_directory(folder));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE_FALSE(files.empty());
  for (const auto& path : files) {
    INFO(path.string());
    const auto file = Safetensors::read(path);
    if (file.metadata("bidirectional") != "false")
      FAIL_CHECK("two directions are not implemented");
    else if (file.tensor("x").dtype == "F64")
      run<double>(file);
    else
      run<float>(file);
  }
}
