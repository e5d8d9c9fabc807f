// How training scales over processes. Under mpirun it measures, and prints a line for each network:
//
//     for n in 1 2 4; do mpirun -n $n recur_scale; done >lines
//
// and `recur_scale model <lines` sets a model of it beside these measurements, and says what it says of a cluster.
#include "machine.hpp"
#include "stopwatch.hpp"

#include <recur/distributed/mpi.hpp>
#include <recur/recur.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace bench {
namespace {

using recur::Index;
using Net = recur::Sequence<recur::Stack<recur::Lstm<float>>, recur::Readout<float>>;

constexpr Index shards = 4;
Index of_shard = 16, steps = 64, rounds_of_steps = 12;  // sequences of a shard, how long they are, steps measured

struct Size {
  std::string name;
  Index inputs, layers, hidden;
};
const std::vector<Size> sizes{{"LSTM 64", 8, 1, 64}, {"LSTM 256", 64, 1, 256}, {"2 x LSTM 512", 128, 2, 512}};

Net network(const Size& size) {
  Net net(recur::Stack<recur::Lstm<float>>(size.inputs, size.hidden, size.layers),
          recur::Readout<float>(size.hidden, size.inputs));
  std::mt19937 rng(1);
  recur::initialize(net, rng);
  return net;
}

/// What is known of a network on some processes, in seconds of a step. Alone means: all at once, each by itself.
struct Line {
  std::string name;
  double parameters = 0;
  Index processes = 1;
  double alone = 0, alone_twice = 0;       ///< all shards, and twice as many
  double together = 0, waiting = 0;        ///< the shards shared; of it in the communicator
  double messages = 0, bytes = 0;          ///< of a process, in a step
  double latency = 0, bytes_a_second = 0;  ///< of a gather of one number of each, and of large ones
  double hidden = 0;                       ///< share of a large one that work hides, which is done meanwhile

  /// Of a shard, and of what every process does once.
  double of_each_shard() const { return (alone_twice - alone) / static_cast<double>(shards); }
  double once() const { return std::max(0.0, 2 * alone - alone_twice); }
  double model() const {
    const double own = std::ceil(static_cast<double>(shards) / static_cast<double>(processes));
    return once() + own * of_each_shard() + (processes > 1 ? messages * latency + bytes / bytes_a_second : 0);
  }
};
std::ostream& operator<<(std::ostream& out, const Line& l) {
  return out << l.name << '\t' << l.parameters << '\t' << l.processes << '\t' << l.alone << '\t' << l.alone_twice
             << '\t' << l.together << '\t' << l.waiting << '\t' << l.messages << '\t' << l.bytes << '\t' << l.latency
             << '\t' << l.bytes_a_second << '\t' << l.hidden << '\n';
}
std::istream& operator>>(std::istream& in, Line& l) {
  std::getline(in >> std::ws, l.name, '\t');
  return in >> l.parameters >> l.processes >> l.alone >> l.alone_twice >> l.together >> l.waiting >> l.messages >>
         l.bytes >> l.latency >> l.bytes_a_second >> l.hidden;
}

/// A communicator that measures another; of one process where there is none.
struct Measured {
  recur::mpi::Communicator* of = nullptr;
  double seconds = 0, messages = 0, bytes = 0;

  Index rank() const { return of ? of->rank() : 0; }
  Index size() const { return of ? of->size() : 1; }
  void gather(std::span<const std::byte> mine, std::span<const std::size_t> sizes_, std::span<std::byte> all) {
    const Stopwatch watch;
    of->gather(mine, sizes_, all);
    count(watch, mine.size() * static_cast<std::size_t>(size() - 1));
  }
  void exchange(std::span<const std::byte> mine, std::span<const std::size_t> to, std::span<std::byte> all,
                std::span<const std::size_t> from) {
    const Stopwatch watch;
    of->exchange(mine, to, all, from);
    count(watch, mine.size() - to[static_cast<std::size_t>(rank())]);
  }

