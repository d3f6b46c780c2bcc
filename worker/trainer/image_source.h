// Labelled images that can be read one by one, from any source. Does not depend on torch.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/network/graph.h"

namespace layernas::trainer {

using network::Shape;
// The number of a class. ImageNet has a thousand classes.
using Label = std::uint16_t;

inline std::size_t ImageBytes(const Shape& shape) {
  return static_cast<std::size_t>(shape.channels) * static_cast<std::size_t>(shape.height) *
         static_cast<std::size_t>(shape.width);
}

// Thread-safe.
class ImageSource {
 public:
  ImageSource(const Shape& shape, std::vector<Label> labels) : shape_(shape), labels_(std::move(labels)) {}
  virtual ~ImageSource() = default;
  ImageSource(const ImageSource&) = delete;
  ImageSource& operator=(const ImageSource&) = delete;

  // The shape of every image.
  const Shape& shape() const { return shape_; }
  // One label per image.
  const std::vector<Label>& labels() const { return labels_; }
  std::size_t size() const { return labels_.size(); }

  // Writes image `index` to the ImageBytes(shape()) bytes at `out`: rows, columns, channels
  // (channels last). Returns a warning that names the file, or an empty text (see DecodeImage()).
  // Throws MachineError, which names the file, if the image is broken.
  virtual std::string Read(std::size_t index, std::uint8_t* out) const = 0;

 private:
  const Shape shape_;
  const std::vector<Label> labels_;
};

// Images that are already in memory, one after another, channels last.
class MemorySource final : public ImageSource {
 public:
  MemorySource(const Shape& shape, std::vector<std::uint8_t> pixels, std::vector<Label> labels)
      : ImageSource(shape, std::move(labels)), pixels_(std::move(pixels)) {}

  std::string Read(std::size_t index, std::uint8_t* out) const override {
    const std::size_t bytes = ImageBytes(shape());
    std::memcpy(out, pixels_.data() + index * bytes, bytes);
    return "";
  }

 private:
  const std::vector<std::uint8_t> pixels_;
};

// The contents of a data set's files.
struct ImageFiles {
  std::unique_ptr<ImageSource> train;
  // Null unless the files have separate validation images and these were requested.
  std::unique_ptr<ImageSource> validation;
  // Null unless test images were requested.
  std::unique_ptr<ImageSource> test;
  int classes = 0;
  // The name of each class, by number. Empty if the files have no names of classes.
  std::vector<std::string> class_names;
  // Files that were skipped because they are not images (DataSettings::skip_bad_files).
  std::vector<std::string> skipped;
};

}  // namespace layernas::trainer
