#include "worker/trainer/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "worker/trainer/errors.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/shapes10.h"

namespace layernas::trainer {
namespace {

// Key of the random stream that picks the validation images; shapes10 has keys of its own.
constexpr std::uint64_t kSplitStream = 1;

ImageSet Select(const ImageSet& from, const std::uint32_t* indices, std::size_t count) {
  ImageSet set;
  set.shape = from.shape;
  set.pixels.reserve(count * from.image_bytes());
  set.labels.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = from.pixels.begin() + static_cast<std::ptrdiff_t>(indices[i] * from.image_bytes());
    set.pixels.insert(set.pixels.end(), begin, begin + static_cast<std::ptrdiff_t>(from.image_bytes()));
    set.labels.push_back(from.labels[indices[i]]);
  }
  return set;
}

std::vector<std::uint32_t> Counted(std::size_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// How many examples of `available` a request gets that asks for `wanted`.
std::size_t Portion(const char* name, std::optional<int> wanted, std::size_t available, std::size_t otherwise) {
  if (!wanted) return otherwise;
  if (static_cast<std::size_t>(*wanted) > available) {
    throw InfeasibleError(std::string("train.") + name + " is " + std::to_string(*wanted) + ", but only " +
                          std::to_string(available) + " images are there for it");
  }
  return static_cast<std::size_t>(*wanted);
}

Dataset Generate(const DataSettings& settings) {
  Dataset dataset;
  dataset.classes = kShapes10Classes;
  dataset.train = GenerateShapes10({settings.data_seed, 0}, settings.train_examples.value_or(4000), settings.size);
  const std::uint64_t stream = settings.holdout == Holdout::kTest ? 2 : 1;
  dataset.holdout =
      GenerateShapes10({settings.data_seed, stream}, settings.validation_examples.value_or(1000), settings.size);
  return dataset;
}

Dataset Read(const DataSettings& settings, const std::filesystem::path& data_dir) {
  if (data_dir.empty()) {
    throw MachineError("data set " + settings.dataset +
                       " is read from files: start layernas-trainer with --data-dir (or LAYERNAS_DATA_DIR)");
  }
  const auto read = settings.dataset == "cifar10"    ? ReadCifar10
                    : settings.dataset == "cifar100" ? ReadCifar100
                                                     : ReadIdx;
  const ImageFiles files = read(data_dir / settings.folder, settings.holdout == Holdout::kTest);
  Dataset dataset;
  dataset.classes = files.classes;
  std::vector<std::uint32_t> indices = Counted(files.train.size());
  // Fisher-Yates; std::shuffle differs from library to library.
  RandomStream random({settings.data_seed, kSplitStream});
  for (std::size_t i = indices.size(); i > 1; --i) std::swap(indices[i - 1], indices[random.Below(i)]);

  std::size_t held_out = 0;
  if (settings.holdout == Holdout::kTest) {
    const std::size_t count =
        Portion("validation_examples", settings.validation_examples, files.test.size(), files.test.size());
    dataset.holdout = Select(files.test, Counted(count).data(), count);
  } else {
    const std::size_t otherwise = std::min<std::size_t>(5000, std::max<std::size_t>(indices.size() / 10, 1));
    held_out = Portion("validation_examples", settings.validation_examples, indices.size() - 1, otherwise);
    dataset.holdout = Select(files.train, indices.data(), held_out);
  }
  const std::size_t rest = indices.size() - held_out;
  const std::size_t count = Portion("train_examples", settings.train_examples, rest, rest);
  // From the end, so that the validation images may change in number without changing the training images.
  dataset.train = Select(files.train, indices.data() + indices.size() - count, count);
  return dataset;
}

void TakeStatistics(Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.train.shape.channels);
  std::vector<double> sum(channels), squares(channels);
  for (std::size_t i = 0; i < dataset.train.pixels.size(); ++i) {
    const double value = dataset.train.pixels[i];
    sum[i % channels] += value;
    squares[i % channels] += value * value;
  }
  const double count = static_cast<double>(dataset.train.pixels.size()) / static_cast<double>(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / count;
    dataset.mean.push_back(static_cast<float>(mean));
    // At least one grey level: a channel may be constant.
    dataset.deviation.push_back(static_cast<float>(std::sqrt(std::max(squares[c] / count - mean * mean, 1.0))));
  }
}

std::string CacheKey(const DataSettings& settings) {
  std::ostringstream key;
  key << settings.dataset << ' ' << settings.size << ' ' << settings.data_seed << ' '
      << settings.train_examples.value_or(0) << ' ' << settings.validation_examples.value_or(0) << ' '
      << static_cast<int>(settings.holdout) << ' ' << settings.folder;
  return key.str();
}

}  // namespace

Dataset LoadDataset(const DataSettings& settings, const std::filesystem::path& data_dir) {
  Dataset dataset = settings.dataset == "shapes10" ? Generate(settings) : Read(settings, data_dir);
  TakeStatistics(dataset);
  return dataset;
}

std::shared_ptr<const Dataset> DatasetCache::Get(const DataSettings& settings) {
  // Enough for the searches that share a fleet, and a bound on memory.
  constexpr std::size_t kMaxEntries = 3;
  const std::string key = CacheKey(settings);
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found != entries_.end()) {
    std::rotate(entries_.begin(), found, found + 1);
  } else {
    auto dataset = std::make_shared<const Dataset>(LoadDataset(settings, data_dir_));
    if (entries_.size() == kMaxEntries) entries_.pop_back();
    entries_.insert(entries_.begin(), {key, std::move(dataset)});
  }
  return entries_.front().second;
}

BatchWriter::BatchWriter(const Dataset& dataset) : table_(dataset.mean.size() * 256) {
  for (std::size_t c = 0; c < dataset.mean.size(); ++c) {
    for (int value = 0; value < 256; ++value) {
      table_[c * 256 + static_cast<std::size_t>(value)] =
          (static_cast<float>(value) - dataset.mean[c]) / dataset.deviation[c];
    }
  }
}

void BatchWriter::Write(const ImageSet& set, const std::uint32_t* indices, std::size_t count, RandomStream* augment,
                        float* out) const {
  const int height = set.shape.height;
  const int width = set.shape.width;
  const int channels = set.shape.channels;
  const auto shift = [&](int size) {
    const int most = size / 8;
    return static_cast<int>(augment->Below(static_cast<std::uint64_t>(2 * most + 1))) - most;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* image = set.pixels.data() + indices[i] * set.image_bytes();
    const bool flip = augment != nullptr && augment->Below(2) == 1;
    const int down = augment == nullptr ? 0 : shift(height);
    const int right = augment == nullptr ? 0 : shift(width);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const int from_y = y - down;
        const int from_x = (flip ? width - 1 - x : x) - right;
        const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
        const std::uint8_t* pixel = inside ? image + (from_y * width + from_x) * channels : nullptr;
        for (int c = 0; c < channels; ++c) *out++ = inside ? table_[static_cast<std::size_t>(c * 256 + pixel[c])] : 0;
      }
    }
  }
}

}  // namespace layernas::trainer
