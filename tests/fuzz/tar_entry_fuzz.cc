// A plain tar as any image may bring it. Checksums are made right first, or else hardly any input
// would get past them; what they guard is read, written by TarWriter and read again.
#include <memory>
#include <string>

#include "core/layer/tar_writer.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/tar_reading.h"

namespace kiln::fuzzing {
namespace {

constexpr std::size_t kBlock = 512;

void fix_checksum(char* block) {
  std::fill_n(block + 148, 8, ' ');
  unsigned sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(block[i]);
  for (int digit = 5; digit >= 0; --digit, sum >>= 3)
    block[148 + digit] = static_cast<char>('0' + (sum & 7));
  block[148 + 6] = '\0';
}

std::uint64_t octal_size(const char* block) {
  std::uint64_t size = 0;
  for (int i = 124; i < 136 && block[i] >= '0' && block[i] <= '7'; ++i)
    size = size * 8 + static_cast<std::uint64_t>(block[i] - '0');
  return size;
}

/// Of the blocks that are headers by their sizes, and of all that say "ustar".
std::string with_checksums(std::string_view bytes) {
  std::string tar(bytes);
  tar.resize((tar.size() + kBlock - 1) / kBlock * kBlock);
  std::size_t header_at = 0;
  for (std::size_t at = 0; at < tar.size(); at += kBlock) {
    char* block = tar.data() + at;
    const bool zero = std::all_of(block, block + kBlock, [](char c) { return c == '\0'; });
    const bool header = at == header_at && !zero;
    if (header || std::string_view(block + 257, 5) == "ustar") fix_checksum(block);
    if (at == header_at)
      header_at += kBlock + (zero ? 0 : (octal_size(block) + kBlock - 1) / kBlock * kBlock);
  }
  return tar;
}

/// Writes them as TarWriter does. An opaque mark has no entry of its own to write.
Result<std::string> rewritten(const std::vector<ReadEntry>& entries) {
  StringSink sink;
  layer::TarWriter writer(sink, {});
  for (const auto& [found, text] : entries) {
    if (found.opaque) continue;
    auto entry = found.entry;
    if (entry.kind == layer::EntryKind::kFile)
      entry.content = layer::FileContent(std::make_shared<const std::string>(text));
    KILN_TRY(writer.add(entry));
  }
  KILN_TRY(writer.finish());
  return sink.take();
}

void check_rewriting(std::vector<ReadEntry> entries) {
  const auto tar = rewritten(entries);
  // Not all that can be read can be written: see TarWriter::add.
  if (tar.has_error()) return require_short_line(tar.error().message, 600);
  std::erase_if(entries, [](const ReadEntry& read) { return read.found.opaque; });
  for (auto& [found, text] : entries) {
    auto& entry = found.entry;
    if (entry.kind == layer::EntryKind::kSymlink) entry.mode = 0777;
    if (entry.kind != layer::EntryKind::kWhiteout) continue;
    // They say nothing but that something is gone.
    const auto path = entry.path;
    entry = layer::Entry(path, layer::EntryKind::kWhiteout);
  }
  auto again = read_tar(*tar);
  require(again.has_value(), "what TarWriter writes, TarReader reads");
  for (auto& [found, text] : *again)
    if (found.entry.kind == layer::EntryKind::kWhiteout)
      found.entry = layer::Entry(std::string(found.entry.path), layer::EntryKind::kWhiteout);
  require(same_entries(entries, *again), "an entry is what it was after writing and reading");
}

}  // namespace
}  // namespace kiln::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln::fuzzing;
  const auto tar = with_checksums(text_of(data, size));
  const auto entries = read_tar(tar);
  require_sound(entries);
  require_steady(tar, entries);
  if (entries.has_value()) check_rewriting(*entries);
  return 0;
}
