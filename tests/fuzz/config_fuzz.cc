// Image configs as any registry may send them: one alone, or an image, its old base and a new one,
// with NUL between them.
#include <string>

#include "core/oci/config.h"
#include "core/oci/config_rebase.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::oci {
namespace {

using fuzzing::require;

void require_canonical(const Config& config) {
  const auto text = config.to_json();
  const auto again = Config::parse(text);
  require(again.has_value(), "what is written can be read");
  require(again->to_json() == text, "the canonical form is stable");
  require(again->diff_ids() == config.diff_ids(), "layers are not lost");
}

/// Asks for everything there is to ask for.
void ask(const Config& config) {
  require(config.history().size() <= config.to_json().size(), "history comes from the text");
  config.platform().str();
  config.entrypoint();
  config.args();
  config.env();
  config.labels();
  config.user();
  config.working_dir();
  config.created();
}

ConfigPatch patch_of_everything() {
  ConfigPatch patch;
  patch.entrypoint = {"/bin/app"};
  patch.args = {"serve"};
  patch.env = {{"PATH", "/bin"}, {"MODE", "x=y"}};
  patch.unset_env = {"HOME"};
  patch.labels = {{"version", "1"}};
  patch.user = "101";
  patch.working_dir = "/srv";
  patch.exposed_ports = {"80", "53/udp"};
  patch.volumes = {"/data"};
  patch.stop_signal = "SIGQUIT";
  return patch;
}

void check_patch(const Config& config) {
  const auto patched = config.with_patch(patch_of_everything());
  require_canonical(patched);
  require(patched.entrypoint() == std::vector<std::string>{"/bin/app"}, "the entrypoint is set");
  require(patched.args() == std::vector<std::string>{"serve"}, "the args are set");
  require(patched.user() == "101" && patched.working_dir() == "/srv", "user and folder are set");
  require(patched.labels().at("version") == "1", "the label is set");
  for (const auto& assignment : patched.env())
    require(env_name(assignment) != "HOME", "a variable is unset");
  const auto twice = patched.with_patch(patch_of_everything());
  require(twice.to_json() == patched.to_json(), "the same patch again changes nothing");
}

void check_layers(const Config& config) {
  const auto digest = Digest::of("layer");
  const HistoryEntry line{"2020-01-01T00:00:00Z", "kiln"};
  const auto more = config.with_layer(digest, line);
  require_canonical(more);
  require(more.diff_ids().size() == config.diff_ids().size() + 1, "a layer is added");
  require(more.diff_ids().back() == digest, "on top");
  const auto one = config.with_only_layer(digest, line);
  require_canonical(one);
  require(one.diff_ids().size() == 1 && one.history().size() == 1, "one layer, one line");
  require_canonical(config.with_empty_history(line));
  const auto dated = config.with_created("2020-01-01T00:00:00Z");
  require_canonical(dated);
  require(dated.created() == "2020-01-01T00:00:00Z", "the date is set");
}

bool begins_with_layers_of(const Config& image, const Config& base) {
  const auto layers = image.diff_ids();
  const auto below = base.diff_ids();
  return below.size() <= layers.size() && std::equal(below.begin(), below.end(), layers.begin());
}

void check_rebase(const Config& image, const Config& old_base, const Config& new_base) {
  if (!begins_with_layers_of(image, old_base)) return;
  const auto rebased = rebase_config(image, old_base, new_base);
  require_canonical(rebased.config);
  const auto own = image.diff_ids().size() - old_base.diff_ids().size();
  require(rebased.config.diff_ids().size() == new_base.diff_ids().size() + own,
          "the new base's layers, and the image's own");
  require(begins_with_layers_of(rebased.config, new_base), "the new base is below");
  require(rebased.config.created() == image.created(), "the date is the image's");
  require(rebased.config.platform() == new_base.platform(), "the platform is the new base's");

  const auto nothing_own = rebase_config(old_base, old_base, new_base);
  require(nothing_own.warnings.empty(), "without changes there is nothing to warn of");
  require(nothing_own.config.env() == new_base.env() &&
              nothing_own.config.labels() == new_base.labels() &&
              nothing_own.config.entrypoint() == new_base.entrypoint() &&
              nothing_own.config.args() == new_base.args(),
          "an image without changes becomes the new base");
}

void check(const std::vector<Config>& configs) {
  for (const auto& config : configs) {
    require_canonical(config);
    ask(config);
    check_patch(config);
    check_layers(config);
  }
  if (configs.empty()) return;
  const auto& old_base = configs[configs.size() == 3 ? 1 : 0];
  check_rebase(configs.front(), old_base, configs.back());
}

}  // namespace
}  // namespace kiln::oci

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  std::vector<oci::Config> configs;
  for (const auto json : fuzzing::parts_of(fuzzing::text_of(data, size), '\0')) {
    const auto config = oci::Config::parse(json);
    if (config)
      configs.push_back(*config);
    else
      fuzzing::require_short_line(config.error().message, 250);
    if (configs.size() == 3) break;
  }
  oci::check(configs);
  return 0;
}
