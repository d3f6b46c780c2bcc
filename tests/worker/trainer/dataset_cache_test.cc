#include "worker/trainer/dataset_cache.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include "common/base/processors.h"
#include "tests/worker/trainer/temp_folder.h"
#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::uint8_t> Pixels(const Dataset& dataset) {
  return {dataset.train.pixels.begin(), dataset.train.pixels.end()};
}

class SharedData : public TempFolder {
 protected:
  void SetUp() override {
    TempFolder::SetUp();
    options_ = {folder_ / "cache" / "data", 1 << 30};
    settings_.dataset = "cifar100";
    settings_.validation_examples = 3;
    WriteSource('a');
  }

  // Writes 20 images of one grey level.
  void WriteSource(char grey) {
    std::string records;
    for (int i = 0; i < 20; ++i) records += std::string(1, '\0') + static_cast<char>(i) + std::string(3072, grey);
    Write("train.bin", records);
  }

  DatasetCache Cache() {
    return {folder_, options_, [this](const std::string& line) { log_.push_back(line); }};
  }
  Dataset Load() { return *Cache().Get(settings_); }

  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(options_.folder)) {
      if (entry.path().extension() != ".lock") files.push_back(entry.path());
    }
    return files;
  }

  CacheOptions options_;
  DataSettings settings_;
  std::vector<std::string> log_;
};

