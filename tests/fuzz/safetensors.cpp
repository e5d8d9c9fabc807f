// Fuzzes the reader of safetensors files with libFuzzer: whatever comes in is refused by std::runtime_error, or read,
// and then it can be written and read again as the same. The input is a whole file; or a header up to the first zero
// byte and the data behind it, whose length is put right here, for few of the bytes that a fuzzer changes leave it so.
#include <recur/io/safetensors.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

void check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

bool same(const recur::Safetensors& a, const recur::Safetensors& b) {
  if (a.metadata() != b.metadata() || a.tensors().size() != b.tensors().size()) return false;
  for (const auto& [name, tensor] : a.tensors()) {
    if (!b.contains(name)) return false;
    const auto& other = b.tensor(name);
    if (tensor.dtype != other.dtype || tensor.shape != other.shape ||
        !std::equal(tensor.data.begin(), tensor.data.end(), other.data.begin(), other.data.end())) {
      return false;
    }
  }
  return true;
}

/// Gives whether a refusal was the right answer.
bool refuses(auto&& read) {
  try {
    read();
  } catch (const std::runtime_error& error) {
    return std::string_view(error.what()).starts_with("m.safetensors: ");
  }
  return false;
}

void read_numbers(const recur::Safetensors& file) {
  for (const auto& entry : file.tensors()) {
    const auto& name = entry.first;
    const auto& tensor = entry.second;
    if (!recur::is_real(tensor.dtype)) {
      check(refuses([&] { file.values<float>(name); }), "only reals are read");
      continue;
    }
    const auto numbers = file.values<float>(name);
    check(file.values<double>(name).size() == numbers.size(), "as many doubles as floats");
    if (tensor.shape.size() == 1 || tensor.shape.size() == 2) {
      check(file.matrix<float>(name).size() == static_cast<recur::Index>(numbers.size()), "as many in the matrix");
    } else {
      check(refuses([&] { file.matrix<float>(name); }), "only matrices are read as such");
    }
  }
}

void try_file(std::vector<std::byte> bytes) {
  try {
    const auto file = recur::Safetensors::parse(std::move(bytes), "m.safetensors");
    read_numbers(file);
    recur::SafetensorsWriter writer;
    for (const auto& [key, text] : file.metadata()) writer.set_metadata(key, text);
    for (const auto& [name, tensor] : file.tensors()) writer.add(name, tensor);
    const auto written = writer.bytes();
    check(same(file, recur::Safetensors::parse(written, "written.safetensors")), "what is written is what was read");
  } catch (const std::runtime_error& error) {
    check(std::string_view(error.what()).starts_with("m.safetensors: "), "what is refused is what came");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  const auto* const begin = reinterpret_cast<const std::byte*>(input);
  const auto* const end = begin + size;
  try_file({begin, end});

  const auto* const header_end = std::find(begin, end, std::byte(0));
  std::vector<std::byte> framed(8);
  recur::detail::store_little_endian(static_cast<std::uint64_t>(header_end - begin), framed.data());
  framed.insert(framed.end(), begin, header_end);
  framed.insert(framed.end(), header_end == end ? end : header_end + 1, end);
  try_file(std::move(framed));
  return 0;
}
