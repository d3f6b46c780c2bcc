// Readers of the image files that data sets are published in. Thread-safe.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "worker/trainer/image_source.h"

namespace layernas::trainer {

// `with_test` asks for the test files' images too. All readers throw MachineError, naming the file and what was
// expected of it, if one is missing, of the wrong size or broken. Of several problems the first is in the message. If
// `problems` is given, all are appended to it instead, one per file, and the result has the images of the good files;
// its sources may be null.
using Problems = std::vector<std::string>;

// Throws MachineError with the first problem and the number of the others; does nothing if there is none.
void ThrowFirst(const Problems& problems);

// The binary version of CIFAR-10: data_batch_1.bin to data_batch_5.bin and test_batch.bin, records of a label and 3,072
// bytes (32x32 pixels, red, green, blue plane).
ImageFiles ReadCifar10(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListCifar10(const std::filesystem::path& folder, bool with_test);

// The binary version of CIFAR-100: train.bin and test.bin, records of a coarse label, which is not used, a fine one,
// and 3,072 bytes as above.
ImageFiles ReadCifar100(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListCifar100(const std::filesystem::path& folder, bool with_test);

// IDX, the format of MNIST and its successors, uncompressed: train-images-idx3-ubyte, train-labels-idx1-ubyte and the
// same with t10k. One channel, any size.
ImageFiles ReadIdx(const std::filesystem::path& folder, bool with_test, Problems* problems = nullptr);
std::vector<std::filesystem::path> ListIdx(const std::filesystem::path& folder, bool with_test);

}  // namespace layernas::trainer
