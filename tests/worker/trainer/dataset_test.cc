#include "worker/trainer/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tests/worker/trainer/temp_folder.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/shapes10.h"

namespace layernas::trainer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint8_t> Pixels(const ImageSet& set) { return {set.pixels.begin(), set.pixels.end()}; }

std::vector<std::uint8_t> Pixels(const ImageSource& source) {
  std::vector<std::uint8_t> pixels(source.size() * ImageBytes(source.shape()));
  for (std::size_t i = 0; i < source.size(); ++i) source.Read(i, pixels.data() + i * ImageBytes(source.shape()));
  return pixels;
}

class DatasetFilesTest : public TempFolder {
 protected:
  static std::string Word(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
  }

  // Image i has grey i and 2x3 pixels; labels repeat 0 to 4.
  void WriteIdx(const std::string& prefix, std::uint32_t count) {
    std::vector<int> labels;
    for (std::uint32_t i = 0; i < count; ++i) labels.push_back(static_cast<int>(i % 5));
    WriteIdxOf(prefix, labels);
  }

  // Image i has grey i (modulo 256) and labels[i].
  void WriteIdxOf(const std::string& prefix, const std::vector<int>& labels) {
    const auto count = static_cast<std::uint32_t>(labels.size());
    std::string images = Word(0x803) + Word(count) + Word(2) + Word(3);
    std::string bytes = Word(0x801) + Word(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      images += std::string(6, static_cast<char>(i));
      bytes += static_cast<char>(labels[i]);
    }
    Write(prefix + "-images-idx3-ubyte", images);
    Write(prefix + "-labels-idx1-ubyte", bytes);
  }

  // Returns labels in the order of the classes; `sizes` has the number for each class.
  static std::vector<int> ByClass(const std::vector<int>& sizes) {
    std::vector<int> labels;
    for (std::size_t c = 0; c < sizes.size(); ++c) {
      labels.insert(labels.end(), static_cast<std::size_t>(sizes[c]), static_cast<int>(c));
    }
    return labels;
  }

  // Returns the number of images of each of `classes` classes.
  static std::vector<int> PerClass(const ImageSet& set, int classes) {
    std::vector<int> counts(static_cast<std::size_t>(classes));
    for (const Label label : set.labels) ++counts[label];
    return counts;
  }

  // Record i of a file: red plane i, green plane 100, blue plane 200.
  static std::string CifarRecords(int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      bytes += static_cast<char>(i % 10);
      bytes += std::string(1024, static_cast<char>(i)) + std::string(1024, 100) + std::string(1024, char(200));
    }
    return bytes;
  }

  void WriteCifar() {
    for (int i = 1; i <= 5; ++i) Write("data_batch_" + std::to_string(i) + ".bin", CifarRecords(10));
    Write("test_batch.bin", CifarRecords(7));
  }

  // Returns the message of the MachineError with which loading fails.
  std::string Trouble(const std::string& dataset) {
    DataSettings settings;
    settings.dataset = dataset;
    settings.holdout = Holdout::kTest;
    try {
      LoadDataset(settings, folder_);
    } catch (const MachineError& error) {
      return error.what();
    }
    return "loaded";
  }
};

TEST_F(DatasetFilesTest, Cifar10IsReadAndSplit) {
  WriteCifar();
  DataSettings settings;
  settings.dataset = "cifar10";
  settings.validation_examples = 8;
  const Dataset dataset = LoadDataset(settings, folder_);
  EXPECT_EQ(dataset.classes, 10);
  EXPECT_EQ(dataset.train.size(), 42U);
  EXPECT_EQ(dataset.holdout.size(), 8U);
  EXPECT_EQ(dataset.train.shape.channels, 3);
  for (const ImageSet* set : {&dataset.train, &dataset.holdout}) {
    for (std::size_t i = 0; i < set->size(); ++i) {
      const std::uint8_t* pixel = set->pixels.data() + i * set->image_bytes() + 3 * 500;
      EXPECT_EQ(pixel[0] % 10, set->labels[i]);  // Image and label stayed together,
      EXPECT_EQ(pixel[1], 100);                  // and planes became pixels.
      EXPECT_EQ(pixel[2], 200);
    }
  }
}

