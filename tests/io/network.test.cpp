// Networks in files: what is saved is what is loaded, and nothing else is.
#include "catch.hpp"
#include "cells.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/io/network.hpp>

#include <cstring>
#include <limits>

using namespace recur;
using namespace recur_test;

namespace {

using Error = std::runtime_error;

template <class Net>
bool same_bits(const Net& a, const Net& b) {
  bool same = true;
  recur::visit(
      [&](const Name&, const auto& p, const auto& q) {
        same = same && p.rows() == q.rows() && p.cols() == q.cols() &&
               (p.size() == 0 || std::memcmp(p.data(), q.data(), sizeof(*p.data()) * std::size_t(p.size())) == 0);
      },
      a, b);
  return same;
}

template <class Net>
Net random_net(Net net, unsigned seed = 1) {
  std::mt19937 rng(seed);
  return randomized(std::move(net), rng);
}

auto usual(Index inputs = 3, Index hidden = 5, Index outputs = 2) {
  return Sequence(Elman<double>(inputs, hidden), Readout<double>(hidden, outputs, {.bias = true}));
}

template <class Scalar>
using Fixed = Sequence<Elman<Scalar, Tanh, 1, 4>, Elman<Scalar, LeakyRelu, 4, 1>, Readout<Scalar, 1, 3>>;

/// What loading into `net` says; it must not have changed it.
template <class Net>
std::string refusal(const std::filesystem::path& path, Net net) {
  const Net before = net;
  const std::string message = message_of<Error>([&] { load(path, net); });
  CHECK(same_bits(net, before));
  const std::string start = path.string() + ": ";
  return message.starts_with(start) ? message.substr(start.size()) : message;
}

/// A file with all tensors of another, but for what f does to them.
void rewrite(const std::filesystem::path& from, const std::filesystem::path& to, auto&& f) {
  const auto file = Safetensors::read(from);
  auto tensors = file.tensors();
  auto metadata = file.metadata();
  f(tensors, metadata);
  SafetensorsWriter writer;
  for (const auto& [name, tensor] : tensors) writer.add(name, tensor);
  for (const auto& [name, text] : metadata) writer.set_metadata(name, text);
  writer.write(to);
}

}  // namespace

TEMPLATE_TEST_CASE("What is saved is loaded, to the bit", "[network]", float, double) {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  const auto there_and_back = [&](const auto& zero) {
    auto net = random_net(zero);
    recur::visit(
        [](const Name&, auto& block) {  // what is easily lost
          using Limits = std::numeric_limits<TestType>;
          if (block.size() > 2) block(0) = -TestType(0), block(1) = Limits::denorm_min(), block(2) = Limits::max();
        },
        net);
    save(path, net);
    auto loaded = random_net(zero, 2);
    REQUIRE_FALSE(same_bits(loaded, net));
    CHECK(load(path, loaded).empty());
    CHECK(same_bits(loaded, net));
  };
  there_and_back(Elman<TestType>(3, 5));
  there_and_back(Readout<TestType>(3, 5));
  there_and_back(Sequence(Elman<TestType>(1, 1), Readout<TestType>(1, 1)));
  there_and_back(Sequence(Elman<TestType>(3, 5), Elman<TestType, Relu>(5, 4), Readout<TestType>(4, 2, {.bias = true})));
  there_and_back(Fixed<TestType>());
  there_and_back(Sequence<Sequence<Elman<TestType, Tanh, 2, 3>>, Readout<TestType, 3, 2>>());
  there_and_back(Cell<LearnedLeak, TestType>(3, 5));
  there_and_back(Cell<TwoStates, TestType>(3, 5));
}

