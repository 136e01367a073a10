#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace kiln::hooks {

/// What senders share with the controller: each entry of one Secret is a token, whatever its key
/// is called. An immutable value; its tokens are never written anywhere.
class Tokens {
 public:
  static constexpr std::size_t kShortest = 16;
  static constexpr std::size_t kMost = 16;

  /// From a Secret as the API server has it. White space around a token does not count: files and
  /// editors add line breaks. What is shorter than kShortest, and what comes after kMost, is passed
  /// over with a warning that names its key. Errors: kInvalid (no Secret).
  [[nodiscard]] static Result<Tokens> read(std::string_view secret_json);

  const std::vector<std::string>& all() const { return all_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::vector<std::string> all_;
  std::vector<std::string> warnings_;
};

/// The tokens as they are now; null = there are none. Threads: any.
class TokenBox {
 public:
  void set(std::shared_ptr<const Tokens> tokens) {
    const std::lock_guard lock(mutex_);
    tokens_ = std::move(tokens);
  }
  std::shared_ptr<const Tokens> get() const {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;
};

}  // namespace kiln::hooks
