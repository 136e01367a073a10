#include "core/layer/compressor.h"

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/layer/block_deflater.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kSmallLimitBytes = 256 * 1024 * 1024;
constexpr int kSmallLevel = 7;  // About the size of gzip -9 at some ten times its speed.
constexpr int kZstdLevel = 3;

// RFC 1952: no flags, time 0, no hint about the encoder, operating system "unknown".
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
// RFC 1951: a final block with fixed codes and nothing in it.
constexpr std::string_view kFinalEmptyBlock("\x03\0", 2);

std::string gzip_trailer(std::uint32_t crc, std::uint64_t size_bytes) {
  std::string text;
  for (const auto word : {crc, static_cast<std::uint32_t>(size_bytes)})
    for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>((word >> shift) & 0xff);
  return text;
}

/// Cuts its input into blocks of exactly 1 MiB, whatever the sizes of the writes, and joins what
/// the deflater makes of them into one gzip member.
class GzipCompressor final : public Compressor {
 public:
  GzipCompressor(std::unique_ptr<BlockDeflater> deflater, ByteSink& out)
      : deflater_(std::move(deflater)), out_(out) {}

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      if (pending_.empty() && bytes.size() >= kDeflateBlockBytes) {
        KILN_TRY(write_block(bytes.substr(0, kDeflateBlockBytes)));
        bytes.remove_prefix(kDeflateBlockBytes);
        continue;
      }
      const auto count = std::min(bytes.size(), kDeflateBlockBytes - pending_.size());
      pending_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      if (pending_.size() == kDeflateBlockBytes) KILN_TRY(flush_pending());
    }
    return {};
  }

  Result<void> finish() override {
    if (!pending_.empty()) KILN_TRY(flush_pending());
    KILN_TRY(write_header_once());
    KILN_TRY(out_.write(kFinalEmptyBlock));
    return out_.write(gzip_trailer(crc_, size_bytes_));
  }

 private:
  Result<void> flush_pending() {
    KILN_TRY(write_block(pending_));
    pending_.clear();
    return {};
  }

  Result<void> write_block(std::string_view input) {
    auto block = deflater_->deflate(input);
    if (block.has_error()) return std::move(block).error();
    KILN_TRY(write_header_once());
    crc_ = static_cast<std::uint32_t>(
        crc32_combine(crc_, block->crc32, static_cast<z_off_t>(block->size_bytes)));
    size_bytes_ += block->size_bytes;
    return out_.write(block->bytes);
  }

  Result<void> write_header_once() {
    if (std::exchange(header_written_, true)) return {};
    return out_.write(kGzipHeader);
  }

  std::unique_ptr<BlockDeflater> deflater_;
  ByteSink& out_;
  std::string pending_;
  bool header_written_ = false;
  std::uint32_t crc_ = 0;
  std::uint64_t size_bytes_ = 0;
};

/// libdeflate wants it all at once.
class SmallGzipCompressor final : public Compressor {
 public:
  explicit SmallGzipCompressor(ByteSink& out) : out_(out) {}

  Result<void> write(std::string_view bytes) override {
    if (bytes.size() > kSmallLimitBytes - input_.size())
      return Error(Errc::kInvalid,
                   "a layer of more than 256 MiB cannot be compressed with gzip-small; use gzip");
    input_.append(bytes);
    return {};
  }

  Result<void> finish() override {
    const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> compressor(
        libdeflate_alloc_compressor(kSmallLevel), &libdeflate_free_compressor);
    if (!compressor) return Error(Errc::kInternal, "libdeflate could not be set up");
    std::string output(libdeflate_deflate_compress_bound(compressor.get(), input_.size()), '\0');
    const auto size = libdeflate_deflate_compress(compressor.get(), input_.data(), input_.size(),
                                                  output.data(), output.size());
    if (size == 0) return Error(Errc::kInternal, "libdeflate could not compress a layer");
    KILN_TRY(out_.write(kGzipHeader));
    KILN_TRY(out_.write(std::string_view(output).substr(0, size)));
    return out_.write(
        gzip_trailer(libdeflate_crc32(0, input_.data(), input_.size()), input_.size()));
  }

 private:
  ByteSink& out_;
  std::string input_;
};

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(ByteSink& out)
      : out_(out), context_(ZSTD_createCCtx(), &ZSTD_freeCCtx), output_(ZSTD_CStreamOutSize()) {
    if (!context_) return;
    // Workers must stay 0: one worker already gives other bytes than none.
    ready_ = !ZSTD_isError(
                 ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kZstdLevel)) &&
             !ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_contentSizeFlag, 0)) &&
             !ZSTD_isError(ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 0));
  }

  Result<void> write(std::string_view bytes) override { return run(bytes, ZSTD_e_continue); }
  // The end comes without data, or else zstd would take the last write for the whole input.
  Result<void> finish() override { return run({}, ZSTD_e_end); }

 private:
  Result<void> run(std::string_view bytes, ZSTD_EndDirective directive) {
    if (!ready_) return Error(Errc::kInternal, "zstd could not be set up");
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{output_.data(), output_.size(), 0};
      const auto left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      if (ZSTD_isError(left))
        return Error(Errc::kInternal, std::string("zstd: ") + ZSTD_getErrorName(left));
      if (out.pos > 0) KILN_TRY(out_.write(std::string_view(output_.data(), out.pos)));
      const bool done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (done) return {};
    }
  }

  ByteSink& out_;
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  std::vector<char> output_;
  bool ready_ = false;
};

}  // namespace

Result<Compression> parse_compression(std::string_view text) {
  if (text == "gzip" || text == "Gzip") return Compression::kGzip;
  if (text == "gzip-small" || text == "GzipSmall") return Compression::kGzipSmall;
  if (text == "zstd" || text == "Zstd") return Compression::kZstd;
  return Error(Errc::kInvalid, "compression \"" + std::string(text.substr(0, 64)) +
                                   "\" is unknown; write gzip, gzip-small or zstd");
}

std::string encoder_id(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return isal_bytes_are_known() ? "igzip-2/1" : "zlib-6/1";
    case Compression::kGzipSmall:
      return "libdeflate-7/1";
    case Compression::kZstd:
      return "zstd-3/1";
  }
  return "";
}

std::unique_ptr<Compressor> make_compressor(Compression compression, ByteSink& out) {
  switch (compression) {
    case Compression::kGzipSmall:
      return std::make_unique<SmallGzipCompressor>(out);
    case Compression::kZstd:
      return std::make_unique<ZstdCompressor>(out);
    case Compression::kGzip:
      break;
  }
  auto deflater = isal_bytes_are_known() ? make_isal_deflater() : make_zlib_deflater();
  return std::make_unique<GzipCompressor>(std::move(deflater), out);
}

}  // namespace kiln::layer
