// Looks for everything that is wrong with a data set, before anything is trained on it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace layernas::trainer {

struct DataReport {
  // As train.dataset has it; empty if the folder has no data set.
  std::string dataset;
  // CIFAR and IDX: of the files without a problem.
  std::size_t images = 0;
  int classes = 0;
  // Each would fail a training.
  std::vector<std::string> problems;
  // Each names an image that is used though something about its file is odd, or classes that have no image to train on,
  // to validate with or to test on. The validation images are as many as by default.
  std::vector<std::string> warnings;
};

// Reads every image of the data set in the folder, which its files tell: an image folder, CIFAR-10, CIFAR-100 or IDX.
// Finds every file with a problem; in a file of CIFAR or IDX, which holds many images, the first problem.
DataReport CheckData(const std::filesystem::path& folder, int threads);

}  // namespace layernas::trainer