TEST_F(SharedData, IsWhatLoadingGives) {
  settings_.dataset = "shapes10";
  settings_.train_examples = 30;
  settings_.holdout = Holdout::kTest;
  settings_.with_validation = true;
  const Dataset loaded = LoadDataset(settings_, "");
  const Dataset made = Load();
  const Dataset opened = Load();
  for (const Dataset* dataset : {&made, &opened}) {
    EXPECT_EQ(Pixels(*dataset), Pixels(loaded));
    EXPECT_EQ(std::vector<Label>(dataset->train.labels.begin(), dataset->train.labels.end()),
              std::vector<Label>(loaded.train.labels.begin(), loaded.train.labels.end()));
    EXPECT_EQ(dataset->holdout.size(), 1000U);
    EXPECT_EQ(dataset->validation.size(), 3U);
    EXPECT_EQ(dataset->notes, loaded.notes);
    EXPECT_EQ(dataset->notes.size(), 1U);
    EXPECT_EQ(dataset->classes, 10);
    EXPECT_EQ(dataset->mean, loaded.mean);
    EXPECT_EQ(dataset->deviation, loaded.deviation);
    EXPECT_EQ(dataset->checksum, loaded.checksum);
  }
  EXPECT_EQ(Files().size(), 1U);
  // On a busy machine, loading takes long enough for a line about its progress.
  EXPECT_THAT(log_, Each(StartsWith("loading ")));
  struct stat info {};
  ASSERT_EQ(stat(options_.folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

// No architecture is to blame, so it must not become infeasible.
TEST_F(SharedData, TooLittleMemoryIsAFaultOfTheMachine) {
  for (const fs::path& folder : {options_.folder, fs::path()}) {
    options_.folder = folder;
    DatasetCache cache = Cache();
    try {
      cache.Get(settings_, [](std::size_t done, std::size_t) {
        if (done > 0) throw std::bad_alloc();
      });
      FAIL() << folder;
    } catch (const DataMemoryError& error) {
      EXPECT_THAT(error.what(), AllOf(StartsWith("not enough memory to load the data set cifar100 3x32x32"),
                                      HasSubstr(" (1 MiB): "), HasSubstr("this process uses")));
    }
  }
}

TEST_F(SharedData, SecondProcessMapsWhatTheFirstMade) {
  std::fflush(nullptr);
  const pid_t first = fork();
  ASSERT_GE(first, 0);
  if (first == 0) _exit(Load().train.size() == 17 ? 0 : 1);
  int status = -1;
  ASSERT_EQ(waitpid(first, &status, 0), first);
  ASSERT_EQ(status, 0);
  // A recreated file is another file.
  const auto inode = [&] {
    struct stat info {};
    EXPECT_EQ(stat(Files().at(0).c_str(), &info), 0);
    return info.st_ino;
  };
  const auto made = inode();
  const Dataset dataset = Load();
  EXPECT_EQ(inode(), made);
  EXPECT_THAT(Pixels(dataset), Each('a'));
  // The memory is mapped from the file.
  const std::string maps = ReadAll("/proc/self/maps");
  EXPECT_THAT(maps, HasSubstr(Files().at(0).string()));
}

TEST_F(SharedData, ManyProcessesAtOnceMakeItOnce) {
  settings_.dataset = "shapes10";
  settings_.train_examples = 2000;
  const std::uint32_t checksum = LoadDataset(settings_, "").checksum;
  std::fflush(nullptr);
  std::vector<pid_t> processes;
  for (int i = 0; i < 4; ++i) {
    const pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) {
      const bool right = Load().checksum == checksum;
      struct stat info {};
      // The inode identifies the file that each process got.
      if (!right || stat(Files().at(0).c_str(), &info) != 0) _exit(1);
      Write("inode-" + std::to_string(i), std::to_string(info.st_ino));
      _exit(0);
    }
    processes.push_back(process);
  }
  for (const pid_t process : processes) {
    int status = -1;
    ASSERT_EQ(waitpid(process, &status, 0), process);
    EXPECT_EQ(status, 0);
  }
  for (int i = 1; i < 4; ++i) {
    EXPECT_EQ(ReadAll(folder_ / ("inode-" + std::to_string(i))), ReadAll(folder_ / "inode-0"));
  }
  EXPECT_EQ(Files().size(), 1U);
}

TEST_F(SharedData, StaleFileIsMadeAnew) {
  EXPECT_THAT(Pixels(Load()), Each('a'));
  WriteSource('b');
  fs::last_write_time(folder_ / "train.bin", fs::last_write_time(folder_ / "train.bin") + std::chrono::seconds(2));
  EXPECT_THAT(Pixels(Load()), Each('b'));
  EXPECT_EQ(Files().size(), 1U);
  fs::remove(folder_ / "train.bin");
  EXPECT_THROW(Load(), MachineError);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(SharedData, DataThatChangesWhileItIsInUseIsLoadedAgain) {
  for (const bool shared : {true, false}) {
    if (!shared) options_.folder.clear();
    WriteSource('a');
    log_.clear();
    DatasetCache cache = Cache();
    const auto before = cache.Get(settings_);
    EXPECT_THAT(Pixels(*before), Each('a'));
    EXPECT_EQ(cache.Get(settings_), before);
    WriteSource('b');
    fs::last_write_time(folder_ / "train.bin", fs::last_write_time(folder_ / "train.bin") + std::chrono::seconds(2));
    const auto after = cache.Get(settings_);
    EXPECT_THAT(Pixels(*after), Each('b'));
    EXPECT_NE(after->checksum, before->checksum);
    EXPECT_THAT(log_, ElementsAre(HasSubstr("have changed since it was loaded")));
    EXPECT_THAT(Pixels(*before), Each('a'));  // Its owners keep the old one.
  }
}

// As after cp -p and rsync -a.
TEST_F(SharedData, AFileOfTheSameSizeAndTimeIsNoticed) {
  DatasetCache cache = Cache();
  EXPECT_THAT(Pixels(*cache.Get(settings_)), Each('a'));
  const auto time = fs::last_write_time(folder_ / "train.bin");
  // The clock of file systems ticks some hundred times a second.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  WriteSource('b');
  fs::last_write_time(folder_ / "train.bin", time);
  EXPECT_THAT(Pixels(*cache.Get(settings_)), Each('b'));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("have changed since it was loaded")));
  // The file in the cache folder is not used either.
  EXPECT_THAT(Pixels(Load()), Each('b'));
}

TEST_F(SharedData, DamagedFileIsMadeAnew) {
  Load();
  const fs::path file = Files().at(0);
  const std::string good = ReadAll(file);
  const auto damaged = [&](std::size_t at) {
    std::string bytes = good;
    bytes[at] ^= 1;
    return bytes;
  };
  for (const std::string& bytes :
       {damaged(good.find("mean") + 7), damaged(2), damaged(5000), damaged(good.size() - 1), good.substr(0, 100),
        good.substr(0, good.size() - 1), std::string(), good + "x", std::string(8000, '['), std::string(8000, '\0')}) {
    log_.clear();
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    EXPECT_THAT(Pixels(Load()), Each('a'));
    EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr(file.string()), HasSubstr("creating it again"))));
    EXPECT_EQ(ReadAll(file), good);
  }
  // The file of a process that was killed while it wrote.
  std::ofstream(file.string() + ".tmp") << "half";
  fs::remove(file);
  EXPECT_THAT(Pixels(Load()), Each('a'));
  EXPECT_EQ(Files().size(), 1U);
}

