// What a BuildPass says of itself while it takes long.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controller/imagebuild/build_pass.h"
#include "core/base/gather.h"
#include "core/base/log.h"

namespace kiln::imagebuild {
namespace {

namespace type = api::condition_type;

std::string registry_of(const std::string& image) {
  const auto reference = oci::Reference::parse(image);
  return reference ? reference->repository().registry : image;
}

/// Whom content is fetched from, for people: "git https://git.test/site.git, image r.test/a:1".
std::string servers_of(const std::vector<api::Content>& contents) {
  std::string names;
  for (const auto& content : contents)
    if (content.git || content.image)
      names += (names.empty() ? "" : ", ") + plan::source_name(content);
  return names;
}

}  // namespace

Task<Result<Next>> BuildPass::run() {
  const auto late = std::make_shared<Timer>(co_await boost::asio::this_coro::executor, patience_);
  std::vector<Task<Result<Next>>> both;
  both.push_back(run_steps_before(late));
  both.push_back(tell_of_wait_after(late));
  auto ended = co_await gather(std::move(both), 2);
  if (!ended) co_return std::move(ended).error();
  co_return halt_ ? Next::kStop : Next::kContinue;
}

Task<Result<Next>> BuildPass::run_steps_before(std::shared_ptr<Timer> late) {
  auto ended = co_await run_steps();
  steps_ended_ = true;
  late->cancel();
  co_return ended;
}

/// Nothing, if the steps end before. That it could not be written ends no build.
Task<Result<Next>> BuildPass::tell_of_wait_after(std::shared_ptr<Timer> late) {
  if (steps_ended_) co_return Next::kContinue;  // Without a wait: cancelling came too early.
  boost::system::error_code cancelled;
  co_await late->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
  if (cancelled || steps_ended_ || !mark_wait()) co_return Next::kContinue;
  const auto written = co_await write_status();
  if (!written)
    log::debug("could not say what is waited for",
               {{"imageBuild", build_->metadata.key()}, {"error", written.error().message}});
  co_return Next::kContinue;
}

/// False where the status says already that the last failure is being retried: that stays to be
/// read. An image that is there is one while a newer one is waited for, unless the spec is new.
bool BuildPass::mark_wait() {
  const auto generation = seen_->meta.generation;
  const auto now = ports_.clock.now();
  auto& conditions = status_.conditions;
  const auto* ready = api::find_condition(conditions, type::kReady);
  const bool judged = ready != nullptr && ready->observed_generation == generation;
  const bool failed = judged && ready->status == "False";
  if (failed && api::find_condition(conditions, type::kReconciling) != nullptr) return false;
  const auto message = what_is_waited_for();
  if (!judged || ready->status == "Unknown") {
    api::Condition unknown(std::string(type::kReady), false, generation, "Progressing", message);
    unknown.status = "Unknown";
    api::set_condition(conditions, std::move(unknown), now);
    status_.observed_generation = generation;
  }
  api::Condition reconciling(std::string(type::kReconciling), true, generation, "Progressing",
                             message);
  api::set_condition(conditions, std::move(reconciling), now);
  api::remove_condition(conditions, type::kStalled);
  told_of_wait_ = true;
  return true;
}

/// "comparing with the last build: waiting for registry.example.com"
std::string BuildPass::what_is_waited_for() const {
  const auto waiting = [this](Step step, const std::string& whom) {
    return doing(step) + ": waiting for " + whom;
  };
  const auto output = registry_of(build_->spec.output.image);
  switch (step_) {
    case Step::kFetch:
    case Step::kImage:
      return waiting(step_, servers_of(build_->spec.content));
    case Step::kBase:
      return waiting(step_, registry_of(build_->spec.base.image));
    case Step::kCompare:
    case Step::kPin:
      return waiting(step_, output);
    case Step::kAssemble:
      if (assembled_ && looks_at_tags_) return waiting(Step::kCompare, output);
      return "building the image";
    case Step::kPush:
      return "pushing the image to " + output;
    default:
      if (looks_at_tags_) return waiting(Step::kCompare, output);
      return waiting(step_, "the API server");
  }
}

/// The step's name, for people.
std::string BuildPass::doing(Step step) const {
  if (step == Step::kCompare && status_.digest.empty()) return "looking at the output's tags";
  return std::string(name_of(step));
}

}  // namespace kiln::imagebuild
