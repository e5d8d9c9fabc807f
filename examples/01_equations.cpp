// The three equations of the Elman network, on the series that PyTorch's documentation of nn.RNN has as its example:
//
//     a_t = b + W h_<t-1> + U x_t,  h_t = tanh(a_t),  y_t = V h_t
//
// 5 steps, a batch of 3, 10 inputs, 20 hidden units; and a check that the gradient of all of it is right.
#include <recur/recur.hpp>

#include <iostream>

int main() {
  std::mt19937 rng(1);
  recur::Series<double> x(10, 3, 5), target(2, 3, 5);  // features, batch, steps
  x.setRandom(rng);
  target.setRandom(rng);

  recur::Sequence net(recur::Elman<double>(10, 20), recur::Readout<double>(20, 2));
  recur::initialize(net, rng);
  const auto& cell = net.layer<0>();
  const auto& readout = net.layer<1>();
  std::cout << "U " << cell.U.rows() << "x" << cell.U.cols() << ", W " << cell.W.rows() << "x" << cell.W.cols()
            << ", b " << cell.b.size() << ", V " << readout.V.rows() << "x" << readout.V.cols() << ": "
            << recur::parameter_count(net) << " parameters\n\n";

  // All steps at once ...
  auto trace = net.trace();
  const auto y = net.forward(x, trace);
  const auto h = net.output_of<0>(trace);
  std::cout << "y: " << y.steps() << " steps of " << y.features() << "x" << y.batch() << "\n"
            << "h: " << h.steps() << " steps of " << h.features() << "x" << h.batch()
            << "; the first three units of the first sequence:\n";
  const Eigen::IOFormat row(4, 0, "  ", "\n", "  ");
  for (int t = 0; t < 3; ++t) std::cout << "  h_" << t + 1 << h[t].col(0).head<3>().transpose().format(row) << "\n";

  // ... and as the equations say it, one step after the other.
  recur::MatrixOf<double> h_t = recur::MatrixOf<double>::Zero(20, 3), a_t;
  double difference = 0;
  for (int t = 0; t < x.steps(); ++t) {
    a_t = (cell.W * h_t + cell.U * x[t]).colwise() + cell.b;
    h_t = a_t.array().tanh();
    difference = std::max(difference, (readout.V * h_t - y[t]).cwiseAbs().maxCoeff());
  }
  std::cout << "\nlargest difference from the equations, written out in Eigen: " << difference << "\n";

  // dL/d(every parameter, input and initial state), against central differences.
  const auto check = recur::check_gradient(net, recur::squared_error, x, target);
  std::cout << "gradient check: " << check << "\n";
  return difference < 1e-12 && check.relative_error < 1e-7 ? 0 : 1;
}
