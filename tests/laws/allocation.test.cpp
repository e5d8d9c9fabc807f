// Once a trace, a gradient and an optimiser have met a shape, nothing allocates. Every allocation of the process is
// counted: those of malloc and its like, which operator new calls too.
#include "catch.hpp"

#include <recur/recur.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RECUR_TEST_ADDRESS_SANITIZER
#elif __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define RECUR_TEST_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RECUR_TEST_ADDRESS_SANITIZER
#elif defined(__SANITIZE_THREAD__)
#define RECUR_TEST_SANITIZER
#endif

namespace {

std::atomic<long> allocations = 0;

}  // namespace

#if defined(RECUR_TEST_ADDRESS_SANITIZER)

// The sanitizer has its own malloc, and says when it is called.
#include <sanitizer/allocator_interface.h>
namespace {
const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations; }, [](const volatile void*) {});
}  // namespace

#elif defined(__GLIBC__) && !defined(RECUR_TEST_SANITIZER)

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) noexcept {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  ++allocations;
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  ++allocations;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }
int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
  *result = memalign(alignment, size);
  return *result ? 0 : 12;  // ENOMEM
}
void free(void* memory) noexcept { __libc_free(memory); }
}

#else

// Elsewhere at least what goes through operator new.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#define RECUR_TEST_COUNTS_NEW_ONLY

#endif

using namespace recur;

namespace {

/// How often f() allocates. Eigen, which has a switch of its own, is told that it must not: where there are assertions,
/// one of them fails.
long allocations_of(auto&& f, bool by_eigen = false) {
  Eigen::internal::set_is_malloc_allowed(by_eigen);
  const long before = allocations;
  f();
  const long count = allocations - before;
  Eigen::internal::set_is_malloc_allowed(true);
  return count;
}

void* volatile kept = nullptr;  // so that the compiler cannot leave out an allocation

struct Sizes {
  Index inputs, hidden, outputs, batch, steps;
};
constexpr Sizes all_sizes[] = {{3, 5, 2, 1, 4}, {1, 1, 1, 3, 1}, {7, 33, 5, 4, 50}, {20, 300, 10, 64, 4}};

using Scalar = float;  // what allocates is the same for any
using Net = Sequence<Elman<Scalar>, Elman<Scalar, Logistic>, Readout<Scalar>>;

/// A network, and everything that training it takes, warmed up with one step.
struct Training {
  std::mt19937 rng{1};
  Net net;
  Series<Scalar> x, target, dy, dx;
  Classes classes;
  Mask mask;
  Net::Trace trace;
  Net::State initial, state, d_initial;
  Net gradient;

  explicit Training(Sizes s)
      : net(Elman<Scalar>(s.inputs, s.hidden), Elman<Scalar, Logistic>(s.hidden, s.hidden),
            Readout<Scalar>(s.hidden, s.outputs, {.bias = true})),
        x(s.inputs, s.batch, s.steps), target(s.outputs, s.batch, s.steps), classes(Classes::Zero(s.batch, s.steps)),
        mask(last_step(x)), initial(net.state(s.batch)), gradient(net) {
    initialize(net, rng);
    x.setRandom(rng);
    target.setRandom(rng);
    step();
  }

  void step() {
    const auto y = net.forward(x, trace, initial);
    squared_error(y, target, dy);
    squared_error(y, target, dy, mask);
    softmax_cross_entropy(y, classes, dy);
    softmax_cross_entropy(y, classes, dy, mask);
    bptt(net, x, trace, dy, gradient);
    net.final_state(trace, state);
    bptt(net, x, trace, dy, gradient, {.d_final = &state, .dx = &dx, .d_initial = &d_initial, .accumulate = true});
    bptt(net, x, trace, {}, gradient, {.d_final = &state});
    clip_norm(gradient, 1);
    clip_value(gradient, 0.5);
  }
};

}  // namespace

TEST_CASE("The counter counts every way to allocate", "[allocation]") {
  CHECK(allocations_of([] {}) == 0);
  CHECK(allocations_of([] {
          kept = ::operator new(10);
          ::operator delete(kept);
        }) == 1);
#ifndef RECUR_TEST_COUNTS_NEW_ONLY
  CHECK(allocations_of([] {
          kept = std::malloc(10);
          std::free(kept);
        }) == 1);
  CHECK(allocations_of([] {
          kept = std::calloc(2, 5);
          std::free(kept);
        }) == 1);
  CHECK(allocations_of([] {
          kept = std::aligned_alloc(64, 128);
          std::free(kept);
        }) == 1);
  CHECK(allocations_of([] {
          kept = ::operator new(128, std::align_val_t(64));
          ::operator delete(kept, std::align_val_t(64));
        }) == 1);
#endif
  CHECK(allocations_of([] { Series<float>(2, 3, 4); }, true) >= 1);
}

