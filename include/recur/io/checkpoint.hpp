#pragma once
/// \file
/// Checkpoints: all that is needed to resume training, in one safetensors file.
///
///     recur::TrainState<Net> run;
///     if (std::filesystem::exists("run.safetensors")) recur::load_checkpoint("run.safetensors", net, adam, run, rng);
///     options.on_progress = [&](const recur::Progress& now) {
///       if (now.step % 1000 == 0) recur::save_checkpoint("run.safetensors", net, adam, run, rng);
///       return true;
///     };
///     recur::train(net, adam, recur::squared_error, data, rng, run, options);
///
/// Killed at any moment and started again, this ends with the same bits as if it had not been killed. The data, the
/// loss and the TrainOptions are not in the file: give the same.
///
/// In the file, network.0.U and its like are the parameters, optimizer.* the moments, options and step count, run.* the
/// TrainState; numbers are tensors too, so that they keep their bits.

#include "../training/train_state.hpp"
#include "engine_state.hpp"
#include "network.hpp"
#include "checkpoint_fields.hpp"

#include <algorithm>

namespace recur::inline RECUR_ISA {

namespace detail {

/// Random engines have no names; this tells them apart.
template <class Engine>
std::string describe_engine() {
  Engine engine;
  const std::string state = engine_state(engine);
  return "of " + std::to_string(std::count(state.begin(), state.end(), ' ') + 1) + " words of state and numbers to " +
         std::to_string(Engine::max()) + ", by default " + std::to_string(engine()) + " first";
}
/// Throws where a run is none that train() can have left. Whether it fits the data is for train() to say.
template <class Net>
void require_possible(const Safetensors& file, const TrainState<Net>& run) {
  auto order = run.order;
  std::sort(order.begin(), order.end());
  for (std::size_t n = 0; n < order.size(); ++n) {
    if (order[n] == static_cast<Index>(n)) continue;
    file.fail("tensor 'run.order' must have each whole number below " + std::to_string(order.size()) +
              " once, got no " + std::to_string(n));
  }
  if (run.best_epoch > run.progress.epoch) {
    file.fail("tensor 'run.best_epoch' must be at most 'run.epoch', " + std::to_string(run.progress.epoch) + ", got " +
              std::to_string(run.best_epoch));
  }
}

/// The file that save_checkpoint() writes.
template <class Net, class Optimizer, class Engine>
SafetensorsWriter checkpoint(const Net& net, const Optimizer& optimizer, const TrainState<Net>& run, const Engine& rng,
                             const Metadata& metadata) {
  detail::require_finite("save_checkpoint", net);
  if (run.latest) detail::require_finite("save_checkpoint: run.latest", *run.latest);
  if (run.good) detail::require_finite("save_checkpoint: run.good", *run.good);
  if (run.best) detail::require_finite("save_checkpoint: run.best", *run.best);
  SafetensorsWriter file;
  detail::set_metadata(file, "save_checkpoint", metadata);
  file.set_metadata("recur.network", describe(net, "network"));
  file.set_metadata("recur.optimizer", Optimizer::name);
  file.set_metadata("recur.engine", detail::describe_engine<Engine>());
  file.set_metadata("recur.engine_state", detail::engine_state(rng));
  detail::PartWriter<Net> writer{file};
  writer.add("network", net);
  Optimizer::visit_parts([&](const std::string& name, auto& part) { writer.add("optimizer." + name, part); },
                         optimizer);
  TrainState<Net>::visit_parts([&](const std::string& name, auto& part) { writer.add("run." + name, part); }, run);
  return file;
}

}  // namespace detail

/// Writes a checkpoint of train(), to be called when its callback is, or when it has returned. It takes the place of an
/// older one whole or not at all (see write_file()). `metadata` are texts that should travel with it.
///
/// Throws std::invalid_argument where a parameter is NaN or infinite, from where training could not go on, and where a
/// whole number of an optimiser of your own is not in 0 .. 2^53; and std::runtime_error where the file cannot be
/// written. The old file is then as it was.
template <Parameterized Net, class Optimizer, class Engine>
void save_checkpoint(const std::filesystem::path& path, const Net& net, const Optimizer& optimizer,
                     const TrainState<Net>& run, const Engine& rng, const Metadata& metadata = {}) {
  detail::checkpoint(net, optimizer, run, rng, metadata).write(path);
}

/// Reads what save_checkpoint() wrote into a network, optimiser and random engine of the same kinds, to the bit;
/// train() then goes on from there. Returns the metadata that it was saved with.
///
/// Throws std::runtime_error where the file is of another network, scalar type, optimiser or random engine, saying what
/// differs; where a tensor is missing, of another shape, or no part of a checkpoint; and where a number is one that
/// could not have been saved: a parameter that is not finite, a count below 0, an order that is none, the state of an
/// engine to which it cannot come. Nothing is changed then.
///
/// The file is not trusted. An engine that is no instance of the standard's templates is, and so must come to no harm,
/// whatever state its operator>> takes and its operator<< then gives back as it was. (A class derived from one of the
/// standard's is such an engine, too.)
template <Parameterized Net, class Optimizer, class Engine>
Metadata load_checkpoint(const Safetensors& file, Net& net, Optimizer& optimizer, TrainState<Net>& run, Engine& rng) {
  if (!file.metadata().contains("recur.optimizer"))
    file.fail("must have a checkpoint, as save_checkpoint() writes it, got none of its metadata 'recur.optimizer'");
  detail::require_description(file, "network", describe(net, "network"));
  detail::require_description(file, "optimizer", Optimizer::name);
  detail::require_description(file, "engine", detail::describe_engine<Engine>());
  Net loaded_net = net;
  Optimizer loaded_optimizer = optimizer;
  TrainState<Net> loaded_run;
  Engine loaded_rng = rng;
  detail::read_engine(file, "recur.engine_state", loaded_rng);
  detail::StrictReader all{file};
  detail::PartReader<Net> reader{all, net};
  reader.read("network", loaded_net);
  Optimizer::visit_parts([&](const std::string& name, auto& part) { reader.read("optimizer." + name, part); },
                         loaded_optimizer);
  TrainState<Net>::visit_parts([&](const std::string& name, auto& part) { reader.read("run." + name, part); },
                               loaded_run);
  all.require_all_used("checkpoint");
  detail::require_finite(file, Name(Name(), "network"), loaded_net);
  const Name root, run_name(root, "run");
  if (loaded_run.latest) detail::require_finite(file, Name(run_name, "latest"), *loaded_run.latest);
  if (loaded_run.good) detail::require_finite(file, Name(run_name, "good"), *loaded_run.good);
  if (loaded_run.best) detail::require_finite(file, Name(run_name, "best"), *loaded_run.best);
  detail::require_possible(file, loaded_run);
  net = std::move(loaded_net);
  optimizer = std::move(loaded_optimizer);
  run = std::move(loaded_run);
  rng = loaded_rng;
  return detail::metadata_of_user(file);
}

/// The same from the file at `path`.
template <Parameterized Net, class Optimizer, class Engine>
Metadata load_checkpoint(const std::filesystem::path& path, Net& net, Optimizer& optimizer, TrainState<Net>& run,
                         Engine& rng) {
  return load_checkpoint(Safetensors::read(path), net, optimizer, run, rng);
}

}  // namespace recur::inline RECUR_ISA
