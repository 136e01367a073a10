#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "controller/hooks/tokens.h"
#include "controller/runtime/watch_handler.h"

namespace kiln::hooks {

/// The value of --hooks-secret, "NAMESPACE/NAME". Errors: kInvalid, saying what to write.
[[nodiscard]] Result<kube::ObjectKey> parse_secret_key(std::string_view text);

/// Keeps a box filled with the tokens of one Secret: a token that is added or taken away counts as
/// soon as the API server says so. A Secret that cannot be read or is gone means no tokens.
/// Threads: the watcher's. Lifetime: `box` outlives it.
class TokenWatch final : public runtime::WatchHandler {
 public:
  TokenWatch(kube::ObjectKey secret, TokenBox& box) : secret_(std::move(secret)), box_(box) {}

  void applied(const kube::Object& object, runtime::Origin origin) override;
  void deleted(const kube::ObjectKey& key) override;
  std::vector<kube::ObjectKey> known() const override;
  void synced() override;

 private:
  kube::ObjectKey secret_;
  TokenBox& box_;
  bool there_ = false;
};

}  // namespace kiln::hooks
