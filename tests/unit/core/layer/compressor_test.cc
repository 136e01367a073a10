#include "core/layer/compressor.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include "core/base/sha256.h"
#include "core/layer/block_deflater.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

constexpr std::size_t kMiB = 1 << 20;

/// Reads exactly one gzip member and wants nothing after it, as strict consumers do.
std::string gunzip_one_member(const std::string& bytes, std::size_t size) {
  std::string output(size + 1, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0U) << "bytes after the only member";
  output.resize(stream.total_out);
  inflateEnd(&stream);
  return output;
}

std::string unzstd(const std::string& bytes, std::size_t size) {
  std::string output(size + 1, '\0');
  const auto count = ZSTD_decompress(output.data(), output.size(), bytes.data(), bytes.size());
  EXPECT_FALSE(ZSTD_isError(count));
  output.resize(ZSTD_isError(count) ? 0 : count);
  return output;
}

class AnyCompression : public testing::TestWithParam<Compression> {};

TEST_P(AnyCompression, GivesBackWhatItGot) {
  for (const auto size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, kMiB - 1, kMiB,
                          kMiB + 1, 3 * kMiB + 12345}) {
    const auto input = sample_bytes(size);
    const auto output = compress(GetParam(), input);
    const auto back =
        GetParam() == Compression::kZstd ? unzstd(output, size) : gunzip_one_member(output, size);
    EXPECT_EQ(sha256_hex(back), sha256_hex(input)) << size;
  }
}

