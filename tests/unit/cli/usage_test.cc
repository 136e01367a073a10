#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "cli/command.h"
#include "cli/help.h"

/// Values that can never work are wrong usage: told while the command line is read.
namespace kiln::cli {
namespace {

/// What a user reads, and the code of CLI11; 0 where the line is taken.
struct Answer {
  int code = 0;
  std::string text;
};

Answer answer_to(const std::string& line) {
  CLI::App app("", "kiln");
  set_up_help(app);
  app.require_subcommand(1);
  Chosen chosen;
  for (const auto add : {&add_build, &add_append, &add_mutate, &add_rebase, &add_flatten, &add_copy,
                         &add_files, &add_diff, &add_inspect, &add_validate})
    add(app, chosen);
  std::istringstream stream(line);
  std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
  std::reverse(words.begin(), words.end());  // As CLI11 wants them.
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream errors;
    const int code = app.exit(error, out, errors);
    return Answer{code, errors.str()};
  }
  return {};
}

struct Row {
  std::string name;
  std::string line;
  std::string text;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}
std::string name_of(const ::testing::TestParamInfo<Row>& info) {
  return info.param.name;
}

class WrongValue : public ::testing::TestWithParam<Row> {};
TEST_P(WrongValue, IsToldBeforeAnyWorkBegins) {
  const auto answer = answer_to(GetParam().line);
  EXPECT_NE(answer.code, 0);
  EXPECT_THAT(answer.text, ::testing::HasSubstr("error: " + GetParam().text));
  EXPECT_THAT(answer.text, ::testing::HasSubstr("--help"));
}
INSTANTIATE_TEST_SUITE_P(
    Values, WrongValue,
    ::testing::Values(
        Row{"ManifestWithoutItsFlag", "build t5.yaml",
            "too many arguments; manifests are named by -f: write -f t5.yaml\n"},
        Row{"OneMoreManifest", "build -f t5.yaml t6.yaml", "too many arguments; manifests are "},
        Row{"Image", "ls Nope", "IMAGE: image reference \"Nope\": repository names are lower case"},
        Row{"Base", "append BAD --dry-run", "BASE: image reference \"BAD\""},
        Row{"Destination", "append a -t UP", "--tag: image reference \"UP\""},
        Row{"Source", "copy oci: b", "SRC: oci: needs a folder"},
        Row{"CopyTo", "copy a docker-daemon:", "DEST: docker-daemon: needs a name"},
        Row{"OldBase", "rebase a --old-base B --new-base c", "--old-base: image reference \"B\""},
        Row{"NewBase", "rebase a --new-base B", "--new-base: image reference \"B\""},
        Row{"Tag", "tag a b/c", "TAG: write a tag alone, for example 1.27"},
        Row{"Platform", "digest a --platform amd64", "--platform: platform \"amd64\" is not valid"},
        Row{"Env", "mutate a --env NAME", "--env: \"NAME\": write NAME=VALUE"},
        Row{"UnsetEnv", "mutate a --unset-env A=1", "--unset-env: \"A=1\": write the name alone"},
        Row{"Label", "mutate a -l =x", "--label: \"=x\": write NAME=VALUE"},
        Row{"Annotation", "mutate a --annotation x", "--annotation: \"x\": write NAME=VALUE"},
        Row{"Port", "mutate a --port 0", "--port: \"0\": write a number from 1 to 65535"},
        Row{"Workdir", "mutate a -w srv", "--workdir: path \"srv\" must be absolute"},
        Row{"Created", "mutate a --created monday", "--created: "},
        Row{"Directory", "append a --dir site -t b", "--dir: \"site\": write SRC:DEST"},
        Row{"File", "append a --file x -t b", "--file: \"x\": write SRC:DEST"},
        Row{"FromImage", "append a --from-image x:/y -t b", "--from-image: \"x:/y\": write IMAGE"},
        Row{"Remove", "append a --remove srv -t b", "--remove: path \"srv\" must be absolute"},
        Row{"FileMode", "append a --file-mode 9 -t b", "--file-mode: \"9\": write an octal mode"},
        Row{"Owner", "append a --uid root -t b", "--uid: \"root\": write a number"}),
    name_of);

TEST(Usage, TakesWhatIsRight) {
  const auto answer = answer_to(
      "append scratch --dir site:/srv --file x:/y --from-image r.test/a:1:/b:/c --remove /d"
      " --uid 10 --file-mode 644 -e A= -l a=b=c --port 53/udp -w /srv --platform linux/arm/v7"
      " --created 2026-01-31T00:00:00Z -t oci:out:1 -t docker-daemon:x:y");
  EXPECT_EQ(answer.code, 0) << answer.text;
}

}  // namespace
}  // namespace kiln::cli
