#pragma once
/// \file
/// Files of tensors in the safetensors format, as PyTorch and others read and write them
/// (https://huggingface.co/docs/safetensors): the length of the header in 8 bytes, the header in JSON, the data.
/// The only part of recur that needs nlohmann-json, and so no part of recur.hpp: in CMake, link
/// nlohmann_json::nlohmann_json beside recur::recur.

#include "file.hpp"
#include "safetensors_header.hpp"

namespace recur::inline RECUR_ISA {

namespace detail {
/// No header is longer: the format's own limit.
inline constexpr std::uint64_t longest_safetensors_header = 100'000'000;
}  // namespace detail

/// A safetensors file in memory. Files are not trusted: whatever is in them, they are read rightly or refused.
/// Everything but the numbers is checked when it is opened.
///
///     const auto file = recur::Safetensors::read("model.safetensors");
///     file.read("0.W", cell.W);                               // throws unless it has the shape of cell.W
///     const auto V = file.matrix<float>("1.V");               // of whatever shape is in the file
///
/// Everything here that throws throws std::runtime_error, which names the file, the tensor, what was expected and what
/// came.
class Safetensors {
 public:
  /// Reads the file at `path`. Throws std::runtime_error where it cannot be read, or is no safetensors file.
  static Safetensors read(const std::filesystem::path& path) { return parse(read_file(path), path.string()); }
  /// A file that is in memory already; `name` is what errors call it.
  static Safetensors parse(std::vector<std::byte> bytes, std::string name) {
    return Safetensors(std::move(bytes), std::move(name));
  }

  /// Can be moved, not copied: the tensors are views of the bytes, which keep their place.
  Safetensors(Safetensors&&) = default;
  /// As the constructor.
  Safetensors& operator=(Safetensors&&) = default;

  /// The file's name.
  const std::string& name() const { return name_; }
  /// All the metadata: text by text.
  ///@{
  const std::map<std::string, std::string>& metadata() const& { return metadata_; }
  std::map<std::string, std::string> metadata() && { return std::move(metadata_); }
  ///@}
  /// One text of the metadata, which must be there.
  std::string metadata(const std::string& key) && { return std::as_const(*this).metadata(key); }
  /// The same.
  const std::string& metadata(const std::string& key) const& {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail("must have the metadata " + quote(key) + ", got none of that name");
    return found->second;
  }

  /// All tensors by name, valid as long as this.
  const std::map<std::string, Tensor>& tensors() const& { return tensors_; }
  const std::map<std::string, Tensor>& tensors() && = delete;
  /// Whether there is a tensor of that name.
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  /// One tensor, which must be there.
  const Tensor& tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    std::string names;
    for (const auto& [other, tensor] : tensors_) {
      if (names.size() > 500) {
        names += " ...";
        break;
      }
      names += (names.empty() ? "" : ", ") + quote(other);
    }
    fail("must have a tensor " + quote(name) + ", got " + (names.empty() ? "none at all" : names));
  }
  /// The shape of a tensor, which must be there.
  const std::vector<Index>& shape(const std::string& name) const& { return tensor(name).shape; }
  /// The same.
  std::vector<Index> shape(const std::string& name) && { return std::as_const(*this).shape(name); }

  /// The numbers of a tensor of any shape, row-major. F64, F32, F16 and BF16 are converted to Scalar, rounded to
  /// nearest.
  template <std::floating_point Scalar>
  std::vector<Scalar> values(const std::string& name) const {
    const Tensor& found = tensor(name);
    if (!is_real(found.dtype)) {
      fail("tensor " + quote(name) + " must be of F64, F32, F16 or BF16 to be read as numbers, got " + found.dtype);
    }
    return numbers_of<Scalar>(found);
  }

