#pragma once
#include <gtest/gtest.h>

#include <memory>

#include "core/base/file.h"
#include "core/build/builder.h"
#include "core/build/pusher.h"
#include "core/source/inline_source.h"
#include "tests/support/base_images.h"
#include "tests/support/fake_registry.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::build {

/// A registry with a two-platform base at r.test/nginx:1.27, and a builder on it.
class BuildFixture : public ::testing::Test {
 protected:
  BuildFixture() { base_digest_ = testing::add_base(registry_, "r.test/nginx", "1.27").str(); }

  static std::shared_ptr<source::Source> files(std::vector<source::NamedFile> named) {
    return std::make_shared<source::InlineSource>("inline", "1", std::move(named));
  }

  std::shared_ptr<BuildRequest> site() {
    auto request = std::make_shared<BuildRequest>();
    request->base.reference = *oci::Reference::parse("r.test/nginx:1.27");
    request->remove = {"/usr/share/nginx/html"};
    request->content.emplace_back(files({{"index.html", "hello"}}), "/usr/share/nginx/html");
    return request;
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return testing::run_task(io_, std::move(task));
  }

  struct Built {
    std::string key;
    Assembled image;
  };

  Result<Built> build(const std::shared_ptr<const BuildRequest>& request) {
    auto content = run(builder_.fetch_content(request));
    if (!content) return content.error();
    auto base = run(builder_.resolve_base(request));
    if (!base) return base.error();
    Built built;
    built.key = input_key(*request, *base, *content);
    auto image = run(builder_.assemble(request, std::make_shared<ResolvedImage>(*base),
                                       std::make_shared<std::vector<FetchedContent>>(*content)));
    if (!image) return image.error();
    built.image = std::move(*image);
    return built;
  }

  fakes::FakeRegistry registry_;
  std::string base_digest_;
  boost::asio::io_context io_;
  TempDir cache_ = *TempDir::create("kiln-test");
  WorkPool pool_{2};
  Builder builder_{registry_, pool_, Builder::Options{cache_.path(), ""}};
};

}  // namespace kiln::build
