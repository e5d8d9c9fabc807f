#pragma once
/// \file
/// Tables of papers, to be filled by recur: what is trained on, what was published, and how a network is trained.

#include <recur/training/data.hpp>
#include <recur/training/loss.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace papers {

using recur::Index;

/// How a network is made and trained. Where a table says nothing else, these are its numbers for all cells.
struct Settings {
  std::string cell = "";
  Index hidden = 128, layers = 1;
  double dropout = 0;
  Index epochs = 20, batch = 32, window = 0;
  double rate = 3e-3, weight_decay = 0, clip = 1;
  unsigned seed = 1;
  Index longest = 0;           ///< steps that a unit remembers at first, at most; 0 where gates start as PyTorch's
  Index embedding = 0;         ///< features of each token; 0 where tokens go into the cell
  bool as_in_zaremba = false;  ///< Sgd, whose rate is halved in each epoch after the fourth; all starts within +-0.1
};

/// Series with series as targets; a target of one step is for the whole sequence.
struct SeriesSet {
  recur::Series<float> x, target;
  recur::SeriesData<float> data() const { return {x, target}; }
};
/// Tokens with classes.
struct TokenSet {
  recur::Tokens x;
  recur::Classes target;
  recur::TokenData data() const { return {x, target}; }
};
/// Any loss of series.
using AnyLoss =
    std::function<recur::LossValue(recur::SeriesView<const float>, const recur::Series<float>&, recur::Series<float>&)>;

/// One table: data of one kind or the other, and what is measured on the last part.
struct Problem {
  std::string measure;   ///< of the loss on the test data: "nats per step"
  std::string baseline;  ///< what needs no network, and its loss
  Index inputs, outputs;
  AnyLoss loss;  ///< of series; of tokens it is the softmax's
  SeriesSet series_train, series_valid, series_test;
  TokenSet token_train, token_valid, token_test;
  bool of_tokens() const { return token_train.target.size() > 0; }
};

/// How a table's data are made.
struct How {
  unsigned seed = 1;
  bool brief = false;  ///< few, to see that all works
  bool tune = false;   ///< with validation data where the table has none: what is learnt from is less then
  Index batch = 32;    ///< stretches of one text
};
struct Published {
  std::string cell, loss;
};
/// What a table is called, who published it, and what makes its data, in short form where only to see that all works.
struct Table {
  std::string name, source;
  std::vector<Published> published;
  Problem (*make)(const std::string& folder, const How&);
  /// For a cell.
  Settings (*settings)(const std::string& cell);
};
const std::vector<Table>& tables();

/// A network of some cell.
class Model {
 public:
  virtual ~Model() = default;
  virtual Index parameters() const = 0;
  /// Trains it, and keeps the parameters that did best on the validation data, the last where there are none. Calls
  /// progress(share done, loss of the mini-batch, validation loss) now and then.
  virtual void train(const Problem&, const std::function<void(double, double, double)>& progress) = 0;
  /// The loss on the validation data, NaN where there are none, and on the test data.
  virtual std::pair<double, double> evaluate(const Problem&) const = 0;
};
std::unique_ptr<Model> make_model(const Problem&, const Settings&);
/// The names of all cells; and whether a cell's units do not see each other, so that it stands in residual blocks.
std::vector<std::string> cells();
bool in_blocks(const std::string& cell);

}  // namespace papers
