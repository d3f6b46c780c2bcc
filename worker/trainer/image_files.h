// Readers of the file formats in which image data sets are published. Thread-safe.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "worker/trainer/image_source.h"

namespace layernas::trainer {

// If `with_test` is true, the test images are read too. Each reader throws MachineError if a file
// is missing, has the wrong size or is broken. The message names the file and what was expected; if
// there are several problems, it contains the first. If `problems` is given, the reader does not
// throw but appends all problems to it, one per file. The result then has the images of the good
// files, and its sources may be null.
using Problems = std::vector<std::string>;

// Throws MachineError with the first problem and the number of the others. Does nothing if there is
// none.
void ThrowFirst(const Problems& problems);

// Reads the binary version of CIFAR-10: data_batch_1.bin to data_batch_5.bin and test_batch.bin. A
// record is a label and 3,072 bytes (32x32 pixels; red, green and blue plane).
ImageFiles ReadCifar10(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListCifar10(const std::filesystem::path& folder, bool with_test);

// Reads the binary version of CIFAR-100: train.bin and test.bin. A record is a coarse label, which
// is not used, a fine label, and 3,072 bytes as above.
ImageFiles ReadCifar100(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListCifar100(const std::filesystem::path& folder, bool with_test);

// Reads uncompressed IDX files, the format of MNIST and its successors: train-images-idx3-ubyte,
// train-labels-idx1-ubyte and the same with t10k. Images have one channel and any size.
ImageFiles ReadIdx(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListIdx(const std::filesystem::path& folder, bool with_test);

}  // namespace layernas::trainer
