// A process that trains is killed at random moments, and started again, until it is through: it must end with the same
// bits as one that was left alone.
#ifdef RECUR_KILLED_TRAINING
#include "catch.hpp"
#include "folder.hpp"

#include <recur/io/safetensors.hpp>

#include <chrono>
#include <csignal>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>

extern char** environ;  // NOLINT: POSIX has it declared by whoever uses it

using namespace recur;
using namespace recur_test;
using Clock = std::chrono::steady_clock;

namespace {

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    REQUIRE(::posix_spawn(&id_, argv[0], nullptr, nullptr, argv.data(), environ) == 0);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (waited_) return;
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
  }
  /// Whether it could still be killed; otherwise it was through, and well.
  bool killed() {
    REQUIRE(::kill(id_, SIGKILL) == 0);
    const int status = wait();
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }
  int wait() {
    int status = 0;
    waited_ = true;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {}
    if (!WIFSIGNALED(status)) REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return status;
  }

 private:
  pid_t id_ = 0;
  bool waited_ = false;
};

/// How many steps of the optimiser the checkpoint has behind it; 0 where there is none yet.
std::uint64_t steps_of(const std::filesystem::path& checkpoint) {
  if (!std::filesystem::exists(checkpoint)) return 0;
  return detail::load_little_endian<std::uint64_t>(Safetensors::read(checkpoint).tensor("run.step").data.data());
}

void kill_and_resume(const std::string& which, int kills) {
  const Folder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto start = Clock::now();
  Process({RECUR_KILLED_TRAINING, which, path("undisturbed"), path("expected")}).wait();
  const std::chrono::duration<double> whole = Clock::now() - start;
  const auto expected = read_file(path("expected"));

  const auto seed = std::random_device()();
  INFO(which << ", seed of the moments " << seed);
  std::mt19937 rng(seed);
  std::uniform_real_distribution<double> share(0, 0.4);
  int killed = 0;
  std::uint64_t steps = 0;
  for (bool through = false; killed < kills || !through;) {
    Process process({RECUR_KILLED_TRAINING, which, path("checkpoint"), path("result")});
    if (killed < kills) {
      std::this_thread::sleep_for(share(rng) * whole);
      through = !process.killed();
      killed += through ? 0 : 1;
    } else {
      process.wait();
      through = true;
    }
    REQUIRE(steps_of(path("checkpoint")) >= steps);  // it goes on, and does not begin again
    steps = steps_of(path("checkpoint"));
    if (through) {
      REQUIRE((read_file(path("result")) == expected));
      std::filesystem::remove(path("checkpoint"));
      std::filesystem::remove(path("result"));
      steps = 0;
    }
  }
}

}  // namespace

TEST_CASE("Training that is killed 20 times ends with the same bits as training that is not", "[killed]") {
  kill_and_resume("adam", 7);
  kill_and_resume("rms_prop", 7);
  kill_and_resume("sgd", 6);
}

#endif
