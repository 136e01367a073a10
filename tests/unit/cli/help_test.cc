#include "cli/help.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string>

#include "cli/command.h"

namespace kiln::cli {
namespace {

/// A program of one command that copies, as main.cc would make it.
class HelpTest : public ::testing::Test {
 protected:
  HelpTest() {
    set_up_help(app_);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_option("--jobs", jobs_, "Threads")->type_name("N")->check(CLI::Range(1, 256));
    auto* copy = app_.add_subcommand("copy", "Copy an image");
    copy->footer("Digests stay the same.\n\nExamples:\n  kiln copy a b");
    copy->add_option("SRC", from_, "Image to copy")->required();
    copy->add_option("-t,--tag", tags_,
                     "Where to, with as many words as it takes to need two lines")
        ->type_name("DEST")
        ->allow_extra_args(false)
        ->required();
    copy->add_option("--format", format_, "How")->check(CLI::IsMember({"oci", "docker"}));
    copy->add_option("--hidden", format_, "Not to be seen")->group("");
    copy->option_defaults()->group("Registries");
    copy->add_flag("--insecure", insecure_, "Plain http");
    add_help(app_, chosen_);
    add_version(app_, chosen_, "1.2.3");
  }

  /// What parsing `words` makes the program print.
  std::string printed(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    std::ostringstream out;
    try {
      app_.parse(words);
    } catch (const CLI::ParseError& error) {
      app_.exit(error, out, out);
    }
    return out.str();
  }

  CLI::App app_{"Build images", "kiln"};
  Chosen chosen_{};
  std::string from_, format_;
  std::vector<std::string> tags_;
  bool insecure_ = false;
  int jobs_ = 0;
};

TEST_F(HelpTest, OfACommandHasUsageFlagsInGroupsAndExamplesLast) {
  EXPECT_EQ(printed({"copy", "--help"}),
            "Copy an image.\n"
            "\n"
            "Digests stay the same.\n"
            "\n"
            "Usage:\n"
            "  kiln copy -t DEST SRC [flags]\n"
            "\n"
            "Arguments:\n"
            "  SRC                         Image to copy\n"
            "\n"
            "Flags:\n"
            "  -h, --help                  Print this help\n"
            "  -t, --tag DEST              Where to, with as many words as it takes to need\n"
            "                              two lines\n"
            "      --format oci|docker     How\n"
            "\n"
            "Registries:\n"
            "      --insecure              Plain http\n"
            "\n"
            "Flags of every command:\n"
            "      --jobs N                Threads\n"
            "\n"
            "Examples:\n"
            "  kiln copy a b\n");
}

TEST_F(HelpTest, OfTheProgramListsTheCommandsFirst) {
  const auto text = printed({"--help"});
  EXPECT_NE(text.find("\nCommands:\n  copy        Copy an image\n"), text.npos) << text;
  EXPECT_LT(text.find("Commands:"), text.find("Flags:"));
}

TEST_F(HelpTest, IsPrintedByACommandToo) {
  const auto of_copy = printed({"copy", "--help"});
  EXPECT_EQ(printed({"help", "copy"}), "");
  EXPECT_EQ(chosen_.text, of_copy);
}

TEST_F(HelpTest, WithoutACommandIsThatOfTheProgram) {
  const auto of_all = printed({"--help"});
  EXPECT_EQ(printed({"help"}), "");
  EXPECT_EQ(chosen_.text, of_all);
}

TEST_F(HelpTest, TheVersionIsACommandAndAFlagThatHelpDoesNotShow) {
  EXPECT_EQ(printed({"--version"}), "kiln 1.2.3\n");
  EXPECT_EQ(printed({"version"}), "");
  EXPECT_EQ(chosen_.text, "kiln 1.2.3\n");
  EXPECT_EQ(printed({"--help"}).find("--version"), std::string::npos);
}

struct Mistake {
  std::string name;
  std::vector<std::string> words;
  std::string message;
};
void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}

class WrongUsage : public HelpTest, public ::testing::WithParamInterface<Mistake> {};

TEST_P(WrongUsage, NamesTheWordThatIsWrong) {
  EXPECT_EQ(printed(GetParam().words), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongUsage,
    ::testing::Values(
        Mistake{"NoCommand", {}, "error: name a command\nSee \"kiln --help\".\n"},
        Mistake{"UnknownCommand",
                {"cpy"},
                "error: there is no command cpy; did you mean copy?\nSee \"kiln --help\".\n"},
        Mistake{"CommandOfAnotherProgram",
                {"push"},
                "error: there is no command push; did you mean copy?\n"
                "See \"kiln --help\".\n"},
        Mistake{"NothingLikeIt",
                {"frobnicate"},
                "error: there is no command frobnicate\nSee \"kiln --help\".\n"},
        Mistake{"UnknownFlagOfEveryCommand",
                {"copy", "--job", "3"},
                "error: there is no flag --job; did you mean --jobs?\n"
                "See \"kiln copy --help\".\n"},
        Mistake{"HelpOfAnUnknownCommand",
                {"help", "copi"},
                "error: there is no command copi; did you mean copy?\n"
                "See \"kiln --help\".\n"},
        Mistake{"UnknownFlagThoughAnArgumentIsMissingToo",
                {"copy", "--tags"},
                "error: there is no flag --tags; did you mean --tag?\nSee \"kiln copy --help\".\n"},
        Mistake{"UnknownFlagWithoutTheValueThatMayBeASecret",
                {"copy", "--passwd=hunter2"},
                "error: there is no flag --passwd\nSee \"kiln copy --help\".\n"},
        Mistake{"TooManyArguments",
                {"copy", "-t", "b", "a", "c"},
                "error: too many arguments\nSee \"kiln copy --help\".\n"},
        Mistake{"MissingArgument",
                {"copy", "-t", "b"},
                "error: SRC is required\nSee \"kiln copy --help\".\n"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::cli
