// Who writes `using namespace Eigen` beside `using namespace recur` can use the names of both.
#include "catch.hpp"

#include <Eigen/Dense>

#include <recur/recur.hpp>

namespace both {
using namespace Eigen;
using namespace recur;
}  // namespace both

// An error here is a name that is of two things.
using both::Activation;
using both::Adam;
using both::AdamOptions;
using both::AdamW;
using both::AdamWOptions;
using both::AffineFunction;
using both::alignment;
using both::BatchLayout;
using both::Bidirectional;
using both::BlockRange;
using both::Blocks;
using both::bptt;
using both::BpttOptions;
using both::Cell;
using both::check_gradient;
using both::ClassData;
using both::Classes;
using both::clip_norm;
using both::clip_value;
using both::Clipped;
using both::constant;
using both::constant_rate;
using both::ConstMatrixView;
using both::cosine;
using both::DataSource;
using both::describe;
using both::Dropout;
using both::Dynamic;
using both::Elman;
using both::ElmanRule;
using both::Elu;
using both::evaluate;
using both::forget_bias;
using both::global_norm;
using both::glorot_normal;
using both::glorot_uniform;
using both::GradientCheck;
using both::GradientCheckOptions;
using both::Gru;
using both::GruResetBefore;
using both::GruResetBeforeRule;
using both::GruRule;
using both::HardSigmoid;
using both::HardTanh;
using both::Identity;
using both::identity;
using both::Index;
using both::initialize;
using both::last_step;
using both::LayerOf;
using both::LeakyRelu;
using both::Logistic;
using both::Loss;
using both::LossValue;
using both::Lstm;
using both::LstmRule;
using both::Mask;
using both::MatrixOf;
using both::MatrixView;
using both::Name;
using both::normal;
using both::NoState;
using both::orthogonal;
using both::parameter_count;
using both::Parameterized;
using both::PeepholeLstm;
using both::PeepholeLstmRule;
using both::Progress;
using both::ProgressCallback;
using both::Readout;
using both::ReadoutOptions;
using both::Relu;
using both::require;
using both::require_equal;
using both::require_same_shapes;
using both::require_same_steps;
using both::RmsProp;
using both::RmsPropOptions;
using both::Rule;
using both::ScaledTanh;
using both::Sequence;
using both::Series;
using both::SeriesData;
using both::SeriesView;
using both::set_parameters;
using both::set_zero;
using both::Sgd;
using both::SgdOptions;
using both::Shape;
using both::shape;
using both::shuffle;
using both::softmax_cross_entropy;
using both::SoftmaxCrossEntropy;
using both::Softplus;
using both::Softsign;
using both::span;
using both::squared_error;
using both::SquaredError;
using both::Stack;
using both::StackOptions;
using both::step_decay;
using both::Stream;
using both::Tanh;
using both::ThresholdedRelu;
using both::times;
using both::Token;
using both::TokenData;
using both::Tokens;
using both::TokensView;
using both::Trace;
using both::train;
using both::TrainOptions;
using both::TrainResult;
using both::TrainState;
using both::uniform;
using both::uniform_below;
using both::uniform_within;
using both::VectorOf;
using both::view_columns;
using both::view_rows;
using both::visit;
using both::visit_state;
using both::warm_up;
using both::zero;
using both::zeros_like;

TEST_CASE("One name is of one thing, also where all of Eigen's and recur's are used", "[names]") {
  STATIC_REQUIRE(both::Dynamic == Eigen::Dynamic);
  STATIC_REQUIRE(std::is_same_v<both::Index, Eigen::Index>);
  STATIC_REQUIRE(std::is_same_v<both::Matrix<float, 2, 3>, Eigen::Matrix<float, 2, 3>>);
  const both::MatrixXf matrix = both::MatrixXf::Ones(2, 3);
  CHECK(both::view_columns(matrix).steps() == 3);
}
