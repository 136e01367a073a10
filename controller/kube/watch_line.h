#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/kube/resource_type.h"
#include "controller/kube/watch_event.h"
#include "core/base/error.h"

namespace kiln::kube {

/// Cuts a stream of bytes into lines, without any I/O: feed() what came, then next() until nullopt.
/// A line longer than the limit ends the watch: there is no telling where it would end.
class LineSplitter {
 public:
  static constexpr std::size_t kLimitBytes = 4 * 1024 * 1024;
  explicit LineSplitter(std::size_t limit_bytes = kLimitBytes) : limit_(limit_bytes) {}

  void feed(std::string_view bytes);
  /// The next whole line, without its end; empty lines are skipped.
  /// Errors: kCorrupt (longer than the limit).
  [[nodiscard]] Result<std::optional<std::string>> next();
  /// Bytes of a line that has not ended: of no use when the stream is over.
  std::size_t pending_bytes() const { return buffer_.size() - start_; }

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t start_ = 0;     ///< Where the next line begins.
  std::size_t searched_ = 0;  ///< No line end before this.
};

/// Reads {"type": …, "object": …}. Never fails: what cannot be read, or is of another kind than
/// `type` (metadata-only objects count as any kind), is a kUndecodable event. `is_known`: see
/// WatchOptions; may be null.
WatchEvent parse_watch_line(std::string_view line, const ResourceType& type,
                            const std::function<bool(const ObjectState&)>& is_known = nullptr);

}  // namespace kiln::kube
