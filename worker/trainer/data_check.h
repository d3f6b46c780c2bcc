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
  std::size_t images = 0;
  int classes = 0;
  // Each would fail a training.
  std::vector<std::string> problems;
  // Each names an image that is used though something about its file is odd.
  std::vector<std::string> warnings;
};

// Reads every image of the data set in the folder, which its files tell: an image folder, CIFAR-10, CIFAR-100 or IDX.
// Of an image folder every problem is found, of the others, which are few files, the first.
DataReport CheckData(const std::filesystem::path& folder, int threads);

}  // namespace layernas::trainer
