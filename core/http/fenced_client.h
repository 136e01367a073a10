#pragma once
#include <functional>

#include "core/http/client.h"

namespace kiln::http {

/// Another client whose requests leave only while they may: what changes something (all but GET and
/// HEAD) carries `permit`, which is asked right before bytes leave, however long the request waited
/// for its turn, a connection or a second try. For programs of which only one may write.
///
/// Contract, threads and cancellation are that client's; its error is also what `permit` says.
/// Lifetime: `inner` and what `permit` refers to outlive it.
class FencedClient final : public Client {
 public:
  FencedClient(Client& inner, std::function<Result<void>()> permit)
      : inner_(inner), permit_(std::move(permit)) {}

  Task<Result<Response>> send(Request request) override {
    return inner_.send(fenced(std::move(request)));
  }
  Task<Result<std::unique_ptr<ResponseStream>>> open(Request request) override {
    return inner_.open(fenced(std::move(request)));
  }

 private:
  Request fenced(Request request) const {
    if (request.method != "GET" && request.method != "HEAD") request.permit = permit_;
    return request;
  }

  Client& inner_;
  std::function<Result<void>()> permit_;
};

}  // namespace kiln::http
