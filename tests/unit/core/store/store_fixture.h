#pragma once
// Images to store, and everything that is in a place read back.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/base/work_pool.h"
#include "core/image/image.h"
#include "core/image/validate.h"
#include "core/layer/layer.h"
#include "core/store/blob_archive.h"
#include "core/store/destination.h"
#include "core/store/image_reader.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::store {

inline layer::Layer layer_of(const std::string& path, const std::string& text,
                             layer::Compression compression = layer::Compression::kGzip) {
  layer::Entry entry(path, layer::EntryKind::kFile);
  entry.content = layer::FileContent(std::make_shared<const std::string>(text));
  layer::FileTree tree;
  EXPECT_FALSE(tree.add(std::move(entry)).has_error());
  layer::LayerOptions options;
  options.compression = compression;
  return layer::make_layer(tree, options).value();
}

/// A layer that is not compressed.
inline layer::Layer plain_layer(const std::string& path, const std::string& text) {
  const auto packed = layer_of(path, text);
  layer::Entry entry(path, layer::EntryKind::kFile);
  entry.content = layer::FileContent(std::make_shared<const std::string>(text));
  StringSink sink;
  layer::TarWriter writer(sink, {});
  EXPECT_FALSE(writer.add(entry).has_error());
  EXPECT_FALSE(writer.finish().has_error());
  layer::Layer plain(layer::Blob::of(std::string(oci::media_type::kOciLayer), sink.take()),
                     packed.diff_id);
  EXPECT_EQ(plain.blob.descriptor().digest, plain.diff_id);
  return plain;
}

/// Two layers, of which `text` is in the upper one.
inline image::Image image_of(const std::string& text, const std::string& platform = "linux/amd64",
                             layer::Compression compression = layer::Compression::kGzip) {
  const std::string time = "2024-01-01T00:00:00Z";
  return image::Image::scratch(*oci::Platform::parse(platform), time, false)
      .with_layer(layer_of("base", "the base"), {time, "ADD base"})
      .with_layer(layer_of("site/index.html", text, compression), {time, "COPY site"});
}

inline image::ImageSet set_of(const image::Image& image) {
  image::ImageSet set;
  set.images = {image};
  return set;
}

inline image::ImageSet index_of(const std::string& text) {
  image::ImageSet set;
  set.images = {image_of(text, "linux/amd64"), image_of(text, "linux/arm64")};
  set.as_index = true;
  return set;
}

class StoreTest : public ::testing::Test {
 protected:
  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return kiln::testing::run_task(io_, std::move(task));
  }

  /// All of `images`, in the order in which the pusher does it.
  Result<void> put(Destination& to, const image::ImageSet& images, const std::string& tag) {
    for (const auto& image : images.images) {
      for (const auto& layer : image.layers()) {
        auto stored = run(to.put_blob(*layer.blob));
        if (!stored) return stored.error();
      }
      auto stored = run(to.put_blob(image.config_blob()));
      if (!stored) return stored.error();
      if (images.as_index) KILN_TRY(run(to.put_manifest(image.manifest(), "")));
    }
    return run(to.put_manifest(images.top(), tag));
  }

  /// One image with everything in it, checked by the oracle. Answers the manifest's digest.
  Result<oci::Digest> read_image(ImageReader& from, const oci::RawManifest& raw) {
    auto manifest = oci::Manifest::parse(raw.bytes);
    if (!manifest) return manifest.error();
    auto config = run(from.small_blob(manifest->config));
    if (!config) return config.error();
    std::vector<image::LayerSource> layers;
    for (const auto& descriptor : manifest->layers) {
      auto source = run(from.locate(descriptor));
      if (!source) return source.error();
      layers.push_back(std::move(*source));
    }
    auto image = image::Image::from_manifest(*manifest, *config, std::move(layers));
    if (!image) return image.error();
    KILN_TRY(image::validate(*image));
    return raw.digest;
  }

  /// The digest of what the name stands for, after all that it refers to was read.
  Result<oci::Digest> read_all_of(ImageReader& from) {
    auto top = run(from.top());
    if (!top) return top.error();
    if (!oci::media_type::is_index(top->media_type)) return read_image(from, *top);
    auto index = oci::Index::parse(top->bytes);
    if (!index) return index.error();
    for (const auto& entry : index->manifests) {
      auto child = run(from.manifest(entry));
      if (!child) return child.error();
      KILN_TRY(read_image(from, *child));
    }
    return top->digest;
  }

  Result<oci::Digest> read_all_of(const Result<std::unique_ptr<ImageReader>>& from) {
    if (!from) return from.error();
    return read_all_of(**from);
  }

  /// A file of these bytes; its path.
  std::filesystem::path file(const std::string& name, const std::string& bytes) {
    const auto path = directory_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    EXPECT_THAT(write_file_atomically(path, bytes), kiln::testing::IsOk());
    return path;
  }

  std::string bytes_of(const std::filesystem::path& path) {
    return read_file(path, 1 << 28).value();
  }

  TempDir directory_ = *TempDir::create("kiln-test");
  WorkPool pool_{2};
  boost::asio::io_context io_;
};

/// A tar of these files, as BlobArchive makes it.
inline std::string tar_of(const std::map<std::string, std::string>& files) {
  BlobArchive archive;
  for (const auto& [name, bytes] : files) archive.add(name, layer::Blob::of("x", bytes));
  return read_all(*archive.open(), 1 << 28).value();
}

/// `file` with one byte changed in its middle.
inline std::string damaged(std::string bytes) {
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  return bytes;
}

}  // namespace kiln::store
