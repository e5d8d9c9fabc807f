// One step at a time gives what the whole series gives, without heap, exception or lock.
#include "catch.hpp"
#include "cells.hpp"
#include "helpers.hpp"
#include "numbers.hpp"

#include <recur/stream.hpp>
#include <recur/cells/elman.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <vector>

using namespace recur;
using Catch::Matchers::ContainsSubstring;
using recur_test::identical, recur_test::message_of, recur_test::random_series, recur_test::randomized;

namespace {

/// All steps of a stream are those of forward, to the bit.
template <class Net>
void check_stream(const Net& net) {
  using Scalar = typename Net::Scalar;
  std::mt19937 rng(1);
  const auto x = random_series<Scalar>(net.inputs(), 1, 20, rng);
  auto trace = net.trace();
  const auto y = net.forward(x, trace);
  Stream stream(net);
  for (Index t = 0; t < 20; ++t) {
    INFO("step " << t);
    REQUIRE(identical(stream.step(VectorOf<Scalar>(x[t])), y[t]));
  }
}

template <class Scalar>
void check_streams() {
  std::mt19937 rng(2);
  for (const Index hidden : {1, 3, 8, 16, 20, 37, 64, 150})
    for (const Index outputs : {1, 3, 17}) {
      INFO("hidden " << hidden << ", outputs " << outputs);
      check_stream(
          randomized(Sequence(Elman<Scalar>(2, hidden), Readout<Scalar>(hidden, outputs, {.bias = true})), rng, 0.3));
    }
}

void check_streams_of_fixed_sizes() {
  std::mt19937 rng(2);
  check_stream(randomized(Sequence<Elman<double, Tanh, 2, 37>, Readout<double, 37, 5>>(), rng, 0.3));
  check_stream(randomized(Sequence<Elman<float, Tanh, 1, 8>, Readout<float, 8, 1>>(), rng));
  check_stream(
      randomized(Sequence<Elman<float, Tanh, 1, 1>, Elman<float, Tanh, 1, 64>, Readout<float, 64, 2>>(), rng, 0.2));
  // W in several strips, which every other step takes from the last to the first.
  check_stream(randomized(Sequence<Gru<float, 1, 45>, Readout<float, 45, 1>>(), rng, 0.2));
  check_stream(randomized(Sequence<Lstm<double, 1, 61>, Readout<double, 61, 1>>(), rng, 0.2));
}

/// What a program that must end says on standard error; empty where it ends otherwise.
std::string last_words(auto&& f) {
  std::array<int, 2> pipes{};
  if (pipe(pipes.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipes[1], STDERR_FILENO);
    for (const int signal : {SIGABRT, SIGSEGV}) std::signal(signal, SIG_DFL);  // the test framework has its own
    f();
    _exit(0);
  }
  close(pipes[1]);
  std::string words;
  std::array<char, 256> part{};
  for (ssize_t size = 0; (size = read(pipes[0], part.data(), part.size())) > 0;)
    words.append(part.data(), static_cast<std::size_t>(size));
  close(pipes[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? words : "";
}

}  // namespace

TEST_CASE("A step is learnt from once", "[stream][online]") {
  const MinGru<float> cell(3, 2);
  Online online(cell);
  const VectorOf<float> x = VectorOf<float>::Ones(3), dy = VectorOf<float>::Ones(2);
  const char* const words = "learn: a step must have been made since the last learn(), reset() or visit_memory()";
  CHECK_THAT(last_words([&] { online.learn(dy); }), ContainsSubstring(words));
  online.step(x);
  CHECK(last_words([&] { online.learn(dy); }).empty());
  online.learn(dy);
  CHECK_THAT(last_words([&] { online.learn(dy); }), ContainsSubstring(words));
}

TEST_CASE("A stream gives what forward gives, to the bit", "[stream]") {
  check_streams<float>();
  check_streams<double>();
  check_streams_of_fixed_sizes();
}

TEST_CASE("A step takes and gives numbers where there is one input and one output", "[stream]") {
  std::mt19937 rng(4);
  const auto fixed = randomized(Sequence<Elman<float, Tanh, 1, 8>, Readout<float, 8, 1>>(), rng);
  Sequence dynamic(Elman<float>(1, 8), Readout<float>(8, 1));
  dynamic.layer<0>().U = fixed.layer<0>().U;
  dynamic.layer<0>().W = fixed.layer<0>().W;
  dynamic.layer<0>().b = fixed.layer<0>().b;
  dynamic.layer<1>().V = fixed.layer<1>().V;
  Stream a(fixed), b(fixed);
  Stream c(dynamic);
  for (const float x : {0.5f, -1.f, 0.25f, 2.f}) {
    const float y = a.step(x);
    CHECK(identical(y, b.step(VectorOf<float, 1>(x))(0)));
    CHECK(identical(y, c.step(x)));
  }
  STATIC_REQUIRE(noexcept(a.step(0.5f)));
  STATIC_REQUIRE(noexcept(c.step(0.5f)));
  const VectorOf<float, 1> x(1);
  STATIC_REQUIRE(noexcept(b.step(x)));
  STATIC_REQUIRE(noexcept(a.reset()));
  STATIC_REQUIRE(decltype(b.step(x))::RowsAtCompileTime == 1);
}

TEST_CASE("Streams that share a network have each their own state, and see what the network learns", "[stream]") {
  std::mt19937 rng(5);
  auto net = randomized(Sequence(Elman<double>(1, 4), Readout<double>(4, 1)), rng);
  Stream one(net), other(net);
  CHECK(&one.net() == &net);
  const double first = one.step(0.5), second = one.step(-0.5);
  CHECK(other.step(0.5) == first);
  CHECK(other.step(-0.5) == second);
  net.layer<1>().V *= 2;
  one.reset();
  CHECK(one.step(0.5) == Approx(2 * first));

  Stream copy = other;  // with its state
  CHECK(copy.step(0.1) == other.step(0.1));
}

TEST_CASE("The state of a stream can be taken, given back and cleared", "[stream]") {
  std::mt19937 rng(6);
  const auto net = randomized(Sequence(Cell<recur_test::TwoStates, double>(2, 5), Readout<double>(5, 3)), rng);
  const auto x = random_series(2, 1, 9, rng);
  auto trace = net.trace();
  Stream stream(net);
  for (Index t = 0; t < 5; ++t) stream.step(VectorOf<double>(x[t]));
  const auto middle = stream.state();
  net.forward(x.window(0, 5), trace);
  CHECK(identical(std::get<0>(middle), std::get<0>(net.final_state(trace))));

  const auto y = net.forward(x, trace);
  const auto check_rest = [&] {
    for (Index t = 5; t < 9; ++t) CHECK(identical(stream.step(VectorOf<double>(x[t])), y[t]));
  };
  check_rest();
  stream.reset(middle);
  check_rest();
  stream.reset();
  CHECK(identical(stream.step(VectorOf<double>(x[0])), y[0]));
  stream.reset(net.state(0));  // of no columns: zero
  CHECK(identical(stream.step(VectorOf<double>(x[0])), y[0]));

  const double* const where = stream.step(VectorOf<double>(x[0])).data();
  stream.reset(middle);  // in place: y of a step is not left where there is no memory
  CHECK(stream.step(VectorOf<double>(x[0])).data() == where);

  CHECK(message_of([&] { stream.reset(net.state(2)); }) ==
        "reset: state must be 10x1 (state_size() x batch), got 10x2");
}

TEST_CASE("A state is neither taken from nor given to a stream whose network has other sizes by now", "[stream]") {
  const std::string other = "the network has other shapes than when the stream was made";
  const Sequence larger(Lstm<float>(3, 40), Readout<float>(40, 2)), smaller(Lstm<float>(3, 4), Readout<float>(4, 2));
  for (const auto& [before, after] : {std::pair(smaller, larger), std::pair(larger, smaller)}) {
    auto net = before;
    Stream stream(net);
    const auto state = stream.state();
    net = after;
    CHECK(message_of([&] { stream.state(); }) == "state: " + other);
    CHECK(message_of([&] { stream.reset(net.state(1)); }) == "reset: " + other);
    CHECK(message_of([&] { stream.reset(state); }) == "reset: " + other);
    CHECK_THAT(last_words([&] { stream.reset(); }), ContainsSubstring("reset: " + other));
    net = before;
    stream.reset(state);  // as it was
    CHECK(std::get<0>(stream.state()) == std::get<0>(state));
  }
  Stack<Elman<float>> stack(3, 3, 2);
  Stream of_stack(stack);
  stack.layers.emplace_back(3, 3);
  CHECK(message_of([&] { of_stack.state(); }) == "state: " + other);
  CHECK(message_of([&] { of_stack.reset(stack.state(1)); }) == "reset: " + other);
}

TEST_CASE("A step reads vectors where they lie", "[stream]") {
  std::mt19937 rng(7);
  const auto net = randomized(Sequence(Elman<float>(3, 4), Readout<float>(4, 2)), rng);
  const auto x = random_series<float>(3, 1, 1, rng);
  Stream of_vector(net), of_map(net), of_column(net);
  const VectorOf<float> y = of_vector.step(VectorOf<float>(x[0]));
  CHECK(identical(of_map.step(Eigen::Map<const Eigen::Vector3f>(x.data())), y));
  CHECK(identical(of_column.step(x.matrix().col(0)), y));
}

TEST_CASE("A size that is wrong ends the program, and says why", "[stream]") {
  const Sequence net(Elman<float>(3, 4), Readout<float>(4, 2));
  Stream stream(net);
  CHECK_THAT(last_words([&] { stream.step(VectorOf<float>(VectorOf<float>::Zero(2))); }),
             ContainsSubstring("step: x.rows() must be 3 (inputs()), got 2"));
  CHECK_THAT(last_words([&] { stream.step(1.f); }),
             ContainsSubstring("step: a number is for one input and one output, this network has 3 and 2 (a kind of "
                               "token is recur::Token{3})"));
  CHECK_THAT(last_words([&] { stream.step(Token{3}); }),
             ContainsSubstring("step: x must be in 0 .. 2 (inputs() kinds of tokens), got 3"));
  CHECK_THAT(last_words([&] { stream.step(Token{-1}); }),
             ContainsSubstring("step: x must be in 0 .. 2 (inputs() kinds of tokens), got -1"));
  for (const int right : {0, 1, 2}) CHECK(last_words([&] { stream.step(Token{right}); }).empty());

  Sequence changed(Elman<float>(3, 4), Readout<float>(4, 2));
  Stream made_before(changed);
  const VectorOf<float> x = VectorOf<float>::Ones(3);
  for (const auto& change :
       std::vector<std::function<void()>>{[&] { changed = Sequence(Elman<float>(3, 40), Readout<float>(40, 2)); },
                                          [&] { changed = Sequence(Elman<float>(3, 4), Readout<float>(4, 5)); }}) {
    CHECK_THAT(last_words([&] { change(), made_before.step(x); }),
               ContainsSubstring("step: the network has other shapes than when the stream was made"));
  }
  const auto grow_bias = [&] {
    changed.layer<0>().b.resize(5);
    made_before.step(x);
  };
  CHECK_THAT(last_words(grow_bias),
             ContainsSubstring("step: U must be 1 H x I, W 1 H x H, b 1 H, got U 4x3, W 4x4, b 5x1"));
  Stack<Elman<float>> stack(3, 3, 2);
  Stream of_stack(stack);
  CHECK_THAT(last_words([&] { stack.layers.emplace_back(3, 3), of_stack.step(x); }),
             ContainsSubstring("step: the network has other shapes than when the stream was made"));
  const Readout<float> readout(2, 2);
  Stream of_readout(readout);
  const auto feed_back = [&] { of_readout.step(of_readout.step(VectorOf<float>(VectorOf<float>::Ones(2)))); };
  CHECK_THAT(last_words(feed_back), ContainsSubstring("step: x must not be what the step before gave"));
  const Readout<float> wider(2, 5);
  const Parallel beside(Elman<float>(2, 3), Elman<float>(2, 2));
  Stream of_wider(wider);
  Stream of_beside(beside);
  const VectorOf<float> ones = VectorOf<float>::Ones(2);
  CHECK_THAT(last_words([&] { of_wider.step(of_wider.step(ones).tail(2)); }),
             ContainsSubstring("step: x must not be what the step before gave"));
  CHECK_THAT(last_words([&] { of_beside.step(of_beside.step(ones).segment(2, 2)); }),
             ContainsSubstring("step: x must not be what the step before gave"));
}

TEST_CASE("A network of fixed sizes is one flat object", "[stream]") {
  using Net = Sequence<Elman<float, Tanh, 1, 16>, Readout<float, 16, 1>>;
  STATIC_REQUIRE(sizeof(Net) >= sizeof(float) * (16 + 16 * 16 + 16 + 16 + 1));
  STATIC_REQUIRE(sizeof(Net) <= sizeof(float) * (16 + 16 * 16 + 16 + 16 + 1) + 2 * 64);
  STATIC_REQUIRE(sizeof(Stream<Net>) <= sizeof(float) * (2 * 16 + 1) + 3 * 64);
  std::mt19937 rng(8);
  std::vector<Net> nets(3, randomized(Net(), rng));  // cache lines, also where it is copied to
  for (const Net& net : nets) CHECK(reinterpret_cast<std::uintptr_t>(net.layer<0>().W.data()) % 64 == 0);
  CHECK(recur_test::same_parameters(nets[0], nets[2]));
}
