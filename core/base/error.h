#pragma once
#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {

/// What went wrong, named by what the caller should do next (not by where it happened).
enum class Errc {
  kInvalid,       ///< The input can never work. Fix it; do not retry.
  kNotFound,      ///< A named thing is absent. Retried: it may be created later.
  kUnauthorized,  ///< Credentials missing or not accepted (401). Retried slowly: secrets get fixed.
  kDenied,        ///< Known, but not allowed to do this (403). Retried slowly: rights get granted.
  kConflict,      ///< Lost a write race. Re-read the object, then retry at once.
  kUnavailable,   ///< Network, 408/5xx. Retried with back-off.
  kRateLimited,   ///< 429. Retried when the server says so, or with back-off.
  kTimeout,       ///< A deadline of ours passed. Retried with back-off.
  kCorrupt,       ///< Bytes do not match their digest or format. Someone must look; retried slowly.
  kNoSpace,       ///< A disk (ours or the registry's) is full. Retried slowly.
  kEgressDenied,  ///< The egress policy forbids this address. Fix the reference or the policy.
  kUnsupported,   ///< Well-formed, but this version cannot do it. Do not retry.
  kGone,          ///< A position in a stream is too old (410 Expired). Start over from a list.
  kCancelled,     ///< Stopped on purpose, by shutdown or because the work became pointless.
  kInternal,      ///< A bug or a broken machine. Logged loudly, retried with back-off.
};

/// The code's name in prose, e.g. "not found"; for logs.
std::string_view name_of(Errc code);

struct Error {
  Errc code = Errc::kInternal;
  std::string message;  ///< For humans. Never holds a token, password or URL query.
  std::optional<std::chrono::seconds> retry_after{};  ///< The server's own hint, if any.

  Error() = default;  ///< Only because boost::system::result asks for it.
  // A constructor on purpose: no aggregate, so it may travel through co_await (docs/decisions).
  Error(Errc c, std::string m, std::optional<std::chrono::seconds> hint = std::nullopt)
      : code(c), message(std::move(m)), retry_after(hint) {}

  /// False where only a change of the input (spec, content, policy) can help.
  bool retryable() const {
    return code != Errc::kInvalid && code != Errc::kUnsupported && code != Errc::kEgressDenied;
  }

  /// Adds what we were doing; reads outside-in: "pushing layer 2 of 5: connection reset".
  Error while_doing(std::string_view action) && {
    message.insert(0, std::string(action) + ": ");
    return std::move(*this);
  }
};

/// Either a value or an Error. Always look before you take: value() on an error is a bug and
/// throws.
template <class T>
using Result = boost::system::result<T, Error>;

/// Called by Result::value() on an error: reaching it is a bug in the caller.
[[noreturn]] inline void throw_exception_from_error(const Error& e, const boost::source_location&) {
  throw std::logic_error(e.message);
}

}  // namespace kiln

/// Leaves the function with the error of `expr`, if it has one. For functions and coroutines that
/// return a Result; KILN_CO_TRY is the same for coroutines.
#define KILN_CONCAT_INNER(a, b) a##b
#define KILN_CONCAT(a, b) KILN_CONCAT_INNER(a, b)
#define KILN_TRY(expr)                                \
  if (auto KILN_CONCAT(kiln_try_, __LINE__) = (expr); \
      KILN_CONCAT(kiln_try_, __LINE__).has_error())   \
  return std::move(KILN_CONCAT(kiln_try_, __LINE__)).error()
#define KILN_CO_TRY(expr)                             \
  if (auto KILN_CONCAT(kiln_try_, __LINE__) = (expr); \
      KILN_CONCAT(kiln_try_, __LINE__).has_error())   \
  co_return std::move(KILN_CONCAT(kiln_try_, __LINE__)).error()
