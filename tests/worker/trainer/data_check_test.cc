#include "worker/trainer/data_check.h"

#include <gmock/gmock.h>

#include "tests/worker/trainer/temp_folder.h"
#include "tests/worker/trainer/test_images.h"

namespace layernas::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// image_folder_test.cc tests image folders.
class CheckDataTest : public TempFolder {
 protected:
  static std::string Word(std::size_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
  }

  // Images of 2x3 pixels, or labels, in the order of their classes; `sizes` has the number for each
  // class.
  static std::string IdxImages(std::size_t count) {
    return Word(0x803) + Word(count) + Word(2) + Word(3) + std::string(6 * count, 'x');
  }
  static std::string IdxLabels(const std::vector<std::size_t>& sizes) {
    std::string labels;
    for (std::size_t c = 0; c < sizes.size(); ++c) labels += std::string(sizes[c], static_cast<char>(c));
    return Word(0x801) + Word(labels.size()) + labels;
  }

  // Contains a record of each of `classes` classes, repeated `repeats` times.
  static std::string Cifar10(int repeats, int classes = 10) {
    std::string records;
    for (int i = 0; i < repeats * classes; ++i) records += static_cast<char>(i % classes) + std::string(3072, 'x');
    return records;
  }

  void WriteCifar10() {
    for (int i = 1; i <= 5; ++i) Write("data_batch_" + std::to_string(i) + ".bin", Cifar10(2));
    Write("test_batch.bin", Cifar10(1));
  }
};

TEST_F(CheckDataTest, EveryFileOfCifar10WithAProblemIsNamed) {
  WriteCifar10();
  EXPECT_THAT(CheckData(folder_, 2).problems, IsEmpty());
  EXPECT_EQ(CheckData(folder_, 2).images, 110U);
  Write("data_batch_2.bin", Cifar10(2).substr(0, 30'000));
  std::filesystem::remove(folder_ / "data_batch_3.bin");
  Write("data_batch_5.bin", Cifar10(1) + static_cast<char>(10) + std::string(3072, 'x'));
  Write("test_batch.bin", "");
  const DataReport report = CheckData(folder_, 2);
  EXPECT_EQ(report.dataset, "cifar10");
  EXPECT_THAT(report.problems,
              ElementsAre(HasSubstr("data_batch_2.bin has 30000 bytes"), HasSubstr("data_batch_3.bin (No such file"),
                          HasSubstr("data_batch_5.bin has label 10 in record 10"), HasSubstr("test_batch.bin has 0")));
  // The images of the two good files.
  EXPECT_EQ(report.images, 40U);
}

TEST_F(CheckDataTest, EveryFileOfCifar100WithAProblemIsNamed) {
  Write("train.bin", "broken");
  Write("test.bin", "broken too");
  EXPECT_THAT(CheckData(folder_, 2).problems,
              ElementsAre(HasSubstr("train.bin has 6 b"), HasSubstr("test.bin has 10 b")));
}

TEST_F(CheckDataTest, EveryFileOfIdxWithAProblemIsNamed) {
  Write("train-images-idx3-ubyte", IdxImages(30).substr(0, 100));
  Write("train-labels-idx1-ubyte", "broken");
  Write("t10k-images-idx3-ubyte", IdxImages(10));
  Write("t10k-labels-idx1-ubyte", IdxLabels({4, 5}));
  EXPECT_THAT(CheckData(folder_, 2).problems,
              ElementsAre(HasSubstr("train-images-idx3-ubyte has 100 bytes"), HasSubstr("train-labels-idx1-ubyte does"),
                          HasSubstr("t10k-labels-idx1-ubyte holds 9 labels; expected 10")));
  Write("train-images-idx3-ubyte", IdxImages(30));
  Write("train-labels-idx1-ubyte", IdxLabels({15, 15}));
  Write("t10k-images-idx3-ubyte", Word(0x803) + Word(9) + Word(2) + Word(2) + std::string(36, 'x'));
  EXPECT_THAT(CheckData(folder_, 2).problems, ElementsAre(HasSubstr("differ in size from its training images")));
}

// These are warnings, because the data set can be used for training.
TEST_F(CheckDataTest, ClassesThatAPartLacksAreWarnings) {
  Write("train-images-idx3-ubyte", IdxImages(59));
  Write("train-labels-idx1-ubyte", IdxLabels({50, 8, 1}));
  EXPECT_THAT(CheckData(folder_, 2).problems, IsEmpty());
  EXPECT_THAT(CheckData(folder_, 2).warnings, ElementsAre("idx: 1 of 3 classes has no validation image: 2"));
  EXPECT_EQ(CheckData(folder_, 2).images, 59U);
  Write("t10k-images-idx3-ubyte", IdxImages(3));
  Write("t10k-labels-idx1-ubyte", IdxLabels({0, 1, 2}));
  EXPECT_THAT(CheckData(folder_, 2).warnings, ElementsAre("idx: 1 of 3 classes has no test image: 0",
                                                          "idx: 1 of 3 classes has no validation image: 2"));
  EXPECT_EQ(CheckData(folder_, 2).images, 62U);
}

TEST_F(CheckDataTest, ClassesOfAnImageFolderToo) {
  for (const char* name : {"cat/1", "cat/2", "cat/3", "dog/1"}) {
    WritePng(folder_ / "train" / (std::string(name) + ".png"), Plain(4, 4, {1, 2, 3}));
  }
  EXPECT_THAT(CheckData(folder_, 2).problems, IsEmpty());
  EXPECT_THAT(CheckData(folder_, 2).warnings, ElementsAre("image_folder: 1 of 2 classes has no validation image: dog"));
}

}  // namespace
}  // namespace layernas::trainer
