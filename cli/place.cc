#include "cli/place.h"

#include <array>
#include <filesystem>

namespace kiln::cli {
namespace {

constexpr std::array kPrefixed = {Place::Kind::kOciLayout, Place::Kind::kOciArchive,
                                  Place::Kind::kDockerArchive, Place::Kind::kDockerDaemon};

/// "site" → "site:latest", after checking it is a name that Docker takes.
Result<std::string> docker_name(std::string_view text) {
  auto reference = oci::Reference::parse(text);
  if (!reference) return std::move(reference).error();
  if (reference->digest())
    return Error(Errc::kInvalid, "a name with a tag is needed, not a digest: " + std::string(text));
  const bool tagged = text.ends_with(":" + reference->tag());
  return std::string(text) + (tagged ? "" : ":" + reference->tag());
}

/// What to write instead, where `text` reads as a registry's image, and a folder or file of that
/// name is here.
std::string hint_at_local(std::string_view text) {
  const auto place = Place::parse(text);
  if (!place || !place->is_registry()) return "";
  std::error_code none;
  for (const auto end : {text.size(), text.rfind(':')}) {
    const std::string path(text.substr(0, end));
    if (std::filesystem::is_directory(path, none))
      return "; " + path +
             " is a folder here: if you mean the image layout in it, write oci:" + path;
    if (std::filesystem::is_regular_file(path, none))
      return "; " + path +
             " is a file here: if you mean the image in it, write oci-archive:" + path +
             " or docker-archive:" + path;
  }
  return "";
}

}  // namespace

std::string_view prefix_of(Place::Kind kind) {
  switch (kind) {
    case Place::Kind::kOciLayout:
      return "oci:";
    case Place::Kind::kOciArchive:
      return "oci-archive:";
    case Place::Kind::kDockerArchive:
      return "docker-archive:";
    case Place::Kind::kDockerDaemon:
      return "docker-daemon:";
    case Place::Kind::kRegistry:
    case Place::Kind::kScratch:
      break;
  }
  return "";
}

Result<Place> Place::parse(std::string_view text) {
  if (text == "scratch") return Place(Kind::kScratch, text);
  for (const auto kind : kPrefixed) {
    const auto prefix = prefix_of(kind);
    if (!text.starts_with(prefix)) continue;
    Place place(kind, text);
    const auto rest = text.substr(prefix.size());
    auto read = kind == Kind::kDockerDaemon    ? place.read_daemon(rest)
                : kind == Kind::kDockerArchive ? place.read_docker_archive(rest)
                                               : place.read_layout(rest);
    if (!read) return std::move(read).error();
    return place;
  }
  auto reference = oci::Reference::parse(text);
  if (!reference) {
    auto error = std::move(reference).error();
    if (text.starts_with('.') || text.starts_with('/') || text.starts_with('~'))
      error.message += "; for a folder write oci:" + std::string(text) +
                       ", for a file oci-archive:" + std::string(text);
    return error;
  }
  Place place(Kind::kRegistry, text);
  place.reference_ = std::move(*reference);
  return place;
}

Result<void> Place::read_layout(std::string_view rest) {
  const std::string prefix(prefix_of(kind_));
  if (const auto at = rest.rfind("@sha256:"); at != rest.npos) {
    auto digest = oci::Digest::parse(rest.substr(at + 1));
    if (!digest) return std::move(digest).error();
    digest_ = std::move(*digest);
    rest = rest.substr(0, at);
  }
  // The last colon splits off a tag, unless a "/" follows it: folders may have colons in their
  // names.
  if (const auto colon = rest.rfind(':');
      colon != rest.npos && rest.find('/', colon) == rest.npos) {
    auto tag = oci::Reference::parse_tag(rest.substr(colon + 1));
    if (!tag) return std::move(tag).error().while_doing(prefix + "…:TAG");
    tag_ = std::move(*tag);
    rest = rest.substr(0, colon);
  }
  const std::string what = kind_ == Kind::kOciLayout ? "DIR" : "FILE";
  if (rest.empty())
    return Error(Errc::kInvalid, prefix + " needs a " +
                                     (kind_ == Kind::kOciLayout ? "folder" : "file") + "; write " +
                                     prefix + what + " or " + prefix + what + ":TAG");
  path_ = std::string(rest);
  return {};
}

Result<void> Place::read_docker_archive(std::string_view rest) {
  const auto colon = rest.find(':');  // As skopeo has it: the file's name has no colon.
  path_ = std::string(rest.substr(0, colon));
  if (path_.empty())
    return Error(Errc::kInvalid,
                 "docker-archive: needs a file; write docker-archive:FILE or "
                 "docker-archive:FILE:NAME:TAG");
  if (colon == rest.npos) return {};
  auto name = docker_name(rest.substr(colon + 1));
  if (!name) return std::move(name).error().while_doing("docker-archive:FILE:NAME");
  tag_ = std::move(*name);
  return {};
}

Result<void> Place::read_daemon(std::string_view rest) {
  if (rest.empty())
    return Error(Errc::kInvalid, "docker-daemon: needs a name; write docker-daemon:NAME:TAG");
  auto name = docker_name(rest);
  if (!name) return std::move(name).error().while_doing("docker-daemon:NAME:TAG");
  tag_ = std::move(*name);
  return {};
}

std::string Place::name() const {
  if (is_registry()) return reference_->repository().str();
  if (kind_ == Kind::kDockerDaemon) return "docker-daemon:" + tag_;
  return std::string(prefix_of(kind_)) + path_;
}

Error about(std::string_view text, Error error) {
  error.message += hint_at_local(text.substr(text.starts_with("-t ") ? 3 : 0));
  const auto& message = error.message;
  const bool said = message.starts_with(text) && message.size() > text.size() &&
                    (message[text.size()] == ':' || message[text.size()] == ' ');
  return said ? error : std::move(error).while_doing(text);
}

}  // namespace kiln::cli
