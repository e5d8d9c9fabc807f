// Trains a network on the data of a paper's table, and prints what it reaches beside what was published:
//
//     recur_papers jsb --cell lstm --data <folder with JSB_Chorales.mat>
#include "../../examples/bar.hpp"
#include "papers.hpp"

#include <CLI/CLI.hpp>

#include <cmath>
#include <optional>

namespace {

template <class Named>
const Named& called(const std::string& name, const std::vector<Named>& all) {
  return *std::find_if(all.begin(), all.end(), [&](const Named& each) { return each.name == name; });
}
template <class Named>
std::vector<std::string> names_of(const std::vector<Named>& all) {
  std::vector<std::string> names;
  for (const Named& each : all) names.push_back(each.name);
  return names;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Trains a network on the data of a paper's table, and prints what it reaches beside what was published.");
  try {
    std::vector<papers::CellKind> cells = papers::cells_with_products();
    for (const auto& each : papers::cells_without_products()) cells.push_back(each);
    std::string table_name, cell_name = "lstm", folder = ".";
    std::optional<long> hidden, layers, epochs, batch;
    std::optional<double> rate, dropout;
    unsigned seed = 1;
    bool brief = false;
    app.add_option("table", table_name, "which table")->required()->check(CLI::IsMember(names_of(papers::tables())));
    app.add_option("--cell", cell_name, "which cell")->check(CLI::IsMember(names_of(cells)))->capture_default_str();
    app.add_option("--data", folder, "the folder with the data as they are published; made up tasks need none");
    app.add_option("--seed", seed, "of all random numbers")->capture_default_str();
    app.add_option("--hidden", hidden, "hidden units, otherwise than for the table");
    app.add_option("--layers", layers, "layers, otherwise than for the table");
    app.add_option("--epochs", epochs, "passes over the data, otherwise than for the table");
    app.add_option("--batch", batch, "sequences in a mini-batch, otherwise than for the table");
    app.add_option("--rate", rate, "the highest learning rate, otherwise than for the table");
    app.add_option("--dropout", dropout, "before the readout and between layers, otherwise than for the table");
    app.add_flag("--short", brief, "few data, small, for a moment: to see that all works");
    app.parse(argc, argv);

    const papers::Table& table = called(table_name, papers::tables());
    papers::Settings s = table.settings(cell_name);
    if (brief) s.hidden = 8, s.epochs = 2;
    s.hidden = hidden.value_or(s.hidden), s.layers = layers.value_or(s.layers), s.epochs = epochs.value_or(s.epochs);
    s.batch = batch.value_or(s.batch), s.rate = rate.value_or(s.rate), s.dropout = dropout.value_or(s.dropout);
    s.seed = seed;
    const papers::Problem problem = table.make(folder, seed, brief);
    const auto model = called(cell_name, cells).make(problem, s);
    std::printf("%s: %s, %td units in %td layers, %td parameters\n", table.source.c_str(), cell_name.c_str(), s.hidden,
                s.layers, model->parameters());
    Bar bar;
    model->train(problem, [&](double share, double loss, double validation) {
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), "loss %.4g, validation %.4g", loss, validation);
      bar.show(share, text.data());
    });
    const double seconds = bar.seconds();
    const auto [validation, test] = model->evaluate(problem);
    std::printf("%s: %.5g (validation %.5g) after %.0f s; %s", problem.measure.c_str(), test, validation, seconds,
                problem.baseline.c_str());
    for (const auto& [cell, loss] : table.published) std::printf("; %s %.5g", cell.c_str(), loss);
    std::printf("\n");
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "recur_papers: %s\n", error.what());
    return 1;
  }
}