TEST_CASE("Once a shape has been met, forward, losses, bptt and clipping allocate nothing", "[allocation]") {
  for (const Sizes sizes : all_sizes) {
    Training training(sizes);
    INFO("hidden " << sizes.hidden);
    CHECK(allocations_of([&] { training.step(); }) == 0);
  }
}

TEST_CASE("A smaller shape allocates nothing after a larger one", "[allocation]") {
  Training training({7, 33, 5, 4, 50});
  const long counted = allocations_of([&] {
    training.x.resize(7, 3, 41);
    training.dy.resize(5, 3, 41);
    training.x.setZero();
    training.dy.setZero();
    training.net.forward(training.x, training.trace);
    bptt(training.net, training.x, training.trace, training.dy, training.gradient, {.dx = &training.dx});
  });
  CHECK(counted == 0);
}

TEST_CASE("Optimisers allocate nothing in a step", "[allocation]") {
  for (const Sizes sizes : all_sizes) {
    Training training(sizes);
    auto& net = training.net;
    const auto& gradient = training.gradient;
    Sgd sgd(net, {.momentum = 0.9, .weight_decay = 1e-2, .nesterov = true});
    RmsProp rms_prop(net, {.momentum = 0.9});
    Adam adam(net, {});
    AdamW adam_w(net, {});
    INFO("hidden " << sizes.hidden);
    CHECK(allocations_of([&] { sgd.step(net, gradient); }) == 0);
    CHECK(allocations_of([&] { rms_prop.step(net, gradient); }) == 0);
    CHECK(allocations_of([&] { adam.step(net, gradient); }) == 0);
    CHECK(allocations_of([&] { adam_w.step(net, gradient); }) == 0);
  }
}

TEST_CASE("A single step allocates nothing, from the first on", "[allocation]") {
  Elman<Scalar> large(20, 300);
  const auto x = MatrixOf<Scalar>(MatrixOf<Scalar>::Ones(20, 64));
  auto before = large.record(64), now = before;
  CHECK(allocations_of([&] { large.step(x, before, now); }) == 0);

  // Of fixed size: not even to make the cell and its records.
  Scalar output = 0;
  const long counted = allocations_of([&] {
    Elman<Scalar, Tanh, 2, 16> cell;
    cell.b.setOnes();
    auto h = cell.record<1>(), next = h;
    cell.step(VectorOf<Scalar, 2>(1, 2), h, next);
    output = next(15);
  });
  CHECK(counted == 0);
  CHECK(output == Approx(std::tanh(1)));
}

TEST_CASE("A stream allocates nothing, from the first step on", "[allocation]") {
  std::mt19937 rng(1);
  for (const Sizes s : all_sizes) {
    Net net(Elman<Scalar>(s.inputs, s.hidden), Elman<Scalar, Logistic>(s.hidden, s.hidden),
            Readout<Scalar>(s.hidden, s.outputs, {.bias = true}));
    initialize(net, rng);
    Stream stream(net);
    const VectorOf<Scalar> x = VectorOf<Scalar>::Ones(s.inputs);
    INFO("hidden " << s.hidden);
    CHECK(allocations_of([&] { stream.step(x); }) == 0);
    const auto more = [&] {
      stream.step(x);
      stream.step(Token{0});
      stream.reset();
    };
    CHECK(allocations_of(more) == 0);
  }

  // Of fixed sizes: not even to be made, copied and given a state.
  Scalar output = 0;
  const long counted = allocations_of([&] {
    Sequence<Elman<Scalar, Tanh, 1, 16>, Readout<Scalar, 16, 1>> net;
    net.layer<0>().U.setOnes();
    net.layer<1>().V.setOnes();
    Stream stream(net), copy = stream;
    copy.step(Scalar(1));
    copy.reset();
    output = copy.step(Scalar(1));
  });
  CHECK(counted == 0);
  CHECK(output == Approx(16 * std::tanh(1)));
}

TEST_CASE("Learning online allocates nothing, from the first step on", "[allocation]") {
  std::mt19937 rng(1);
  for (const OnlineMethod method : {OnlineMethod::exact, OnlineMethod::best, OnlineMethod::immediate}) {
    Sequence net(Lstm<Scalar>(3, 20), MinGru<Scalar>(20, 9), LayerNormGru<Scalar>(9, 5), Readout<Scalar>(5, 2));
    initialize(net, rng);
    Online online(net, {.method = method, .every = method == OnlineMethod::best ? 4 : 1});
    const VectorOf<Scalar> x = VectorOf<Scalar>::Ones(3), dy = VectorOf<Scalar>::Ones(2);
    const auto steps = [&] {
      for (int k = 0; k < 3; ++k) {
        online.step(x);
        online.learn(dy);
        online.step(Token{2});
        online.learn(dy);
      }
      online.gradient();
      online.step(x);
      online.reset();
    };
    CHECK(allocations_of(steps) == 0);
  }
}

