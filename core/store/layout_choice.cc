#include "core/store/layout_choice.h"

#include <functional>
#include <string_view>
#include <vector>

#include "core/base/redact.h"
#include "core/oci/reference.h"

namespace kiln::store {
namespace {

constexpr const char* kContainerdName = "io.containerd.image.name";
constexpr std::size_t kNamesShown = 12;

std::string annotation(const oci::Descriptor& entry, const char* key) {
  const auto found = entry.annotations.find(key);
  return found == entry.annotations.end() ? "" : found->second;
}

std::string tag_part(const std::string& name) {
  const auto colon = name.rfind(':');
  const bool tagged = colon != name.npos && name.find('/', colon) == name.npos;
  return tagged ? name.substr(colon + 1) : "";
}

using Fits = std::function<bool(const oci::Descriptor&)>;

/// The entries that fit, those of one digest once.
std::vector<oci::Descriptor> all_that(const oci::Index& index, const Fits& fits) {
  std::vector<oci::Descriptor> found;
  for (const auto& entry : index.manifests) {
    bool known = false;
    for (const auto& other : found) known = known || other.digest == entry.digest;
    if (!known && fits(entry)) found.push_back(entry);
  }
  return found;
}

/// How an entry can be named: by its tag, or else by its digest.
std::string names_of(const std::vector<oci::Descriptor>& entries, bool by_tag) {
  NameList names;
  for (const auto& entry : entries) {
    const auto tag = by_tag ? annotation(entry, kRefName) : "";
    names.add(tag.empty() ? "@" + entry.digest.str() : tag);
  }
  return names.str();
}

Result<std::optional<oci::Descriptor>> choose_tag(const oci::Index& index, const std::string& tag) {
  const auto itself = [&](const auto& entry) { return annotation(entry, kRefName) == tag; };
  const auto part = [&](const auto& entry) {
    const auto name = annotation(entry, kRefName);
    return tag_part(name) == tag || is_same_name(name, tag) ||
           is_same_name(annotation(entry, kContainerdName), tag);
  };
  auto found = all_that(index, itself);
  if (found.empty()) found = all_that(index, part);
  if (found.size() == 1) return std::optional(std::move(found.front()));
  if (found.empty()) {
    const auto there = names_of(all_that(index, [](const auto&) { return true; }), true);
    return Error(Errc::kNotFound, "there is no image with the tag " + tag +
                                      (there.empty() ? "" : "; it has " + there));
  }
  return Error(Errc::kInvalid, std::to_string(found.size()) + " images have the tag " + tag +
                                   "; choose one by its digest: " + names_of(found, false));
}

}  // namespace

Result<std::optional<oci::Descriptor>> choose_entry(const oci::Index& index,
                                                    const LayoutChoice& choice) {
  if (choice.digest) {
    const auto same = [&](const auto& entry) { return entry.digest == *choice.digest; };
    auto found = all_that(index, same);
    if (found.empty()) return std::optional<oci::Descriptor>();
    return std::optional(std::move(found.front()));
  }
  if (!choice.tag.empty()) return choose_tag(index, choice.tag);
  auto all = all_that(index, [](const auto&) { return true; });
  if (all.empty()) return Error(Errc::kNotFound, "there is no image in it");
  if (all.size() == 1) return std::optional(std::move(all.front()));
  return Error(Errc::kInvalid,
               "there are " + std::to_string(all.size()) +
                   " images in it; choose one by its tag or digest: " + names_of(all, true));
}

bool is_same_name(const std::string& a, const std::string& b) {
  const auto one = oci::Reference::parse(a);
  const auto other = oci::Reference::parse(b);
  return one && other && *one == *other;
}

void NameList::add(const std::string& name) {
  constexpr std::size_t kNameBytes = 256;
  if (++count_ > kNamesShown) return;
  text_ += (text_.empty() ? "" : ", ") + sanitize_server_text(name, kNameBytes);
}

std::string NameList::str() const {
  return count_ <= kNamesShown ? text_
                               : text_ + " and " + std::to_string(count_ - kNamesShown) + " more";
}

}  // namespace kiln::store