 private:
  void count(const Stopwatch& watch, std::size_t sent) {
    seconds += watch.seconds();
    ++messages;
    bytes += static_cast<double>(sent);
  }
};

/// The median time of a step of train().
double seconds_of_step(const Size& size, Measured& all, Index shards_of_step) {
  Net net = network(size);
  const Index count = shards_of_step * of_shard;
  recur::Series<float> x(size.inputs, count, steps), target(size.inputs, count, steps);
  std::mt19937 rng(2);
  x.setRandom(rng);
  target.setRandom(rng);
  recur::Adam adam(net, {});
  std::vector<double> seconds;
  Stopwatch watch;
  all = {.of = all.of};
  recur::train(net, adam, recur::squared_error, recur::SeriesData(x, target), rng,
               {.epochs = rounds_of_steps,
                .batch = count,
                .shuffle = false,
                .clip_norm = 1,
                .processes = all,
                .shards = shards_of_step,
                .all_report = true,
                .on_progress = [&](const recur::Progress& now) {
                  if (now.epoch_end) return;
                  seconds.push_back(watch.seconds());
                  watch = Stopwatch();
                }});
  const auto measured = static_cast<double>(rounds_of_steps);
  all.seconds /= measured, all.messages /= measured, all.bytes /= measured;
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

/// Of an exchange of 4 MiB that is begun, and work of as long that is done before it is waited for: the share of the
/// shorter that is saved. What nothing saves is not worth being sent early.
double hidden_behind_work(Index processes) {
  const int bytes = 4 << 20;
  std::vector<std::byte> to(std::size_t(bytes) * static_cast<std::size_t>(processes)), from(to.size());
  std::vector<float> numbers(4096, 1);
  const auto work = [&](int rounds) {
    volatile float sum = 0;
    for (int k = 0; k < rounds; ++k) sum = sum + std::accumulate(numbers.begin(), numbers.end(), 0.0f);
  };
  const auto median = [](auto&& f) {
    std::vector<double> seconds;
    for (int k = 0; k < 15; ++k) {
      MPI_Barrier(MPI_COMM_WORLD);
      const Stopwatch watch;
      f();
      MPI_Barrier(MPI_COMM_WORLD);
      seconds.push_back(watch.seconds());
    }
    std::nth_element(seconds.begin(), seconds.begin() + 7, seconds.end());
    return seconds[7];
  };
  const auto exchange = [&] { MPI_Alltoall(to.data(), bytes, MPI_BYTE, from.data(), bytes, MPI_BYTE, MPI_COMM_WORLD); };
  const double message = median(exchange);
  int rounds = 1;
  for (int enough = 0; enough == 0;) {
    rounds *= 2;
    enough = median([&] { work(rounds); }) > message;
    MPI_Bcast(&enough, 1, MPI_INT, 0, MPI_COMM_WORLD);  // all do as much
  }
  const double in_turn = median([&] {
    work(rounds);
    exchange();
  });
  const double meanwhile = median([&] {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ialltoall(to.data(), bytes, MPI_BYTE, from.data(), bytes, MPI_BYTE, MPI_COMM_WORLD, &request);
    work(rounds);
    MPI_Wait(&request, MPI_STATUS_IGNORE);
  });
  return (in_turn - meanwhile) / message;
}

int measure(recur::mpi::Communicator& all, bool brief) {
  const Index P = all.size();
  const auto meet = [&] { recur::detail::gather(recur::Processes(all), all.rank()); };
  Line line;
  line.processes = P;
  {
    const Stopwatch watch;
    for (int k = 0; k < 1000; ++k) meet();
    line.latency = watch.seconds() / 1000;
    std::vector<std::byte> mine(std::size_t(4) << 20), from(mine.size() * static_cast<std::size_t>(P));
    const std::vector<std::size_t> each(static_cast<std::size_t>(P), mine.size());
    const Stopwatch large;
    for (int k = 0; k < 10; ++k) all.gather(mine, each, from);
    line.bytes_a_second =
        10 * static_cast<double>(mine.size()) * static_cast<double>(std::max<Index>(1, P - 1)) / large.seconds();
  }
  if (P > 1) line.hidden = hidden_behind_work(P);
  for (const Size& size : std::span(sizes).first(brief ? 1 : sizes.size())) {
    line.name = size.name;
    line.parameters = static_cast<double>(recur::parameter_count(network(size)));
    Measured none, many{.of = &all};
    meet();
    line.alone = seconds_of_step(size, none, shards);
    meet();
    line.alone_twice = seconds_of_step(size, none, 2 * shards);
    meet();
    line.together = seconds_of_step(size, many, shards);
    line.waiting = many.seconds, line.messages = many.messages, line.bytes = many.bytes;
    if (all.rank() == 0) std::cout << line << std::flush;
  }
  return 0;
}

/// A cluster of nodes, a process each, that are `speed` times as fast as a core here, with 100 Gbit/s.
struct Cluster {
  double speed = 40, latency = 2e-6, bytes_a_second = 12.5e9;
  /// A step: small messages in log2(nodes) rounds, large ones from each to each.
  double seconds(double compute, double parameters, double nodes) const {
    if (nodes == 1) return compute;
    constexpr double small = 3;
    const double large = std::ceil(parameters / (1 << 22)), bytes = 2 * 4 * parameters * (nodes - 1) / nodes;
    return compute + small * std::log2(nodes) * latency + large * 2 * (nodes - 1) * latency + bytes / bytes_a_second;
  }
};

/// What the model says of a network of `parameters`, from what was measured of one process; and a plot's columns.
std::string predict(const Line& measured, const Cluster& cluster, const std::string& name, double parameters) {
  const double factor = parameters / measured.parameters / cluster.speed;  // as long for each parameter
  const double of_shard_there = factor * measured.of_each_shard(), once = factor * measured.once();
  const double all = 1024;  // sequences of a batch that does not grow
  std::string columns;
  double pays = 0;
  for (double nodes = 1; nodes <= 1024; nodes *= 2) {
    const double compute = once + static_cast<double>(shards) * of_shard_there;
    const double growing = cluster.seconds(compute, parameters, nodes);
    // A batch that does not grow, where each node has at least a shard of it.
    const double own_shards = all / static_cast<double>(of_shard) / nodes;
    const double fixed = cluster.seconds(once + own_shards * of_shard_there, parameters, nodes);
    const double one = once + all / static_cast<double>(of_shard) * of_shard_there;
    if (own_shards >= 1 && one / fixed / nodes > 0.5) pays = nodes;
    columns += std::to_string(nodes) + ' ' + std::to_string(100 * compute / growing) + ' ' +
               (own_shards >= 1 ? std::to_string(100 * one / fixed / nodes) : "?") + '\n';
    if (nodes == 2 || nodes == 4) continue;
    std::printf("| %s | %.0f | %.2f | %.0f | %.0f %% |", name.c_str(), nodes, 1e3 * growing,
                nodes * static_cast<double>(shards * of_shard) / growing, 100 * compute / growing);
    if (own_shards >= 1) {
      std::printf(" %.2f | %.0f %% |\n", 1e3 * fixed, 100 * one / fixed / nodes);
    } else {
      std::printf(" | |\n");
    }
  }
  std::printf("| %s | | | | | pays up to %.0f nodes | |\n", name.c_str(), pays);
  return columns;
}

int model() {
  std::vector<Line> lines;
  for (Line line; std::cin >> line;) lines.push_back(line);
  if (lines.empty()) {
    std::cerr << "recur_scale model: lines of `mpirun -n ... recur_scale` expected on the standard input\n";
    return 1;
  }
  std::printf(
      "%s\n\n%td shards of %td sequences of %td steps; milliseconds\n\n"
      "| network | parameters | processes | alone, all at once | together | of it in messages | the model | messages "
      "hidden by work |\n|---|---|---|---|---|---|---|---|\n",
      machine().c_str(), shards, of_shard, steps);
  for (const Line& l : lines)
    std::printf("| %s | %.0f | %td | %.2f | %.2f | %.0f %% | %.2f | %.0f %% |\n", l.name.c_str(), l.parameters,
                l.processes, 1e3 * l.alone, 1e3 * l.together, 100 * l.waiting / l.together, 1e3 * l.model(),
                100 * l.hidden);

  const Line& largest = *std::max_element(lines.begin(), lines.end(), [](const Line& a, const Line& b) {
    return std::pair(a.parameters, -a.processes) < std::pair(b.parameters, -b.processes);
  });
  const Cluster cluster;
  std::printf(
      "\nNodes %.0f times as fast as one core here, 100 Gbit/s, %.0f us a message; batches of %td sequences for "
      "each node, or of 1024 in all\n\n| network | nodes | ms a step | sequences a second | of as many alone | "
      "1024: ms a step | of as many alone |\n|---|---|---|---|---|---|---|\n",
      cluster.speed, 1e6 * cluster.latency, shards * of_shard);
  const std::string measured = predict(largest, cluster, largest.name, largest.parameters);
  const std::string larger = predict(largest, cluster, "100 million parameters", 1e8);
  {
    std::ofstream plot("scale.gnuplot");
    plot << "$measured << end\n"
         << measured << "end\n$larger << end\n"
         << larger << "end\n"
         << "set terminal svg size 800,450\nset output 'scale.svg'\nset logscale x 2\nset yrange [0:105]\nset grid\n"
         << "set xlabel 'nodes'\nset ylabel '% of as many alone'\nset key left bottom\nset datafile missing '?'\nplot";
    const auto lines_of = [&](const char* data, const std::string& name, const char* rest) {
      plot << " $" << data << " using 1:2 with linespoints title '" << name << ", 64 sequences for each'"
           << ", $" << data << " using 1:3 with linespoints dt 2 title '" << name << ", 1024 in all'" << rest;
    };
    lines_of("measured", largest.name, ",");
    lines_of("larger", "100 million parameters", "\n");
  }
  std::puts(std::system("gnuplot scale.gnuplot") == 0 ? "\nscale.svg shows it."
                                                      : "\nNothing is drawn, without gnuplot.");
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc > 2 || (!what.empty() && what != "model" && what != "short")) {
    std::cerr << "mpirun recur_scale [short], then recur_scale model\n";
    return 1;
  }
  if (what == "short") bench::of_shard = 1, bench::steps = 4, bench::rounds_of_steps = 2;  // to see that all works
  if (what == "model") return bench::model();
  return recur::mpi::run([&](recur::mpi::Communicator& all) { return bench::measure(all, what == "short"); });
}
