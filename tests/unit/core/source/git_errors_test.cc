#include "core/source/git_errors.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

struct Case {
  std::string name, errors;
  Errc code;
  std::string message;
};

class GitErrors : public ::testing::TestWithParam<Case> {};

TEST_P(GitErrors, SayWhatHappensNext) {
  ExitStatus status;
  status.code = 128;

  const auto error = remote_git_error(status, GetParam().errors, GitLimits());

  EXPECT_EQ(error.code, GetParam().code) << error.message;
  EXPECT_NE(error.message.find(GetParam().message), std::string::npos) << error.message;
}

// As git 2.39, curl 7.88 and OpenSSH 9.2 wrote them.
INSTANTIATE_TEST_SUITE_P(
    All, GitErrors,
    ::testing::ValuesIn(std::vector<Case>{
        {"WantsCredentials",
         "fatal: could not read Username for 'http://h:80': terminal prompts disabled\n",
         Errc::kUnauthorized, "the server does not take the credentials of secretRef"},
        {"RefusesTheKey",
         "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
         Errc::kUnauthorized, "the server does not take the credentials"},
        {"UnknownHostKey",
         "No ED25519 host key is known for [h]:2222 and you have requested strict checking.\n"
         "Host key verification failed.\nfatal: Could not read from remote repository.\n",
         Errc::kUnauthorized, "the server's host key is not the one in known_hosts"},
        {"ProxyWantsALogin",
         "fatal: unable to access 'https://h/a/': Received HTTP code 407 from proxy after CONNECT",
         Errc::kDenied, "the proxy does not take its credentials, or wants some"},
        {"ProxyForbids",
         "fatal: unable to access 'https://h/a/': CONNECT tunnel failed, response 403",
         Errc::kDenied, "the proxy does not let us reach the server"},
        {"ProxyReachesNobody",
         "fatal: unable to access 'https://h/a/': Received HTTP code 502 from proxy after CONNECT",
         Errc::kUnavailable, "the proxy does not reach the server"},
        {"Forbidden",
         "fatal: unable to access 'http://h/a/': The requested URL returned error: 403",
         Errc::kDenied, "the server forbids it (403)"},
        {"NoRepository",
         "remote: Repository not found.\nfatal: repository 'http://h/a/' not found\n",
         Errc::kUnavailable, "the server has no such repository"},
        {"NoRepositoryOverSsh",
         "fatal: '/a.git' does not appear to be a git repository\nfatal: Could not read\n",
         Errc::kUnavailable, "the server has no such repository"},
        {"Redirect",
         "fatal: unable to access 'http://h/a/': The requested URL returned error: 301\n",
         Errc::kInvalid, "the server redirects to another address, which is not followed"},
        {"AskedTooOften",
         "fatal: unable to access 'http://h/': The requested URL returned error: 429",
         Errc::kRateLimited, "asked too often"},
        {"ServerIsDown",
         "fatal: unable to access 'http://h/': The requested URL returned error: 503",
         Errc::kUnavailable, "The requested URL returned error: 503"},
        {"NobodyListens",
         "fatal: unable to access 'http://h/': Failed to connect to h port 80 after 0 ms: "
         "Couldn't\n",
         Errc::kUnavailable, "Failed to connect"},
        {"CertificateOfAStranger",
         "fatal: unable to access 'https://h/': server certificate verification failed. CAfile: "
         "x\n",
         Errc::kUnavailable, "put its authority into ca.crt of the Secret"},
        {"NoSuchCommit", "fatal: remote error: upload-pack: not our ref 1111\n", Errc::kNotFound,
         "the server has no such commit"},
        {"CommitThatMayNotBeAskedFor",
         "error: Server does not allow request for unadvertised object 1111\n", Errc::kNotFound,
         "the server has no such commit"},
        {"CutInThePack",
         "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\n"
         "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n",
         Errc::kUnavailable, "RPC failed; curl 18 transfer closed"},
        {"Silent", "error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec\n",
         Errc::kUnavailable, "the server sent nothing for too long"},
        {"PackBeyondTheLimit", "fatal: index-pack died of signal 25\n", Errc::kInvalid,
         "the server sends more than the limit of 4294967296 bytes"},
        {"PackThatTakesAllMemory",
         "fatal: Out of memory, malloc failed (tried to allocate 9 bytes)\n", Errc::kInvalid,
         "more memory for this repository than it may use"},
        {"NoSpace", "fatal: write error: No space left on device\n", Errc::kNoSpace, "no space"},
        {"BrokenCache", "fatal: not a git repository: '.'\n", Errc::kCorrupt,
         "not a git repository"},
        {"Nothing", "", Errc::kUnavailable, "git ended with exit code 128"},
    }),
    [](const auto& one) { return one.param.name; });

TEST(GitErrors, TooMuchCpuIsALimitOfOurs) {
  ExitStatus status;
  status.signal = SIGXCPU;

  EXPECT_EQ(remote_git_error(status, "", GitLimits()).code, Errc::kInvalid);
}

TEST(GitErrors, WhatAServerSaysStaysOneShortLine) {
  ExitStatus status;
  status.code = 128;

  const auto error = remote_git_error(
      status, "remote: \x1b[31m" + std::string(5000, 'x') + "\nremote: more", GitLimits());

  EXPECT_LT(error.message.size(), 400U);
  EXPECT_EQ(error.message.find_first_of("\n\x1b"), std::string::npos);
}

}  // namespace
}  // namespace kiln::source
