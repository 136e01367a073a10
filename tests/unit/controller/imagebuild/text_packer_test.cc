#include "controller/imagebuild/text_packer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "controller/imagebuild/typical_text.h"
#include "core/base/sha256.h"

namespace kiln::imagebuild {
namespace {

std::string noise(std::size_t size_bytes) {
  std::mt19937 random(7);
  std::string text(size_bytes, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

std::string digest_of(const std::string& what) {
  return "sha256:" + sha256_hex(what);
}

/// As the API server and a few builds leave it.
std::string built(const std::string& name) {
  const auto image = "registry.acme.example/shop/" + name;
  std::string history;
  for (int i = 0; i < 4; ++i)
    history += std::string(i > 0 ? "," : "") + R"({"completedAt":"2026-05-0)" +
               std::to_string(i + 1) + R"(T08:01:02Z","digest":")" +
               digest_of(name + std::to_string(i)) + R"(","inputKey":")" +
               sha256_hex("key" + std::to_string(i)) + R"(","reasons":[{"from":"ConfigMap shop/)" +
               name + "@" + std::to_string(810 + i) + R"(","to":"ConfigMap shop/)" + name + "@" +
               std::to_string(811 + i) + R"(","type":"ContentChanged"}]})";
  const auto condition = [](const std::string& type, const std::string& message) {
    return R"({"lastTransitionTime":"2026-05-04T08:01:02Z","message":")" + message +
           R"(","observedGeneration":3,"reason":"Succeeded","status":"True","type":")" + type +
           R"("})";
  };
  return R"({"apiVersion":"kiln.build/v1alpha1","kind":"ImageBuild","metadata":{"creationTimestamp":)"
         R"("2026-05-01T08:01:00Z","generation":3,"name":")" +
         name +
         R"(","namespace":"shop","resourceVersion":"48211","uid":"0d9b4f52-1f6c-4a55-9d3c-3d1f0a9b7c11"},)"
         R"("spec":{"base":{"image":"docker.io/library/httpd:2.4","insecure":false},"content":[{)"
         R"("configMap":{"name":")" +
         name +
         R"(","optional":false},"path":"/usr/local/apache2/htdocs"}],"deletionPolicy":"Retain",)"
         R"("historyLimit":10,"interval":"10m","output":{"compression":"Gzip","enforceTag":false,)"
         R"("image":")" +
         image +
         R"(:latest","insecure":false,"layers":"Auto","mediaTypes":"OCI","timestamps":"Content"},)"
         R"("serviceAccountName":"default","suspend":false,"timeout":"10m","triggers":{"base":true,)"
         R"("content":true}},"status":{"conditions":[)" +
         condition("BaseResolved", "the base image is resolved") + "," +
         condition("ContentReady", "the content is read") + "," +
         condition("Pushed", "the image is pushed") + "," +
         condition("Ready", image + "@" + digest_of(name)) + R"(],"digest":")" + digest_of(name) +
         R"(","history":[)" + history + R"(],"image":")" + image + "@" + digest_of(name) +
         R"(","observedGeneration":3,"tags":["latest"]}})";
}

TEST(TextPacker, GivesBackWhatItWasGiven) {
  const TextPacker packer(typical_image_build());
  const std::vector<std::string> texts = {
      "",           "x",           std::string(3, '\0'),        built("web"),
      noise(5'000), noise(70'000), std::string(2'000'000, 'z'), std::string(typical_image_build()),
  };

  for (const auto& text : texts) EXPECT_EQ(packer.unpack(packer.pack(text)), text) << text.size();
}

TEST(TextPacker, MakesAnImageBuildAThirdOfItsSizeOrLess) {
  const TextPacker packer(typical_image_build());
  const auto text = built("front-page");

  EXPECT_LT(packer.pack(text).size() * 3, text.size());
}

TEST(TextPacker, CostsLittleWhereNothingCanBeSaved) {
  const TextPacker packer(typical_image_build());

  EXPECT_LT(packer.pack(noise(5'000)).size(), 5'032U);
  EXPECT_LT(packer.pack("").size(), 16U);
}

TEST(TextPacker, TakesWhatIsPackedForLittleMemory) {
  const TextPacker packer(typical_image_build());
  const auto packed = packer.pack(built("web"));

  EXPECT_EQ(packed.capacity(), packed.size());
}

TEST(TextPacker, NeedsNoTypicalText) {
  const TextPacker packer("");

  EXPECT_EQ(packer.unpack(packer.pack(built("web"))), built("web"));
}

TEST(TextPacker, ThrowsForWhatWasNotPacked) {
  const TextPacker packer(typical_image_build());
  const auto whole = packer.pack(built("web"));

  EXPECT_THROW((void)packer.unpack("no frame at all"), std::exception);
  EXPECT_THROW((void)packer.unpack(std::string_view(whole).substr(0, whole.size() / 2)),
               std::exception);
}

}  // namespace
}  // namespace kiln::imagebuild
