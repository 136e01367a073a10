#include "controller/plan/named_data.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::plan {
namespace {

using kiln::testing::FailsWith;
using Files = std::map<std::string, std::string>;

TEST(ConfigMap, GivesDataAndBinaryData) {
  const auto data = parse_config_map(
      R"({"metadata": {"resourceVersion": "7"}, "data": {"a": "x"}, "binaryData": {"b": "AAE="}})");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->files, (Files{{"a", "x"}, {"b", std::string("\0\1", 2)}}));
  EXPECT_EQ(data->resource_version, "7");
}

TEST(ConfigMap, IsReadTheSameHoweverItIsWritten) {
  const std::string compact =
      R"({"data":{"a":"\u003cp\u003e\n","b":"ä \u00e4","":""},"metadata":{"resourceVersion":"7"}})";
  for (const auto& text : {compact, parse_json(compact)->dump(2)}) {
    const auto data = parse_config_map(text);
    ASSERT_TRUE(data) << text;
    EXPECT_EQ(data->files, (Files{{"a", "<p>\n"}, {"b", "ä ä"}, {"", ""}}));
    EXPECT_EQ(data->resource_version, "7");
  }
}

TEST(ConfigMap, IsReadAsAParserReadsItWhereNamesAreOdd) {
  for (const auto* text : {R"({"d\u0061ta":{"a":"x"}})", R"({"data":{"\u0061":"x"}})",
                           R"({"data":{"b":"y"},"data":{"a":"x"}})"}) {
    const auto data = parse_config_map(text);
    ASSERT_TRUE(data) << text;
    EXPECT_EQ(data->files, (Files{{"a", "x"}})) << text;
  }
}

TEST(Secret, GivesDataAndStringDataGoesFirst) {
  const auto data = parse_secret(
      R"({"type": "Opaque", "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "z"}})");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->files, (Files{{"a", "x"}, {"b", "z"}}));
  EXPECT_EQ(data->type, "Opaque");
}

TEST(Secret, MayWrapItsBase64AsManifestsDo) {
  const auto data = parse_secret("{\"data\": {\"a\": \"aGVs\\n  bG8=\\n\"}}");
  ASSERT_TRUE(data);
  EXPECT_EQ(data->files.at("a"), "hello");
}

TEST(Secret, ThatIsWrongIsRefusedWithoutItsValue) {
  const auto bad = parse_secret(R"({"data": {"password": "hunter2!"}})");
  EXPECT_THAT(bad, FailsWith(Errc::kInvalid, "data[\"password\"] is not base64"));
  EXPECT_EQ(bad.error().message.find("hunter2"), std::string::npos);
  EXPECT_THAT(parse_secret(R"({"data": {"a": 1}})"), FailsWith(Errc::kInvalid, "must be a string"));
  for (const auto* text : {R"({"data": []})", R"({"data":[]})"})
    EXPECT_THAT(parse_config_map(text), FailsWith(Errc::kInvalid, "must be an object")) << text;
  EXPECT_THAT(parse_config_map(R"({"data":{"a":1}})"), FailsWith(Errc::kInvalid, "a string"));
}

NamedData secret_with(Files files) {
  NamedData data;
  data.files = std::move(files);
  return data;
}

TEST(TlsOf, TakesCaAndClientCertificate) {
  const std::string pem = "-----BEGIN CERTIFICATE-----";
  const auto tls = tls_of(secret_with({{"ca.crt", pem}, {"tls.crt", pem}, {"tls.key", pem}}));
  ASSERT_TRUE(tls);
  EXPECT_EQ((*tls)->ca_pem, pem);
  EXPECT_EQ((*tls)->client_cert_pem, pem);
  EXPECT_EQ((*tls)->client_key_pem, pem);
  EXPECT_FALSE((*tls)->insecure_skip_verify);
}

TEST(TlsOf, NamesWhatIsMissingOrWrong) {
  EXPECT_THAT(tls_of(secret_with({})), FailsWith(Errc::kInvalid, "neither ca.crt nor tls.crt"));
  EXPECT_THAT(tls_of(secret_with({{"tls.crt", "-----BEGIN X"}})),
              FailsWith(Errc::kInvalid, "only one of tls.crt and tls.key"));
  EXPECT_THAT(tls_of(secret_with({{"ca.crt", "text"}})),
              FailsWith(Errc::kInvalid, "than PEM in ca.crt"));
}

}  // namespace
}  // namespace kiln::plan