TEST_F(DatasetFilesTest, TestFileIsTheHoldoutWhereAskedFor) {
  WriteCifar();
  DataSettings settings;
  settings.dataset = "cifar10";
  settings.holdout = Holdout::kTest;
  const Dataset dataset = LoadDataset(settings, folder_);
  EXPECT_EQ(dataset.train.size(), 50U);
  EXPECT_EQ(dataset.holdout.size(), 7U);
}

TEST_F(DatasetFilesTest, Cifar100IsReadByItsFineLabels) {
  std::string records;
  for (int i = 0; i < 100; ++i) {
    records += static_cast<char>(i / 5);
    records += static_cast<char>(i) + std::string(1024, static_cast<char>(i)) + std::string(2048, 7);
  }
  Write("train.bin", records);
  Write("test.bin", records.substr(0, 3 * 3074));
  DataSettings settings;
  settings.dataset = "cifar100";
  settings.holdout = Holdout::kTest;
  const Dataset dataset = LoadDataset(settings, folder_);
  EXPECT_EQ(dataset.classes, 100);
  EXPECT_EQ(dataset.train.size(), 100U);
  EXPECT_EQ(dataset.holdout.size(), 3U);
  for (std::size_t i = 0; i < dataset.train.size(); ++i) {
    const std::uint8_t* pixel = dataset.train.pixels.data() + i * dataset.train.image_bytes() + 3 * 500;
    EXPECT_EQ(pixel[0], dataset.train.labels[i]);
    EXPECT_EQ(pixel[1], 7);
  }
  // Records of CIFAR-10 are one byte shorter.
  Write("train.bin", CifarRecords(10));
  EXPECT_THAT(Trouble("cifar100"), AllOf(HasSubstr("train.bin has 30730 bytes"), HasSubstr("3074")));
  records[1] = 100;
  Write("train.bin", records);
  EXPECT_THAT(Trouble("cifar100"), AllOf(HasSubstr("label 100 in record 0"), HasSubstr("labels 0 to 99")));
}

TEST_F(DatasetFilesTest, IdxSplitIsDisjointAndFixedByTheSeed) {
  WriteIdx("train", 100);
  DataSettings settings;
  settings.dataset = "idx";
  settings.validation_examples = 20;
  const Dataset dataset = LoadDataset(settings, folder_);
  EXPECT_EQ(dataset.classes, 5);
  EXPECT_TRUE((dataset.train.shape == Shape{1, 2, 3}));
  std::multiset<int> all;
  for (const ImageSet* set : {&dataset.train, &dataset.holdout}) {
    for (std::size_t i = 0; i < set->size(); ++i) all.insert(set->pixels[i * 6]);
  }
  EXPECT_EQ(all.size(), 100U);
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), 100U);
  EXPECT_EQ(Pixels(LoadDataset(settings, folder_).holdout), Pixels(dataset.holdout));
  settings.data_seed = 2;
  EXPECT_NE(Pixels(LoadDataset(settings, folder_).holdout), Pixels(dataset.holdout));
}

TEST_F(DatasetFilesTest, TheTestHoldoutIsAlwaysWhole) {
  WriteIdxOf("train", ByClass({40, 40, 40}));
  WriteIdxOf("t10k", ByClass({10, 10, 10}));
  DataSettings settings;
  settings.dataset = "idx";
  settings.holdout = Holdout::kTest;
  settings.validation_examples = 10;  // For a search. The first ten test images all have class 0.
  EXPECT_THAT(PerClass(LoadDataset(settings, folder_).holdout, 3), ElementsAre(10, 10, 10));
  settings.dataset = "shapes10";
  settings.validation_examples = 20;
  EXPECT_THAT(PerClass(LoadDataset(settings, "").holdout, 10), Each(100));
}

TEST_F(DatasetFilesTest, EveryClassHasItsShareOfEveryPart) {
  WriteIdxOf("train", ByClass({60, 30, 10}));
  DataSettings settings;
  settings.dataset = "idx";
  settings.validation_examples = 20;
  settings.train_examples = 40;
  for (settings.data_seed = 1; settings.data_seed <= 5; ++settings.data_seed) {
    const Dataset dataset = LoadDataset(settings, folder_);
    EXPECT_THAT(PerClass(dataset.holdout, 3), ElementsAre(12, 6, 2));
    EXPECT_THAT(PerClass(dataset.train, 3), ElementsAre(24, 12, 4));
  }
}

