#include "cli/place.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;
using testing::IsOk;
using Kind = Place::Kind;

struct Row {
  std::string name, text;
  Kind kind;
  std::string shown, tag;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.text;
}

class PlaceReads : public ::testing::TestWithParam<Row> {};
TEST_P(PlaceReads, WhatTheCommandLineSays) {
  const auto place = Place::parse(GetParam().text);
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->kind(), GetParam().kind);
  EXPECT_EQ(place->name(), GetParam().shown);
  EXPECT_EQ(place->is_registry() ? place->reference().tag() : place->tag(), GetParam().tag);
  EXPECT_EQ(place->text(), GetParam().text);
}
INSTANTIATE_TEST_SUITE_P(
    Table, PlaceReads,
    ::testing::Values(
        Row{"Registry", "r.io/team/site:1", Kind::kRegistry, "r.io/team/site", "1"},
        Row{"ShortName", "site", Kind::kRegistry, "index.docker.io/library/site", "latest"},
        Row{"Layout", "oci:out", Kind::kOciLayout, "oci:out", ""},
        Row{"LayoutWithTag", "oci:out:1.0", Kind::kOciLayout, "oci:out", "1.0"},
        Row{"LayoutWithColonInAFolder", "oci:a:b/out", Kind::kOciLayout, "oci:a:b/out", ""},
        Row{"LayoutWithTagBelowSuchAFolder", "oci:a:b/out:1", Kind::kOciLayout, "oci:a:b/out", "1"},
        Row{"OciArchive", "oci-archive:a.tar:1", Kind::kOciArchive, "oci-archive:a.tar", "1"},
        Row{"DockerArchive", "docker-archive:a.tar", Kind::kDockerArchive, "docker-archive:a.tar",
            ""},
        Row{"DockerArchiveWithAName", "docker-archive:a.tar:team/site", Kind::kDockerArchive,
            "docker-archive:a.tar", "team/site:latest"},
        Row{"DockerArchiveWithARegistry", "docker-archive:a.tar:r.io:5000/site:1",
            Kind::kDockerArchive, "docker-archive:a.tar", "r.io:5000/site:1"},
        Row{"Daemon", "docker-daemon:site:1", Kind::kDockerDaemon, "docker-daemon:site:1",
            "site:1"},
        Row{"DaemonWithoutTag", "docker-daemon:r.io:5000/site", Kind::kDockerDaemon,
            "docker-daemon:r.io:5000/site:latest", "r.io:5000/site:latest"},
        Row{"Scratch", "scratch", Kind::kScratch, "", ""}),
    [](const auto& test) { return test.param.name; });

TEST(Place, ReadsALayoutsDigest) {
  const auto digest = "sha256:" + std::string(64, '1');
  const auto place = Place::parse("oci:out@" + digest);
  ASSERT_THAT(place, IsOk());
  EXPECT_EQ(place->path(), "out");
  ASSERT_TRUE(place->digest().has_value());
  EXPECT_EQ(place->digest()->str(), digest);
}

struct Wrong {
  std::string name, text, why;
};
void PrintTo(const Wrong& row, std::ostream* out) {
  *out << row.text;
}
class PlaceRefuses : public ::testing::TestWithParam<Wrong> {};
TEST_P(PlaceRefuses, SayingWhatToWrite) {
  EXPECT_THAT(Place::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Table, PlaceRefuses,
    ::testing::Values(
        Wrong{"NoFolder", "oci:", "write oci:DIR or oci:DIR:TAG"},
        Wrong{"NoFile", "oci-archive:", "write oci-archive:FILE"},
        Wrong{"NoDockerFile", "docker-archive::site", "needs a file"},
        Wrong{"NoDaemonName", "docker-daemon:", "write docker-daemon:NAME:TAG"},
        Wrong{"Folder", "./out", "for a folder write oci:./out, for a file oci-archive:"},
        Wrong{"AbsoluteFolder", "/srv/out", "for a folder write oci:/srv/out, for a"},
        Wrong{"BadTag", "oci:out:a!b", "oci:…:TAG"},
        Wrong{"DaemonDigest", "docker-daemon:a@sha256:" + std::string(64, '1'), "not a digest"}),
    [](const auto& test) { return test.param.name; });

/// A folder of its own as the working directory, with a folder `out` and a file `a.tar` in it.
class AboutAPlace : public ::testing::Test {
 protected:
  AboutAPlace() {
    std::filesystem::create_directories(folder_ / "out");
    std::ofstream(folder_ / "a.tar") << "x";
    std::filesystem::current_path(folder_);
  }
  ~AboutAPlace() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }

  static std::string said(const std::string& text) {
    return about(text, Error(Errc::kUnavailable, "cannot find registry-1.docker.io")).message;
  }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("kiln-place-" + std::to_string(::getpid()));
};

TEST_F(AboutAPlace, AFolderOfThatNameIsNamed) {
  const std::string hint =
      "cannot find registry-1.docker.io; out is a folder here: if you mean the image layout in it, "
      "write oci:out";
  EXPECT_EQ(said("out"), "out: " + hint);
  EXPECT_EQ(said("out:1"), "out:1: " + hint);
  EXPECT_EQ(said("-t out"), "-t out: " + hint);
}

TEST_F(AboutAPlace, AFileOfThatNameIsNamed) {
  EXPECT_EQ(
      said("a.tar"),
      "a.tar: cannot find registry-1.docker.io; a.tar is a file here: if you mean the image in "
      "it, write oci-archive:a.tar or docker-archive:a.tar");
}

TEST_F(AboutAPlace, NothingIsGuessedWhereNothingIs) {
  EXPECT_EQ(said("nginx"), "nginx: cannot find registry-1.docker.io");
  EXPECT_EQ(said("oci:out"), "oci:out: cannot find registry-1.docker.io");
}

}  // namespace
}  // namespace kiln::cli
