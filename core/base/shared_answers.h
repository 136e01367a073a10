#pragma once
#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/task.h"

namespace kiln {

/// What many want to know is asked once for all of them: those who come while a question is under
/// way wait for its answer, and those who come later get it as long as it is young enough for
/// them. Failures are shared with those who waited for them, and with nobody else.
///
/// A question stands for all that decides its answer, credentials too. A topic is what several
/// questions are about, for forget().
///
/// Threads: one executor. Lifetime: it outlives its tasks, `clock` outlives it.
template <class T>
class SharedAnswers {
 public:
  using Ask = std::function<Task<Result<T>>()>;
  using Time = std::chrono::steady_clock::time_point;

  /// As `max_age`: however old, for what never changes.
  static constexpr std::chrono::milliseconds kAnyAge = std::chrono::milliseconds::max();
  static constexpr std::chrono::minutes kUsualKeep{10};

  /// `keep`: how long answers are kept, unless somebody takes older ones; 0 = not at all, what is
  /// under way is shared and nothing else.
  explicit SharedAnswers(const Clock& clock, std::chrono::milliseconds keep = kUsualKeep)
      : clock_(clock), keep_(keep) {}

  /// An answer to a question that was sent at the earliest `max_age` before now; 0 = it is asked
  /// now. Errors: those of `ask`. Cancellation: at any point; who was waiting asks for themselves.
  [[nodiscard]] Task<Result<T>> get(std::string question, std::string topic,
                                    std::chrono::milliseconds max_age, Ask ask) {
    const auto earliest = before_now(max_age);
    drop_old();
    for (;;) {
      const auto asked = slot(question, topic, max_age);
      if (asked->last && asked->counts(asked->sent, earliest)) co_return *asked->last;
      if (const auto flight = asked->flight) {
        boost::system::error_code woken;
        co_await flight->done.async_wait(
            boost::asio::redirect_error(boost::asio::use_awaitable, woken));
        if (!flight->landed) co_return Error(Errc::kCancelled, "cancelled");
        if (flight->is_shared() && asked->counts(flight->sent, earliest)) co_return *flight->answer;
        continue;
      }
      auto flight =
          std::make_shared<Flight>(co_await boost::asio::this_coro::executor, clock_.steady_now());
      asked->flight = flight;
      const Landing landing(keep_.count() == 0 ? all_ : nullptr, question, asked, flight);
      auto answer = co_await ask();
      flight->answer = answer;
      if (answer && keep_.count() > 0) {
        asked->last = *answer;
        asked->sent = flight->sent;
      }
      co_return answer;
    }
  }

  /// The last answer that is kept, however old and also when it is out of date.
  std::optional<T> last(const std::string& question) const {
    const auto found = all_->find(question);
    return found == all_->end() ? std::nullopt : found->second->last;
  }

  /// What is known of a topic is out of date, also what is asked until `until` from now; but not
  /// the answers to the question `except`.
  void forget(const std::string& topic, std::chrono::milliseconds until = {},
              const std::string& except = {}) {
    for (const auto& [question, asked] : *all_)
      if (asked->topic == topic && question != except)
        asked->forgotten = clock_.steady_now() + until;
  }

 private:
  /// A question that is under way. Shared with all who wait for it.
  struct Flight {
    Flight(const Executor& executor, Time s)
        : done(executor, boost::asio::steady_timer::time_point::max()), sent(s) {}
    bool is_shared() const {
      return answer && (*answer || answer->error().code != Errc::kCancelled);
    }
    boost::asio::steady_timer done;  ///< Cancelled when it has landed.
    Time sent;
    bool landed = false;
    std::optional<Result<T>> answer{};
  };

  /// What is known of one question.
  struct Asked {
    std::string topic{};
    /// Questions that were sent no later than this do not count.
    std::optional<Time> forgotten{};
    std::shared_ptr<Flight> flight{};
    std::optional<T> last{};
    Time sent{};  ///< When that was asked.
    std::chrono::milliseconds keep{0};

    bool counts(Time when, Time earliest) const {
      return when >= earliest && (!forgotten || when > *forgotten);
    }
  };

  using All = std::map<std::string, std::shared_ptr<Asked>>;

  /// Also when the coroutine is destroyed: nobody waits for ever.
  struct Landing {
    /// `all`: where the question is taken out; null = it stays.
    Landing(std::shared_ptr<All> all, std::string q, std::shared_ptr<Asked> s,
            std::shared_ptr<Flight> f)
        : leaves(std::move(all)),
          question(std::move(q)),
          asked(std::move(s)),
          flight(std::move(f)) {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() {
      asked->flight.reset();
      if (leaves) leaves->erase(question);
      flight->landed = true;
      flight->done.cancel();
    }
    std::shared_ptr<All> leaves;
    std::string question;
    std::shared_ptr<Asked> asked;
    std::shared_ptr<Flight> flight;
  };

  Time before_now(std::chrono::milliseconds age) const {
    const auto now = clock_.steady_now();
    const auto since_start = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    return age >= since_start ? Time::min() : now - age;
  }

  std::shared_ptr<Asked> slot(const std::string& question, const std::string& topic,
                              std::chrono::milliseconds max_age) {
    auto& asked = (*all_)[question];
    if (!asked) {
      asked = std::make_shared<Asked>();
      asked->topic = topic;
    }
    asked->keep = std::max({asked->keep, keep_, max_age == kAnyAge ? keep_ : max_age});
    return asked;
  }

  void drop_old() {
    std::erase_if(*all_, [this](const auto& one) {
      return !one.second->flight && clock_.steady_now() - one.second->sent > one.second->keep;
    });
  }

  const Clock& clock_;
  std::chrono::milliseconds keep_;
  // Both shared with tasks that wait, which may be destroyed later than this.
  std::shared_ptr<All> all_ = std::make_shared<All>();
};

}  // namespace kiln
