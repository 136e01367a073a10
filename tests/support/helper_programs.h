#pragma once
#include <string>

#include "core/base/file.h"
#include "core/base/program.h"

namespace kiln::fakes {

/// A folder on PATH with credential helpers that are shell scripts. Each call of one adds a line to
/// its log: "get r.test".
///
///   fakes::HelperPrograms helpers;
///   helpers.add("pass", R"(echo '{"Username": "me", "Secret": "secret"}')");
///   options.environment = helpers.environment();
///
/// In the script $1 is the action, $input what came on standard input and $log the log's path.
/// Does not imitate: a store that really keeps something, unless the script does.
class HelperPrograms {
 public:
  void add(const std::string& name, const std::string& script) {
    const auto text = "#!/bin/sh\nlog='" + log_path().string() +
                      "'\ninput=$(cat)\necho \"$1 $input\" >> \"$log\"\n" + script + "\n";
    write_file_atomically(directory_.path() / ("docker-credential-" + name), text, 0755).value();
  }

  /// Ours, with the folder first on PATH.
  Environment environment() const {
    auto environment = own_environment();
    environment["PATH"] = directory_.path().string() + ":" + environment["PATH"];
    return environment;
  }

  /// What the helpers were called with so far.
  std::string log() const {
    const auto text = read_file(log_path(), 1024 * 1024);
    return text ? *text : "";
  }

 private:
  std::filesystem::path log_path() const { return directory_.path() / "log"; }
  TempDir directory_ = std::move(TempDir::create("kiln-helpers").value());
};

}  // namespace kiln::fakes