// One image in ten is held out, which is less than one image of the smaller classes.
TEST_F(DatasetFilesTest, SmallClassesAreInBothPartsIfTheyCan) {
  WriteIdxOf("train", ByClass({500, 8, 1}));
  DataSettings settings;
  settings.dataset = "idx";
  for (settings.data_seed = 1; settings.data_seed <= 5; ++settings.data_seed) {
    const Dataset dataset = LoadDataset(settings, folder_);
    EXPECT_THAT(PerClass(dataset.holdout, 3), ElementsAre(49, 1, 0));
    EXPECT_THAT(PerClass(dataset.train, 3), ElementsAre(451, 7, 1));
  }
}

// A training with patience chooses its best epoch by them.
TEST_F(DatasetFilesTest, ValidationImagesStandBesideTheTestIfAskedFor) {
  WriteIdxOf("train", ByClass({60, 30, 10}));
  WriteIdxOf("t10k", ByClass({5, 5, 5}));
  DataSettings settings;
  settings.dataset = "idx";
  settings.validation_examples = 20;
  const Dataset of_search = LoadDataset(settings, folder_);
  EXPECT_EQ(of_search.validation.size(), 0U);
  EXPECT_EQ(&of_search.selection(), &of_search.holdout);
  settings.holdout = Holdout::kTest;
  EXPECT_EQ(LoadDataset(settings, folder_).train.size(), 100U);
  settings.with_validation = true;
  const Dataset dataset = LoadDataset(settings, folder_);
  EXPECT_EQ(Pixels(dataset.train), Pixels(of_search.train));
  EXPECT_EQ(Pixels(dataset.validation), Pixels(of_search.holdout));
  EXPECT_EQ(&dataset.selection(), &dataset.validation);
  EXPECT_THAT(PerClass(dataset.holdout, 3), ElementsAre(5, 5, 5));
}

TEST_F(DatasetFilesTest, ThreadsChangeNothing) {
  DataSettings settings;
  settings.dataset = "shapes10";
  settings.train_examples = 50;
  settings.validation_examples = 7;
  std::vector<std::size_t> done;
  const Dataset dataset = LoadDataset(
      settings, "", MakeHeapBlock, [&](std::size_t images, std::size_t) { done.push_back(images); }, 4);
  EXPECT_EQ(dataset.checksum, LoadDataset(settings, "").checksum);
  std::vector<std::size_t> counted(57);
  std::iota(counted.begin(), counted.end(), 1);
  ASSERT_GT(done.size(), 57U);
  EXPECT_EQ(std::vector<std::size_t>(done.begin(), done.begin() + 57), counted);
}

// If there are many images, the statistics and the checksum take long after the last one was read.
TEST_F(DatasetFilesTest, ProgressGoesOnAfterTheLastImage) {
  DataSettings settings;
  settings.dataset = "shapes10";
  settings.train_examples = 4000;  // 12 MB, in three pieces for the statistics.
  settings.validation_examples = 10;
  std::vector<std::size_t> done;
  LoadDataset(settings, "", MakeHeapBlock, [&](std::size_t images, std::size_t) { done.push_back(images); });
  EXPECT_EQ(std::count(done.begin(), done.end(), 4010U), 1 + 3 + 1);
}

TEST_F(DatasetFilesTest, ImagesThatAreThereAreNotReadAgain) {
  WriteIdx("train", 20);
  DataSettings settings;
  settings.dataset = "idx";
  std::vector<std::uint8_t> states(20);
  states[3] = kImageRead;
  std::size_t first_done = 0;
  const Dataset dataset = LoadDataset(
      settings, folder_,
      [&](const DatasetLayout& layout) {
        LoadBlock block = MakeHeapBlock(layout);
        std::fill_n(block.bytes.get() + std::size_t{3} * 6, 6, 99);
        block.states = states.data();
        return block;
      },
      [&](std::size_t done, std::size_t) { first_done = first_done == 0 ? done : first_done; });
  EXPECT_EQ(first_done, 2U);
  for (std::size_t i = 0; i < dataset.train.size(); ++i) EXPECT_EQ(dataset.train.pixels[i * 6] == 99, i == 3) << i;
  EXPECT_EQ(std::count(states.begin(), states.end(), kImageRead), 20);
}

