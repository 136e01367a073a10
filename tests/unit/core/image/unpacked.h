#pragma once
// A slow and plain model of unpacking layers, as image-spec v1.1, layer.md tells it: a tree of nodes
// with children, as a kernel has it. Nothing in it is shared with the code under test but TarReader.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <set>
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

  /// The directory that `path` leads to; what is missing or in the way is made if `make`.
  NodePtr directory(std::string_view path, bool make) const {
    std::vector<NodePtr> stack = {root_};
    std::deque<std::string> todo;
    const auto push = [&](std::string_view more) {
      const auto parts = parts_of(more);
      todo.insert(todo.begin(), parts.begin(), parts.end());
    };
    push(path);
    for (int steps = 0; !todo.empty() && steps < 1000; ++steps) {
      const auto part = todo.front();
      todo.pop_front();
      if (part == ".") continue;
      if (part == "..") {
        if (stack.size() > 1) stack.pop_back();
        continue;
      }
      auto& children = stack.back()->children;
      auto found = children.find(part);
      if (found != children.end() && found->second->is(layer::EntryKind::kSymlink)) {
        const auto target = found->second->facts.entry.link_target;
        if (target.starts_with('/')) stack.resize(1);
        push(target);
        continue;
      }
      if (found == children.end() || !found->second->is(layer::EntryKind::kDirectory)) {
        if (!make) return nullptr;
        auto made = std::make_shared<Node>();
        made->facts.entry.mode = 0755;
        made->facts.entry.mtime = layer::kEpoch2020;
        found = children.insert_or_assign(part, std::move(made)).first;
      }
      stack.push_back(found->second);
    }
    return stack.back();
  }

  static std::pair<std::string, std::string> split(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == path.npos) return {"", path};
    return {path.substr(0, slash), path.substr(slash + 1)};
  }

  void hide(const Node& whiteout, bool own_directory) {
    const auto [parent, name] = split(path_of(whiteout));
    if (whiteout.facts.opaque && !own_directory) {
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
      node = directory(parent, false)->children.at(name);
    }
    const auto [parent, name] = split(path);
    auto& place = directory(parent, true)->children[name];
    if (place && place->is(layer::EntryKind::kDirectory) && node->is(layer::EntryKind::kDirectory))
      node->children = place->children;
    place = std::move(node);
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
      text += " \"" + node.content.substr(0, 20) + "\" " + oci::Digest::of(node.content).short_hex();
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
