#pragma once
/// \file
/// recur: recurrent neural networks inside your own program. The whole library, in reading order.

#include "base/version.hpp"     // RECUR_VERSION_MAJOR and its like
#include "base/matrix.hpp"      // matrices, views of them, sizes
#include "base/require.hpp"     // require(), the check that is always on
#include "base/buffer.hpp"      // the memory under everything
#include "base/random.hpp"      // random numbers that are the same everywhere
#include "base/parameters.hpp"  // visit(): walking over the parameters of models
#include "base/describe.hpp"    // networks in words

#include "series/lengths.hpp"       // sequences that end early
#include "series/series_view.hpp"   // series that somebody else owns
#include "series/series_text.hpp"   // ... as text, for people
#include "series/series.hpp"        // Series: T steps of F features for N sequences
#include "series/tokens.hpp"        // Tokens: inputs that are kinds of things
#include "series/reader.hpp"        // series and tokens that are read in parts
#include "series/batch_layout.hpp"  // where the steps of a batch lie

#include "kernels/packet_math.hpp"    // tanh and exp, in registers
#include "kernels/gemm_kernel.hpp"    // the kernels under all products
#include "kernels/gemm.hpp"           // the products
#include "kernels/norm.hpp"           // mean 0 and variance 1
#include "kernels/team.hpp"           // threads
#include "kernels/flush_to_zero.hpp"  // subnormal numbers

#include "layers/chunk.hpp"                // how layers go through a series
#include "layers/layer.hpp"                // the manual for writing a layer
#include "layers/segments.hpp"             // which steps a trace keeps, within a budget of memory
#include "layers/trace.hpp"                // what forward leaves for bptt
#include "layers/series_pass.hpp"          // a whole series, there and back
#include "layers/layer_of.hpp"             // what all layers have
#include "layers/layer_without_state.hpp"  // layers whose y_t depends on x_t alone
#include "layers/readout.hpp"              // Readout: y_t = V h_t (+ c)
#include "layers/embedding.hpp"            // Embedding: a vector for each kind of token
#include "layers/layer_norm.hpp"           // LayerNorm: features of mean 0 and variance 1
#include "layers/pool.hpp"                 // Pool: the mean or the largest of all steps
#include "layers/dropout.hpp"              // Dropout, in training
#include "layers/sequence.hpp"             // Sequence: layers in a row
#include "layers/tied_readout.hpp"         // TiedReadout: whose weights are an embedding's
#include "layers/drop_connect.hpp"         // DropConnect: dropout of recurrent weights
#include "layers/stack.hpp"                // Stack: N identical layers
#include "layers/bidirectional.hpp"        // Bidirectional: both time directions
#include "layers/residual.hpp"             // Residual: a layer and a way around it
#include "layers/parallel.hpp"             // Parallel, Sum: layers side by side

#include "cells/activation.hpp"        // Tanh, Relu, Logistic ...: value and slope
#include "cells/more_activations.hpp"  // HardSigmoid, Elu, Softplus ...
#include "cells/record.hpp"            // what a step stores for backward, as rules see it
#include "cells/pieces.hpp"            // how a rule goes over all units
#include "cells/rule.hpp"              // the manual for writing a cell
#include "cells/step.hpp"              // one step of a rule between its products
#include "cells/recurrence.hpp"        // ... and all steps of a series
#include "cells/cell.hpp"              // Cell: a_t = b + W h_<t-1> + U x_t, then the rule
#include "cells/influence.hpp"         // how parameters have influenced a state: for Online
#include "cells/elman.hpp"             // Elman: h_t = f(a_t)
#include "cells/dense.hpp"             // Dense: y_t = f(U x_t + b), without a past
#include "cells/gru.hpp"               // Gru, GruResetBefore: gated recurrent units
#include "cells/lstm.hpp"              // Lstm: long short-term memory
#include "cells/peephole_lstm.hpp"     // ... whose gates see the cell state
#include "cells/projected_lstm.hpp"    // ... whose hidden state is a projection: nn.LSTM with proj_size
#include "cells/coupled_lstm.hpp"      // ... whose forget gate is what the input gate leaves
#include "cells/slstm.hpp"             // ... with exponential gates: sLSTM
#include "cells/layer_norm_lstm.hpp"   // ... with layer normalisation in its steps
#include "cells/layer_norm_gru.hpp"    // ... the same of the GRU
#include "cells/zoneout.hpp"           // ZoneoutRule: any rule, whose states are kept now and then
#include "cells/indrnn.hpp"            // IndRnn: each unit sees its own past alone
#include "cells/min_gru.hpp"           // MinGru, whose gate sees the inputs alone
#include "cells/min_lstm.hpp"          // MinLstm, whose gates do
#include "cells/qrnn.hpp"              // Qrnn, the pooling of quasi-recurrent networks
#include "cells/rg_lru.hpp"            // RgLru, a gated linear recurrence
#include "cells/lru.hpp"               // Lru, a linear recurrence of complex numbers
#include "cells/ct_rnn.hpp"            // CtRnn: steps of any duration, in continuous time
#include "cells/gru_d.hpp"             // GruD: a GRU whose hidden state decays with time

#include "training/bptt.hpp"             // bptt(): the gradient
#include "training/online.hpp"           // Online: learning step by step, without going back
#include "training/loss.hpp"             // squared_error, softmax_cross_entropy
#include "training/more_losses.hpp"      // binary_cross_entropy, l1, huber, Quantiles, gaussian_nll, poisson_nll
#include "training/many_to_one.hpp"      // ManyToOne: one target for a sequence
#include "training/metrics.hpp"          // accuracy, mean_absolute_error, perplexity
#include "training/initializer.hpp"      // where parameters start
#include "training/optimizer.hpp"        // Sgd, RmsProp, Adam, AdamW; clipping
#include "training/by_parts.hpp"         // ByParts: rates by parts, and freezing
#include "training/moving_average.hpp"   // an average of the parameters that training goes through
#include "training/schedule.hpp"         // learning rates
#include "training/gradient_check.hpp"   // check_gradient(): is the gradient right?
#include "training/data.hpp"             // what train() learns from
#include "training/ctc.hpp"              // ctc: labels without times
#include "training/evaluate.hpp"         // evaluate(): the mean loss over data, and metrics
#include "distributed/communicator.hpp"  // Processes: several that train one network; MPI's are in distributed/mpi.hpp
#include "training/train_state.hpp"      // what train() is told, what it tells, and where it is
#include "training/train.hpp"            // train(): epochs, mini-batches, windows, early stopping

#include "any_cell.hpp"  // AnyCell: a cell chosen when the program runs
#include "stream.hpp"    // Stream: one step at a time, in real time
