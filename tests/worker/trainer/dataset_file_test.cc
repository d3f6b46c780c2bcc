#include "worker/trainer/dataset_file.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "tests/worker/trainer/temp_folder.h"
#include "worker/trainer/cache_folder.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

class DatasetFile : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    path_ = folder_ / "data";
    layout_.shape = {3, 2, 2};
    layout_.train = 4;
    layout_.holdout = 1;
    layout_.classes = 2;
  }

  // Starts a process that is killed after it has read two images.
  void BeginInAnotherProcess() {
    std::fflush(nullptr);
    const pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) {
      NewDatasetFile file(path_, identity_);
      const LoadBlock block = file.Allocate(layout_);
      std::fill_n(block.bytes.get() + 12, 24, 'x');
      block.states[1] = block.states[2] = kImageRead;
      _exit(0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(process, &status, 0), process);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(fs::exists(path_.string() + ".tmp"));
    ASSERT_FALSE(fs::exists(path_));
  }

  std::string States() {
    NewDatasetFile file(path_, identity_);
    const LoadBlock block = file.Allocate(layout_);
    std::string states;
    for (std::size_t i = 0; i < layout_.images(); ++i) states += static_cast<char>('0' + block.states[i]);
    return states;
  }

  fs::path path_;
  DatasetIdentity identity_ = {"key", 7};
  DatasetLayout layout_;
};

TEST_F(DatasetFile, ContinuesWhereAProcessWasKilled) {
  BeginInAnotherProcess();
  {
    NewDatasetFile file(path_, identity_);
    const LoadBlock block = file.Allocate(layout_);
    EXPECT_EQ(std::string(block.states, block.states + 5), std::string("\0\1\1\0\0", 5));
    EXPECT_EQ(std::string(block.bytes.get() + 12, block.bytes.get() + 36), std::string(24, 'x'));
    std::fill_n(block.bytes.get(), layout_.block_bytes(), 'y');
    Dataset dataset = ViewDataset(layout_, block.bytes, {1, 2, 3}, {4, 5, 6});
    dataset.checksum = Checksum(block.bytes.get(), layout_.block_bytes());
    file.Finish(dataset);
  }
  EXPECT_FALSE(fs::exists(path_.string() + ".tmp"));
  int ticks = 0;
  const auto dataset = OpenDatasetFile(path_, identity_, [&] { ++ticks; });
  ASSERT_TRUE(dataset.has_value());
  EXPECT_EQ(ticks, 1);
  EXPECT_EQ(dataset->train.size(), 4U);
  EXPECT_EQ(dataset->train.pixels[0], 'y');
  EXPECT_FALSE(OpenDatasetFile(path_, {"key", 8}).has_value());
}

// Names of folders can have any bytes.
TEST_F(DatasetFile, IsFoundAgainUnderANameThatIsNotText) {
  const DatasetIdentity identity = {"/data\xe9%", 7};
  NewDatasetFile file(path_, identity);
  const LoadBlock block = file.Allocate(layout_);
  std::fill_n(block.bytes.get(), layout_.block_bytes(), 'y');
  Dataset dataset = ViewDataset(layout_, block.bytes, {1, 2, 3}, {4, 5, 6});
  dataset.checksum = Checksum(block.bytes.get(), layout_.block_bytes());
  file.Finish(dataset);
  EXPECT_TRUE(OpenDatasetFile(path_, identity).has_value());
  EXPECT_FALSE(OpenDatasetFile(path_, {"/data\xe8%", 7}).has_value());
}

TEST_F(DatasetFile, LongWorkTicks) {
  layout_.train = (std::size_t{40} << 20) / 12;
  NewDatasetFile file(path_, identity_);
  int ticks = 0;
  const LoadBlock block = file.Allocate(layout_, [&] { ++ticks; });
  EXPECT_EQ(ticks, 1);
  // 40 MiB and the labels.
  ticks = 0;
  const std::uint32_t checksum = Checksum(block.bytes.get(), layout_.block_bytes(), 0, [&] { ++ticks; });
  EXPECT_EQ(ticks, 3);
  const std::size_t half = layout_.block_bytes() / 2;
  EXPECT_EQ(checksum,
            Checksum(block.bytes.get() + half, layout_.block_bytes() - half, Checksum(block.bytes.get(), half)));
}

TEST_F(DatasetFile, StartsAgainIfWhatIsThereIsOfSomethingElse) {
  BeginInAnotherProcess();
  identity_.stamp = 8;
  EXPECT_EQ(States(), "00000");
  BeginInAnotherProcess();
  identity_.key = "other";
  EXPECT_EQ(States(), "00000");
  BeginInAnotherProcess();
  std::swap(layout_.train, layout_.holdout);
  EXPECT_EQ(States(), "00000");
  BeginInAnotherProcess();
  fs::resize_file(path_.string() + ".tmp", 20'000);
  EXPECT_EQ(States(), "00000");
}

TEST_F(DatasetFile, AFailureLeavesNothingBehind) {
  BeginInAnotherProcess();
  EXPECT_EQ(States(), "01100");
  // The file was not finished, for example because an image is broken.
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace layernas::trainer
