#include "controller/obs/server_thread.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "core/base/log.h"
#include "core/base/redact.h"

namespace kiln::obs {

Result<void> ServerThread::add(std::string what, const std::string& address,
                               http::RequestHandler& handler) {
  if (address == "0") return {};
  const auto parsed = http::ListenAddress::parse(address);
  if (!parsed) return parsed.error();
  auto server = make_(io_.get_executor(), *parsed, handler);
  if (!server) return std::move(server).error();
  for (const auto& where : (*server)->addresses())
    log::info("serving", {{"what", what}, {"address", where}});
  servers_.push_back(std::move(*server));
  return {};
}

void ServerThread::start() {
  for (const auto& server : servers_) {
    boost::asio::co_spawn(io_, server->run(),
                          [](const std::exception_ptr& failure, const Result<void>&) {
                            if (failure) log::error("a server broke down");
                          });
  }
  if (!servers_.empty()) thread_ = std::thread([this] { io_.run(); });
}

void ServerThread::stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] {
    for (const auto& server : servers_) server->stop();
  });
  thread_.join();
}

}  // namespace kiln::obs
