// Puts a website on a base image and pushes the result, for every platform of the base:
//
//   publish_site nginx:1.27 public registry.example.com/team/site:1
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <iostream>

#include "core/base/clock.h"
#include "core/build/builder.h"
#include "core/build/pusher.h"
#include "core/http/beast/client.h"
#include "core/registry/http_client.h"
#include "core/source/directory_source.h"

using namespace kiln;

// Answers what was pushed: "registry.example.com/team/site@sha256:…".
// Lifetime: builder and registry outlive the task. The rest is taken by value on purpose.
Task<Result<std::string>> publish(std::string base, std::shared_ptr<source::Source> site,
                                  std::string target,
                                  build::Builder& builder,       // NOLINT: see Lifetime
                                  registry::Client& registry) {  // NOLINT: see Lifetime
  auto from = oci::Reference::parse(base);
  if (!from) co_return std::move(from).error().while_doing("base");
  auto to = oci::Reference::parse(target);
  if (!to) co_return std::move(to).error().while_doing("target");

  auto request = std::make_shared<build::BuildRequest>();
  request->base.reference = *from;
  request->remove = {"/usr/share/nginx/html"};
  request->content.emplace_back(site, "/usr/share/nginx/html");
  request->config.entrypoint = std::vector<std::string>{"nginx", "-g", "daemon off;"};

  auto assembled = co_await builder.assemble_all(request);
  if (!assembled) co_return std::move(assembled).error().while_doing("assembling");
  auto images = std::make_shared<const image::ImageSet>(std::move(assembled->images));
  auto place = build::registry_destination(registry, to->repository(), registry::Access());
  auto base_access = build::always(request->base.access);
  auto sent = co_await build::push_content(images, *place, registry, base_access, nullptr);
  if (!sent) co_return std::move(sent).error().while_doing("pushing");
  std::vector<std::string> tags{to->tag()};
  auto tagged = co_await build::publish(images, *place, tags);
  if (!tagged) co_return std::move(tagged).error().while_doing("tagging");
  co_return to->repository().str() + "@" + images->top().digest.str();
}

int main(int argc, char** argv) {  // NOLINT: an exception is a bug and may end it
  if (argc != 4) {
    std::cerr << "usage: publish_site BASE FOLDER TARGET\n";
    return 2;
  }
  boost::asio::io_context io(1);  // One thread for the network …
  WorkPool pool(4);               // … and some for reading, compressing and hashing.
  const SystemClock clock;
  const auto client = http::make_client(io.get_executor(), http::ClientOptions());
  registry::HttpRegistryClient registry(*client, clock);
  build::Builder builder(registry, pool, build::Builder::Options());
  auto site = std::make_shared<source::DirectorySource>(argv[2], source::DirectoryOptions(), pool);

  auto done = boost::asio::co_spawn(io, publish(argv[1], site, argv[3], builder, registry),
                                    boost::asio::use_future);
  io.run();
  const auto pushed = done.get();
  if (pushed) std::cout << *pushed << "\n";
  if (!pushed) std::cerr << "publish_site: " << pushed.error().message << "\n";
  return pushed ? 0 : 1;
}
