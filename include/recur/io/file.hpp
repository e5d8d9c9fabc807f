#pragma once
/// \file
/// Whole files, into memory and out of it. What is written replaces the old file wholly or not at all.

#include "../base/isa.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace recur::inline RECUR_ISA {

/// The bytes of a regular file. Throws std::runtime_error, which names it and says why it cannot be read.
inline std::vector<std::byte> read_file(const std::filesystem::path& path) {
  const auto check = [&](bool good, const std::string& why) {
    if (!good) throw std::runtime_error(path.string() + ": cannot be read: " + why);
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  check(status.type() != std::filesystem::file_type::not_found, "there is no such file");
  check(std::filesystem::status_known(status), error.message());
  check(std::filesystem::is_regular_file(status), "it is not a regular file");
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  check(stream.is_open(), std::generic_category().message(errno));  // which the system has set
  // Its length is asked of the open file: another one may be under its name by now.
  const std::streamoff length = stream.tellg();
  check(length >= 0, "its length is not known");

  std::vector<std::byte> bytes;
  try {
    bytes.resize(static_cast<std::size_t>(length));
  } catch (const std::exception&) {  // std::bad_alloc, std::length_error
    check(false, "its " + std::to_string(length) + " bytes do not fit into memory");
  }
  stream.seekg(0);
  stream.read(reinterpret_cast<char*>(bytes.data()), length);
  check(stream.gcount() == length,
        "it ended after " + std::to_string(stream.gcount()) + " of " + std::to_string(length) + " bytes");
  return bytes;
}

namespace detail {

/// A new file beside `path`, which either takes its place or goes away.
class Replacement {
 public:
  explicit Replacement(const std::filesystem::path& path);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement();
  void write(std::span<const std::byte> bytes);
  /// The file is on the disk, and under its name: in this order, so that no loss of power leaves half of it there.
  void commit();

 private:
  /// Throws what errno says.
  [[noreturn]] void fail(const std::string& doing) const {
    const int code = errno;
    throw std::runtime_error(path_.string() + ": cannot be written: " + doing + ": " +
                             (code ? std::generic_category().message(code) : "no reason given"));
  }
  std::filesystem::path name(int attempt) const;

  std::filesystem::path path_, temporary_;  // temporary_ is empty where there is none to be removed
#if defined(__unix__) || defined(__APPLE__)
  int file_ = -1;
#else
  std::ofstream file_;
#endif
};

/// Hidden, short whatever the file's name, and another for each process. One of the same id that was killed may have
/// left its own behind.
inline std::filesystem::path Replacement::name(int attempt) const {
#if defined(__unix__) || defined(__APPLE__)
  const std::string process = std::to_string(::getpid()) + "-";
#else
  const std::string process;
#endif
  return path_.parent_path() / (".recur-" + process + std::to_string(attempt) + ".tmp");
}

#if defined(__unix__) || defined(__APPLE__)

inline Replacement::Replacement(const std::filesystem::path& path) : path_(path) {
  std::filesystem::path candidate;
  for (int attempt = 0; file_ < 0 && attempt < 10000; ++attempt) {
    candidate = name(attempt);
    file_ = ::open(candidate.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) break;
  }
  if (file_ < 0) fail("opening " + candidate.string());
  temporary_ = candidate;
  struct stat old = {};
  if (::stat(path_.c_str(), &old) == 0) static_cast<void>(::fchmod(file_, old.st_mode & 0777));
}

inline Replacement::~Replacement() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

inline void Replacement::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(file_, bytes.data(), std::min(bytes.size(), std::size_t(1) << 30));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("writing " + temporary_.string());
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

inline void Replacement::commit() {
  if (::fsync(file_) != 0) fail("flushing " + temporary_.string());
  const int closed = ::close(file_);
  file_ = -1;
  if (closed != 0) fail("closing " + temporary_.string());
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("renaming " + temporary_.string());
  temporary_.clear();

  // The new name is on the disk once the folder is. Not every file system and not every folder's mode lets us ask for
  // it.
  const auto folder = path_.parent_path();
  const int opened = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (opened < 0) return;
  errno = 0;
  const bool flushed = ::fsync(opened) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EBADF;
  const int code = errno;
  ::close(opened);
  errno = code;
  if (!flushed) fail("flushing the folder " + folder.string());
}

#else

inline Replacement::Replacement(const std::filesystem::path& path) : path_(path) {
  int attempt = 0;
  while (std::filesystem::exists(name(attempt))) ++attempt;
  file_.open(name(attempt), std::ios::binary);
  if (!file_) fail("opening " + name(attempt).string());
  temporary_ = name(attempt);
}

inline Replacement::~Replacement() {
  file_.close();
  std::error_code ignored;
  if (!temporary_.empty()) std::filesystem::remove(temporary_, ignored);
}

inline void Replacement::write(std::span<const std::byte> bytes) {
  if (!file_.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()))) {
    fail("writing " + temporary_.string());
  }
}

inline void Replacement::commit() {
  file_.close();
  if (!file_) fail("flushing " + temporary_.string());
  std::error_code error;
  std::filesystem::rename(temporary_, path_, error);
  if (error) throw std::runtime_error(path_.string() + ": cannot be written: renaming: " + error.message());
  temporary_.clear();
}

#endif

}  // namespace detail

/// Makes `bytes` the content of a file, which it creates or replaces: whoever reads it, whenever, sees the old file or
/// the new one, whole. It is written beside the old one, flushed to the disk, and renamed; that takes room for both.
/// A replaced file keeps its mode; a symbolic link is followed. As with every rename, what has the name then is another
/// file: hard links to the old one keep the old content, its owner may be another, and a file that is read-only is
/// replaced like any other, for what must be writable is its folder. A process that is killed may leave a hidden
/// `.recur-*.tmp` behind. Throws std::runtime_error, which names the file and says what failed; the old file is then as
/// it was, unless it says that only the folder could not be flushed: then the new one may not outlive a loss of power.
inline void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw std::runtime_error(path.string() + ": cannot be written: it is not a regular file");
  }
  auto target = path;  // of a link, also where there is nothing yet
  for (int links = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(target, error)); ++links) {
    const auto next = std::filesystem::read_symlink(target, error);
    if (links == 40) error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
    if (error) throw std::runtime_error(path.string() + ": cannot be written: " + error.message());
    target = target.parent_path() / next;
  }
  detail::Replacement file(target);
  file.write(bytes);
  file.commit();
}

}  // namespace recur::inline RECUR_ISA
