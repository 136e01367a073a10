#pragma once
// Tars made by hand, also such as TarWriter would never write, and what TarReader makes of them.
#include <zstd.h>

#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/tar_reader.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer::testing_support {

/// `header` with other bytes at `at` of its last block; the checksum is made right.
inline std::string patched(std::string header, std::size_t at, std::string_view bytes) {
  header.replace(header.size() - 512 + at, bytes.size(), bytes);
  auto block = header.substr(header.size() - 512);
  block.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%06o", sum);
  block.replace(148, 8, std::string(digits.data(), 6) + '\0' + ' ');
  return header.substr(0, header.size() - 512) + block;
}

/// A header whose type no Entry can have.
inline std::string with_type(std::string_view path, char type) {
  return patched(tar_header(file(std::string(path)), 0, 0), 156, std::string_view(&type, 1));
}

/// A header that announces `bytes` of content, whatever its type.
inline std::string with_size(std::string header, std::uint64_t bytes) {
  std::array<char, 13> digits{};
  std::snprintf(digits.data(), digits.size(), "%011llo", static_cast<unsigned long long>(bytes));
  return patched(std::move(header), 124, std::string_view(digits.data(), 12));
}

inline std::string padded(std::string bytes) {
  bytes.append((512 - bytes.size() % 512) % 512, '\0');
  return bytes;
}

/// A header of `type` and what belongs to it.
inline std::string with_body(std::string_view path, char type, const std::string& body) {
  return with_size(with_type(path, type), body.size()) + padded(body);
}

/// "27 path=…\n": the length counts itself.
inline std::string record(const std::string& key, const std::string& value) {
  const auto bare = key.size() + value.size() + 3;
  auto length = bare + std::to_string(bare).size();
  if (bare + std::to_string(length).size() > length) ++length;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

/// A PAX header for the entry that comes next.
inline std::string pax(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string body;
  for (const auto& [key, value] : records) body += record(key, value);
  return with_body("PaxHeaders/x", 'x', body);
}

/// Headers as they come, and the end of a tar.
inline std::string archive_of(const std::vector<std::string>& headers) {
  std::string tar;
  for (const auto& header : headers) tar += header;
  return tar + std::string(1024, '\0');
}

inline std::string raw(std::string name) {
  return tar_header(file(std::move(name)), 0, 0);
}
inline std::string raw_directory(std::string name) {
  return tar_header(directory(std::move(name)), 0, 0);
}
/// A file with content.
inline std::string raw_file(std::string name, const std::string& text) {
  return tar_header(file(std::move(name)), 0, text.size()) + padded(text);
}

inline std::string zstd_bytes(std::string_view bytes, int window_log) {
  auto* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  std::string output(ZSTD_compressBound(bytes.size()) + 64, '\0');
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_outBuffer out{output.data(), output.size(), 0};
  while (in.pos < in.size) ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);
  ZSTD_inBuffer none{nullptr, 0, 0};
  while (ZSTD_compressStream2(context, &out, &none, ZSTD_e_end) != 0) {
  }
  ZSTD_freeCCtx(context);
  output.resize(out.pos);
  return output;
}

/// An entry that came out of a reader, with its bytes.
struct ReadBack {
  TarEntry found;
  std::string text;
};

/// Reads it to its end, `step` bytes at a time.
inline Result<std::vector<ReadBack>> read_tar(ByteSource& source, const ReadLimits& limits = {},
                                              std::size_t step = 4096) {
  auto reader = TarReader::open(source, limits);
  if (reader.has_error()) return std::move(reader).error();
  std::vector<ReadBack> all;
  std::string buffer(step, '\0');
  for (;;) {
    auto entry = (*reader)->next();
    if (entry.has_error()) return std::move(entry).error();
    if (!*entry) return all;
    all.push_back({std::move(**entry), ""});
    for (;;) {
      const auto count = (*reader)->read(buffer);
      if (count.has_error()) return count.error();
      if (*count == 0) break;
      all.back().text += buffer.substr(0, *count);
    }
  }
}

inline Result<std::vector<ReadBack>> read_tar(std::string_view bytes, const ReadLimits& limits = {},
                                              std::size_t step = 4096) {
  MemorySource source(bytes);
  return read_tar(source, limits, step);
}

}  // namespace kiln::layer::testing_support
