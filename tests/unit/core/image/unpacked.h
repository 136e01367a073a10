#pragma once
// A slow and plain model of unpacking layers, as image-spec v1.1, layer.md tells it: a tree of
// nodes with children, as a kernel has it. Nothing in it is shared with the code under test but
// TarReader.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/layer.h"
#include "core/layer/tar_reader.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::image::testing_support {

/// One file; several names may hold it.
struct Node {
  layer::TarEntry facts{layer::Entry("", layer::EntryKind::kDirectory)};
  std::string content{};
  std::size_t layer = 0;
  bool named = false;
  std::map<std::string, std::shared_ptr<Node>> children{};

  bool is(layer::EntryKind kind) const { return facts.entry.kind == kind; }
};
using NodePtr = std::shared_ptr<Node>;

class Unpacked {
 public:
  /// A tar (or compressed layer) on top of what is there.
  void add(std::string_view bytes) {
    ++layer_;
    const auto entries = read(bytes);
    std::set<std::string> own_directories;
    for (const auto& node : entries)
      if (node->is(layer::EntryKind::kDirectory)) own_directories.insert(path_of(*node));
    for (const auto& node : entries)
      if (node->is(layer::EntryKind::kWhiteout))
        hide(*node, own_directories.contains(path_of(*node)));
    for (const auto& node : entries)
      if (!node->is(layer::EntryKind::kWhiteout)) put(node);
  }

  /// Real paths and bytes of all regular files, under each of their names.
  std::map<std::string, std::string> contents() const {
    std::map<std::string, std::string> found;
    for_each(*root_, "", [&](const std::string& path, const Node& node) {
      if (node.is(layer::EntryKind::kFile)) found[path] = node.content;
    });
    return found;
  }

  /// How many names are those that the last tar gave.
  std::size_t names_of_last() const {
    std::size_t count = 0;
    for_each(*root_, "", [&](const std::string&, const Node& node) {
      if (node.named && node.layer == layer_) ++count;
    });
    return count;
  }

  /// Real paths of all that is no directory.
  std::vector<std::string> leaves() const {
    std::vector<std::string> found;
    for_each(*root_, "", [&](const std::string& path, const Node& node) {
      if (!node.is(layer::EntryKind::kDirectory)) found.push_back(path);
    });
    return found;
  }

  /// All that matters of each real path but its time and which other names it has.
  std::map<std::string, std::string> facts() const {
    std::map<std::string, std::string> found;
    for_each(*root_, "", [&](const std::string& path, const Node& node) {
      auto text = described(node, "");
      const auto time = text.find(" @");
      text.erase(time, text.find_first_of(" \n", time + 1) - time);
      found[path] = text;
    });
    return found;
  }

  /// One line for each path: all that matters of it, and by which path its hard links know it.
  std::string str() const {
    std::string text = root_->named ? described(*root_, "/") + "\n" : "";
    std::map<const Node*, std::string> first;
    list(*root_, "", first, text);
    return text;
  }

 private:
  static const std::string& path_of(const Node& node) { return node.facts.entry.path; }

  std::vector<NodePtr> read(std::string_view bytes) const {
    MemorySource source(bytes);
    auto reader = layer::TarReader::open(source, {});
    std::vector<NodePtr> nodes;
    while (reader) {
      auto entry = (*reader)->next();
      EXPECT_FALSE(entry.has_error()) << (entry.has_error() ? entry.error().message : "");
      if (!entry || !*entry) break;
      auto node = std::make_shared<Node>();
      node->facts = std::move(**entry);
      node->layer = layer_;
      node->named = true;
      std::array<char, 1000> buffer{};
      while (node->is(layer::EntryKind::kFile)) {
        const auto count = (*reader)->read(buffer).value();
        if (count == 0) break;
        node->content.append(buffer.data(), count);
      }
      nodes.push_back(std::move(node));
    }
    return nodes;
  }

  static std::vector<std::string> parts_of(std::string_view path) {
    std::vector<std::string> parts(1);
    for (const char c : path) {
      if (c == '/')
        parts.emplace_back();
      else
        parts.back() += c;
    }
    std::erase(parts, "");
    return parts;
  }

  NodePtr at(const std::vector<std::string>& parts) const {
    auto node = root_;
    for (const auto& part : parts) {
      const auto found = node->children.find(part);
      if (found == node->children.end()) return nullptr;
      node = found->second;
    }
    return node;
  }

