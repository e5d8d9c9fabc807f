// save <network> <numbers>: writes the files that are then compiled into run.cpp.
#include "network.hpp"

#include <recur/io/safetensors.hpp>

int main(int, char* argv[]) {
  recur::SafetensorsWriter network;
  const auto net = recur_test::network();
  recur::visit([&](const recur::Name& name, const auto& block) { network.add(name.str(), block); }, net);
  network.write(argv[1]);

  recur::SafetensorsWriter numbers;
  numbers.add("of float", recur_test::odd_numbers<float>());
  numbers.add("of.float", recur_test::odd_numbers<double>());  // the same letters
  // 1, -infinity, a NaN, the least half or bfloat > 0
  constexpr std::array<unsigned char, 8> half{0x00, 0x3C, 0x00, 0xFC, 0x01, 0x7E, 0x01, 0x00};
  constexpr std::array<unsigned char, 8> bfloat{0x80, 0x3F, 0x80, 0xFF, 0xC1, 0x7F, 0x01, 0x00};
  numbers.add("\"h\\alf?\"\n", recur::Tensor{"F16", {2, 2}, std::as_bytes(std::span(half))});
  numbers.add("\xC3\xBC", recur::Tensor{"BF16", {4}, std::as_bytes(std::span(bfloat))});
  numbers.write(argv[2]);
}
