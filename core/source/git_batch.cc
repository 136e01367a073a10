#include "core/source/git_batch.h"

#include <algorithm>
#include <charconv>

#include "core/source/git_program.h"
#include "core/source/git_ref.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMaxLineBytes = 4096;

Error line_too_long() {
  return {Errc::kInternal, "git answered a line of more than 4096 bytes"};
}

}  // namespace

std::optional<ObjectHeader> parse_object_header(std::string_view line) {
  ObjectHeader header;
  const auto space = line.find(' ');
  if (space == line.npos) return std::nullopt;
  header.id = line.substr(0, space);
  line.remove_prefix(space + 1);
  header.missing = line == "missing";
  if (header.missing) return header;
  const auto second = line.find(' ');
  if (second == line.npos || !is_object_id(header.id)) return std::nullopt;
  header.type = line.substr(0, second);
  const auto digits = line.substr(second + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), header.size_bytes);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return header;
}

Result<void> LineSink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    pending_.append(bytes.substr(0, end));
    if (pending_.size() > kMaxLineBytes) return line_too_long();
    if (end == bytes.npos) return {};
    bytes.remove_prefix(end + 1);
    KILN_TRY(take_(pending_));
    pending_.clear();
  }
  return {};
}

Result<void> ObjectSink::begin(std::string_view line) {
  header_ = parse_object_header(line);
  if (!header_) return Error(Errc::kInternal, "git answered something that is no object");
  if (header_->missing)
    return Error(Errc::kCorrupt, "the object " + header_->id + " is not in the repository");
  if (header_->type != "blob")
    return Error(Errc::kCorrupt, "the object " + header_->id + " is no file");
  if (header_->size_bytes > limit_)
    return Error(Errc::kInvalid, "it has " + std::to_string(header_->size_bytes) +
                                     " bytes, more than the limit of " + std::to_string(limit_));
  return {};
}

Result<void> ObjectSink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!header_) {
      const auto end = bytes.find('\n');
      pending_.append(bytes.substr(0, end));
      if (pending_.size() > kMaxLineBytes) return line_too_long();
      if (end == bytes.npos) return {};
      bytes.remove_prefix(end + 1);
      KILN_TRY(begin(pending_));
      pending_.clear();
    }
    const auto wanted = static_cast<std::size_t>(header_->size_bytes) + 1;  // And a line break.
    const auto count = std::min(bytes.size(), wanted - pending_.size());
    pending_.append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    if (pending_.size() < wanted) return {};
    pending_.pop_back();
    header_.reset();
    KILN_TRY(take_(count_++, std::move(pending_)));
    pending_.clear();
  }
  return {};
}

Result<void> run_batch(const Command& command, std::string_view names, ByteSink& sink) {
  auto process = Process::start(command);
  if (!process) return std::move(process).error();
  MemorySource source(names);
  const auto status = process->exchange(source, sink);
  if (!status) return status.error();
  if (!status->ok()) return local_git_error(*status, process->errors());
  return {};
}

}  // namespace kiln::source
