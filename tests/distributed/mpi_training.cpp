// Training by the processes of mpirun, each of which says whether it ends as one process alone does; and what is left
// of it where one of them fails, in a way that the first argument names.
#include <recur/distributed/mpi.hpp>
#include <recur/io/checkpoint.hpp>
#include <recur/recur.hpp>

#include <csignal>
#include <cstdio>
#include <string>

using namespace recur;

namespace {

using Net = Sequence<Stack<Lstm<float>>, Dropout<float>, Readout<float>>;

struct Noise {
  using Target = Series<float>;
  std::string fault;
  Index rank;
  Index sequences() const { return fault == "sizes" && rank == 1 ? 31 : 32; }
  Index steps() const { return 20; }
  void read(std::span<const Index> sequences, Index first, Index steps, Series<float>& x, Target& target) const {
    if (rank == 1 && first > 0) {
      if (fault == "throws") throw std::runtime_error("the file ends in sequence " + std::to_string(sequences[0]));
      if (fault == "dies") std::raise(SIGKILL);
    }
    x.resize(1, std::ssize(sequences), steps);
    for (Index t = 0; t < steps; ++t)
      for (Index n = 0; n < x.batch(); ++n)
        x[t](0, n) = std::sin(static_cast<float>(3 * sequences[static_cast<std::size_t>(n)] + first + t));
    target = x;
  }
};

/// All that is left, as the bytes of a checkpoint.
std::vector<std::byte> train_by(const Processes& processes, const std::string& fault) {
  std::mt19937 rng(1);
  Net net(Stack<Lstm<float>>(1, 6, 2, {.dropout = 0.1}), Dropout<float>(6, 0.2), Readout<float>(6, 1));
  initialize(net, rng);
  Adam adam(net, {});
  TrainState<Net> run;
  const Noise data{fault, processes.rank()};
  TrainOptions options{.epochs = 3, .batch = 8, .window = 7, .clip_norm = 1, .processes = processes, .shards = 4};
  if (fault == "options" && processes.rank() == 1) options.clip_norm = 2;
  train(net, adam, squared_error, data, data, rng, run, options);
  return recur::detail::checkpoint(net, adam, run, rng, {}).bytes();
}

}  // namespace

int main(int argc, char** argv) {
  return mpi::run([&](mpi::Communicator& all) {
    const std::string fault = argc > 1 ? argv[1] : "";
    if (fault == "outside" && all.rank() == 1) throw std::runtime_error("no such file");
    if (fault == "returns" && all.rank() == 1) return 3;
    const auto together = train_by(all, fault);
    struct Alone {  // the same shards, without the others
      Index rank() const { return 0; }
      Index size() const { return 1; }
      void gather(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>) {}
      void exchange(std::span<const std::byte>, std::span<const std::size_t>, std::span<std::byte>,
                    std::span<const std::size_t>) {}
    } alone;
    const bool same = together == train_by(alone, "");
    std::printf("process %d of %d: %s\n", int(all.rank()), int(all.size()), same ? "the same bits" : "OTHER BITS");
    return same ? 0 : 1;
  });
}
