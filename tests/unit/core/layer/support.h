#pragma once
// Builders and helpers for tests of layers and images.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/io.h"
#include "core/layer/compressor.h"
#include "core/layer/file_tree.h"
#include "core/layer/layer_index.h"
#include "core/layer/tar_writer.h"

namespace kiln::layer::testing_support {

inline FileContent content_of(std::string text) {
  return FileContent(std::make_shared<const std::string>(std::move(text)));
}

/// The same bytes, but not in memory as far as the code under test can see.
inline FileContent streamed_content_of(std::string text) {
  auto bytes = std::make_shared<const std::string>(std::move(text));
  return FileContent(bytes->size(), [bytes]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(*bytes, bytes));
  });
}

inline Entry file(std::string path, std::string text = "") {
  Entry entry(std::move(path), EntryKind::kFile);
  entry.content = content_of(std::move(text));
  return entry;
}

inline Entry directory(std::string path, std::uint32_t mode = 0755) {
  Entry entry(std::move(path), EntryKind::kDirectory);
  entry.mode = mode;
  return entry;
}

inline Entry symlink_to(std::string path, std::string target) {
  Entry entry(std::move(path), EntryKind::kSymlink);
  entry.link_target = std::move(target);
  return entry;
}

inline Entry hardlink_to(std::string path, std::string target) {
  Entry entry(std::move(path), EntryKind::kHardlink);
  entry.link_target = std::move(target);
  return entry;
}

inline Entry whiteout(std::string path) {
  return Entry(std::move(path), EntryKind::kWhiteout);
}

inline Entry special(std::string path, Device device) {
  Entry entry(std::move(path), EntryKind::kSpecial);
  entry.device = device;
  return entry;
}

inline Entry with_xattrs(Entry entry, std::map<std::string, std::string> xattrs) {
  entry.xattrs = std::move(xattrs);
  return entry;
}

inline FileTree tree_of(std::vector<Entry> entries) {
  FileTree tree;
  for (auto& entry : entries) {
    auto added = tree.add(std::move(entry));
    EXPECT_FALSE(added.has_error()) << (added.has_error() ? added.error().message : "");
  }
  return tree;
}

inline std::string tar_of(const std::vector<Entry>& entries, TimestampPolicy times = {}) {
  StringSink sink;
  TarWriter writer(sink, times);
  for (const auto& entry : entries) {
    auto added = writer.add(entry);
    EXPECT_FALSE(added.has_error()) << (added.has_error() ? added.error().message : "");
  }
  EXPECT_FALSE(writer.finish().has_error());
  return sink.take();
}

/// Fed in pieces of `step` bytes.
inline std::string compress(Compression compression, std::string_view bytes,
                            std::size_t step = SIZE_MAX) {
  StringSink sink;
  auto compressor = make_compressor(compression, sink);
  for (std::size_t at = 0; at < bytes.size(); at += std::min(step, bytes.size() - at))
    EXPECT_FALSE(compressor->write(bytes.substr(at, step)).has_error());
  EXPECT_FALSE(compressor->finish().has_error());
  return sink.take();
}

inline Result<LayerIndex> index_bytes(std::string_view bytes, const ReadLimits& limits = {}) {
  MemorySource source(bytes);
  return index_layer(source, limits);
}

/// Text and noise that do not change from run to run: compressible, but not too well.
inline std::string sample_bytes(std::size_t size, std::uint32_t seed = 1) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "image ", "layer\n", "sha256:", "the registry said ", "{\"a\":1}", "xyz", "/usr/share/", "."};
  std::string text;
  text.reserve(size + 32);
  while (text.size() < size) {
    seed = seed * 1664525U + 1013904223U;
    if (((seed >> 16) & 15) < 3) {
      for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>(seed >> shift);
    } else {
      text += kWords[(seed >> 25) & 7];
    }
  }
  text.resize(size);
  return text;
}

/// What a program prints, or nothing when it is absent or fails. Bounded in time.
inline std::optional<std::string> output_of(const std::string& command) {
  const auto bounded = "LC_ALL=C.UTF-8 timeout 30 " + command + " 2>/dev/null";
  std::FILE* pipe = ::popen(bounded.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer{};
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe))
    text.append(buffer.data(), count);
  return ::pclose(pipe) == 0 ? std::optional(text) : std::nullopt;
}

inline bool has_program(const std::string& name) {
  return output_of(name + " --version").has_value();
}

}  // namespace kiln::layer::testing_support