  /// A tensor of two dimensions; one of one dimension is a column.
  template <std::floating_point Scalar>
  MatrixOf<Scalar> matrix(const std::string& name) const {
    const auto& sizes = shape(name);
    if (sizes.size() != 1 && sizes.size() != 2) {
      fail("tensor " + quote(name) + " must have one or two dimensions, got shape " + text_of_shape(sizes));
    }
    return matrix<Scalar>(name, sizes[0], sizes.size() == 2 ? sizes[1] : 1);
  }
  /// A tensor of shape [rows, cols], and no other; where cols is 1, [rows] will do.
  template <std::floating_point Scalar>
  MatrixOf<Scalar> matrix(const std::string& name, Index rows, Index cols) const {
    const auto& sizes = shape(name);
    if (sizes != std::vector<Index>{rows, cols} && !(cols == 1 && sizes == std::vector<Index>{rows})) {
      fail("tensor " + quote(name) + " must have shape " + text_of_shape({rows, cols}) +
           (cols == 1 ? " or " + text_of_shape({rows}) : "") + ", got " + text_of_shape(sizes));
    }
    using RowMajor = Eigen::Array<Scalar, Dynamic, Dynamic, Eigen::RowMajor>;
    const auto numbers = values<Scalar>(name);
    if (numbers.empty()) return MatrixOf<Scalar>(rows, cols);  // a loop over 0 rows of 2^62 columns would not end
    return Eigen::Map<const RowMajor>(numbers.data(), rows, cols);
  }
  /// Fills a matrix with a tensor of the same shape.
  template <class Derived>
  void read(const std::string& name, Eigen::MatrixBase<Derived>& result) const {
    result = matrix<typename Derived::Scalar>(name, result.rows(), result.cols());
  }

  /// Throws std::runtime_error: the file's name, and what is wrong with it. For those who read more out of it.
  [[noreturn]] void fail(const std::string& what) const { throw std::runtime_error(name_ + ": " + what); }

 private:
  static constexpr const char* not_whole = ": it is cut short, or no safetensors file";

  Safetensors(std::vector<std::byte> bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {
    if (bytes_.size() < 8)
      fail("must have at least 8 bytes, the length of its header, got " + std::to_string(bytes_.size()) + not_whole);
    const auto length = detail::load_little_endian<std::uint64_t>(bytes_.data());
    const std::uint64_t rest = bytes_.size() - 8;
    if (length > rest || length > detail::longest_safetensors_header) {
      fail("must have a header within its other " + std::to_string(rest) + " bytes and within " +
           std::to_string(detail::longest_safetensors_header) + ", got one of " + std::to_string(length) + not_whole);
    }
    const std::string_view header(reinterpret_cast<const char*>(bytes_.data()) + 8, static_cast<std::size_t>(length));
    const auto data = std::span<const std::byte>(bytes_).subspan(8 + header.size());
    auto read = detail::parse_safetensors_header(header, data.size(), [this](const std::string& why) { fail(why); });
    metadata_ = std::move(read.metadata);
    for (auto& [tensor, entry] : read.tensors) {
      const auto begin = static_cast<std::size_t>(entry.begin), end = static_cast<std::size_t>(entry.end);
      tensors_[tensor] = {std::move(entry.dtype), std::move(entry.shape), data.subspan(begin, end - begin)};
    }
  }

  std::vector<std::byte> bytes_;
  std::string name_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Tensor> tensors_;
};

/// A safetensors file to be written.
///
///     recur::SafetensorsWriter file;
///     file.set_metadata("format", "pt");
///     file.add("0.W", cell.W);
///     file.write("model.safetensors");
///
/// The same tensors and metadata give the same bytes, in whatever order they were added.
/// Throws std::invalid_argument for what no file may hold.
class SafetensorsWriter {
 public:
  /// One text of the metadata; replaces an older one of that name.
  void set_metadata(const std::string& key, const std::string& value) { metadata_[key] = value; }

