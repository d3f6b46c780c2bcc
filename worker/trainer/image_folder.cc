#include "worker/trainer/image_folder.h"

#include <algorithm>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

#include "worker/trainer/errors.h"
#include "worker/trainer/image_decoder.h"
#include "worker/trainer/image_files.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

constexpr char kExpected[] = "; expected a directory per class with .png, .jpg or .jpeg files";

// The files of one part (train, test or val), and the labels from the names of their folders.
struct Listing {
  std::vector<fs::path> files;
  std::vector<Label> labels;
};

class FolderSource final : public ImageSource {
 public:
  FolderSource(const Shape& shape, Listing listing)
      : ImageSource(shape, std::move(listing.labels)), files_(std::move(listing.files)) {}

  std::string Read(std::size_t index, std::uint8_t* out) const override {
    return DecodeImage(files_[index], shape(), out);
  }

 private:
  const std::vector<fs::path> files_;
};

// Converts ASCII letters, whatever the locale.
std::string Lower(std::string text) {
  for (char& letter : text) letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  return text;
}

// Returns true for files that file managers create on their own.
bool IsClutter(const std::string& name) {
  const std::string lower = Lower(name);
  return name.front() == '.' || lower == "thumbs.db" || lower == "ehthumbs.db" || lower == "desktop.ini" ||
         lower == "__macosx";
}

bool IsImageName(const fs::directory_entry& entry) {
  std::error_code error;
  const std::string extension = Lower(entry.path().extension().string());
  return (extension == ".png" || extension == ".jpg" || extension == ".jpeg") && entry.is_regular_file(error);
}

struct FolderListing {
  Listing train;
  // Empty if it was not requested or does not exist.
  Listing validation;
  Listing test;
  std::vector<std::string> classes;
  // The reasons why the folder is not a data set, in the order in which they were found.
  std::vector<std::string> problems;
  std::vector<std::string> skipped;
};

class FolderLister {
 public:
  FolderLister(const fs::path& folder, const DataSettings& settings, const Tick& tick)
      : folder_(folder), settings_(settings), tick_(tick) {}

  FolderListing List() {
    const fs::path train = folder_ / "train";
    if (!IsFolder("train")) {
      Problem("directory " + train.string() + " not found" +
              ": check --data-dir (or LAYERNAS_DATA_DIR) and train.parameters.folder" + kExpected + " in it");
      return std::move(listing_);
    }
    const std::vector<std::string>& classes = listing_.classes = ListClasses(train);
    if (classes.size() < 2 || classes.size() > std::numeric_limits<Label>::max()) {
      Problem(train.string() + " has " + std::to_string(classes.size()) +
              (classes.size() == 1 ? " class (" + classes.front() + ")" : " classes") + kExpected + ", two to " +
              std::to_string(std::numeric_limits<Label>::max()));
    }
    listing_.train = ListPart(train, classes);

    const bool with_test = settings_.holdout == Holdout::kTest;
    if (with_test && !IsFolder("test") && !IsFolder("val")) {
      Problem("directory " + (folder_ / "test").string() + " not found, nor val, but train.parameters.holdout is test");
      return std::move(listing_);
    }
    if (with_test) listing_.test = ListHeldOut(folder_ / (IsFolder("test") ? "test" : "val"));
    if (IsFolder("test") && IsFolder("val") && (!with_test || settings_.with_validation)) {
      listing_.validation = ListHeldOut(folder_ / "val");
    }
    return std::move(listing_);
  }

 private:
  void Problem(std::string text) { listing_.problems.push_back(std::move(text)); }

  bool IsFolder(const char* name) const {
    std::error_code error;
    return fs::is_directory(folder_ / name, error);
  }

