#include "worker/trainer/dataset.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>

#include "worker/trainer/cache_folder.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/image_folder.h"
#include "worker/trainer/parallel.h"
#include "worker/trainer/shapes10.h"
#include "worker/trainer/split.h"

namespace layernas::trainer {
namespace {

constexpr int kShapes10TestImages = 1000;
// The maximum size of generated images.
constexpr int kLargestGenerated = 512;

std::vector<std::uint32_t> Counted(std::size_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// Returns how many of `available` examples a request for `wanted` gets.
std::size_t Portion(const char* name, std::optional<int> wanted, std::size_t available, std::size_t otherwise) {
  if (!wanted) return otherwise;
  if (static_cast<std::size_t>(*wanted) > available) {
    throw InfeasibleError(std::string("train.") + name + " is " + std::to_string(*wanted) + ", but only " +
                          std::to_string(available) + " images are available");
  }
  return static_cast<std::size_t>(*wanted);
}

// Images of a source, by their indices.
struct Part {
  const ImageSource* source = nullptr;
  std::vector<std::uint32_t> indices;
};

Part Whole(const ImageSource& source) { return {&source, Counted(source.size())}; }

// The contents of a data set, planned before any image is read.
struct Plan {
  ImageFiles files;
  Part train;
  // Test images with Holdout::kTest, otherwise validation images.
  Part holdout;
  // Only with DataSettings::with_validation.
  Part validation;

  std::vector<const Part*> parts() const { return {&train, &holdout, &validation}; }
};

// Puts the validation images where the settings ask for them.
void PlaceValidation(const DataSettings& settings, Part validation, Plan& plan) {
  (settings.holdout == Holdout::kTest ? plan.validation : plan.holdout) = std::move(validation);
}

bool WantsValidation(const DataSettings& settings) {
  return settings.holdout == Holdout::kValidation || settings.with_validation;
}

Plan PlanShapes10(const DataSettings& settings) {
  const int size = settings.input.height;
  if (settings.input.width != size || size > kLargestGenerated) {
    std::ostringstream message;
    message << "network.input is [" << settings.input.channels << ", " << size << ", " << settings.input.width
            << "], but shapes10 has only square images of up to " << kLargestGenerated << " pixels";
    throw InfeasibleError(message.str());
  }
  Plan plan;
  plan.files.classes = kShapes10Classes;
  plan.files.train = MakeShapes10({settings.data_seed, 0}, settings.train_examples.value_or(4000), size);
  plan.train = Whole(*plan.files.train);
  if (settings.holdout == Holdout::kTest) {
    plan.files.test = MakeShapes10({settings.data_seed, 2}, kShapes10TestImages, size);
    plan.holdout = Whole(*plan.files.test);
  }
  if (WantsValidation(settings)) {
    plan.files.validation = MakeShapes10({settings.data_seed, 1}, settings.validation_examples.value_or(1000), size);
    PlaceValidation(settings, Whole(*plan.files.validation), plan);
  }
  return plan;
}

std::filesystem::path DataFolder(const DataSettings& settings, const std::filesystem::path& data_dir) {
  if (data_dir.empty()) {
    throw MachineError("data set " + settings.dataset +
                       " needs files: start layernas-trainer with --data-dir (or LAYERNAS_DATA_DIR)");
  }
  return data_dir / settings.folder;
}

ImageFiles ReadFiles(const DataSettings& settings, const std::filesystem::path& folder, const Tick& tick) {
  const bool with_test = settings.holdout == Holdout::kTest;
  if (settings.dataset == "cifar10") return ReadCifar10(folder, with_test);
  if (settings.dataset == "cifar100") return ReadCifar100(folder, with_test);
  if (settings.dataset == "idx") return ReadIdx(folder, with_test);
  return ReadImageFolder(folder, settings, tick);
}

Plan PlanFiles(const DataSettings& settings, const std::filesystem::path& data_dir, const Tick& tick) {
  Plan plan;
  plan.files = ReadFiles(settings, DataFolder(settings, data_dir), tick);
  const ImageSource& train = *plan.files.train;
  std::size_t held_out = 0;
  if (plan.files.test != nullptr) plan.holdout = Whole(*plan.files.test);
  if (plan.files.validation != nullptr) {
    const ImageSource& validation = *plan.files.validation;
    const std::size_t count =
        Portion("validation_examples", settings.validation_examples, validation.size(), validation.size());
    PlaceValidation(settings, {&validation, DrawSubset(validation.labels(), count, settings.data_seed)}, plan);
  } else if (WantsValidation(settings)) {
    if (train.size() < 2) {
      throw MachineError("the data set " + settings.dataset + " has 1 training image, but needs at least 2: one to " +
                         "train on and one to hold out");
    }
    const std::size_t otherwise = std::min<std::size_t>(5000, std::max<std::size_t>(train.size() / 10, 1));
    held_out = Portion("validation_examples", settings.validation_examples, train.size() - 1, otherwise);
  }
  const std::size_t rest = train.size() - held_out;
  const std::size_t count = Portion("train_examples", settings.train_examples, rest, rest);
  Split split = DrawSplit(train.labels(), held_out, count, settings.data_seed);
  plan.train = {&train, std::move(split.train)};
  if (held_out > 0) PlaceValidation(settings, {&train, std::move(split.held_out)}, plan);
  return plan;
}

// Collects the notes of DescribeMissingClasses() on a data set.
void DescribeGaps(const Plan& plan, const DataSettings& settings, std::vector<std::string>& notes) {
  const auto look = [&](const char* name, const Part& part) {
    if (part.source == nullptr) return;
    std::vector<Label> labels;
    for (const std::uint32_t index : part.indices) labels.push_back(part.source->labels()[index]);
    const std::string gaps = DescribeMissingClasses(name, labels, plan.files.classes, plan.files.class_names);
    if (!gaps.empty()) notes.push_back(settings.dataset + ": " + gaps);
  };
  look("training", plan.train);
  look(settings.holdout == Holdout::kTest ? "test" : "validation", plan.holdout);
  look("validation", plan.validation);
}

// The layout of a block: all pixels and then, aligned, all labels; the training images come first
// in each.
std::size_t LabelOffset(const DatasetLayout& layout) {
  const std::size_t pixels = layout.images() * ImageBytes(layout.shape);
  return (pixels + alignof(Label) - 1) / alignof(Label) * alignof(Label);
}

Label* Labels(const DatasetLayout& layout, std::uint8_t* block) {
  return reinterpret_cast<Label*>(block + LabelOffset(layout));
}

void TakeStatistics(const ImageSet& train, const Tick& tick, std::vector<float>& means,
                    std::vector<float>& deviations) {
  constexpr std::size_t kPiece = 4 << 20;
  const auto channels = static_cast<std::size_t>(train.shape.channels);
  std::vector<double> sum(channels), squares(channels);
  for (std::size_t i = 0; i < train.pixels.size(); ++i) {
    if (i % kPiece == 0) Call(tick);
    const double value = train.pixels[i];
    sum[i % channels] += value;
    squares[i % channels] += value * value;
  }
  const double count = static_cast<double>(train.pixels.size()) / static_cast<double>(channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = sum[c] / count;
    means.push_back(static_cast<float>(mean));
    // At least one grey level, because a channel may be constant.
    deviations.push_back(static_cast<float>(std::sqrt(std::max(squares[c] / count - mean * mean, 1.0))));
  }
}

DatasetLayout LayoutOf(const Plan& plan) {
  return {plan.files.train->shape(), plan.train.indices.size(), plan.holdout.indices.size(),
          plan.validation.indices.size(), plan.files.classes};
}

struct Item {
  const ImageSource* source;
  std::uint32_t index;
};

std::vector<Item> Items(const Plan& plan) {
  std::vector<Item> items;
  for (const Part* part : plan.parts()) {
    for (const std::uint32_t index : part->indices) items.push_back({part->source, index});
  }
  return items;
}

// Reads the images of a block that are missing according to `states`.
void ReadImages(const std::vector<Item>& items, std::size_t image_bytes, std::uint8_t* block, std::uint8_t* states,
                bool skip_broken, const LoadCallback& on_image, int threads) {
  std::size_t done = items.size() - static_cast<std::size_t>(std::count(states, states + items.size(), kImageMissing));
  std::mutex mutex;
  ForEachIndex(items.size(), threads, [&](std::size_t i) {
    if (states[i] != kImageMissing) return;
    std::uint8_t state = kImageRead;
    try {
      const std::string warning = items[i].source->Read(items[i].index, block + i * image_bytes);
      if (!warning.empty()) state = kImageReadWithWarning;
    } catch (const MachineError&) {
      if (!skip_broken) throw;
      state = kImageBroken;
    }
    // No process may see the state before the pixels.
    std::atomic_thread_fence(std::memory_order_release);
    states[i] = state;
    const std::lock_guard<std::mutex> lock(mutex);
    ++done;
    if (on_image) on_image(done, items.size());
  });
}

// Returns "3 images …, first: WARNING", or an empty text if no image has the state. An interrupted
// attempt may have read the first such image, so it is read again to get its warning.
std::string DescribeState(const std::vector<Item>& items, std::size_t image_bytes, const std::uint8_t* states,
                          std::uint8_t state, const std::string& what) {
  const auto count = std::count(states, states + items.size(), state);
  if (count == 0) return "";
  const Item& first = items[static_cast<std::size_t>(std::find(states, states + items.size(), state) - states)];
  std::vector<std::uint8_t> pixels(image_bytes);
  std::string message;
  try {
    message = first.source->Read(first.index, pixels.data());
  } catch (const MachineError& error) {
    message = error.what();
  }
  return std::to_string(count) + (count == 1 ? " image " : " images ") + what + ", first: " + message;
}

// Removes broken images from the plan and closes their gaps in the block. Throws MachineError if a
// part has no images left.
void RemoveBroken(Plan& plan, std::size_t image_bytes, const Tick& tick, std::uint8_t* block,
                  std::uint8_t* block_states) {
  const std::vector<std::uint8_t> states(block_states, block_states + LayoutOf(plan).images());
  // If the process is killed meanwhile, images are in the wrong places, so none may count as read.
  std::fill_n(block_states, states.size(), kImageMissing);
  std::atomic_thread_fence(std::memory_order_release);
  std::size_t from = 0, to = 0;
  for (Part* part : {&plan.train, &plan.holdout, &plan.validation}) {
    const std::size_t count = part->indices.size();
    std::vector<std::uint32_t> good;
    for (const std::uint32_t index : part->indices) {
      Call(tick);
      if (states[from] != kImageBroken) {
        if (to != from) std::memcpy(block + to * image_bytes, block + from * image_bytes, image_bytes);
        good.push_back(index);
        ++to;
      }
      ++from;
    }
    part->indices = std::move(good);
    if (count > 0 && part->indices.empty()) {
      throw MachineError("all " + std::to_string(count) + " images " +
                         (part == &plan.train ? "drawn for training" : "held out") +
                         " are broken; list them with layernas-trainer --check-data");
    }
  }
}

// Writes the labels, and zeros the gap before them, which is part of the checksum.
void WriteLabels(const Plan& plan, const DatasetLayout& layout, std::uint8_t* block) {
  std::fill(block + layout.images() * ImageBytes(layout.shape), block + LabelOffset(layout), 0);
  Label* label = Labels(layout, block);
  for (const Part* part : plan.parts()) {
    for (const std::uint32_t index : part->indices) *label++ = part->source->labels()[index];
  }
}

}  // namespace

std::size_t DatasetLayout::block_bytes() const { return LabelOffset(*this) + images() * sizeof(Label); }

LoadBlock MakeHeapBlock(const DatasetLayout& layout) {
  return {{new std::uint8_t[layout.block_bytes()], std::default_delete<std::uint8_t[]>()}, nullptr};
}

std::vector<std::string> NotesOnClasses(const DataSettings& settings, const std::filesystem::path& data_dir) {
  std::vector<std::string> notes;
  DescribeGaps(PlanFiles(settings, data_dir, nullptr), settings, notes);
  return notes;
}

Dataset ViewDataset(const DatasetLayout& layout, const std::shared_ptr<const std::uint8_t>& block,
                    std::vector<float> mean, std::vector<float> deviation) {
  const auto part = [&](std::size_t begin, std::size_t count) {
    const std::size_t bytes = ImageBytes(layout.shape);
    const auto* labels = reinterpret_cast<const Label*>(block.get() + LabelOffset(layout));
    ImageSet set;
    set.shape = layout.shape;
    set.pixels = {std::shared_ptr<const std::uint8_t>(block, block.get() + begin * bytes), count * bytes};
    set.labels = {std::shared_ptr<const Label>(block, labels + begin), count};
    return set;
  };
  Dataset dataset;
  dataset.layout = layout;
  dataset.train = part(0, layout.train);
  dataset.holdout = part(layout.train, layout.holdout);
  dataset.validation = part(layout.train + layout.holdout, layout.validation);
  dataset.classes = layout.classes;
  dataset.mean = std::move(mean);
  dataset.deviation = std::move(deviation);
  return dataset;
}

Dataset LoadDataset(const DataSettings& settings, const std::filesystem::path& data_dir, const MakeBlock& make_block,
                    const LoadCallback& on_progress, int threads) {
  const auto goes_on = [&on_progress](std::size_t images) {
    return on_progress ? Tick([&on_progress, images] { on_progress(images, images); }) : Tick();
  };
  Plan plan = settings.dataset == "shapes10" ? PlanShapes10(settings) : PlanFiles(settings, data_dir, goes_on(0));
  DatasetLayout layout = LayoutOf(plan);
  const auto [block, given_states] = make_block(layout);
  std::vector<std::uint8_t> own_states(given_states == nullptr ? layout.images() : 0);
  std::uint8_t* states = given_states == nullptr ? own_states.data() : given_states;
  const std::size_t bytes = ImageBytes(layout.shape);
  const std::vector<Item> items = Items(plan);
  ReadImages(items, bytes, block.get(), states, settings.skip_bad_files, on_progress, threads);
  const Tick tick = goes_on(items.size());

  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) {
    if (!text.empty()) notes.push_back(settings.dataset + ": " + text);
  };
  note(DescribeState(items, bytes, states, kImageReadWithWarning, "with a warning"));
  note(DescribeState(items, bytes, states, kImageBroken, "skipped"));
  if (const auto& skipped = plan.files.skipped; !skipped.empty()) {
    note(std::to_string(skipped.size()) + (skipped.size() == 1 ? " file" : " files") +
         " skipped, first: " + skipped.front());
  }
  if (std::count(states, states + items.size(), kImageBroken) > 0) {
    RemoveBroken(plan, bytes, tick, block.get(), states);
    layout = LayoutOf(plan);
  }
  DescribeGaps(plan, settings, notes);
  WriteLabels(plan, layout, block.get());

