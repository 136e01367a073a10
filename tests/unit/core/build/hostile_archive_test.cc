// Tars that try to reach files of this machine: each way that has ever worked against some program
// which unpacks (CVE-2026-42574, CVE-2026-50163, CVE-2026-26960). Kiln unpacks none, so nothing of
// the machine may change or come out, whoever reads them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/image/flatten.h"
#include "core/layer/layer_index.h"
#include "core/source/tar_source.h"
#include "core/store/archive_index.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::build {
namespace {

using namespace layer::testing_support;
using kiln::testing::IsOk;
using kiln::testing::run_task;
namespace fs = std::filesystem;

constexpr const char* kSecret = "the token of this machine";

/// Files beside which the tests run: the working directory, and where links lead to.
class Canary {
 public:
  Canary() {
    fs::create_directories(path() / "sub");
    write("existing");
    write("sub/existing");
    fs::current_path(path());
  }
  ~Canary() { fs::current_path(before_); }
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;

  const fs::path& path() const { return dir_.path(); }

  /// All that can be said of each file there.
  std::map<std::string, std::string> facts() const {
    std::map<std::string, std::string> all = {{".", facts_of(path())}};
    for (const auto& item : fs::recursive_directory_iterator(path()))
      all[item.path().string()] = facts_of(item.path());
    return all;
  }

 private:
  void write(const std::string& name) const {
    EXPECT_THAT(write_file_atomically(path() / name, kSecret, 0640), IsOk());
  }

  static std::string facts_of(const fs::path& file) {
    struct stat info {};
    EXPECT_EQ(::lstat(file.c_str(), &info), 0);
    std::ostringstream text;
    text << std::oct << info.st_mode << std::dec << " " << info.st_uid << ":" << info.st_gid << " "
         << info.st_nlink << " " << info.st_size << " " << info.st_mtim.tv_sec << "."
         << info.st_mtim.tv_nsec << " " << info.st_ctim.tv_sec << "." << info.st_ctim.tv_nsec;
    if (S_ISREG(info.st_mode)) text << " " << *read_file(file, 1000);
    return text.str();
  }

  fs::path before_ = fs::current_path();
  TempDir dir_ = *TempDir::create("kiln-canary");
};

struct Sink {
  std::string name;
  layer::Entry entry;
};

void PrintTo(const Sink& sink, std::ostream* out) {
  *out << sink.name;
}

class HostileTar : public ::testing::TestWithParam<Sink> {
 protected:
  /// A link to where the canary is and then the entry, which says "d/" for it: in one tar, in two
  /// layers, and through one link more.
  std::vector<std::vector<std::string>> layers() const {
    const auto entry = GetParam().entry;
    std::vector<std::vector<std::string>> all;
    for (const auto& target :
         {canary_.path().string(), "../../../../../../../.." + canary_.path().string()}) {
      const auto link = symlink_to("d", target);
      all.push_back({tar_of({link, entry})});
      all.push_back({tar_of({link}), tar_of({entry})});
      all.push_back({tar_of({symlink_to("e", target), symlink_to("d", "e")}), tar_of({entry})});
    }
    return all;
  }

  /// All that is said and made of them, in one text.
  std::string read(const std::vector<std::string>& tars) {
    std::string text;
    std::vector<layer::Blob> blobs;
    layer::BaseTree base;
    for (const auto& tar : tars) {
      text += content_of_tar(tar) + files_of_archive(tar);
      if (const auto index = index_bytes(tar)) text += base.apply(*index) ? "" : "refused";
      blobs.push_back(layer::Blob::of(std::string(oci::media_type::kOciLayer), tar));
    }
    StringSink flat;
    const auto written = image::write_flat_tar(blobs, flat);
    return text + (written ? flat.take() : written.error().message);
  }

  std::string content_of_tar(const std::string& tar) {
    source::TarSource source(
        "x.tar", [&] { return layer::testing_support::content_of(tar).open(); }, {},
        spool_.path().string(), pool_);
    const auto content = run_task(source.fetch());
    if (!content) return content.error().message;
    std::string text;
    for (const auto& [path, entry] : content->tree.entries()) {
      text += path;
      if (entry.kind != layer::EntryKind::kFile) continue;
      auto bytes = *entry.content.open();
      text += *read_all(*bytes, 1 << 20);
    }
    return text;
  }

  std::string files_of_archive(const std::string& tar) {
    EXPECT_THAT(write_file_atomically(spool_.path() / "x.tar", tar), IsOk());
    const auto archive = store::ArchiveIndex::open(spool_.path() / "x.tar", "");
    if (!archive) return archive.error().message;
    std::string text;
    for (const auto* name : {"d", "d/existing", "d/sub/existing", "d/made", "h"}) {
      auto file = (*archive)->open(name);
      text += file ? *read_all(*file->source, 1 << 20) : file.error().message;
    }
    return text;
  }

  Canary canary_;
  TempDir spool_ = *TempDir::create("kiln-hostile-tar");
  WorkPool pool_{1};
};

TEST_P(HostileTar, ReachesNoFileOfThisMachine) {
  const auto before = canary_.facts();

  std::string made;
  for (const auto& tars : layers()) made += read(tars);

  EXPECT_EQ(canary_.facts(), before);
  EXPECT_EQ(made.find(kSecret), std::string::npos) << made;
}

layer::Entry changed(layer::Entry entry) {
  entry.mode = 06777;
  entry.uid = entry.gid = 12345;
  entry.mtime = 1;
  return with_xattrs(std::move(entry), {{"user.mark", "1"}});
}

constexpr layer::Device kNull{layer::Device::Type::kCharacter, 1, 3};

INSTANTIATE_TEST_SUITE_P(
    Sinks, HostileTar,
    ::testing::ValuesIn(std::vector<Sink>{
        {"MakesADirectory", directory("d/made")},
        {"WritesAFile", file("d/made", "evil")},
        {"WritesOverAFile", file("d/existing", "evil")},
        {"WritesBelowADirectory", file("d/sub/made", "evil")},
        {"ChangesModeOwnerTimeAndAttributesOfAFile", changed(file("d/existing", "evil"))},
        {"ChangesModeOwnerTimeAndAttributesOfADirectory", changed(directory("d/sub"))},
        {"ChangesWhatTheLinkLeadsTo", changed(directory("d"))},
        {"MakesADevice", special("d/made", kNull)},
        {"MakesAFifo", special("d/made", layer::Device())},
        {"MakesASymlink", symlink_to("d/made", "/etc/passwd")},
        {"ReplacesAFileByASymlink", symlink_to("d/existing", "/etc/passwd")},
        {"MakesAHardLinkThere", hardlink_to("d/made", "d")},
        {"MakesAHardLinkToAFileThere", hardlink_to("h", "d/existing")},
        {"MakesAHardLinkToAFileOfTheWorkingDirectory", hardlink_to("h", "existing")},
        {"MakesAHardLinkToTheSymlink", hardlink_to("h", "d")},
        {"RemovesAFile", whiteout("d/existing")},
        {"RemovesADirectory", whiteout("d/sub")},
        {"EmptiesADirectory", file("d/sub/.wh..wh..opq")},
        {"EmptiesWhatTheLinkLeadsTo", file("d/.wh..wh..opq")},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::build
