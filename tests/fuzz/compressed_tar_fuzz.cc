// A layer's blob as it comes: gzip, zstd or plain. What zlib or zstd alone would unpack must be
// what TarReader sees, and nothing may take more than its limits.
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <optional>
#include <string>

#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/tar_reading.h"

namespace kiln::fuzzing {
namespace {

constexpr std::size_t kMostBytes = 1 << 20;

/// All members of a gzip file that is right to its last byte; checksums too.
std::optional<std::string> gunzipped(std::string_view bytes) {
  std::string out;
  std::string buffer(64 * 1024, '\0');
  while (!bytes.empty()) {
    z_stream stream{};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) return std::nullopt;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    int code = Z_OK;
    while (code == Z_OK && out.size() <= kMostBytes) {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      code = inflate(&stream, Z_NO_FLUSH);
      out.append(buffer, 0, buffer.size() - stream.avail_out);
    }
    bytes.remove_prefix(bytes.size() - stream.avail_in);
    inflateEnd(&stream);
    if (code != Z_STREAM_END) return std::nullopt;
  }
  return out;
}

/// All frames of a zstd file that is right to its last byte.
std::optional<std::string> unzstded(std::string_view bytes) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(),
                                                                     &ZSTD_freeDCtx);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 20);
  std::string out;
  std::string buffer(64 * 1024, '\0');
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (std::size_t hint = 1; in.pos < in.size || hint != 0;) {
    ZSTD_outBuffer to{buffer.data(), buffer.size(), 0};
    const auto before = in.pos;
    hint = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(hint) || out.size() > kMostBytes) return std::nullopt;
    if (in.pos == before && to.pos == 0) return std::nullopt;  // It ends too early.
    out.append(buffer, 0, to.pos);
  }
  return out;
}

void check_against(const std::optional<std::string>& plain,
                   const Result<std::vector<ReadEntry>>& entries) {
  if (!plain || entries.has_error()) return;
  const auto expected = read_tar(*plain);
  require(expected.has_value(), "what can be read compressed can be read plain");
  require(same_entries(*expected, *entries), "compression changes no entry");
}

}  // namespace
}  // namespace kiln::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln::fuzzing;
  const auto bytes = text_of(data, size);
  const auto entries = read_tar(bytes);
  require_sound(entries);
  require_steady(bytes, entries);
  if (bytes.starts_with("\x1f\x8b")) check_against(gunzipped(bytes), entries);
  if (bytes.starts_with("\x28\xb5\x2f\xfd")) check_against(unzstded(bytes), entries);
  return 0;
}