  /// A matrix of float or double, as F32 or F64 of shape [rows, cols], or [rows] where it has one column.
  template <class Derived>
  void add(const std::string& name, const Eigen::MatrixBase<Derived>& matrix) {
    add(name, matrix, matrix.cols() == 1 ? std::vector{matrix.rows()} : std::vector{matrix.rows(), matrix.cols()});
  }
  /// Its numbers, row-major, as a tensor of another shape.
  template <class Derived>
  void add(const std::string& name, const Eigen::MatrixBase<Derived>& matrix, std::vector<Index> shape) {
    const auto data = tensor_bytes(matrix);
    add(name, Tensor{sizeof(typename Derived::Scalar) == 4 ? "F32" : "F64", std::move(shape), data});
  }
  /// Any tensor. Its data are copied.
  void add(const std::string& name, const Tensor& tensor) {
    const NumberType* const type = find_number_type(tensor.dtype);
    require(type != nullptr, where, "tensor ", quote(name), " must have a known dtype, got ", quote(tensor.dtype));
    require(byte_count(*type, tensor.shape) == tensor.data.size(), where, "tensor ", quote(name),
            " must have the bytes of ", tensor.dtype, " of shape ", text_of_shape(tensor.shape), ", got ",
            tensor.data.size());
    require(name != "__metadata__", where, "a tensor must not be called __metadata__");
    require(tensors_.count(name) == 0, where, "tensor ", quote(name), " must be added once, got it twice");
    tensors_[name] = {tensor.dtype, tensor.shape, {tensor.data.begin(), tensor.data.end()}};
  }

  /// The file.
  std::vector<std::byte> bytes() const {
    // The widest numbers first, so that each lies at a multiple of its size.
    std::vector<const std::pair<const std::string, Owned>*> in_order;
    for (const auto& tensor : tensors_) in_order.push_back(&tensor);
    std::stable_sort(in_order.begin(), in_order.end(), [](auto* a, auto* b) {
      return find_number_type(a->second.dtype) < find_number_type(b->second.dtype);
    });

    std::string header;
    const auto item = [&](const std::string& text) { header += (header.empty() ? "{" : ",") + text; };
    if (!metadata_.empty()) {
      std::string texts;
      for (const auto& [key, text] : metadata_) texts += (texts.empty() ? "" : ",") + json(key) + ":" + json(text);
      item("\"__metadata__\":{" + texts + "}");
    }
    std::size_t end = 0;
    for (const auto* tensor : in_order) {
      const auto& [name, owned] = *tensor;
      const std::size_t begin = std::exchange(end, end + owned.data.size());
      item(json(name) + ":{\"dtype\":\"" + owned.dtype +
           "\",\"shape\":" + text_of_shape(owned.shape, owned.shape.size()) + ",\"data_offsets\":[" +
           std::to_string(begin) + "," + std::to_string(end) + "]}");
    }
    header += header.empty() ? "{}" : "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the data begin at a multiple of 8
    require(header.size() <= detail::longest_safetensors_header, where, "names, shapes and metadata must fit into ",
            detail::longest_safetensors_header, " bytes, got ", header.size());

    std::vector<std::byte> bytes(8);
    bytes.reserve(8 + header.size() + end);
    detail::store_little_endian(std::uint64_t(header.size()), bytes.data());
    const auto text = std::as_bytes(std::span(header));
    bytes.insert(bytes.end(), text.begin(), text.end());
    for (const auto* tensor : in_order) {
      bytes.insert(bytes.end(), tensor->second.data.begin(), tensor->second.data.end());
    }
    return bytes;
  }

  /// Writes it, wholly or not at all: see write_file(). Throws std::runtime_error, which says what failed.
  void write(const std::filesystem::path& path) const { write_file(path, bytes()); }

 private:
  static constexpr const char* where = "SafetensorsWriter: ";
  struct Owned {
    std::string dtype;
    std::vector<Index> shape;
    std::vector<std::byte> data;
  };

  static std::string json(const std::string& text) {
    try {
      return nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
      throw std::invalid_argument(where + quote(text) + " must be UTF-8");
    }
  }

  std::map<std::string, std::string> metadata_;
  std::map<std::string, Owned> tensors_;
};

}  // namespace recur::inline RECUR_ISA
