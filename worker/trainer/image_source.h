// Labelled images that can be read one by one, wherever they come from. No torch here.
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
// Number of a class; ImageNet has a thousand of them.
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

  // Of every image.
  const Shape& shape() const { return shape_; }
  // One per image.
  const std::vector<Label>& labels() const { return labels_; }
  std::size_t size() const { return labels_.size(); }

  // Writes image `index` to the ImageBytes(shape()) bytes at `out`: rows, columns, channels (channels last). Returns a
  // warning that names the file, or an empty text (see DecodeImage). Throws MachineError, naming the file, for an image
  // that is broken.
  virtual std::string Read(std::size_t index, std::uint8_t* out) const = 0;

 private:
  const Shape shape_;
  const std::vector<Label> labels_;
};

// Images that are in memory already, one after the other, channels last.
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

// What a data set's files hold.
struct ImageFiles {
  std::unique_ptr<ImageSource> train;
  // Null unless the files keep validation images apart from the training images, and they were asked for.
  std::unique_ptr<ImageSource> validation;
  // Null unless test images were asked for.
  std::unique_ptr<ImageSource> test;
  int classes = 0;
  // By number; empty where the files name no classes.
  std::vector<std::string> class_names;
  // Files that were left out because they are not images, as DataSettings::skip_bad_files has it.
  std::vector<std::string> skipped;
};

}  // namespace layernas::trainer
