#include "core/http/beast/dial.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace kiln::http {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds kHeadStart{250};

/// What the attempts share with the one who waits for them; whoever goes last frees it.
struct Race {
  explicit Race(const Executor& executor) : changed(executor) {}
  asio::steady_timer changed;          // Cancelled at each attempt's end.
  std::vector<Connection*> running{};  // Each is owned by its attempt.
  std::size_t ended = 0;
  Dialed winner{};
  std::optional<Error> last{};
};

/// Stands in the list of running ones as long as its attempt exists, however that ends.
struct Runner {
  Runner(Race& r, Connection& c) : race(r), connection(c) { race.running.push_back(&c); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { std::erase(race.running, &connection); }
  Race& race;
  Connection& connection;
};

/// Ends what still runs when nobody waits any more.
struct Ender {
  explicit Ender(std::shared_ptr<Race> r) : race(std::move(r)) {}
  Ender(const Ender&) = delete;
  Ender& operator=(const Ender&) = delete;
  ~Ender() {
    for (auto* connection : race->running) connection->abort();
  }
  std::shared_ptr<Race> race;
};

Task<void> attempt(std::shared_ptr<Race> race, std::unique_ptr<Connection> connection,
                   Candidate candidate, milliseconds limit, Detour detour) {
  Result<void> connected;
  {
    const Runner runner(*race, *connection);
    const auto real = detour ? detour(candidate.endpoint) : candidate.endpoint;
    connected = co_await connection->connect(candidate.endpoint, real, limit);
  }
  ++race->ended;
  race->changed.cancel();
  if (!connected) {
    race->last = std::move(connected).error();
  } else if (!race->winner.connection) {
    race->winner.connection = std::move(connection);
    race->winner.kind = candidate.kind;
  }
}

}  // namespace

Task<Result<Dialed>> dial(Executor executor, std::string peer, std::vector<Candidate> candidates,
                          milliseconds limit, Detour detour) {
  const auto deadline = Connection::Clock::now() + limit;
  const auto race = std::make_shared<Race>(executor);
  const Ender ender(race);
  for (std::size_t started = 0;;) {
    if (race->winner.connection) co_return std::move(race->winner);
    if (race->ended == candidates.size()) co_return *race->last;
    const bool behind =
        race->ended == started || race->changed.expiry() <= Connection::Clock::now();
    if (started < candidates.size() && behind) {
      const auto left =
          std::chrono::duration_cast<milliseconds>(deadline - Connection::Clock::now());
      auto connection = std::make_unique<Connection>(executor, peer);
      asio::co_spawn(executor,
                     attempt(race, std::move(connection), candidates[started],
                             std::max(left, milliseconds(1)), detour),
                     asio::detached);
      ++started;
      race->changed.expires_after(kHeadStart);
      continue;
    }
    if (started == candidates.size())
      race->changed.expires_at(Connection::Clock::time_point::max());
    const auto ended_before = race->ended;
    boost::system::error_code error;
    co_await race->changed.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error && race->ended == ended_before)
      co_return Error(Errc::kCancelled, "connecting to " + peer + " was cancelled");
  }
}

}  // namespace kiln::http
