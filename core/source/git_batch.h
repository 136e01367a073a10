#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/io.h"
#include "core/base/process.h"

namespace kiln::source {

/// What `git cat-file --batch` says of an object before its bytes, and --batch-check at all.
struct ObjectHeader {
  std::string id{};
  std::string type{};  ///< "blob", …
  std::uint64_t size_bytes = 0;
  bool missing = false;
};

/// "<id> <type> <size>" or "<id> missing". nullopt: it is neither.
[[nodiscard]] std::optional<ObjectHeader> parse_object_header(std::string_view line);

/// Takes lines as they come. Errors: those of `take`; kInternal for a line of more than 4096 bytes.
class LineSink final : public ByteSink {
 public:
  using Take = std::function<Result<void>(std::string_view line)>;
  explicit LineSink(Take take) : take_(std::move(take)) {}
  Result<void> write(std::string_view bytes) override;

 private:
  Take take_;
  std::string pending_;
};

/// Takes objects, header and bytes, as they come. Errors: those of `take`; kCorrupt for one that is
/// missing or no blob, kInvalid for one beyond `limit_bytes`.
class ObjectSink final : public ByteSink {
 public:
  using Take = std::function<Result<void>(std::size_t index, std::string bytes)>;
  ObjectSink(std::size_t limit_bytes, Take take) : limit_(limit_bytes), take_(std::move(take)) {}
  Result<void> write(std::string_view bytes) override;
  std::size_t count() const { return count_; }

 private:
  Result<void> begin(std::string_view line);

  std::size_t limit_;
  Take take_;
  std::string pending_;  ///< Of a header, or of an object.
  std::optional<ObjectHeader> header_{};
  std::size_t count_ = 0;
};

/// Runs a git that reads names of objects and answers them. Errors: those of Process, of `sink` and
/// of a local git.
[[nodiscard]] Result<void> run_batch(const Command& command, std::string_view names,
                                     ByteSink& sink);

}  // namespace kiln::source