TEST_CASE("Within a budget of memory nothing is allocated either", "[allocation]") {
  std::mt19937 rng(1);
  Sequence net(Lstm<Scalar>(3, 20), Dropout<Scalar>(20, 0.2), Readout<Scalar>(20, 2));
  initialize(net, rng);
  Series<Scalar> x(3, 4, 600), dy(2, 4, 600);
  x.setRandom(rng);
  dy.setRandom(rng);
  auto gradient = zeros_like(net);
  for (const TraceOptions& options : {TraceOptions{.memory = 1'400'000}, TraceOptions{.every = 200}}) {
    auto trace = net.trace(options);
    const auto step = [&] {
      trace.train(3);
      net.forward(x, trace);
      bptt(net, x, trace, dy, gradient);
      bptt(net, x, trace, [&](Index, const auto&, auto& d) { return d.matrix().setOnes(), 0.0; }, gradient);
    };
    step();
    REQUIRE(trace.segments() > 1);
    CHECK(allocations_of(step) == 0);
  }
}

TEST_CASE("Tokens allocate nothing either", "[allocation]") {
  Training training({7, 33, 5, 4, 50});
  const Tokens x = Eigen::ArrayXXi::Constant(4, 50, 6);
  const auto step = [&] {
    training.net.forward(x, training.trace, training.initial);
    bptt(training.net, x, training.trace, training.dy, training.gradient, {.d_initial = &training.d_initial});
  };
  CHECK(allocations_of(step) == 0);
}

TEST_CASE("Layers of every kind, lengths and windows allocate nothing", "[allocation]") {
  std::mt19937 rng(1);
  const auto check = [&](auto net, bool windows) {
    Series<Scalar> x(net.inputs(), 6, 40), dy(net.outputs(), 6, 40), dx, d_loss;
    x.setRandom(rng);
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    auto initial = net.state(6), d_initial = initial, d_final = initial;
    recur::initialize(net, rng);
    const std::vector<Index> lengths{3, 40, 0, 17, 40, 8};
    const auto step = [&] {
      trace.train(3);
      const auto y = net.forward(SeriesView<const Scalar>(x).with_lengths(lengths), trace, initial);
      squared_error(y, dy, d_loss);
      bptt(net, SeriesView<const Scalar>(x).with_lengths(lengths), trace, d_loss, gradient,
           {.d_final = &d_final,
            .dx = &dx,
            .d_initial = &d_initial,
            .window = windows ? 20 : 0,
            .stride = windows ? 7 : 0});
      net.final_state(trace, initial);
    };
    step();
    CHECK(allocations_of(step) == 0);
  };
  check(Sequence(Stack<Lstm<Scalar>>(3, 20, 3, {.dropout = 0.2}), GruResetBefore<Scalar>(20, 9),
                 Dropout<Scalar>(9, 0.5), PeepholeLstm<Scalar>(9, 4)),
        true);
  check(Sequence(Stack<Bidirectional<Gru<Scalar>>>(3, 20, 2), Readout<Scalar>(40, 2)), false);
  check(Sequence(Embedding<Scalar>(3, 5), MinGru<Scalar>(5, 20), LayerNorm<Scalar>(20)), true);
  check(Sequence(Parallel(Elman<Scalar>(3, 5), Readout<Scalar>(3, 4)), Residual(Elman<Scalar>(9, 9)),
                 Sum(Readout<Scalar>(9, 2), Elman<Scalar>(9, 2))),
        true);
}

TEST_CASE("A trace holds the records of all steps, and nothing else that grows with them", "[allocation]") {
  const auto bytes_with = [](auto net, Index batch, Index steps) {
    std::mt19937 rng(1);
    Series<Scalar> x(net.inputs(), batch, steps), dy(net.outputs(), batch, steps);
    auto trace = net.trace();
    auto gradient = zeros_like(net);
    net.forward(x, trace);
    bptt(net, x, trace, dy, gradient);
    return trace.bytes();
  };
  const auto bytes = static_cast<Index>(sizeof(Scalar));
  for (const Index batch : {1, 3, 40}) {
    const auto each = [&](auto net) { return (bytes_with(net, batch, 900) - bytes_with(net, batch, 600)) / 300; };
    INFO("batch " << batch);
    CHECK(each(Elman<Scalar>(5, 7)) == bytes * 7 * batch);  // h alone
    // h of two layers, y
    CHECK(each(Sequence(Elman<Scalar>(5, 7), Elman<Scalar>(7, 33), Readout<Scalar>(33, 2))) ==
          bytes * (7 + 33 + 2) * batch);
  }
}
