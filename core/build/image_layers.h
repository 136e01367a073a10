#pragma once
#include <memory>

#include "core/build/builder.h"
#include "core/image/find_file.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// The layers of one image, looked into on demand: headers from the builder's cache.
/// Lifetime: `builder` outlives it, and it outlives its tasks.
class ImageLayers final : public image::LayerAccess {
 public:
  /// `reader`: shared with whoever opened the image.
  ImageLayers(Builder& builder, std::shared_ptr<store::ImageReader> reader, image::Image image,
              registry::Access access)
      : builder_(builder),
        reader_(std::move(reader)),
        image_(std::move(image)),
        access_(std::move(access)) {}

  std::size_t count() const override { return image_.layers().size(); }
  Task<Result<std::shared_ptr<const layer::LayerIndex>>> index(std::size_t layer) override {
    return builder_.layer_index(image_.layers()[layer], access_);
  }
  Task<Result<layer::Blob>> blob(std::size_t layer) override {
    return reader_->fetch(image_.layers()[layer].descriptor);
  }

 private:
  Builder& builder_;
  std::shared_ptr<store::ImageReader> reader_;
  image::Image image_;
  registry::Access access_;
};

}  // namespace kiln::build
