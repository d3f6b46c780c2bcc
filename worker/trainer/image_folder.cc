#include "worker/trainer/image_folder.h"

#include <algorithm>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"
#include "worker/trainer/image_decoder.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] = "; expected a folder per class with .png, .jpg or .jpeg files";

// Files of one part (train, test, val) and the labels that their folders give them.
struct Listing {
  std::vector<fs::path> files;
  std::vector<Label> labels;
};

class FolderSource final : public ImageSource {
 public:
  FolderSource(const Shape& shape, Listing listing)
      : ImageSource(shape, std::move(listing.labels)), files_(std::move(listing.files)) {}

  void Read(std::size_t index, std::uint8_t* out) const override { DecodeImage(files_[index], shape(), out); }

 private:
  const std::vector<fs::path> files_;
};

// What is in a folder, by name, without what is hidden.
std::vector<fs::directory_entry> Entries(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().native().front() != '.') entries.push_back(entry);
    }
  } catch (const fs::filesystem_error& error) {
    throw MachineError("cannot read the folder " + folder.string() + " (" + error.code().message() + ")" + kExpected);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path().native() < b.path().native(); });
  return entries;
}

std::vector<std::string> ListClasses(const fs::path& folder) {
  std::vector<std::string> classes;
  for (const fs::directory_entry& entry : Entries(folder)) {
    std::error_code error;
    if (entry.is_directory(error)) classes.push_back(entry.path().filename().string());
  }
  return classes;
}

void RequireImageName(const fs::directory_entry& entry) {
  std::error_code error;
  std::string extension = entry.path().extension().string();
  // ASCII alone, whatever the locale.
  for (char& letter : extension)
    letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  const bool image = extension == ".png" || extension == ".jpg" || extension == ".jpeg";
  if (!image || !entry.is_regular_file(error)) {
    throw MachineError(entry.path().string() + " is no .png, .jpg or .jpeg file: convert it, or take it away");
  }
}

Listing ListPart(const fs::path& folder, const std::vector<std::string>& classes, const std::vector<std::string>& all) {
  Listing listing;
  for (const std::string& name : classes) {
    const auto found = std::lower_bound(all.begin(), all.end(), name);
    if (found == all.end() || *found != name) {
      throw MachineError((folder / name).string() + " is a class that the training images don't have");
    }
    const std::vector<fs::directory_entry> entries = Entries(folder / name);
    if (entries.empty()) throw MachineError("the class " + (folder / name).string() + " has no images" + kExpected);
    for (const fs::directory_entry& entry : entries) {
      RequireImageName(entry);
      listing.files.push_back(entry.path());
      listing.labels.push_back(static_cast<Label>(found - all.begin()));
    }
  }
  return listing;
}

struct FolderListing {
  Listing train;
  // Each is empty where it was not asked for or does not exist.
  Listing validation;
  Listing test;
  std::vector<std::string> classes;
};

Listing ListHeldOut(const fs::path& part, const std::vector<std::string>& classes) {
  Listing listing = ListPart(part, ListClasses(part), classes);
  if (listing.files.empty()) throw MachineError(part.string() + " has no classes" + kExpected);
  return listing;
}

FolderListing ListFolder(const fs::path& folder, const DataSettings& settings) {
  const fs::path train = folder / "train";
  std::error_code error;
  if (!fs::is_directory(train, error)) {
    throw MachineError("there is no folder " + train.string() +
                       ": check --data-dir (or LAYERNAS_DATA_DIR) and train.parameters.folder" + kExpected + " in it");
  }
  const std::vector<std::string> classes = ListClasses(train);
  if (classes.size() < 2 || classes.size() > std::numeric_limits<Label>::max()) {
    throw MachineError(
        train.string() + " has " + std::to_string(classes.size()) +
        (classes.size() == 1 ? " class (" + classes.front() + "), and one is nothing to tell apart" : " classes") +
        kExpected + ", two to " + std::to_string(std::numeric_limits<Label>::max()));
  }
  FolderListing listing;
  listing.classes = classes;
  listing.train = ListPart(train, classes, classes);

  const bool has_test = fs::is_directory(folder / "test", error);
  const bool has_val = fs::is_directory(folder / "val", error);
  const bool with_test = settings.holdout == Holdout::kTest;
  if (with_test && !has_test && !has_val) {
    throw MachineError("there is no folder " + (folder / "test").string() +
                       ", nor val, and train.parameters.holdout is test");
  }
  if (with_test) listing.test = ListHeldOut(folder / (has_test ? "test" : "val"), classes);
  if (has_test && has_val && (!with_test || settings.with_validation)) {
    listing.validation = ListHeldOut(folder / "val", classes);
  }
  return listing;
}

}  // namespace

ImageFiles ReadImageFolder(const fs::path& folder, const DataSettings& settings) {
  const Shape& shape = settings.input;
  if (shape.channels != 1 && shape.channels != 3) {
    throw InfeasibleError("image_folder has images of 1 channel (grey) or 3 (RGB), but network.input asks for " +
                          std::to_string(shape.channels));
  }
  FolderListing listing = ListFolder(folder, settings);
  const auto source = [&](Listing& part) {
    return part.files.empty() ? nullptr : std::make_unique<FolderSource>(shape, std::move(part));
  };
  ImageFiles files;
  files.classes = static_cast<int>(listing.classes.size());
  files.class_names = std::move(listing.classes);
  files.train = source(listing.train);
  files.validation = source(listing.validation);
  files.test = source(listing.test);
  return files;
}

std::vector<fs::path> ListImageFolder(const fs::path& folder, const DataSettings& settings) {
  FolderListing listing = ListFolder(folder, settings);
  std::vector<fs::path> files = std::move(listing.train.files);
  for (const Listing* part : {&listing.validation, &listing.test}) {
    files.insert(files.end(), part->files.begin(), part->files.end());
  }
  return files;
}

}  // namespace layernas::trainer