  /// The parts of `path` with its symlinks followed, whether or not the rest is there; as they
  /// stand where that takes more than 40 links.
  std::vector<std::string> real_parts(std::string_view path) const {
    std::vector<std::string> done;
    std::deque<std::string> todo;
    const auto push = [&](std::string_view more) {
      const auto parts = parts_of(more);
      todo.insert(todo.begin(), parts.begin(), parts.end());
    };
    push(path);
    for (int links = 0; !todo.empty();) {
      const auto part = todo.front();
      todo.pop_front();
      if (part == "..") {
        if (!done.empty()) done.pop_back();
        continue;
      }
      if (part == ".") continue;
      done.push_back(part);
      const auto node = at(done);
      if (!node || !node->is(layer::EntryKind::kSymlink)) continue;
      if (++links > 40) return parts_of(path);
      done.pop_back();
      const auto target = node->facts.entry.link_target;
      if (target.starts_with('/')) done.clear();
      push(target);
    }
    return done;
  }

  /// The directory that `path` leads to; what is missing or in the way is made if `make`.
  NodePtr directory(std::string_view path, bool make) const {
    auto node = root_;
    for (const auto& part : real_parts(path)) {
      auto found = node->children.find(part);
      if (found == node->children.end() || !found->second->is(layer::EntryKind::kDirectory)) {
        if (!make) return nullptr;
        auto made = std::make_shared<Node>();
        made->facts.entry.mode = 0755;
        made->facts.entry.mtime = layer::kEpoch2020;
        found = node->children.insert_or_assign(part, std::move(made)).first;
      }
      node = found->second;
    }
    return node;
  }

  static std::pair<std::string, std::string> split(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == path.npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
  }

  void hide(const Node& whiteout, bool own_directory) {
    const auto [parent, name] = split(path_of(whiteout));
    if (whiteout.facts.opaque && (!own_directory || path_of(whiteout).empty())) {
      if (const auto hidden = directory(path_of(whiteout), false)) hidden->children.clear();
      return;
    }
    const auto above = directory(parent, false);
    const auto found = above ? above->children.find(name) : root_->children.end();
    if (!above || found == above->children.end()) return;
    if (whiteout.facts.opaque)
      found->second->children.clear();
    else
      above->children.erase(found);
  }

  void put(NodePtr node) {
    const auto path = path_of(*node);
    if (path.empty()) {
      node->children = root_->children;
      root_ = node;
      return;
    }
    if (node->is(layer::EntryKind::kHardlink)) {
      const auto [parent, name] = split(node->facts.entry.link_target);
      const auto above = directory(parent, false);
      if (!above) throw std::out_of_range("a hard link to nothing: " + path);
      node = above->children.at(name);
      if (node->is(layer::EntryKind::kDirectory))
        throw std::out_of_range("a hard link to a directory: " + path);
    }
    const auto [parent, name] = split(path);
    auto& place = directory(parent, true)->children[name];
    if (place && place->is(layer::EntryKind::kDirectory) && node->is(layer::EntryKind::kDirectory))
      node->children = place->children;
    place = std::move(node);
  }

  template <class Visit>
  static void for_each(const Node& node, const std::string& below, const Visit& visit) {
    for (const auto& [name, child] : node.children) {
      const auto path = below.empty() ? name : below + "/" + name;
      visit(path, *child);
      for_each(*child, path, visit);
    }
  }

  static std::string described(const Node& node, const std::string& path) {
    const auto& entry = node.facts.entry;
    const bool link = node.is(layer::EntryKind::kSymlink);
    std::array<char, 64> mode{};
    std::snprintf(mode.data(), mode.size(), "%o", link ? 0777U : entry.mode);
    auto text = path + " " + std::string(1, "dfl??s"[static_cast<int>(entry.kind)]) + mode.data() +
                " " + std::to_string(entry.uid) + ":" + std::to_string(entry.gid) + " @" +
                std::to_string(entry.mtime.value_or(-1));
    if (link) text += " -> " + entry.link_target;
    if (entry.device)
      text += " dev " + std::to_string(static_cast<int>(entry.device->type)) + " " +
              std::to_string(entry.device->major) + ":" + std::to_string(entry.device->minor);
    for (const auto& [name, value] : entry.xattrs) text += " " + name + "=" + value;
    if (node.is(layer::EntryKind::kFile))
      text +=
          " \"" + node.content.substr(0, 20) + "\" " + oci::Digest::of(node.content).short_hex();
    return text;
  }

  static void list(const Node& node, const std::string& below,
                   std::map<const Node*, std::string>& first, std::string& text) {
    for (const auto& [name, child] : node.children) {
      const auto path = below + "/" + name;
      text += described(*child, path);
      // Hard links of symlinks are as good as two symlinks.
      const auto known = first.emplace(child.get(), path);
      if (!known.second && !child->is(layer::EntryKind::kSymlink))
        text += " = " + known.first->second;
      text += "\n";
      list(*child, path, first, text);
    }
  }

  NodePtr root_ = std::make_shared<Node>();
  std::size_t layer_ = 0;
};

}  // namespace kiln::image::testing_support
