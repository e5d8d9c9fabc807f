// Trains a network on the data of a paper's table, and prints what it reaches beside what was published:
//
//     recur_papers jsb --cell lstm --data <folder with JSB_Chorales.mat>
#include "../../examples/bar.hpp"
#include "papers.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <numeric>
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

std::string short_text(double number) {
  if (std::isnan(number)) return "none";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", number);
  return text.data();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Trains a network on the data of a paper's table, and prints what it reaches beside what was published.");
  try {
    std::string table_name, cell_name = "lstm", folder = ".";
    std::optional<long> longest, hidden, layers, epochs, batch, window;
    std::optional<double> rate, dropout;
    unsigned seed = 1, seeds = 1;
    bool brief = false, markdown = false, about = false, tune = false;
    app.add_option("table", table_name, "which table")->required()->check(CLI::IsMember(names_of(papers::tables())));
    app.add_option("--cell", cell_name, "which cell")->check(CLI::IsMember(papers::cells()))->capture_default_str();
    app.add_option("--data", folder, "the folder with the data as they are published; made up tasks need none");
    app.add_option("--seed", seed, "of all random numbers")->capture_default_str();
    app.add_option("--seeds", seeds,
                   "so many runs, with this seed and the next ones: their mean, and from where to where")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    app.add_option("--hidden", hidden, "hidden units, otherwise than for the table")->check(CLI::Range(1, 100'000));
    app.add_option("--layers", layers, "layers, otherwise than for the table")->check(CLI::Range(1, 1000));
    app.add_option("--epochs", epochs, "passes over the data, otherwise than for the table")
        ->check(CLI::Range(1, 1'000'000));
    app.add_option("--batch", batch, "sequences in a mini-batch, otherwise than for the table")
        ->check(CLI::Range(1, 100'000));
    app.add_option("--window", window, "steps that the gradient goes back, 0 for all, otherwise than for the table")
        ->check(CLI::Range(0, 1'000'000'000));
    app.add_option("--longest", longest,
                   "steps that units remember at first, at most, of a GRU or LSTM, otherwise than for the table; 0 for "
                   "gates as PyTorch starts them")
        ->check(CLI::Range(0, 1'000'000'000));
    app.add_option("--rate", rate, "the highest learning rate, otherwise than for the table");
    app.add_option("--dropout", dropout, "before the readout and between layers, otherwise than for the table");
    app.add_flag(
        "--tune", tune,
        "to choose options: no test, and validation data for a table that has none, out of what is learnt from");
    app.add_flag("--about", about, "only says what the table is, and what is reached without a network");
    app.add_flag("--markdown", markdown, "the result as a row of papers.md: see report.sh");
    app.add_flag("--short", brief, "few data, small, for a moment: to see that all works");
    app.parse(argc, argv);

    const papers::Table& table = called(table_name, papers::tables());
    if (about) {
      const papers::Problem problem = table.make(folder, {.seed = seed, .brief = brief});
      std::printf("%s. %s: %s", table.source.c_str(), problem.measure.c_str(), problem.baseline.c_str());
      const auto names = papers::cells();
      for (const auto& [cell, loss] : table.published)
        if (std::find(names.begin(), names.end(), cell) == names.end())
          std::printf("; %s: %s", cell.c_str(), loss.c_str());
      std::printf(".\n");
      return 0;
    }
    papers::Settings s = table.settings(cell_name);
    s.cell = cell_name;
    if (brief) s.hidden = 8, s.epochs = 2;
    s.hidden = hidden.value_or(s.hidden), s.layers = layers.value_or(s.layers), s.epochs = epochs.value_or(s.epochs);
    s.batch = batch.value_or(s.batch), s.window = window.value_or(s.window), s.rate = rate.value_or(s.rate);
    s.longest = longest.value_or(s.longest);
    s.dropout = dropout.value_or(s.dropout);

    std::vector<double> losses;
    double validations = 0, seconds = 0;
    papers::Index parameters = 0;
    std::string measure, baseline;
    for (unsigned k = 0; k < seeds; ++k) {
      s.seed = seed + k;
      const papers::Problem problem = table.make(folder, {s.seed, brief, tune, s.batch});
      const auto model = papers::make_model(problem, s);
      measure = problem.measure, baseline = problem.baseline, parameters = model->parameters();
      if (!markdown)
        std::printf("%s: %s, %td units in %td layers, %td parameters, seed %u\n", table.source.c_str(),
                    cell_name.c_str(), s.hidden, s.layers, parameters, s.seed);
      const std::clock_t start = std::clock();
      Bar bar;
      model->train(problem, [&](double share, double loss, double validation) {
        std::array<char, 64> text{};
        const int written = std::snprintf(text.data(), text.size(), "loss %.4g", loss);
        if (!std::isnan(validation))
          std::snprintf(text.data() + written, text.size() - std::size_t(written), ", validation %.4g", validation);
        bar.show(share, text.data());
      });
      seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / seeds;
      const auto [validation, test] = model->evaluate(problem);
      losses.push_back(tune ? std::numeric_limits<double>::quiet_NaN() : test);
      validations += validation / seeds;
    }
    const double mean = std::accumulate(losses.begin(), losses.end(), 0.0) / seeds;
    const auto [least, most] = std::minmax_element(losses.begin(), losses.end());
    const auto published = std::find_if(table.published.begin(), table.published.end(),
                                        [&](const auto& each) { return each.cell == cell_name; });
    const std::string spread = seeds > 1 ? " (" + short_text(*least) + " to " + short_text(*most) + ")" : "";
    if (markdown) {
      std::printf("| %s | %td x %td | %td | %s%s | %s | %s | %.0f |\n", cell_name.c_str(), s.layers, s.hidden,
                  parameters, short_text(mean).c_str(), spread.c_str(), short_text(validations).c_str(),
                  published == table.published.end() ? "" : published->loss.c_str(), seconds);
      return 0;
    }
    std::printf("%s: %s%s (validation %s) after %.0f s of processors; %s", measure.c_str(), short_text(mean).c_str(),
                spread.c_str(), short_text(validations).c_str(), seconds, baseline.c_str());
    for (const auto& [cell, loss] : table.published) std::printf("; %s %s", cell.c_str(), loss.c_str());
    std::printf("\n");
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "recur_papers: %s\n", error.what());
    return 1;
  }
}