  // Returns the entries of a folder in order of their names, without clutter.
  std::vector<fs::directory_entry> Entries(const fs::path& folder) {
    std::vector<fs::directory_entry> entries;
    try {
      for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        Call(tick_);
        if (!IsClutter(entry.path().filename().native())) entries.push_back(entry);
      }
    } catch (const fs::filesystem_error& error) {
      Problem("cannot read directory " + folder.string() + " (" + error.code().message() + ")" + kExpected);
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

  Listing ListPart(const fs::path& folder, const std::vector<std::string>& classes) {
    const std::vector<std::string>& all = listing_.classes;
    Listing listing;
    for (const std::string& name : classes) {
      const auto found = std::lower_bound(all.begin(), all.end(), name);
      if (found == all.end() || *found != name) {
        Problem((folder / name).string() + " is a class without training images");
        continue;
      }
      const std::size_t before = listing.files.size();
      for (const fs::directory_entry& entry : Entries(folder / name)) {
        // On some file systems, asking for the type of an entry takes another call.
        Call(tick_);
        if (IsImageName(entry)) {
          listing.files.push_back(entry.path());
          listing.labels.push_back(static_cast<Label>(found - all.begin()));
        } else if (settings_.skip_bad_files) {
          listing_.skipped.push_back(entry.path().string() + " is not a .png, .jpg or .jpeg file");
        } else {
          Problem(entry.path().string() + " is not a .png, .jpg or .jpeg file: convert it, remove it, or set " +
                  "train.parameters.skip_bad_files");
        }
      }
      if (listing.files.size() == before)
        Problem("the class " + (folder / name).string() + " has no images" + kExpected);
    }
    return listing;
  }

  Listing ListHeldOut(const fs::path& part) {
    const std::vector<std::string> classes = ListClasses(part);
    if (classes.empty()) Problem(part.string() + " has no classes" + kExpected);
    return ListPart(part, classes);
  }

  const fs::path& folder_;
  const DataSettings& settings_;
  const Tick& tick_;
  FolderListing listing_;
};

// Throws MachineError if there are problems.
FolderListing ListFolder(const fs::path& folder, const DataSettings& settings, const Tick& tick) {
  FolderListing listing = FolderLister(folder, settings, tick).List();
  ThrowFirst(listing.problems);
  return listing;
}

}  // namespace

ImageFiles ReadImageFolder(const fs::path& folder, const DataSettings& settings, const Tick& tick) {
  const Shape& shape = settings.input;
  if (shape.channels != 1 && shape.channels != 3) {
    throw InfeasibleError("image_folder has images of 1 channel (grey) or 3 (RGB), but network.input asks for " +
                          std::to_string(shape.channels));
  }
  FolderListing listing = ListFolder(folder, settings, tick);
  const auto source = [&](Listing& part) {
    return part.files.empty() ? nullptr : std::make_unique<FolderSource>(shape, std::move(part));
  };
  ImageFiles files;
  files.classes = static_cast<int>(listing.classes.size());
  files.class_names = std::move(listing.classes);
  files.train = source(listing.train);
  files.validation = source(listing.validation);
  files.test = source(listing.test);
  files.skipped = std::move(listing.skipped);
  return files;
}

std::vector<fs::path> ListImageFolder(const fs::path& folder, const DataSettings& settings, const Tick& tick) {
  FolderListing listing = ListFolder(folder, settings, tick);
  std::vector<fs::path> files = std::move(listing.train.files);
  for (const Listing* part : {&listing.validation, &listing.test}) {
    files.insert(files.end(), part->files.begin(), part->files.end());
  }
  return files;
}

FolderContent ListWholeImageFolder(const fs::path& folder) {
  DataSettings settings;
  std::error_code error;
  if (fs::is_directory(folder / "test", error) || fs::is_directory(folder / "val", error)) {
    settings.holdout = Holdout::kTest;
    settings.with_validation = true;
  }
  FolderListing listing = FolderLister(folder, settings, nullptr).List();
  FolderContent content;
  content.classes = static_cast<int>(listing.classes.size());
  content.problems = std::move(listing.problems);
  for (Listing* part : {&listing.train, &listing.validation, &listing.test}) {
    content.files.insert(content.files.end(), part->files.begin(), part->files.end());
  }
  return content;
}

}  // namespace layernas::trainer
