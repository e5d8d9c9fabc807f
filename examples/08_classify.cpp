// Which figure was drawn? Movements of a pen, in sequences of 15 to 60 steps, go through an LSTM in both directions of
// time; the mean of what it makes of all of them says which of six figures it was:
//
//     y_n = V mean_t(h_nt, h'_nt) + c,  P(figure k | movements of sequence n) = softmax(y_n)_k
//
// Beside it, the same without a memory: a layer that sees one movement at a time, and the mean of that.
#include <recur/recur.hpp>

#include "bar.hpp"

#include <array>
#include <cstring>
#include <numbers>

using Eigen::Array2d, recur::Index;
constexpr std::array figures{"circle", "square", "triangle", "eight", "spiral", "waves"};
constexpr auto kinds = std::ssize(figures);
constexpr double turn = 2 * std::numbers::pi;
const recur::ManyToOne accuracy(recur::accuracy);

Array2d on_circle(double u) { return {std::cos(turn * u), std::sin(turn * u)}; }
/// Where the pen is when the share u of a figure is drawn.
Array2d point(Index figure, double u) {
  const auto polygon = [&](int corners) {
    const double edge = std::floor(u * corners), along = u * corners - edge;
    return Array2d((1 - along) * on_circle(edge / corners) + along * on_circle((edge + 1) / corners));
  };
  switch (figure) {
    case 0: return on_circle(u);
    case 1: return polygon(4);
    case 2: return polygon(3);
    case 3: return {std::sin(turn * u), std::sin(2 * turn * u) / 2};
    case 4: return (0.3 + 0.7 * u) * on_circle(2 * u);
    default: return {2 * u, std::sin(3 * turn * u) / 3};
  }
}

/// Figures of any size, turned a little, begun anywhere, drawn in either sense, at any pace, by an unsteady hand.
struct Drawings {
  recur::Series<float> movements;  // 2 features: to the right, and upwards
  recur::Classes figure;           // one for each sequence

  Drawings(Index count, std::mt19937& rng) : figure(count, 1) {
    std::vector<Eigen::MatrixXf> drawings;
    for (Index n = 0; n < count; ++n) {
      figure(n, 0) = static_cast<int>(n % kinds);
      const Index steps = 15 + static_cast<Index>(recur::uniform(rng, 0, 46));
      const double size = recur::uniform(rng, 0.7, 1.3), angle = recur::uniform(rng, -0.5, 0.5),
                   begin = figure(n, 0) < 4 ? recur::uniform(rng, 0, 1) : 0,
                   sense = recur::uniform(rng, 0, 1) < 0.5 ? -1 : 1, hurry = recur::uniform(rng, 0.6, 1.6);
      const Eigen::Matrix2d rotation{{std::cos(angle), -std::sin(angle)}, {std::sin(angle), std::cos(angle)}};
      const auto at = [&](Index t) {
        double u = begin + sense * std::pow(double(t) / double(steps), hurry);
        u = figure(n, 0) < 4 ? u - std::floor(u) : std::abs(u);
        return Array2d(size * (rotation * point(figure(n, 0), u).matrix()).array());
      };
      Eigen::MatrixXf& drawing = drawings.emplace_back(steps, 2);
      for (Index t = 0; t < steps; ++t) {
        const Array2d shake(recur::normal(rng), recur::normal(rng));
        drawing.row(t) = (10 * (at(t + 1) - at(t)) + 0.5 * shake).matrix().cast<float>();
      }
    }
    movements = recur::Series<float>::from_sequences(drawings);
  }
  recur::ClassData<float> data() const { return {movements, figure}; }
};

/// Trains a network, shows its accuracy after each epoch, and returns that on fresh drawings.
double learn(auto& net, Index epochs, const Drawings& known, const Drawings& held_out, const Drawings& fresh) {
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  recur::AdamW adam(net);
  const recur::ManyToOne loss(recur::softmax_cross_entropy);
  recur::TrainOptions options{.epochs = epochs, .clip_norm = 1, .best_by = 0};  // as held_out says: accuracy
  const Index steps = epochs * ((known.figure.size() + options.batch - 1) / options.batch);
  options.schedule = [=](Index step) { return recur::cosine(step, steps, 1e-2); };
  options.on_progress = [&, bar = Bar()](const recur::Progress& now) mutable {
    if (!now.epoch_end) return;
    const int percent = static_cast<int>(std::lround(100 * now.metrics[0]));
    bar.show(double(now.epoch + 1) / double(epochs), std::to_string(percent) + " % right");
  };
  recur::train(net, adam, loss, known.data(), recur::Validation(held_out.data(), accuracy), rng, options);
  return recur::evaluate(net, fresh.data(), loss, accuracy)[1];
}

int main(int argc, char** argv) try {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  std::mt19937 rng(42);
  const Drawings known(brief ? 300 : 3000, rng), held_out(300, rng), fresh(600, rng);

  const auto layer = [] { return recur::Bidirectional(recur::Lstm<float>(2, 24), recur::Lstm<float>(2, 24)); };
  recur::Sequence net(layer(), recur::Dropout<float>(48, 0.2), recur::Pool<float>(48, recur::Pooling::mean),
                      recur::Readout<float>(48, kinds, {.bias = true}));
  recur::Sequence without(recur::Dense<float>(2, 256), recur::Pool<float>(256, recur::Pooling::mean),
                          recur::Readout<float>(256, kinds, {.bias = true}));
  const double memoryless = learn(without, brief ? 3 : 30, known, held_out, fresh);
  const double right = learn(net, brief ? 6 : 30, known, held_out, fresh);

  std::printf("\n%-9s taken for:", "");
  for (const char* figure : figures) std::printf(" %9s", figure);
  const auto y = net.forward(fresh.movements);
  const recur::SeriesView view(y);
  Eigen::MatrixXi taken = Eigen::MatrixXi::Zero(kinds, kinds);
  for (Index n = 0; n < view.batch(); ++n) {
    Index found = 0;
    view[view.length(n) - 1].col(n).maxCoeff(&found);
    ++taken(fresh.figure(n, 0), found);
  }
  for (Index k = 0; k < kinds; ++k) {
    std::printf("\n%-20s", figures[static_cast<std::size_t>(k)]);
    for (Index l = 0; l < kinds; ++l) std::printf(" %9d", taken(k, l));
  }
  std::printf("\n\nof 600 fresh drawings, %.1f %% are recognised; without a memory %.1f %%, by chance %.1f %%\n",
              100 * right, 100 * memoryless, 100.0 / kinds);
  recur::require(right > (brief ? 0.3 : 0.9) && right > memoryless, "the network must have learnt");
} catch (const std::exception& error) {
  std::fprintf(stderr, "08_classify: %s\n", error.what());
  return 1;
}
