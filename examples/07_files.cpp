// What outlives a program: training that goes on where it was interrupted, to the same bits, and a network in a file.
#include <recur/io/checkpoint.hpp>
#include <recur/recur.hpp>

#include <iostream>

using recur::Index;
using Net = recur::Sequence<recur::Gru<float>, recur::Readout<float>>;

/// Trains a network to echo its input two steps late: 300 updates, or `most` of them, as if interrupted then.
Net learnt(const std::string& checkpoint, Index most) {
  std::mt19937 rng(1);
  recur::Series<float> heard(1, 64, 12), echo(1, 64, 12);
  heard.setRandom(rng);
  for (int t = 2; t < 12; ++t) echo[t] = heard[t - 2];
  const recur::SeriesData data(heard, echo);

  Net net(recur::Gru<float>(1, 8), recur::Readout<float>(8, 1));
  recur::initialize(net, rng);
  recur::Adam adam(net, {.rate = 1e-2});
  recur::TrainOptions options{.epochs = 75, .batch = 16};

  recur::TrainState<Net> run;
  if (std::filesystem::exists(checkpoint)) recur::load_checkpoint(checkpoint, net, adam, run, rng);
  options.on_progress = [&](const recur::Progress& now) {
    if (now.step % 50 == 0) recur::save_checkpoint(checkpoint, net, adam, run, rng);
    return now.step < most;
  };
  const auto result = recur::train(net, adam, recur::squared_error, data, rng, run, options);
  std::cout << "loss " << result.losses.back() << " after " << run.progress.step << " steps\n";
  return net;
}

/// Whether the parameters have the same bits.
bool same(const Net& a, const Net& b) {
  bool same = true;
  recur::visit([&](const recur::Name&, const auto& p, const auto& q) { same = same && p == q; }, a, b);
  return same;
}

int main() try {
  for (const char* old : {"undisturbed.safetensors", "disturbed.safetensors"}) std::filesystem::remove(old);
  const Net undisturbed = learnt("undisturbed.safetensors", 300);
  learnt("disturbed.safetensors", 170);  // the last checkpoint is of step 150
  const Net disturbed = learnt("disturbed.safetensors", 300);
  recur::require(same(disturbed, undisturbed), "training must end with the same bits");

  recur::save("echo.safetensors", disturbed, {{"learnt from", "noise"}});
  Net net(recur::Gru<float>(1, 8), recur::Readout<float>(8, 1));
  const recur::Metadata metadata = recur::load("echo.safetensors", net);
  recur::require(same(net, disturbed), "the file must have the same bits");
  std::cout << "echo.safetensors has been learnt from " << metadata.at("learnt from") << "\n";

  // A file that is of another network is an error that says so, and the network stays as it was.
  Net larger(recur::Gru<float>(1, 9), recur::Readout<float>(9, 1));
  try {
    recur::load("echo.safetensors", larger);
    return 1;
  } catch (const std::runtime_error& error) {
    std::cout << error.what() << "\n";
  }
} catch (const std::exception& error) {
  std::cerr << "07_files: " << error.what() << "\n";
  return 1;
}
