// Whole files: a file that is written replaces the old one wholly or not at all, whatever happens meanwhile.
#include "catch.hpp"
#include "folder.hpp"
#include "helpers.hpp"

#include <recur/io/file.hpp>

#include <chrono>
#include <random>

#if defined(__unix__) || defined(__APPLE__)
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace recur;
using Catch::Matchers::ContainsSubstring, Catch::Matchers::EndsWith;
using recur_test::Folder, recur_test::message_of;
namespace fs = std::filesystem;

namespace {

std::vector<std::byte> content(char c, std::size_t size) {
  return std::vector<std::byte>(size, static_cast<std::byte>(c));
}

}  // namespace

TEST_CASE("A file is written, read, and replaced", "[file]") {
  const Folder folder;
  const auto path = folder / "file";
  for (const auto& bytes : {content('a', 100'000), content('b', 3), content('c', 0), content('d', 1)}) {
    write_file(path, bytes);
    CHECK(read_file(path) == bytes);
    CHECK(folder.count() == 1);
  }
  const auto long_name = folder / std::string(250, 'x').c_str();  // no room for another ending
  write_file(long_name, content('e', 7));
  CHECK(read_file(long_name) == content('e', 7));
}

TEST_CASE("A relative name is beside the program", "[file]") {
  const fs::path name = "recur-file-test-" + std::to_string(std::random_device()()) + ".tmp";
  write_file(name, content('a', 5));
  CHECK(read_file(fs::current_path() / name) == content('a', 5));
  CHECK(fs::remove(name));
}

TEST_CASE("What cannot be read", "[file]") {
  const Folder folder;
  const auto error = [](const fs::path& path) { return message_of<std::runtime_error>([&] { read_file(path); }); };
  const auto missing = folder / "missing", a_folder = folder / ".";
  CHECK(error(missing) == missing.string() + ": cannot be read: there is no such file");
  CHECK(error(missing / "below") == (missing / "below").string() + ": cannot be read: there is no such file");
  CHECK(error(a_folder) == a_folder.string() + ": cannot be read: it is not a regular file");
  CHECK_THAT(error(""), ContainsSubstring(": cannot be read: "));
}

TEST_CASE("What cannot be written", "[file]") {
  const Folder folder;
  const auto error = [](const fs::path& path) {
    return message_of<std::runtime_error>([&] { write_file(path, content('a', 3)); });
  };
  const auto missing = folder / "missing" / "file", a_folder = folder / "folder";
  CHECK_THAT(error(missing), ContainsSubstring(missing.string() + ": cannot be written: opening "));
  fs::create_directory(a_folder);
  CHECK(error(a_folder) == a_folder.string() + ": cannot be written: it is not a regular file");
  CHECK(folder.count() == 1);
}

#if defined(__unix__) || defined(__APPLE__)

TEST_CASE("Devices are not replaced by files", "[file]") {
  CHECK(message_of<std::runtime_error>([] { write_file("/dev/null", content('a', 3)); }) ==
        "/dev/null: cannot be written: it is not a regular file");
  CHECK(message_of<std::runtime_error>([] { read_file("/dev/zero"); }) ==
        "/dev/zero: cannot be read: it is not a regular file");
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("A replaced file keeps its mode, and a symbolic link its target", "[file]") {
  const Folder folder;
  const auto path = folder / "file", link = folder / "link", dangling = folder / "dangling";
  write_file(path, content('a', 3));
  CHECK((fs::status(path).permissions() & fs::perms::owner_all) == (fs::perms::owner_read | fs::perms::owner_write));
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read);
  fs::create_symlink("file", link);
  write_file(link, content('b', 4));
  CHECK(fs::is_symlink(link));
  CHECK(read_file(path) == content('b', 4));
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read));

  fs::create_symlink("nothing", dangling);
  write_file(dangling, content('c', 5));
  CHECK(fs::is_symlink(dangling));
  CHECK(read_file(folder / "nothing") == content('c', 5));
  fs::create_symlink(fs::absolute(folder / "far"), folder / "absolute");
  fs::create_symlink("absolute", folder / "twice");
  write_file(folder / "twice", content('d', 6));
  CHECK(fs::is_symlink(folder / "absolute"));
  CHECK(read_file(folder / "far") == content('d', 6));
  fs::create_symlink("loop", folder / "loop");
  CHECK_THROWS_AS(write_file(folder / "loop", content('e', 7)), std::runtime_error);
  CHECK(fs::is_symlink(folder / "loop"));
}

