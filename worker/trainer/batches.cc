#include "worker/trainer/batches.h"

#include <torch/torch.h>

#include <vector>

#include "worker/trainer/gpu.h"

namespace layernas::trainer {
namespace {

// Copies to the GPU do not block: the GPU makes them after its earlier work. The source may be
// overwritten at once, because memory that is not pinned is copied before the call returns.
constexpr bool kInOrder = true;

std::int64_t Size(std::size_t size) { return static_cast<std::int64_t>(size); }

// The processor makes the batches, in buffers that are reused.
class HostBatches : public BatchSource {
 public:
  HostBatches(const Dataset& dataset, std::size_t largest_batch, torch::Device device)
      : writer_(dataset), on_gpu_(device.is_cuda()) {
    const Shape& shape = dataset.train.shape;
    host_.images = torch::empty({Size(largest_batch), shape.height, shape.width, shape.channels});
    host_.labels = torch::empty({Size(largest_batch)}, torch::kInt64);
    device_ = {host_.images.to(device), host_.labels.to(device)};
  }

  void Choose(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment) override {
    count_ = Size(count);
    writer_.Write(set, indices, count, augment, host_.images.data_ptr<float>());
    auto* labels = host_.labels.data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < count; ++i) labels[i] = set.labels[indices[i]];
    if (!on_gpu_) return;
    device_.images.narrow(0, 0, count_).copy_(host_.images.narrow(0, 0, count_), kInOrder);
    device_.labels.narrow(0, 0, count_).copy_(host_.labels.narrow(0, 0, count_), kInOrder);
  }

  Batch Take() override {
    return {device_.images.narrow(0, 0, count_).permute({0, 3, 1, 2}), device_.labels.narrow(0, 0, count_)};
  }

 private:
  const BatchWriter writer_;
  const bool on_gpu_;
  Batch host_;
  // The same tensors as host_ if the device is the processor.
  Batch device_;
  std::int64_t count_ = 0;
};

// The device makes the batches from the whole data set. Only the choices are copied to it for each
// batch.
class DeviceBatches : public BatchSource {
 public:
  DeviceBatches(const Dataset& dataset, std::size_t largest_batch, torch::Device device)
      : dataset_(dataset),
        device_(device),
        train_(Upload(dataset.train)),
        holdout_(Upload(dataset.holdout)),
        validation_(Upload(dataset.validation)),
        mean_(torch::tensor(dataset.mean).to(device)),
        deviation_(torch::tensor(dataset.deviation).to(device)),
        rows_(torch::arange(dataset.train.shape.height, Integers())),
        columns_(torch::arange(dataset.train.shape.width, Integers())),
        host_choices_(torch::empty({Size(largest_batch), 4}, torch::kInt64)),
        choices_(torch::empty({Size(largest_batch), 4}, Integers())) {}

  void Choose(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment) override {
    chosen_ = &set == &dataset_.train ? &train_ : &set == &dataset_.holdout ? &holdout_ : &validation_;
    count_ = Size(count);
    auto* choice = host_choices_.data_ptr<std::int64_t>();
    for (std::size_t i = 0; i < count; ++i) {
      const ImageChange change = augment == nullptr ? ImageChange{} : DrawChange(set.shape, *augment);
      *choice++ = indices[i];
      *choice++ = change.flip ? 1 : 0;
      *choice++ = change.down;
      *choice++ = change.right;
    }
    choices_.narrow(0, 0, count_).copy_(host_choices_.narrow(0, 0, count_), kInOrder);
  }

  Batch Take() override {
    const Images& set = *chosen_;
    const std::int64_t height = rows_.size(0), width = columns_.size(0), channels = mean_.size(0);
    const torch::Tensor choices = choices_.narrow(0, 0, count_);
    const auto choice = [&](std::int64_t field) { return choices.narrow(1, field, 1); };
    // The source of each pixel: images x rows, images x columns.
    const torch::Tensor y = rows_ - choice(2);
    const torch::Tensor x = torch::where(choice(1).eq(1), width - 1 - columns_, columns_) - choice(3);
    const torch::Tensor inside =
        (y.ge(0) & y.lt(height)).unsqueeze(2).logical_and((x.ge(0) & x.lt(width)).unsqueeze(1));
    const torch::Tensor from = (choice(0).unsqueeze(2) * height + y.clamp(0, height - 1).unsqueeze(2)) * width +
                               x.clamp(0, width - 1).unsqueeze(1);
    const torch::Tensor images = set.pixels.index_select(0, from.flatten())
                                     .to(torch::kFloat)
                                     .sub_(mean_)
                                     .div_(deviation_)
                                     .view({count_, height, width, channels})
                                     .mul_(inside.unsqueeze(3));
    return {images.permute({0, 3, 1, 2}), set.labels.index_select(0, choice(0).squeeze(1))};
  }

 private:
  struct Images {
    // Pixels of all images x channels, as bytes.
    torch::Tensor pixels;
    torch::Tensor labels;
  };

  torch::TensorOptions Integers() const { return torch::TensorOptions().dtype(torch::kInt64).device(device_); }

  Images Upload(const ImageSet& set) const {
    // The pixels are only read, but torch has no type for that.
    auto* pixels = const_cast<std::uint8_t*>(set.pixels.data());
    const std::vector<std::int64_t> labels(set.labels.begin(), set.labels.end());
    const std::int64_t count = Size(set.size()) * set.shape.height * set.shape.width;
    return {torch::from_blob(pixels, {count, set.shape.channels}, torch::kUInt8).to(device_),
            torch::tensor(labels, torch::kInt64).to(device_)};
  }

  const Dataset& dataset_;
  const torch::Device device_;
  const Images train_;
  const Images holdout_;
  const Images validation_;
  const torch::Tensor mean_;
  const torch::Tensor deviation_;
  // 0, 1, …
  const torch::Tensor rows_;
  const torch::Tensor columns_;
  // For each image: its index, whether it is flipped, and the shifts down and right.
  torch::Tensor host_choices_;
  torch::Tensor choices_;
  const Images* chosen_ = &train_;
  std::int64_t count_ = 0;
};

}  // namespace

std::unique_ptr<BatchSource> MakeBatchSource(const Dataset& dataset, std::size_t largest_batch, torch::Device device) {
  // The rest of the memory is for the training.
  constexpr std::size_t kShareOfMemory = 3;
  const std::size_t bytes =
      dataset.train.pixels.size() + dataset.holdout.pixels.size() + dataset.validation.pixels.size();
  if (device.is_cuda() && bytes < FreeGpuMemory(device) / kShareOfMemory) {
    return MakeDeviceBatchSource(dataset, largest_batch, device);
  }
  return std::make_unique<HostBatches>(dataset, largest_batch, device);
}

std::unique_ptr<BatchSource> MakeDeviceBatchSource(const Dataset& dataset, std::size_t largest_batch,
                                                   torch::Device device) {
  return std::make_unique<DeviceBatches>(dataset, largest_batch, device);
}

}  // namespace layernas::trainer
