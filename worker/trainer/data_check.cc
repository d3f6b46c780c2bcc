#include "worker/trainer/data_check.h"

#include <exception>
#include <system_error>
#include <utility>

#include "worker/trainer/dataset.h"
#include "worker/trainer/image_decoder.h"
#include "worker/trainer/image_files.h"
#include "worker/trainer/image_folder.h"
#include "worker/trainer/parallel.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// How to detect a data set: a file that it always has, and a file that it has if there are test
// images.
struct Sign {
  const char* dataset;
  const char* file;
  const char* test_file;
};
constexpr Sign kSigns[] = {{"image_folder", "train", "test"},
                           {"cifar10", "data_batch_1.bin", "test_batch.bin"},
                           {"cifar100", "train.bin", "test.bin"},
                           {"idx", "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"}};

void CheckImageFolder(const fs::path& folder, int threads, DataReport& report) {
  FolderContent content = ListWholeImageFolder(folder);
  report.classes = content.classes;
  report.images = content.files.size();
  report.problems = std::move(content.problems);
  // Use the smallest size: the whole file is read in any case.
  const Shape shape = {3, 16, 16};
  std::vector<std::string> problems(content.files.size()), warnings(content.files.size());
  ForEachIndex(content.files.size(), threads, [&](std::size_t i) {
    std::vector<std::uint8_t> pixels(ImageBytes(shape));
    try {
      warnings[i] = DecodeImage(content.files[i], shape, pixels.data());
    } catch (const std::exception& error) {
      problems[i] = error.what();
    }
  });
  const auto append = [](const std::vector<std::string>& from, std::vector<std::string>& to) {
    for (const std::string& text : from) {
      if (!text.empty()) to.push_back(text);
    }
  };
  append(problems, report.problems);
  append(warnings, report.warnings);
}

void CheckImageFiles(const fs::path& folder, bool with_test, DataReport& report) {
  const auto read = report.dataset == "cifar10" ? ReadCifar10 : report.dataset == "cifar100" ? ReadCifar100 : ReadIdx;
  const ImageFiles files = read(folder, with_test, &report.problems);
  for (const ImageSource* source : {files.train.get(), files.test.get()}) {
    if (source != nullptr) report.images += source->size();
  }
  report.classes = files.classes;
}

// Checks the classes of a search and of its final trainings, with the default numbers of images.
void CheckClasses(const fs::path& folder, bool with_test, DataReport& report) {
  DataSettings settings;
  settings.dataset = report.dataset;
  settings.holdout = with_test ? Holdout::kTest : Holdout::kValidation;
  settings.with_validation = true;
  for (std::string& note : NotesOnClasses(settings, folder)) report.warnings.push_back(std::move(note));
}

}  // namespace

DataReport CheckData(const fs::path& folder, int threads) {
  DataReport report;
  for (const Sign& sign : kSigns) {
    if (!Exists(folder / sign.file)) continue;
    report.dataset = sign.dataset;
    const bool is_folder = report.dataset == "image_folder";
    const bool with_test = Exists(folder / sign.test_file) || (is_folder && Exists(folder / "val"));
    try {
      if (is_folder) {
        CheckImageFolder(folder, threads, report);
      } else {
        CheckImageFiles(folder, with_test, report);
      }
      if (report.problems.empty()) CheckClasses(folder, with_test, report);
    } catch (const std::exception& error) {
      report.problems.emplace_back(error.what());
    }
    return report;
  }
  report.problems.push_back("no data set found in " + folder.string() +
                            ": expected train/CLASS/IMAGE, data_batch_1.bin (CIFAR-10), train.bin (CIFAR-100) or " +
                            "train-images-idx3-ubyte (IDX)");
  return report;
}

}  // namespace layernas::trainer