TEST_CASE("Where the disk is full, the old file stays as it was", "[file]") {
  const Folder folder;
  const auto path = folder / "file";
  write_file(path, content('a', 3000));

  // No file may be larger than this, which comes to a program just as a full disk does: as an error when writing.
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 4096;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto error = message_of<std::runtime_error>([&] { write_file(path, content('b', 1'000'000)); });
  const auto files = folder.count();
  CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, old_handler);

  CHECK_THAT(error, ContainsSubstring(path.string() + ": cannot be written: writing "));
  CHECK_THAT(error, ContainsSubstring(std::generic_category().message(EFBIG)));
  CHECK(files == 1);
  CHECK(read_file(path) == content('a', 3000));
  write_file(path, content('b', 1'000'000));
  CHECK(read_file(path) == content('b', 1'000'000));
}

TEST_CASE("A replaced file is another one of the same name: hard links keep the old, and read-only is no bar",
          "[file]") {
  const Folder folder;
  const auto path = folder / "file", link = folder / "link";
  write_file(path, content('a', 3));
  fs::create_hard_link(path, link);
  fs::permissions(path, fs::perms::owner_read);
  write_file(path, content('b', 4));
  CHECK(read_file(path) == content('b', 4));
  CHECK(fs::status(path).permissions() == fs::perms::owner_read);
  CHECK(read_file(link) == content('a', 3));
}

TEST_CASE("Why a file cannot be opened is said, whatever errno was before", "[file]") {
  const Folder folder;
  const auto path = folder / "file";
  write_file(path, content('a', 3));
  // First while descriptors are left: a sanitizer's first look at each class with virtual functions needs some too.
  const std::string why = std::generic_category().message(EMFILE);
  CHECK(read_file(path) == content('a', 3));
  CHECK_THAT(message_of<std::runtime_error>([&] { read_file(folder / "missing"); }), EndsWith("no such file"));
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
  const int next = dup(STDERR_FILENO);  // what the next file that is opened would be
  REQUIRE(next >= 0);
  close(next);
  rlimit none_left = old;
  none_left.rlim_cur = static_cast<rlim_t>(next);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none_left) == 0);
  errno = ENOSPC;
  const auto read = message_of<std::runtime_error>([&] { read_file(path); });
  errno = ENOSPC;
  const auto write = message_of<std::runtime_error>([&] { write_file(path, content('b', 3)); });
  CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
  CHECK(read == path.string() + ": cannot be read: " + why);
  CHECK_THAT(write, ContainsSubstring(path.string() + ": cannot be written: opening "));
  CHECK_THAT(write, EndsWith(": " + why));
  CHECK(read_file(path) == content('a', 3));
}

TEST_CASE("No file stays open, whether writing succeeds or fails", "[file]") {
  const auto is_open = [](int file) { return fcntl(file, F_GETFD) != -1; };
  const auto open_files = [&] {
    int count = 0;
    for (int file = 0; file < 256; ++file) count += is_open(file);
    return count;
  };
  const Folder folder;
  const auto path = folder / "file";
  fs::create_directory(folder / "gone");
  const auto fail_to_write = [&] {
    detail::Replacement file(path);
    file.write(content('a', 3));
  };  // without commit(), as where writing has thrown
  const auto fail_to_rename = [&] {
    detail::Replacement file(folder / "gone");  // a folder, which no file can replace
    file.write(content('a', 3));
    CHECK_THAT(message_of<std::runtime_error>([&] { file.commit(); }), ContainsSubstring(": renaming "));
  };
  const int before = open_files();
  for (int k = 0; k < 3; ++k) {
    write_file(path, content('a', 3));
    CHECK(open_files() == before);
    fail_to_write();
    CHECK(open_files() == before);
    fail_to_rename();
    CHECK(open_files() == before);
  }
  CHECK(folder.count() == 2);

  // Of a program that has closed its standard input, the first file is number 0.
  const int input = dup(STDIN_FILENO);
  close(STDIN_FILENO);
  fail_to_write();
  const bool left_open = is_open(STDIN_FILENO);
  if (input >= 0) {
    dup2(input, STDIN_FILENO);
    close(input);
  }
  CHECK_FALSE(left_open);
}

TEST_CASE("Whenever the writer is killed, the file is one of two, whole", "[file]") {
  const Folder folder;
  const auto path = folder / "file";
  const auto a = content('a', 300'000), b = content('b', 1'000'000);
  write_file(path, a);
  std::mt19937 rng(1);
  int torn = 0, found_b = 0;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (;;) {
          write_file(path, b);
          write_file(path, a);
        }
      } catch (...) {
        _exit(1);
      }
    }
    // It is read while it is written, too.
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(rng() % 20'000);
    do {
      const auto now = read_file(path);
      torn += now != a && now != b;
    } while (std::chrono::steady_clock::now() < until);
    REQUIRE(kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));  // and so it did not fail
    const auto left = read_file(path);
    torn += left != a && left != b;
    found_b += left == b;
  }
  CHECK(torn == 0);
  CHECK(folder.count() > 1);  // the kills did strike while it wrote
  CHECK(found_b > 0);
  write_file(path, a);
  CHECK(read_file(path) == a);
}

#endif
