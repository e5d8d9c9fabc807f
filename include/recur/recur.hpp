#pragma once
/// \file
/// recur: recurrent neural networks inside your own program. The whole library, in reading order.

#include "matrix.hpp"            // Matrix, Vector, Index; require(), the check that is always on
#include "random.hpp"            // random numbers that are the same everywhere
#include "lengths.hpp"           // ... for sequences that end early
#include "series_view.hpp"       // series that somebody else owns
#include "series_text.hpp"       // ... as text, for people
#include "series.hpp"            // Series: T steps of F features for N sequences
#include "describe.hpp"          // networks in words
#include "activation.hpp"        // Tanh, Relu, Logistic ...: value and slope
#include "more_activations.hpp"  // HardSigmoid, Elu, Softplus ...
#include "parameters.hpp"        // visit(): walking over the parameters of models
#include "tokens.hpp"            // Tokens: inputs that are kinds of things
#include "team.hpp"              // threads
#include "kernel.hpp"            // the kernels under all products
#include "packed.hpp"            // the products
#include "record.hpp"            // what one step keeps, as rules and cells see it
#include "rule.hpp"              // the manual for writing a cell

#include "steps.hpp"                 // where the steps of a batch lie
#include "unroll.hpp"                // how layers go through a series: the manual for writing a layer
#include "layer.hpp"                 // what all layers have: forward, trace, final states
#include "weights.hpp"               // what a cell learns, and one step of it
#include "unrolled.hpp"              // ... through a series
#include "cell.hpp"                  // Cell: a_t = b + W h_<t-1> + U x_t, then the rule
#include "rules/elman.hpp"           // Elman: h_t = f(a_t)
#include "rules/gru.hpp"             // Gru, GruResetBefore: gated recurrent units
#include "rules/lstm.hpp"            // Lstm: long short-term memory
#include "rules/peephole_lstm.hpp"   // ... whose gates see the cell state
#include "readout.hpp"               // Readout: y_t = V h_t (+ c)
#include "sequence.hpp"              // Sequence: layers in a row
#include "layers/bidirectional.hpp"  // two layers, of which one reads from the end
#include "layers/dropout.hpp"        // leaving out, in training
#include "layers/stack.hpp"          // any number of like layers
#include "bptt.hpp"                  // bptt(): the gradient
#include "stream.hpp"                // Stream: one step at a time, in real time

#include "loss.hpp"            // squared_error, softmax_cross_entropy
#include "initializer.hpp"     // where parameters start
#include "optimizer.hpp"       // Sgd, RmsProp, Adam, AdamW; clipping
#include "schedule.hpp"        // learning rates
#include "gradient_check.hpp"  // check_gradient(): is the gradient right?
#include "data.hpp"            // what train() learns from
#include "evaluate.hpp"        // evaluate(): the mean loss over data
#include "train_run.hpp"       // what train() is told, what it tells, and where it is
#include "train.hpp"           // train(): epochs, mini-batches, windows, early stopping