TEST_F(DatasetFilesTest, ClassesThatAPartLacksAreNamed) {
  WriteIdxOf("train", ByClass({500, 8, 1}));
  DataSettings settings;
  settings.dataset = "idx";
  EXPECT_THAT(LoadDataset(settings, folder_).notes, ElementsAre("idx: 1 of 3 classes has no validation image: 2"));
  settings.train_examples = 1;
  EXPECT_THAT(LoadDataset(settings, folder_).notes, ElementsAre("idx: 2 of 3 classes have no training image: 1, 2",
                                                                "idx: 1 of 3 classes has no validation image: 2"));
  WriteIdxOf("t10k", ByClass({0, 3, 3}));
  settings.train_examples.reset();
  settings.holdout = Holdout::kTest;
  EXPECT_THAT(LoadDataset(settings, folder_).notes, ElementsAre("idx: 1 of 3 classes has no test image: 0"));
}

TEST_F(DatasetFilesTest, MoreExamplesThanThereAreIsInfeasible) {
  WriteIdx("train", 100);
  DataSettings settings;
  settings.dataset = "idx";
  settings.train_examples = 91;  // A tenth is held out.
  try {
    LoadDataset(settings, folder_);
    FAIL();
  } catch (const InfeasibleError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("train.train_examples is 91"), HasSubstr("only 90")));
  }
}

TEST_F(DatasetFilesTest, WhatIsMissingOrBrokenIsNamed) {
  EXPECT_THAT(Trouble("cifar10"), AllOf(HasSubstr("data_batch_1.bin"), HasSubstr("expected CIFAR-10 records")));
  EXPECT_THAT(Trouble("idx"), AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("expected an uncompressed IDX")));

  WriteCifar();
  Write("data_batch_3.bin", CifarRecords(10).substr(0, 30000));
  EXPECT_THAT(Trouble("cifar10"), AllOf(HasSubstr("data_batch_3.bin has 30000 bytes"), HasSubstr("3073")));
  Write("data_batch_3.bin", "");
  EXPECT_THAT(Trouble("cifar10"), HasSubstr("data_batch_3.bin has 0 bytes"));
  Write("data_batch_3.bin", std::string(3073, char(10)));
  EXPECT_THAT(Trouble("cifar10"), HasSubstr("data_batch_3.bin has label 10 in record 0"));

  WriteIdx("train", 20);
  WriteIdx("t10k", 10);
  EXPECT_EQ(Trouble("idx"), "loaded");
  Write("t10k-labels-idx1-ubyte", Word(0x801) + Word(9) + std::string(9, 0));
  EXPECT_THAT(Trouble("idx"), AllOf(HasSubstr("t10k-labels-idx1-ubyte holds 9 labels"), HasSubstr("expected 10")));
  Write("train-images-idx3-ubyte", Word(0x803) + Word(20) + Word(2) + Word(3) + std::string(119, 0));
  EXPECT_THAT(Trouble("idx"), AllOf(HasSubstr("train-images-idx3-ubyte has 135 bytes"), HasSubstr("requires 136")));
  Write("train-images-idx3-ubyte", Word(0x803) + Word(0xffffffff) + Word(0xffffffff) + Word(0xffffffff));
  EXPECT_THAT(Trouble("idx"), HasSubstr("truncated or broken"));
  Write("train-images-idx3-ubyte", Word(0x803) + Word(20));
  EXPECT_THAT(Trouble("idx"), HasSubstr("truncated or broken"));
  Write("train-images-idx3-ubyte", Word(0x801) + Word(20) + std::string(20, 0));
  EXPECT_THAT(Trouble("idx"), AllOf(HasSubstr("train-images-idx3-ubyte"), HasSubstr("magic number 2051")));
  Write("train-images-idx3-ubyte", "\x1f\x8b\x08 compressed");
  EXPECT_THAT(Trouble("idx"), HasSubstr("gunzip"));
  Write("train-images-idx3-ubyte", Word(0x803) + Word(20) + Word(0) + Word(3));
  EXPECT_THAT(Trouble("idx"), HasSubstr("20 images of 0x3"));
}

