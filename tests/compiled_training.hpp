// train() and evaluate() of the small network that most tests train: compiled once, in train.test.cpp, and shared by
// the tests that include this. A loss of a test's own is an AnyLoss.
#pragma once

#include "training.hpp"

#include <functional>

namespace recur_test {

using AnyLoss = std::function<LossValue(SeriesView<const double>, const Series<double>&, Series<double>&)>;

}  // namespace recur_test

#ifndef COMPILED_HERE_OR_ELSEWHERE  // train.test.cpp has it empty
#define COMPILED_HERE_OR_ELSEWHERE extern
#endif
#define TRAIN_OF_NET(Optimizer, LossFunction, Data, Validation)                                                  \
  COMPILED_HERE_OR_ELSEWHERE template recur::TrainResult recur::detail::train(                                   \
      recur_test::Net&, recur::Optimizer<recur_test::Net>&, const LossFunction&, const Data&, const Validation*, \
      std::mt19937&, recur::TrainState<recur_test::Net>&, const recur::TrainOptions&)
TRAIN_OF_NET(Adam, recur::SquaredError, recur::SeriesData<double>, recur::SeriesData<double>);
TRAIN_OF_NET(Sgd, recur::SquaredError, recur::SeriesData<double>, recur::SeriesData<double>);
TRAIN_OF_NET(Adam, recur::SquaredError, recur::SeriesData<double>, recur::detail::NoValidation);
TRAIN_OF_NET(Sgd, recur::SquaredError, recur::SeriesData<double>, recur::detail::NoValidation);
TRAIN_OF_NET(Adam, recur_test::AnyLoss, recur::SeriesData<double>, recur::SeriesData<double>);
TRAIN_OF_NET(Sgd, recur_test::AnyLoss, recur::SeriesData<double>, recur::SeriesData<double>);
TRAIN_OF_NET(Adam, recur::SoftmaxCrossEntropy, recur::ClassData<double>, recur::ClassData<double>);
TRAIN_OF_NET(Adam, recur::SquaredError, recur_test::Recorder, recur_test::Recorder);
TRAIN_OF_NET(Adam, recur::SquaredError, recur_test::Recorder, recur::SeriesData<double>);
#undef TRAIN_OF_NET
COMPILED_HERE_OR_ELSEWHERE template recur::TrainResult
    recur::detail::Training<recur_test::Net, recur::Adam<recur_test::Net>>::train(recur::detail::TrainParts);
COMPILED_HERE_OR_ELSEWHERE template recur::TrainResult
    recur::detail::Training<recur_test::Net, recur::Sgd<recur_test::Net>>::train(recur::detail::TrainParts);

COMPILED_HERE_OR_ELSEWHERE template double recur::evaluate(const recur_test::Net&, const recur::SeriesData<double>&,
                                                           recur::EvaluateOptions, const recur::SquaredError&);
COMPILED_HERE_OR_ELSEWHERE template double recur::evaluate(const recur_test::Net&, const recur::SeriesData<double>&,
                                                           recur::EvaluateOptions, const recur_test::AnyLoss&);
COMPILED_HERE_OR_ELSEWHERE template void recur::bptt(const recur_test::Net&, recur::SeriesView<const double>,
                                                     recur_test::Net::Trace&, recur::SeriesView<const double>,
                                                     recur_test::Net&, recur::BpttOptions<recur_test::Net>);
#undef COMPILED_HERE_OR_ELSEWHERE
