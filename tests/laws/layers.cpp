#include "../difference.hpp"
#include "../square.hpp"
#include "network_of.hpp"

namespace recur_test {

using namespace recur;

std::vector<NamedNetwork> networks_of_layers() {
  return list_of(
      network("WithReadout", Sequence(Lstm<double>(3, 5), Pool<double>(5, Pooling::largest), Gru<double>(5, 2),
                                      Pool<double>(2, Pooling::mean), Readout<double>(2, 4, {.bias = true}))),
      network("Stacked", Stack<Lstm<double>>(3, 4, 3)),
      network("BothWays", Bidirectional(Gru<double>(3, 2), Gru<double>(3, 2))),
      network("StackedBothWays", Sequence(Stack<Bidirectional<Lstm<double>>>(3, 3, 2), Pool<double>(6, Pooling::ends),
                                          Elman<double>(6, 4))),
      network("DroppedOut",
              Sequence(Stack<Gru<double>>(3, 4, 3, {.dropout = 0.3}), Dropout<double>(4, 0.5), Lstm<double>(4, 4))),
      network("Normed", Sequence(LayerNorm<double>(3, {.epsilon = 0.1}), Lstm<double>(3, 13),
                                 LayerNorm<double>(13, {.epsilon = 0.1}), Readout<double>(13, 4))),
      network("Embedded", Sequence(Embedding<double>(3, 5), Gru<double>(5, 4))),
      network("WithUsersLayer",
              Sequence(Difference(Lstm<double>(3, 3)), Square(3),
                       Stack<Difference<Gru<double>>>({Difference(Gru<double>(3, 3)), Difference(Gru<double>(3, 3))}),
                       Elman<double>(3, 4))),
      network("Resnet",
              Sequence(Residual(Lstm<double>(3, 3)),
                       Stack<Residual<Gru<double>>>({Residual(Gru<double>(3, 3)), Residual(Gru<double>(3, 3))}),
                       Elman<double>(3, 4))),
      network("SideBySide",
              Sequence(Parallel(Gru<double>(3, 4), LayerNorm<double>(3, {.epsilon = 0.1}), Elman<double>(3, 2)),
                       Residual(Sequence(Lstm<double>(9, 5), Readout<double>(5, 9))))),
      network("LruAndAround", Sum(Sequence(Lru<double>(3, 5), Readout<double>(10, 4)), Readout<double>(3, 4))),
      network("SideBySideBothWays",
              Sequence(Sum(Bidirectional(Gru<double>(3, 2), Gru<double>(3, 2)), Dense<double>(3, 4)),
                       Parallel(Lstm<double>(4, 2), Stack<Gru<double>>(4, 3, 2, {.dropout = 0.3})))),
      network("DroppedWeights", Sequence(DropConnect(Lstm<double>(3, 5), 0.4),
                                         Stack<DropConnect<Gru<double>>>({DropConnect(Gru<double>(5, 4), 0.3),
                                                                          DropConnect(Gru<double>(4, 4), 0.3)}))),
      network("Tied", TiedReadout(Embedding<double>(3, 5), Lstm<double>(5, 4), Residual(Elman<double>(4, 4)),
                                  Readout<double>(4, 5))),
      network("UsersRules", Sequence(Cell<MinimalGatedUnit, double>(3, 5), Cell<UpdateGateUnit, double>(5, 4),
                                     CoupledLstm<double>(4, 3))),
      network("ZonedOut",
              Sequence(Cell<ZonedOut<LearnedLeak>, double>(3, 5), Cell<ZonedOut<GruResetBeforeRule<>>, double>(5, 4),
                       Cell<ZonedOut<CtRnnRule<>>, double>(4, 4))),
      network("Chosen", Sequence(AnyCell<double>(PeepholeLstm<double>(3, 5)),
                                 Stack<AnyCell<double>>({IndRnn<double>(5, 4), GruResetBefore<double>(4, 4)}),
                                 Residual(AnyCell<double>(Elman<double>(4, 4))))),
      network("OneMask", Sequence(Lstm<double>(3, 5), Dropout<double>(5, 0.4, {.one_mask = true}),
                                  Stack<Gru<double>>(5, 4, 2, {.dropout = 0.3, .one_mask = true}))));
}

}  // namespace recur_test