TEST_P(AnyCompression, DoesNotDependOnTheSizesOfTheWrites) {
  const auto input = sample_bytes(2 * kMiB + 77777);
  const auto whole = sha256_hex(compress(GetParam(), input));
  for (const std::size_t step :
       {std::size_t{7}, std::size_t{4096}, std::size_t{65536}, kMiB - 1, kMiB, kMiB + 1, 2 * kMiB})
    EXPECT_EQ(sha256_hex(compress(GetParam(), input, step)), whole) << step;
  const auto little = sample_bytes(200'000);
  EXPECT_EQ(sha256_hex(compress(GetParam(), little, 1)), sha256_hex(compress(GetParam(), little)));
}

TEST_P(AnyCompression, GivesTheSameBytesEachTime) {
  const auto input = sample_bytes(kMiB + 5);
  const auto first = sha256_hex(compress(GetParam(), input));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(sha256_hex(compress(GetParam(), input)), first);
}

TEST_P(AnyCompression, BearsNoise) {
  std::string noise;
  for (std::uint32_t i = 0; noise.size() < 2 * kMiB; ++i)
    for (const auto byte : sha256(std::to_string(i))) noise += static_cast<char>(byte);
  const auto output = compress(GetParam(), noise);
  EXPECT_LT(output.size(), noise.size() + 1024);
  const auto back = GetParam() == Compression::kZstd ? unzstd(output, noise.size())
                                                     : gunzip_one_member(output, noise.size());
  EXPECT_TRUE(back == noise);
}

TEST_P(AnyCompression, PassesOnTheErrorOfTheSink) {
  StringSink tiny(100);
  const auto compressor = make_compressor(GetParam(), tiny);
  auto result = compressor->write(sample_bytes(3 * kMiB));
  if (!result.has_error()) result = compressor->finish();
  ASSERT_TRUE(result.has_error());
  EXPECT_EQ(result.error().message, "more than the allowed 100 bytes");
}

INSTANTIATE_TEST_SUITE_P(All, AnyCompression,
                         testing::Values(Compression::kGzip, Compression::kGzipSmall,
                                         Compression::kZstd),
                         [](const auto& test) {
                           auto id = encoder_id(test.param);
                           return id.substr(0, id.find('-'));
                         });

// Bytes stand for the encoder id: when one of these changes, so must the id.
TEST(Encoder, BytesArePinned) {
  const auto input = sample_bytes(2 * kMiB + 4321);
  ASSERT_EQ(sha256_hex(input), "30a8f6c261096dcd7c3f8210d83bfddd824cef13de1fccd49474b489647ba014");
  EXPECT_EQ(sha256_hex(compress(Compression::kGzipSmall, input)),
            "2ccadf0188b74af36de6570e846bcdebc166a0edd1e8c691ea29b60ed72ac29b");
  EXPECT_EQ(sha256_hex(compress(Compression::kZstd, input)),
            "1a9f7322ee69c243b8b3b651b55c6ddff0862d28d5751f4dcb7dd7bf7c6c3a11");
  const auto gzip = sha256_hex(compress(Compression::kGzip, input));
  if (encoder_id(Compression::kGzip) == "igzip-2/1")
    EXPECT_EQ(gzip, "03b6ccf135f3bbba72f8684a9d2a5d3e52a9e587fe74fa80215e5081174efd21");
  else
    EXPECT_EQ(gzip, "5cb0c62a752950903b6ee0e74cbe45a8d7cfb70c08a9b15d79fa5bb3183239a7");
}

TEST(Encoder, IdsNameLevelAndFormatVersion) {
  EXPECT_EQ(encoder_id(Compression::kGzipSmall), "libdeflate-7/1");
  EXPECT_EQ(encoder_id(Compression::kZstd), "zstd-3/1");
  EXPECT_EQ(encoder_id(Compression::kGzip), isal_bytes_are_known() ? "igzip-2/1" : "zlib-6/1");
}

TEST(Encoder, ProbeTellsTheBytesOfIsal) {
  EXPECT_EQ(isal_bytes_are_known(), isal_probe_crc() == kIsalProbeCrc);
  EXPECT_EQ(isal_probe_crc(), isal_probe_crc());
  EXPECT_EQ(sha256_hex(isal_probe_text()),
            "69097178de60004278f7595e2d75002d0a58b1229cb9a9982a14b5f0d435f675");
}

TEST(Gzip, HeaderAndEmptyLayerArePinned) {
  const auto empty = compress(Compression::kGzip, "");
  EXPECT_EQ(empty, std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0", 20));
  const auto small = compress(Compression::kGzipSmall, "abc");
  EXPECT_EQ(small.substr(0, 10), empty.substr(0, 10));
}

TEST(Zstd, DoesNotWriteTheContentSize) {
  const auto bytes = compress(Compression::kZstd, sample_bytes(5000));
  EXPECT_EQ(ZSTD_getFrameContentSize(bytes.data(), bytes.size()), ZSTD_CONTENTSIZE_UNKNOWN);
}

TEST(GzipSmall, RefusesMoreThan256MiB) {
  StringSink sink;
  const auto compressor = make_compressor(Compression::kGzipSmall, sink);
  const std::string piece(64 * kMiB, 'x');
  for (int i = 0; i < 4; ++i) ASSERT_FALSE(compressor->write(piece).has_error());
  const auto over = compressor->write("x");
  ASSERT_TRUE(over.has_error());
  EXPECT_EQ(over.error().code, Errc::kInvalid);
  EXPECT_EQ(over.error().message,
            "a layer of more than 256 MiB cannot be compressed with gzip-small; use gzip");
}

class AnyDeflater : public testing::TestWithParam<bool> {
 protected:
  static std::unique_ptr<BlockDeflater> make() {
    return GetParam() ? make_isal_deflater() : make_zlib_deflater();
  }
};

TEST_P(AnyDeflater, MakesBlocksThatDependOnNothingBefore) {
  const auto a = sample_bytes(kMiB, 1), b = sample_bytes(kMiB, 2), c = sample_bytes(300, 3);
  auto used = make();
  for (const auto& block : {a, b, c, a}) {
    const auto again = used->deflate(block);
    const auto fresh = make()->deflate(block);
    ASSERT_TRUE(again.has_value() && fresh.has_value());
    EXPECT_TRUE(again->bytes == fresh->bytes);
    EXPECT_EQ(again->crc32, crc32(0, reinterpret_cast<const Bytef*>(block.data()),
                                  static_cast<uInt>(block.size())));
  }
}

TEST_P(AnyDeflater, JoinsInAnyOrder) {
  const auto a = sample_bytes(kMiB, 1), b = sample_bytes(5000, 2);
  const auto first = make()->deflate(b), second = make()->deflate(a);
  const auto joined = first->bytes + second->bytes + std::string("\x03\0", 2);
  std::string output(a.size() + b.size() + 1, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, -MAX_WBITS), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(joined.data()));
  stream.avail_in = static_cast<uInt>(joined.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  output.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_TRUE(output == b + a);
}

INSTANTIATE_TEST_SUITE_P(Both, AnyDeflater, testing::Bool(),
                         [](const auto& test) { return test.param ? "Isal" : "Zlib"; });

TEST(ParseCompression, TakesTheNamesOfTheCommandAndOfTheApi) {
  for (const auto* name : {"gzip", "Gzip"}) EXPECT_EQ(*parse_compression(name), Compression::kGzip);
  for (const auto* name : {"gzip-small", "GzipSmall"})
    EXPECT_EQ(*parse_compression(name), Compression::kGzipSmall);
  for (const auto* name : {"zstd", "Zstd"}) EXPECT_EQ(*parse_compression(name), Compression::kZstd);
}

TEST(ParseCompression, ListsTheNamesWhenItKnowsNone) {
  const auto unknown = parse_compression("bzip2");
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(unknown.error().code, Errc::kInvalid);
  EXPECT_EQ(unknown.error().message,
            "compression \"bzip2\" is unknown; write gzip, gzip-small or zstd");
}

}  // namespace
}  // namespace kiln::layer
