#include "core/layer/block_deflater.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace kiln::layer {
namespace {

// The stored form (5 bytes for each 64 KiB) bounds what a block can grow to. ISA-L looks at the
// room it is given, so the room is part of the format: never change it without a new encoder id.
constexpr std::size_t kOutputBytes = kDeflateBlockBytes + 64 * 1024;

std::uint32_t gzip_crc(std::string_view bytes) {
  return crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

unsigned char* unconst(std::string_view bytes) {
  // Both libraries read only, but say so only in their comments.
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
}

/// Room to be written into. It is not filled with zeros: a short block touches little of it, and
/// the system need not find memory for the rest.
class Room {
 public:
  explicit Room(std::size_t size_bytes)
      : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size_bytes)), size_(size_bytes) {}
  std::uint8_t* data() { return bytes_.get(); }
  std::size_t size() const { return size_; }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_;
};

class IsalDeflater final : public BlockDeflater {
 public:
  // The level buffer's size decides where ISA-L ends its deflate blocks: part of the format, too.
  IsalDeflater() : level_buffer_(ISAL_DEF_LVL2_DEFAULT), output_(kOutputBytes) {}

  Result<DeflatedBlock> deflate(std::string_view input) override {
    isal_deflate_stateless_init(stream_.get());
    stream_->level = 2;
    stream_->level_buf = level_buffer_.data();
    stream_->level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());
    stream_->flush = FULL_FLUSH;
    stream_->end_of_stream = 0;
    stream_->gzip_flag = IGZIP_DEFLATE;
    stream_->next_in = unconst(input);
    stream_->avail_in = static_cast<std::uint32_t>(input.size());
    stream_->next_out = output_.data();
    stream_->avail_out = static_cast<std::uint32_t>(output_.size());
    const int code = isal_deflate_stateless(stream_.get());
    if (code != COMP_OK || stream_->avail_in != 0)
      return Error(Errc::kInternal,
                   "ISA-L could not compress a block (" + std::to_string(code) + ")");
    return DeflatedBlock{
        std::string(reinterpret_cast<const char*>(output_.data()), stream_->total_out),
        gzip_crc(input), input.size()};
  }

 private:
  std::unique_ptr<isal_zstream> stream_ = std::make_unique<isal_zstream>();
  std::vector<std::uint8_t> level_buffer_;
  Room output_;
};

class ZlibDeflater final : public BlockDeflater {
 public:
  ZlibDeflater() : output_(kOutputBytes) {
    ready_ = deflateInit2(&stream_, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~ZlibDeflater() override {
    if (ready_) deflateEnd(&stream_);
  }
  ZlibDeflater(const ZlibDeflater&) = delete;
  ZlibDeflater& operator=(const ZlibDeflater&) = delete;

  Result<DeflatedBlock> deflate(std::string_view input) override {
    if (!ready_ || deflateReset(&stream_) != Z_OK)
      return Error(Errc::kInternal, "zlib could not be set up");
    stream_.next_in = unconst(input);
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = output_.data();
    stream_.avail_out = static_cast<uInt>(output_.size());
    const int code = ::deflate(&stream_, Z_FULL_FLUSH);
    if (code != Z_OK || stream_.avail_in != 0 || stream_.avail_out == 0)
      return Error(Errc::kInternal,
                   "zlib could not compress a block (" + std::to_string(code) + ")");
    return DeflatedBlock{
        std::string(reinterpret_cast<const char*>(output_.data()), stream_.total_out),
        gzip_crc(input), input.size()};
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  Room output_;
};

}  // namespace

std::unique_ptr<BlockDeflater> make_isal_deflater() {
  return std::make_unique<IsalDeflater>();
}
std::unique_ptr<BlockDeflater> make_zlib_deflater() {
  return std::make_unique<ZlibDeflater>();
}

std::string isal_probe_text() {
  // Words in an order that repeats, never quite: matches of many lengths and distances.
  static constexpr std::array<std::string_view, 8> kWords = {
      "layer ", "digest", "the quick brown fox ", "0123", "<div>", "\n", "e", "manifest/v1+json"};
  std::string text;
  std::uint32_t state = 20200101;
  while (text.size() < 200'000) {
    state = state * 1664525U + 1013904223U;
    text += kWords[(state >> 24) & 7];
    if ((state & 0xf0000) == 0) text += static_cast<char>(state >> 8);
  }
  return text;
}

std::uint32_t isal_probe_crc() {
  auto block = make_isal_deflater()->deflate(isal_probe_text());
  return block.has_error() ? 0 : gzip_crc(block->bytes);
}

bool isal_bytes_are_known() {
  static const bool known = isal_probe_crc() == kIsalProbeCrc;
  return known;
}

}  // namespace kiln::layer
