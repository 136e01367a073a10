#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/oci/reference.h"

namespace kiln::registry {

/// Another place that has what a registry has; asked before it, for pulls only.
struct Mirror {
  std::string registry;      ///< host[:port]
  std::string path{};        ///< Put before the repository's path; "" = none.
  bool insecure = false;     ///< Plain http or unverified TLS allowed, for the mirror.
  bool digest_only = false;  ///< Its tags may be old: only digests are asked for.
  std::shared_ptr<const http::TlsOptions> tls{};  ///< Null = the system's authorities.

  explicit Mirror(std::string r) : registry(std::move(r)) {}
  std::string str() const { return path.empty() ? registry : registry + "/" + path; }
};

/// How one registry, or a part of one, is reached, whoever asks.
struct RegistrySettings {
  oci::Repository prefix;  ///< Path "" = the whole registry.
  std::vector<Mirror> mirrors{};
  bool insecure = false;
  std::shared_ptr<const http::TlsOptions> tls{};
  std::uint64_t chunk_bytes = 0;  ///< Of uploads; 0 = whole, unless that is refused.
  std::size_t parallel = 0;       ///< Blobs at a time; 0 = 4.

  explicit RegistrySettings(oci::Repository p) : prefix(std::move(p)) {}
};

/// What the operator says about registries: registries.yaml, described in docs/registries.md. A
/// value.
class RegistriesConfig {
 public:
  RegistriesConfig() = default;
  explicit RegistriesConfig(std::vector<RegistrySettings> settings)
      : settings_(std::move(settings)) {}

  /// Files that it names are looked for in `folder`. Errors: kInvalid with the place in the text
  /// that is wrong; those of the files.
  [[nodiscard]] static Result<RegistriesConfig> parse(std::string_view yaml,
                                                      const std::filesystem::path& folder);
  /// Errors: as parse() and read_file(), naming the file.
  [[nodiscard]] static Result<RegistriesConfig> read(const std::filesystem::path& file);

  /// Those of the longest prefix; null when there are none. Lifetime: points into this value.
  const RegistrySettings* find(const oci::Repository& repository) const;
  bool empty() const { return settings_.empty(); }

 private:
  std::vector<RegistrySettings> settings_;
};

/// Where a mirror has a repository. Precondition: `prefix` is the one that the mirror stands for.
oci::Repository in_mirror(const Mirror& mirror, const oci::Repository& prefix,
                          const oci::Repository& repository);

}  // namespace kiln::registry