  Dataset dataset = ViewDataset(layout, block, {}, {});
  TakeStatistics(dataset.train, tick, dataset.mean, dataset.deviation);
  dataset.notes = std::move(notes);
  dataset.checksum = Checksum(block.get(), layout.block_bytes(), 0, tick);
  return dataset;
}

std::vector<std::filesystem::path> DatasetFiles(const DataSettings& settings, const std::filesystem::path& data_dir,
                                                const Tick& tick) {
  if (settings.dataset == "shapes10") return {};
  const std::filesystem::path folder = DataFolder(settings, data_dir);
  const bool with_test = settings.holdout == Holdout::kTest;
  if (settings.dataset == "cifar10") return ListCifar10(folder, with_test);
  if (settings.dataset == "cifar100") return ListCifar100(folder, with_test);
  if (settings.dataset == "idx") return ListIdx(folder, with_test);
  return ListImageFolder(folder, settings, tick);
}

ImageChange DrawChange(const Shape& shape, RandomStream& random) {
  const auto shift = [&](int size) {
    const int most = size / 8;
    return static_cast<int>(random.Below(static_cast<std::uint64_t>(2 * most + 1))) - most;
  };
  ImageChange change;
  change.flip = random.Below(2) == 1;
  change.down = shift(shape.height);
  change.right = shift(shape.width);
  return change;
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
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* image = set.pixels.data() + indices[i] * set.image_bytes();
    const ImageChange change = augment == nullptr ? ImageChange{} : DrawChange(set.shape, *augment);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const int from_y = y - change.down;
        const int from_x = (change.flip ? width - 1 - x : x) - change.right;
        const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;
        const std::uint8_t* pixel = inside ? image + (from_y * width + from_x) * channels : nullptr;
        for (int c = 0; c < channels; ++c) *out++ = inside ? table_[static_cast<std::size_t>(c * 256 + pixel[c])] : 0;
      }
    }
  }
}

}  // namespace layernas::trainer
