#pragma once
#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/base/file.h"

namespace kiln::registry {

/// The program's path, from KILN_TOOLS_PATH (folders separated by ':'; such a folder may also hold
/// one folder per tool) or PATH; nullopt when it is nowhere.
std::optional<std::string> find_program(const std::string& name);

/// A real registry (distribution) on 127.0.0.1, with a storage folder of its own. Ends with the
/// object.
class RegistryProcess {
 public:
  /// `auth` is the "auth" part of its configuration as JSON, "" for none.
  /// Throws std::runtime_error when it does not come up within 20 s.
  RegistryProcess(const std::string& program, const std::string& auth);
  ~RegistryProcess();
  RegistryProcess(const RegistryProcess&) = delete;
  RegistryProcess& operator=(const RegistryProcess&) = delete;

  std::string name() const { return "127.0.0.1:" + std::to_string(port_); }
  /// How many uploads it holds that were neither finished nor cancelled.
  std::size_t open_uploads() const;

 private:
  void start(const std::string& program);
  void wait_until_it_answers();

  TempDir folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace kiln::registry