TEST_CASE("Sizes may be fixed or not, numbers float or double", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  const auto net = random_net(Fixed<float>());
  save(path, net);
  Sequence dynamic(Elman<float>(1, 4), Elman<float, LeakyRelu>(4, 1), Readout<float>(1, 3));
  load(path, dynamic);
  save(folder / "again", dynamic);
  CHECK(read_file(folder / "again") == read_file(path));

  Fixed<double> wide;
  load(path, wide);
  CHECK(same_bits(wide, net.cast<double>()));
  const auto precise = random_net(Fixed<double>());
  save(path, precise);
  Fixed<float> rounded;
  load(path, rounded);
  CHECK(same_bits(rounded, precise.cast<float>()));
}

TEST_CASE("A file says what it holds: names, shapes, types, the network", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  const auto net = random_net(usual());
  save(path, net);
  const auto file = Safetensors::read(path);
  std::string tensors;
  for (const auto& [name, tensor] : file.tensors()) {
    tensors += name + " " + tensor.dtype + " " + text_of_shape(tensor.shape) + "\n";
  }
  CHECK(tensors == "0.U F64 [5, 3]\n0.W F64 [5, 5]\n0.b F64 [5]\n1.V F64 [2, 5]\n1.c F64 [2]\n");
  CHECK(file.metadata() == Metadata{{"recur.network", "Sequence(Elman tanh 3 -> 5, Readout 5 -> 2 with bias)"}});
  CHECK(file.matrix<double>("0.W") == net.layer<0>().W);
  save(path, random_net(Fixed<float>()));
  CHECK(Safetensors::read(path).tensor("0.U").dtype == "F32");
}

TEST_CASE("The user's metadata travel with the network", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  auto net = random_net(usual());
  const Metadata metadata{{"alphabet", "abc \n\"\\ \xC3\xA4"}, {"", ""}, {"hidden", "5"}};
  save(path, net, metadata);
  CHECK(load(path, net) == metadata);
  CHECK(load(path, net).at("hidden") == "5");
  const auto before = read_file(path);
  CHECK(message_of([&] { save(path, net, {{"recur.network", "mine"}}); }) ==
        "save: the metadata must not be called recur.*, got recur.network");
  CHECK(read_file(path) == before);
}

