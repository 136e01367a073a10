#pragma once
#include <chrono>
#include <optional>

#include "controller/hooks/delivery_memory.h"
#include "controller/hooks/notice.h"
#include "controller/hooks/tokens.h"
#include "controller/obs/metrics.h"
#include "core/base/clock.h"
#include "core/base/task.h"
#include "core/http/server.h"

namespace kiln::hooks {

/// Whoever knows what has to be looked at after news.
class Starter {
 public:
  virtual ~Starter() = default;
  /// Answers how many are going to be looked at. Quick: it only finds them and queues them.
  virtual std::size_t start(const Notice& notice) = 0;
};

/// How long the program's event loop has to take news. Senders wait 5 to 10 seconds.
inline constexpr std::chrono::milliseconds kHandOverLimit{3'000};

/// The endpoint of webhooks: POST /hooks/KIND, see find_endpoint().
///
/// Whoever knows no token learns nothing but 403. News are handed over to `starter` on `loop`, and
/// answered with 202 before anything is fetched or built; a sender is thus never kept waiting. What
/// was received before is answered with 200 and starts nothing: an error would make senders try
/// for ever. Nothing a webhook says is believed: it only makes Kiln look earlier.
///
/// Threads: the server's, which is one. Lifetime: all that is referred to outlives the requests,
/// and as for obs::ask().
class Receiver final : public http::RequestHandler {
 public:
  Receiver(Executor loop, Starter& starter, const TokenBox& tokens, const Clock& clock,
           obs::Metrics& metrics, std::chrono::milliseconds limit = kHandOverLimit)
      : loop_(std::move(loop)),
        starter_(starter),
        tokens_(tokens),
        clock_(clock),
        metrics_(metrics),
        limit_(limit) {}

  Task<http::ServerResponse> handle(http::ServerRequest request) override;

 private:
  struct Answer;
  Task<Answer> answer(Endpoint endpoint, http::ServerRequest request);
  Task<Answer> hand_over(Notice notice, std::optional<Sha256Sum> id);

  Executor loop_;
  Starter& starter_;
  const TokenBox& tokens_;
  const Clock& clock_;
  obs::Metrics& metrics_;
  std::chrono::milliseconds limit_;
  DeliveryMemory memory_;
};

}  // namespace kiln::hooks