TEST_F(SharedData, WithoutRoomItIsInMemory) {
  // A limit on the file size has the same effect as a full disk.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 20'000;
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Dataset dataset = Load();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(Pixels(dataset), Each('a'));
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("cannot share the data set"), HasSubstr("cannot write"))));
  EXPECT_THAT(Files(), IsEmpty());

  log_.clear();
  Write("file", "");
  options_.folder = folder_ / "file" / "data";
  EXPECT_THAT(Pixels(Load()), Each('a'));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("cannot share the data set")));
  options_.folder = folder_ / "open";
  fs::create_directory(options_.folder);
  fs::permissions(options_.folder, fs::perms::all);
  EXPECT_THAT(Pixels(Load()), Each('a'));
  EXPECT_THAT(log_.back(), HasSubstr("other users can write to it"));
  options_.folder.clear();
  log_.clear();
  EXPECT_THAT(Pixels(Load()), Each('a'));
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(SharedData, BrokenSourceLeavesNothingBehind) {
  Write("train.bin", "broken");
  EXPECT_THROW(Load(), MachineError);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(SharedData, WhatWasUsedLongestAgoGoes) {
  const std::uintmax_t one = (Load(), fs::file_size(Files().at(0)));
  options_.limit_bytes = 2 * one + one / 2;
  const fs::path first = Files().at(0);
  settings_.data_seed = 2;
  Load();
  fs::path second = Files().at(0) == first ? Files().at(1) : Files().at(0);
  const auto age = [](const fs::path& path, int hours) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  };
  age(first, 5);
  age(second, 4);
  settings_.data_seed = 1;
  Load();  // Used again.
  settings_.data_seed = 3;
  const Dataset third = Load();
  EXPECT_TRUE(fs::exists(first));
  EXPECT_FALSE(fs::exists(second));
  EXPECT_EQ(Files().size(), 2U);
  options_.limit_bytes = 0;
  settings_.data_seed = 4;
  Load();
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_THAT(Pixels(third), Each('a'));  // Its file is deleted, but its memory stays.
}

TEST_F(SharedData, RoomIsMadeBeforeAFileIsWritten) {
  const std::uintmax_t one = (Load(), fs::file_size(Files().at(0)));
  options_.limit_bytes = one + one / 2;
  settings_.data_seed = 2;
  std::uintmax_t most = 0;
  Cache().Get(settings_, [&](std::size_t, std::size_t) {
    std::uintmax_t sum = 0;
    for (const fs::path& file : Files()) sum += fs::file_size(file);
    most = std::max(most, sum);
  });
  EXPECT_GE(most, one);
  EXPECT_LE(most, options_.limit_bytes);
  EXPECT_EQ(Files().size(), 1U);
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(SharedData, WhatIsLargerThanTheLimitIsInMemory) {
  options_.limit_bytes = 30'000;
  EXPECT_THAT(Pixels(Load()), Each('a'));
  EXPECT_THAT(Files(), IsEmpty());
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("cannot share the data set"), HasSubstr("it takes 77884 bytes"),
                                      HasSubstr("--data-cache-limit is 30000 bytes"))));
}

TEST_F(SharedData, TheFileOfALoadInProgressStays) {
  const std::uintmax_t one = (Load(), fs::file_size(Files().at(0)));
  fs::remove(Files().at(0));
  options_.limit_bytes = one + one / 2;
  DataSettings other = settings_;
  other.data_seed = 2;
  bool was_complete = false;
  Cache().Get(settings_, [&](std::size_t done, std::size_t images) {
    if (images == 0 || done < images || std::exchange(was_complete, true)) return;
    EXPECT_THAT(Pixels(*Cache().Get(other)), Each('a'));
  });
  EXPECT_TRUE(was_complete);
  EXPECT_THAT(log_, ElementsAre(AllOf(HasSubstr("cannot share the data set"), HasSubstr("files in use"),
                                      HasSubstr("--data-cache-limit"))));
  ASSERT_EQ(Files().size(), 1U);
  EXPECT_EQ(Files().at(0).extension(), "");
}

// For example --cache-dir . in a project.
TEST_F(SharedData, FilesOfTheUserStay) {
  fs::create_directories(options_.folder);
  fs::permissions(options_.folder, fs::perms::owner_all);
  const std::string name = CacheFileName("x");
  const std::vector<std::string> names = {"images.tar",
                                          "data_batch_1.bin",
                                          "notes.tmp",
                                          ".tmp",
                                          "a",
                                          name + ".pt",
                                          name + "0",
                                          name + "x.tmp",
                                          name + ".lock",
                                          "0123456789ABCDEF",
                                          name + ".new-version.tmp",
                                          name + ".tmp.gz",
                                          "x" + name,
                                          name + ".tmp.lock2",
                                          name.substr(1)};
  for (const std::string& each : names) {
    std::ofstream(options_.folder / each) << "mine";
    fs::last_write_time(options_.folder / each, fs::file_time_type::clock::now() - std::chrono::hours(50));
  }
  fs::create_symlink(folder_ / "train.bin", options_.folder / CacheFileName("link"));
  fs::create_directory(options_.folder / CacheFileName("folder"));
  options_.limit_bytes = 80'000;
  Load();
  settings_.data_seed = 2;
  Load();
  for (const std::string& each : names) EXPECT_TRUE(fs::exists(options_.folder / each)) << each;
  EXPECT_TRUE(fs::is_symlink(options_.folder / CacheFileName("link")));
  EXPECT_TRUE(fs::exists(options_.folder / CacheFileName("folder")));
  EXPECT_THAT(log_, IsEmpty());  // They do not count either.
}

