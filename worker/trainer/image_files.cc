#include "worker/trainer/image_files.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

// Larger than any data set in these formats, but small enough that a wrong file does not fill the
// memory.
constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{4} << 30;

void RequireFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    throw MachineError("data directory " + folder.string() + " not found" +
                       ": check --data-dir (or LAYERNAS_DATA_DIR) and train.parameters.folder");
  }
}

std::vector<std::uint8_t> ReadFile(const std::filesystem::path& path, const std::string& expected) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw MachineError("cannot read " + path.string() + " (" + error.message() + "); expected " + expected);
  if (size > kMaxFileBytes) {
    throw MachineError(path.string() + " has " + std::to_string(size) + " bytes; expected " + expected);
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) throw MachineError("cannot read " + path.string() + "; expected " + expected);
  return bytes;
}

// An IDX file: big-endian magic number and sizes, followed by unsigned bytes.
struct IdxFile {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> bytes;
};

IdxFile ReadIdxFile(const std::filesystem::path& path, std::size_t dimensions) {
  const std::string expected = "an uncompressed IDX file of unsigned bytes with " + std::to_string(dimensions) +
                               (dimensions == 1 ? " dimension" : " dimensions");
  const std::vector<std::uint8_t> bytes = ReadFile(path, expected);
  const auto word = [&](std::size_t index) {
    const std::uint8_t* b = bytes.data() + 4 * index;
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]};
  };
  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
    throw MachineError(path.string() + " is compressed: unpack it with gunzip; expected " + expected);
  }
  const std::uint32_t magic = 0x0800 + static_cast<std::uint32_t>(dimensions);
  if (bytes.size() < 4 || word(0) != magic) {
    throw MachineError(path.string() + " does not start with the magic number " + std::to_string(magic) +
                       "; expected " + expected);
  }
  const std::size_t header = 4 * (dimensions + 1);
  IdxFile file;
  std::uint64_t content = 1;
  for (std::size_t i = 1; i <= dimensions && bytes.size() >= header; ++i) {
    file.sizes.push_back(word(i));
    // Limit each product, so that the sizes in a broken header cannot overflow.
    content = std::min<std::uint64_t>(content * file.sizes.back(), kMaxFileBytes);
  }
  if (bytes.size() < header || bytes.size() - header != content) {
    throw MachineError(path.string() + " has " + std::to_string(bytes.size()) + " bytes, but its header requires " +
                       (bytes.size() < header ? "more" : std::to_string(header + content)) +
                       ": it is truncated or broken");
  }
  file.bytes.assign(bytes.begin() + static_cast<std::ptrdiff_t>(header), bytes.end());
  return file;
}

std::filesystem::path IdxImages(const std::filesystem::path& folder, const std::string& prefix) {
  return folder / (prefix + "-images-idx3-ubyte");
}

std::filesystem::path IdxLabels(const std::filesystem::path& folder, const std::string& prefix) {
  return folder / (prefix + "-labels-idx1-ubyte");
}

// Collects the problems of reading several files.
class ProblemList {
 public:
  // Returns true if `read` throws no MachineError.
  template <typename Read>
  bool Try(const Read& read) {
    try {
      read();
      return true;
    } catch (const MachineError& error) {
      problems_.emplace_back(error.what());
      return false;
    }
  }

  // Appends all problems to `problems`. If it is null, throws the first problem, if any.
  void Hand(Problems* problems) const {
    if (problems != nullptr) {
      problems->insert(problems->end(), problems_.begin(), problems_.end());
    } else {
      ThrowFirst(problems_);
    }
  }

 private:
  Problems problems_;
};

IdxFile ReadIdxImages(const std::filesystem::path& path) {
  IdxFile images = ReadIdxFile(path, 3);
  constexpr std::uint32_t kMaxSize = 4096;
  if (images.sizes[0] < 2 || images.sizes[1] < 1 || images.sizes[1] > kMaxSize || images.sizes[2] < 1 ||
      images.sizes[2] > kMaxSize) {
    throw MachineError(path.string() + " holds " + std::to_string(images.sizes[0]) + " images of " +
                       std::to_string(images.sizes[1]) + "x" + std::to_string(images.sizes[2]) +
                       "; expected two or more, of 1x1 to 4096x4096");
  }
  return images;
}

// Returns null if one of the two files has a problem.
std::unique_ptr<ImageSource> ReadIdxPair(const std::filesystem::path& folder, const std::string& prefix,
                                         ProblemList& problems) {
  const std::filesystem::path images_path = IdxImages(folder, prefix);
  const std::filesystem::path labels_path = IdxLabels(folder, prefix);
  IdxFile images, labels;
  const bool has_images = problems.Try([&] { images = ReadIdxImages(images_path); });
  const bool has_labels = problems.Try([&] { labels = ReadIdxFile(labels_path, 1); });
  const bool has_both = has_images && has_labels && problems.Try([&] {
    if (labels.sizes[0] == images.sizes[0]) return;
    throw MachineError(labels_path.string() + " holds " + std::to_string(labels.sizes[0]) + " labels; expected " +
                       std::to_string(images.sizes[0]) + ", one per image of " + images_path.filename().string());
  });
  if (!has_both) return nullptr;
  const Shape shape = {1, static_cast<int>(images.sizes[1]), static_cast<int>(images.sizes[2])};
  return std::make_unique<MemorySource>(shape, std::move(images.bytes),
                                        std::vector<Label>(labels.bytes.begin(), labels.bytes.end()));
}

int CountClasses(const ImageSource& images) {
  return 1 + *std::max_element(images.labels().begin(), images.labels().end());
}

