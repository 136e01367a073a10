#pragma once
#include <cstdint>
#include <string>

#include "core/oci/digest.h"
#include "core/oci/reference.h"
#include "core/registry/protocol/notices.h"

namespace kiln::registry {

/// Hears of what happens on the way to a registry; for people and for metrics. Must not throw, must
/// not wait. Each function does nothing unless it is overridden. Threads: the I/O executor.
class Listener {
 public:
  virtual ~Listener() = default;

  /// How many pulls the registry still allows.
  virtual void rate_limit([[maybe_unused]] const std::string& registry,
                          [[maybe_unused]] const protocol::RateLimit& limit) {}
  /// Words of the registry for its users, sanitised; never a reason to act. The same words come
  /// with many answers: whoever shows them shows them once.
  virtual void warning([[maybe_unused]] const std::string& registry,
                       [[maybe_unused]] const std::string& words) {}
  /// So many bytes of a blob were handed to the network. After a cut `sent_bytes` may be less than
  /// before. Comes about once a MiB, and at the end.
  virtual void upload([[maybe_unused]] const oci::Repository& repository,
                      [[maybe_unused]] const oci::Digest& digest,
                      [[maybe_unused]] std::uint64_t sent_bytes,
                      [[maybe_unused]] std::uint64_t total_bytes) {}
  /// A mirror could not serve a pull, and the next one, or the registry itself, is asked.
  virtual void mirror_failed([[maybe_unused]] const std::string& mirror,
                             [[maybe_unused]] const std::string& why) {}
};

}  // namespace kiln::registry
