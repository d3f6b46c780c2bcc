// Finds all problems of a data set before a training uses it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace layernas::trainer {

struct DataReport {
  // The name for train.dataset; empty if the folder has no data set.
  std::string dataset;
  // For CIFAR and IDX: the images in files without a problem.
  std::size_t images = 0;
  int classes = 0;
  // Each of them would make a training fail.
  std::vector<std::string> problems;
  // Each names an image that is used although its file is unusual, or classes without an image for
  // training, validation or test. The default number of validation images is assumed.
  std::vector<std::string> warnings;
};

// Reads every image of the data set in the folder. The files tell whether it is an image folder,
// CIFAR-10, CIFAR-100 or IDX. Finds every file with a problem. For CIFAR and IDX, whose files hold
// many images, it finds the first problem of each file.
DataReport CheckData(const std::filesystem::path& folder, int threads);

}  // namespace layernas::trainer