TEST_F(DatasetFilesTest, OneImageCannotBeDivided) {
  Write("train.bin", std::string(3074, '\1'));
  Write("test.bin", std::string(3074, '\1'));
  DataSettings settings;
  settings.dataset = "cifar100";
  try {
    LoadDataset(settings, folder_);
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cifar100 has 1 training image"));
  }
  // For a final training, no image is held out.
  EXPECT_EQ(Trouble("cifar100"), "loaded");
}

TEST_F(DatasetFilesTest, FolderThatIsNotThereIsNamed) {
  folder_ /= "absent";
  EXPECT_THAT(Trouble("idx"),
              AllOf(HasSubstr("data directory "), HasSubstr("absent/ not found"), HasSubstr("--data-dir")));
  folder_.clear();
  EXPECT_THAT(Trouble("cifar10"), HasSubstr("--data-dir"));
}

TEST(Shapes10, FixedByTheSeedAlone) {
  const std::vector<std::uint8_t> few = Pixels(*MakeShapes10({3, 0}, 20));
  const auto more_images = MakeShapes10({3, 0}, 40);
  const std::vector<std::uint8_t> more = Pixels(*more_images);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), more.begin()));
  const auto large = MakeShapes10({3, 0}, 2, 64);
  EXPECT_TRUE((large->shape() == Shape{3, 64, 64}));
  EXPECT_EQ(Pixels(*large).size(), 2U * 3 * 64 * 64);
  EXPECT_NE(Pixels(*MakeShapes10({4, 0}, 20)), few);
  EXPECT_NE(Pixels(*MakeShapes10({3, 1}, 20)), few);
  for (int label = 0; label < kShapes10Classes; ++label) {
    EXPECT_EQ(std::count(more_images->labels().begin(), more_images->labels().end(), label), 4);
  }
}

class Batches : public ::testing::Test {
 protected:
  Batches() {
    DataSettings settings;
    settings.dataset = "shapes10";
    settings.train_examples = 64;
    settings.validation_examples = 10;
    dataset_ = LoadDataset(settings, "");
    indices_.resize(64);
    std::iota(indices_.begin(), indices_.end(), 0);
    plain_ = Write(nullptr);
  }

  std::vector<float> Write(RandomStream* augment) {
    std::vector<float> out(64 * dataset_.train.image_bytes());
    BatchWriter(dataset_).Write(dataset_.train, indices_.data(), 64, augment, out.data());
    return out;
  }

  Dataset dataset_;
  std::vector<std::uint32_t> indices_;
  std::vector<float> plain_;
};

TEST_F(Batches, AreNormalised) {
  double sum = 0, squares = 0;
  for (const float value : plain_) {
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(plain_.size());
  EXPECT_NEAR(sum / count, 0, 1e-4);
  EXPECT_NEAR(squares / count, 1, 1e-3);
}

TEST_F(Batches, AugmentationShiftsAndFlips) {
  RandomStream random({1});
  RandomStream same({1});
  const std::vector<float> augmented = Write(&random);
  EXPECT_EQ(Write(&same), augmented);
  // Every image is a flip and shift of its original. All flips and many shifts occur.
  std::set<int> seen;
  const auto pixel = [&](const std::vector<float>& images, std::size_t i, int y, int x) {
    return images[i * 3072 + static_cast<std::size_t>((y * 32 + x) * 3)];
  };
  for (std::size_t i = 0; i < 64; ++i) {
    int matches = 0;
    for (int flip = 0; flip < 2; ++flip) {
      for (int down = -4; down <= 4; ++down) {
        for (int right = -4; right <= 4; ++right) {
          bool equal = true;
          for (int y = 4; y < 28 && equal; ++y) {
            for (int x = 4; x < 28 && equal; ++x) {
              equal = pixel(augmented, i, y, x) == pixel(plain_, i, y - down, (flip == 1 ? 31 - x : x) - right);
            }
          }
          if (!equal) continue;
          ++matches;
          seen.insert((flip * 9 + down + 4) * 9 + right + 4);
        }
      }
    }
    EXPECT_EQ(matches, 1) << "image " << i;
  }
  EXPECT_GT(seen.size(), 30U);
  EXPECT_LT(*seen.begin(), 81);
  EXPECT_GE(*seen.rbegin(), 81);
}

}  // namespace
}  // namespace layernas::trainer