// The differences between the binary versions of CIFAR-10 and CIFAR-100.
struct CifarFormat {
  const char* name;
  int classes;
  // The last label is the one that is used.
  std::size_t labels;
  std::vector<std::string> train;
  std::string test;
};

const CifarFormat& Cifar10() {
  static const auto* format = new CifarFormat{
      "CIFAR-10",
      10,
      1,
      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      "test_batch.bin"};
  return *format;
}

const CifarFormat& Cifar100() {
  static const auto* format = new CifarFormat{"CIFAR-100", 100, 2, {"train.bin"}, "test.bin"};
  return *format;
}

// Appends either all images of the file or none.
void AppendCifar(const CifarFormat& format, const std::filesystem::path& path, std::vector<std::uint8_t>& pixels,
                 std::vector<Label>& labels) {
  constexpr std::size_t kPlane = 32 * 32;
  const std::size_t record = format.labels + 3 * kPlane;
  const std::string expected =
      std::string(format.name) + " records of " + std::to_string(record) + " bytes (the binary version)";
  const std::vector<std::uint8_t> bytes = ReadFile(path, expected);
  if (bytes.empty() || bytes.size() % record != 0) {
    throw MachineError(path.string() + " has " + std::to_string(bytes.size()) + " bytes, not a multiple of " +
                       std::to_string(record) + ": it is truncated or broken; expected " + expected);
  }
  const auto label_at = [&](std::size_t offset) { return bytes[offset + format.labels - 1]; };
  for (std::size_t offset = 0; offset < bytes.size(); offset += record) {
    if (label_at(offset) < format.classes) continue;
    throw MachineError(path.string() + " has label " + std::to_string(label_at(offset)) + " in record " +
                       std::to_string(offset / record) + "; expected " + expected + " with labels 0 to " +
                       std::to_string(format.classes - 1));
  }
  for (std::size_t offset = 0; offset < bytes.size(); offset += record) {
    labels.push_back(label_at(offset));
    const std::uint8_t* planes = bytes.data() + offset + format.labels;
    for (std::size_t pixel = 0; pixel < kPlane; ++pixel) {
      for (std::size_t channel = 0; channel < 3; ++channel) pixels.push_back(planes[channel * kPlane + pixel]);
    }
  }
}

std::unique_ptr<ImageSource> ReadCifarImages(const CifarFormat& format, const std::filesystem::path& folder,
                                             const std::vector<std::string>& names, ProblemList& problems) {
  std::vector<std::uint8_t> pixels;
  std::vector<Label> labels;
  for (const std::string& name : names) {
    problems.Try([&] { AppendCifar(format, folder / name, pixels, labels); });
  }
  if (labels.empty()) return nullptr;
  return std::make_unique<MemorySource>(Shape{3, 32, 32}, std::move(pixels), std::move(labels));
}

ImageFiles ReadCifar(const CifarFormat& format, const std::filesystem::path& folder, bool with_test,
                     Problems* problems) {
  RequireFolder(folder);
  ProblemList found;
  ImageFiles files;
  files.classes = format.classes;
  files.train = ReadCifarImages(format, folder, format.train, found);
  if (with_test) files.test = ReadCifarImages(format, folder, {format.test}, found);
  found.Hand(problems);
  return files;
}

std::vector<std::filesystem::path> ListCifar(const CifarFormat& format, const std::filesystem::path& folder,
                                             bool with_test) {
  std::vector<std::filesystem::path> files;
  for (const std::string& name : format.train) files.push_back(folder / name);
  if (with_test) files.push_back(folder / format.test);
  return files;
}

}  // namespace

void ThrowFirst(const Problems& problems) {
  if (problems.empty()) return;
  const std::size_t more = problems.size() - 1;
  throw MachineError(problems.front() +
                     (more == 0 ? std::string()
                                : " (and " + std::to_string(more) + (more == 1 ? " more problem" : " more problems") +
                                      "; list them with layernas-trainer --check-data)"));
}

ImageFiles ReadCifar10(const std::filesystem::path& folder, bool with_test, Problems* problems) {
  return ReadCifar(Cifar10(), folder, with_test, problems);
}

std::vector<std::filesystem::path> ListCifar10(const std::filesystem::path& folder, bool with_test) {
  return ListCifar(Cifar10(), folder, with_test);
}

ImageFiles ReadCifar100(const std::filesystem::path& folder, bool with_test, Problems* problems) {
  return ReadCifar(Cifar100(), folder, with_test, problems);
}

std::vector<std::filesystem::path> ListCifar100(const std::filesystem::path& folder, bool with_test) {
  return ListCifar(Cifar100(), folder, with_test);
}

ImageFiles ReadIdx(const std::filesystem::path& folder, bool with_test, Problems* problems) {
  RequireFolder(folder);
  ProblemList found;
  ImageFiles files;
  files.train = ReadIdxPair(folder, "train", found);
  if (with_test) files.test = ReadIdxPair(folder, "t10k", found);
  for (const ImageSource* source : {files.train.get(), files.test.get()}) {
    if (source != nullptr) files.classes = std::max(files.classes, CountClasses(*source));
  }
  if (files.train != nullptr && files.test != nullptr) {
    found.Try([&] {
      if (files.test->shape() == files.train->shape()) return;
      throw MachineError("the test images in " + folder.string() + " differ in size from its training images");
    });
  }
  found.Hand(problems);
  return files;
}

std::vector<std::filesystem::path> ListIdx(const std::filesystem::path& folder, bool with_test) {
  std::vector<std::filesystem::path> files = {IdxImages(folder, "train"), IdxLabels(folder, "train")};
  if (with_test) files.insert(files.end(), {IdxImages(folder, "t10k"), IdxLabels(folder, "t10k")});
  return files;
}

}  // namespace layernas::trainer