TEST_CASE("Loading into another network says what differs", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  save(path, random_net(usual()));
  const std::string got = ", got Sequence(Elman tanh 3 -> 5, Readout 5 -> 2 with bias)";
  CHECK(refusal(path, usual(3, 5, 4)) ==
        "must have the network Sequence(Elman tanh 3 -> 5, Readout 5 -> 4 with bias)" + got +
            ": layer 1 must be Readout 5 -> 4 with bias, got Readout 5 -> 2 with bias");
  CHECK(refusal(path, Sequence(Elman<double, Relu>(3, 5), Readout<double>(5, 2))) ==
        "must have the network Sequence(Elman relu 3 -> 5, Readout 5 -> 2)" + got +
            ": layer 0 must be Elman relu 3 -> 5, got Elman tanh 3 -> 5");
  CHECK(refusal(path, Sequence(Elman<double>(3, 5))) == "must have the network Sequence(Elman tanh 3 -> 5)" + got);
  CHECK(refusal(path, Elman<double>(3, 5)) == "must have the network Elman tanh 3 -> 5" + got);
  save(path, random_net(Cell<ElmanRule<LeakyRelu>, float>(3, 5, {{0.2}})));
  CHECK(refusal(path, Elman<float, LeakyRelu>(3, 5)) ==
        "must have the network Elman leaky relu 0.01 3 -> 5, got Elman leaky relu 0.2 3 -> 5");
  SafetensorsWriter hostile;
  hostile.set_metadata("recur.network", "\x1b[2J" + std::string(100'000, 'x'));
  hostile.write(path);
  CHECK(refusal(path, Elman<float>(3, 5)) ==
        "must have the network Elman tanh 3 -> 5, got ?[2J" + std::string(1996, 'x') + "...");
  save(path, random_net(Sequence(Cell<LeakyIntegrator<>, float>(3, 5), Readout<float>(5, 2))));
  CHECK(refusal(path, Sequence(Cell<TwoStates, float>(3, 5), Readout<float>(5, 2)))
            .ends_with(": layer 0 must be Rule(4 blocks, inputs into 0-1, hidden into 0-1, state 2-3) 3 -> 5, got "
                       "Rule(2 blocks, inputs "
                       "into 0-0, hidden into 0-0, state 1-1) 3 -> 5"));
}

TEST_CASE("Missing, unused and misshapen tensors are errors", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors", other = folder / "other.safetensors";
  const auto net = random_net(usual());
  save(path, net);
  const auto after = [&](auto&& f) {
    rewrite(path, other, [&](auto& tensors, auto&) { f(tensors); });
    return refusal(other, usual());
  };
  rewrite(path, other, [](auto&, auto&) {});
  auto copy = usual();
  load(other, copy);  // it is not the rewriting that is refused
  CHECK(same_bits(copy, net));
  CHECK(after([](auto& tensors) { tensors.erase("0.W"); }) ==
        "must have a tensor '0.W', got '0.U', '0.b', '1.V', '1.c'");
  CHECK(after([](auto& tensors) { tensors["2.V"] = tensors["1.V"]; }) ==
        "must have the tensors of the network and no others, got '2.V' of shape [2, 5]");
  CHECK(after([](auto& tensors) { tensors["0.U"].shape = {3, 5}; }) ==
        "tensor '0.U' must have shape [5, 3], got [3, 5]");
  CHECK(after([](auto& tensors) { tensors["0.b"].shape = {1, 5}; }) ==
        "tensor '0.b' must have shape [5, 1] or [5], got [1, 5]");
  CHECK(after([](auto& tensors) { tensors["1.V"].dtype = "I64"; }) ==
        "tensor '1.V' must be of F64, F32, F16 or BF16 to be read as numbers, got I64");
}

TEST_CASE("A file of somebody else's is known by its tensors alone", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors", other = folder / "other.safetensors";
  const auto net = random_net(usual());
  save(path, net);
  rewrite(path, other, [](auto&, auto& metadata) { metadata = {{"format", "pt"}}; });
  auto loaded = usual();
  CHECK(load(other, loaded) == Metadata{{"format", "pt"}});
  CHECK(same_bits(loaded, net));
  CHECK(refusal(other, usual(3, 5, 4)) == "tensor '1.V' must have shape [4, 5], got [2, 5]");
}

TEST_CASE("What is not finite is neither saved nor loaded", "[network]") {
  const Folder folder;
  const auto path = folder / "net.safetensors";
  auto net = random_net(usual());
  save(path, net);
  const auto before = read_file(path);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto with = [&](double value) {
    auto other = net;
    other.layer<0>().U(4, 1) = value;
    return message_of([&] { save(path, other); });
  };
  CHECK(with(std::nan("")) == "save: 0.U must be finite, got nan at (4, 1)");
  CHECK(with(infinity) == "save: 0.U must be finite, got inf at (4, 1)");
  CHECK(with(-infinity) == "save: 0.U must be finite, got -inf at (4, 1)");
  CHECK(read_file(path) == before);

  net.layer<1>().c(1) = 1e300;  // a double that no float can hold
  save(path, net);
  CHECK(refusal(path, net.cast<float>()) == "tensor '1.c' must be finite, got inf at (1, 0)");
}

TEST_CASE("Files that cannot be read or written are errors", "[network]") {
  const Folder folder;
  auto net = random_net(usual());
  CHECK(refusal(folder / "none", net) == "cannot be read: there is no such file");
  write_file(folder / "short", std::vector<std::byte>(7));
  CHECK(refusal(folder / "short", net).starts_with("must have at least 8 bytes"));
  CHECK(message_of<Error>([&] { save(folder / "no" / "folder", net); }).find("cannot be written") != std::string::npos);
}