TEST_F(SharedData, UnfinishedFilesGoAfterADay) {
  fs::create_directories(options_.folder);
  fs::permissions(options_.folder, fs::perms::owner_all);
  const auto path = [this](const char* key) { return options_.folder / (CacheFileName(key) + ".tmp"); };
  for (const char* key : {"old", "new", "in use"}) std::ofstream(path(key)) << "half";
  for (const char* key : {"old", "in use"}) {
    fs::last_write_time(path(key), fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  {
    const FileLock lock(options_.folder / (CacheFileName("in use") + ".lock"), nullptr);
    Load();
  }
  EXPECT_FALSE(fs::exists(path("old")));
  EXPECT_TRUE(fs::exists(path("new")));
  EXPECT_TRUE(fs::exists(path("in use")));
  settings_.data_seed = 2;
  Load();
  EXPECT_FALSE(fs::exists(path("in use")));
}

using Loaded = std::vector<std::pair<std::size_t, std::size_t>>;

TEST_F(SharedData, LoadingIsReported) {
  Loaded loaded;
  const auto report = [&loaded](std::size_t done, std::size_t images) { loaded.emplace_back(done, images); };
  DatasetCache cache = Cache();
  cache.Get(settings_, report);
  ASSERT_GE(loaded.size(), 2U);
  EXPECT_EQ(loaded.front(), std::make_pair(std::size_t{0}, std::size_t{0}));
  EXPECT_EQ(loaded.back(), std::make_pair(std::size_t{20}, std::size_t{20}));
  // For a data set in this process's memory, the source files are checked, which takes long if
  // there are many.
  loaded.clear();
  cache.Get(settings_, report);
  EXPECT_EQ(loaded, Loaded(1));
  // In addition, a file in the cache folder is checked.
  loaded.clear();
  Cache().Get(settings_, report);
  EXPECT_EQ(loaded, Loaded(2));
}

// Work that may take long must not count towards the timeout of the evaluation.
TEST_F(SharedData, WhatTakesLongIsReportedMeanwhile) {
  Load();
  // Each call takes so long that the next report is due.
  Loaded loaded;
  Cache().Get(settings_, [&](std::size_t done, std::size_t images) {
    loaded.emplace_back(done, images);
    std::this_thread::sleep_for(std::chrono::milliseconds(1010));
  });
  // Reports: at the beginning, for the source file, before the file in the cache, and for its only
  // piece.
  EXPECT_EQ(loaded, Loaded(4));
  EXPECT_THAT(log_, ElementsAre(HasSubstr("checking the times of its files")));
}

TEST_F(SharedData, IsLoadedByAllProcessors) {
  if (UsableProcessors() < 2) GTEST_SKIP() << "there is one processor";
  options_.folder.clear();
  settings_.dataset = "shapes10";
  settings_.train_examples = 2000;
  bool was_helped = false;
  DatasetCache cache = Cache();
  for (std::uint32_t seed = 0; seed < 300 && !was_helped; ++seed) {
    settings_.data_seed = seed;
    // The thread that reads the last image reports it.
    cache.Get(settings_, [&, caller = std::this_thread::get_id()](std::size_t done, std::size_t images) {
      if (images > 0 && done == images && std::this_thread::get_id() != caller) was_helped = true;
    });
  }
  EXPECT_TRUE(was_helped);
}

TEST_F(SharedData, WaitingForAnotherTrainerIsReported) {
  Load();
  const fs::path path = Files().at(0);
  auto other = std::make_unique<FileLock>(path.string() + ".lock", nullptr);
  Loaded loaded;
  // Reports: at the beginning, when it starts to wait, and before the file is opened. The other
  // cache loads the data, and finishes when this one has reported that it waits.
  Cache().Get(settings_, [&](std::size_t done, std::size_t images) {
    loaded.emplace_back(done, images);
    if (loaded.size() == 2) other.reset();
  });
  EXPECT_EQ(loaded, Loaded(3));
}

TEST_F(SharedData, ProcessKeepsTheLastFew) {
  DatasetCache cache = Cache();
  const auto first = cache.Get(settings_);
  EXPECT_EQ(cache.Get(settings_), first);
  for (std::uint32_t seed = 2; seed <= 4; ++seed) {
    settings_.data_seed = seed;
    EXPECT_NE(cache.Get(settings_), first);
  }
  settings_.data_seed = 1;
  EXPECT_NE(cache.Get(settings_), first);  // The three others replaced it, so that memory is bounded.
}

}  // namespace
}  // namespace layernas::trainer
