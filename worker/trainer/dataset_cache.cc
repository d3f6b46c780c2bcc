#include "worker/trainer/dataset_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "common/base/processors.h"
#include "worker/trainer/dataset_file.h"
#include "worker/trainer/errors.h"
#include "worker/trainer/machine.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kFirstLine{1};
constexpr std::chrono::seconds kLogInterval{10};
// The worker's timeout, which may be short, counts from the last call.
constexpr std::chrono::seconds kCallInterval{1};

std::string DataKey(const DataSettings& settings, const fs::path& data_dir) {
  std::ostringstream key;
  key << settings.dataset << ' ' << settings.input.channels << 'x' << settings.input.height << 'x'
      << settings.input.width << " seed " << settings.data_seed << " train " << settings.train_examples.value_or(0)
      << " holdout " << settings.validation_examples.value_or(0)
      << (settings.holdout == Holdout::kTest ? " test" : " validation")
      << (settings.with_validation ? " with validation" : "") << (settings.skip_bad_files ? " skipping" : "");
  std::error_code error;
  if (settings.dataset != "shapes10") key << " in " << fs::absolute(data_dir / settings.folder, error).string();
  return key.str();
}

// Returns a value that changes whenever a source file does. It includes the time of the last change
// (ctime), which cannot be set. So a replaced file is noticed even if it has the same size and
// modification time, as after cp -p or rsync -a. Inode numbers would add little, and some network
// file systems change them at any time.
std::uint64_t SourceStamp(const DataSettings& settings, const fs::path& data_dir, const Tick& tick) {
  std::uint64_t stamp = HashText("");
  for (const fs::path& path : DatasetFiles(settings, data_dir, tick)) {
    Call(tick);
    struct stat info {};
    std::ostringstream text;
    text << path.native() << '\n';
    if (stat(path.c_str(), &info) == 0) {
      text << info.st_size;
      for (const timespec& time : {info.st_mtim, info.st_ctim}) text << ' ' << time.tv_sec << ' ' << time.tv_nsec;
      text << '\n';
    }
    stamp = HashText(text.str(), stamp);
  }
  return stamp;
}

}  // namespace

// Reports the progress of loading a data set to the log and to the caller, at limited rates.
class DatasetCache::LoadingReport {
 public:
  LoadingReport(const std::string& key, const LogLine& log, const LoadCallback& on_loading)
      : key_(key), log_(log), on_loading_(on_loading) {}

  // Calls the callback now, because a step that may take long follows.
  void Say() {
    next_call_ = Clock::now() + kCallInterval;
    if (on_loading_) on_loading_(done_, images_);
  }

  // Call this repeatedly while files are examined.
  void GoesOn(const char* what) {
    const Clock::time_point now = Clock::now();
    if (IsLineDue(now)) log_("loading " + key_ + ": " + what);
    if (now >= next_call_) Say();
  }

  void Progressed(std::size_t done, std::size_t images) {
    if (images == 0) return GoesOn("listing its files");
    const bool was_complete = images_ > 0 && done_ == images_;
    done_ = done;
    images_ = images;
    if (was_complete) return GoesOn("checking its images");
    const Clock::time_point now = Clock::now();
    if (IsLineDue(now)) {
      log_("loading " + key_ + ": " + std::to_string(done) + " of " + std::to_string(images) + " images");
    }
    if (now >= next_call_ || done == images) Say();
  }

  void Needs(std::size_t bytes) { bytes_ = bytes; }

  std::string DescribeLackOfMemory() const {
    return "not enough memory to load the data set " + key_ +
           (bytes_ == 0 ? "" : " (" + std::to_string((bytes_ + (1 << 20) - 1) >> 20) + " MiB)") + ": " +
           DescribeMemory();
  }

  void Waits() {
    if (!std::exchange(told_of_wait_, true)) log_("waiting for another trainer to load " + key_);
    if (Clock::now() >= next_call_) Say();
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool IsLineDue(Clock::time_point now) {
    if (now < next_line_) return false;
    next_line_ = now + kLogInterval;
    return true;
  }

  const std::string& key_;
  const LogLine& log_;
  const LoadCallback& on_loading_;
  Clock::time_point next_line_ = Clock::now() + kFirstLine;
  Clock::time_point next_call_ = Clock::now();
  bool told_of_wait_ = false;
  std::size_t done_ = 0;
  std::size_t images_ = 0;
  // The size of the data set in memory; 0: unknown.
  std::size_t bytes_ = 0;
};

DatasetCache::DatasetCache(fs::path data_dir, CacheOptions options, LogLine log)
    : data_dir_(std::move(data_dir)), options_(std::move(options)), log_(std::move(log)) {}

std::shared_ptr<const Dataset> DatasetCache::Get(const DataSettings& settings, const LoadCallback& on_loading) {
  const std::string key = DataKey(settings, data_dir_);
  LoadingReport report(key, log_, on_loading);
  try {
    return Get(settings, key, report);
  } catch (const std::bad_alloc&) {
    throw DataMemoryError(report.DescribeLackOfMemory());
  }
}

std::shared_ptr<const Dataset> DatasetCache::Get(const DataSettings& settings, const std::string& key,
                                                 LoadingReport& report) {
  // Enough for the searches that share a fleet, but a limit on memory.
  constexpr std::size_t kMaxEntries = 3;
  report.Say();
  const std::uint64_t stamp =
      SourceStamp(settings, data_dir_, [&report] { report.GoesOn("checking the times of its files"); });
  auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end() && found->stamp != stamp) {
    log_("warning: the files of the data set have changed since it was loaded; reloading " + key);
    entries_.erase(found);
    found = entries_.end();
  }
  if (found != entries_.end()) {
    std::rotate(entries_.begin(), found, found + 1);
  } else {
    auto dataset = std::make_shared<const Dataset>(Load(settings, key, stamp, report));
    if (entries_.size() == kMaxEntries) entries_.pop_back();
    entries_.insert(entries_.begin(), {key, stamp, std::move(dataset)});
  }
  return entries_.front().dataset;
}

Dataset DatasetCache::Load(const DataSettings& settings, const std::string& key, std::uint64_t stamp,
                           LoadingReport& report) const {
  const auto load = [&](const MakeBlock& make_block) {
    report.Say();
    const auto make_known_block = [&](const DatasetLayout& layout) {
      report.Needs(layout.block_bytes());
      return make_block(layout);
    };
    return LoadDataset(
        settings, data_dir_, make_known_block,
        [&report](std::size_t done, std::size_t images) { report.Progressed(done, images); }, UsableProcessors());
  };
  if (options_.folder.empty()) return load(MakeHeapBlock);

  const std::string name = CacheFileName(key);
  const fs::path path = options_.folder / name;
  const auto warn = [&](const std::string& what) {
    log_("cannot share the data set with other trainers on this machine: " + what);
  };
  const auto open_file = [&]() -> std::optional<Dataset> {
    report.Say();
    try {
      std::optional<Dataset> dataset =
          OpenDatasetFile(path, {key, stamp}, [&report] { report.GoesOn("checking its file in the cache"); });
      if (dataset) Touch(path);
      return dataset;
    } catch (const std::exception& error) {
      log_("cannot use the data set in " + path.string() + ": " + error.what() + "; creating it again");
      return std::nullopt;
    }
  };
  std::optional<FileLock> lock;
  try {
    MakePrivateFolder(options_.folder);
    lock.emplace(path.string() + ".lock", [&] { report.Waits(); });
  } catch (const MachineError& error) {
    warn(error.what());
    return load(MakeHeapBlock);
  }
  if (std::optional<Dataset> dataset = open_file()) return *std::move(dataset);

  // A file that is there is of no use any more.
  unlink(path.c_str());
  std::optional<NewDatasetFile> file(std::in_place, path, DatasetIdentity{key, stamp});
  const auto make_block = [&](const DatasetLayout& layout) -> LoadBlock {
    try {
      const auto reserving = [&report] { report.GoesOn("reserving disk space"); };
      // Until the file has its size, no other trainer may take its room.
      const FileLock room_lock(options_.folder / (CacheFileName("room") + ".lock"), reserving);
      const std::uint64_t bytes = NewDatasetFile::Bytes(layout);
      const Room room = MakeRoom(options_, name, bytes);
      if (!room.is_enough) throw MachineError(DescribeLackOfRoom(options_, room, bytes, "--data-cache-limit"));
      const LoadBlock block = file->Allocate(layout, reserving);
      const auto found = std::count_if(block.states, block.states + layout.images(),
                                       [](std::uint8_t state) { return state != kImageMissing; });
      if (found > 0) {
        log_("loading " + key + ": " + std::to_string(found) + " of " + std::to_string(layout.images()) +
             " images remain from an interrupted attempt");
      }
      return block;
    } catch (const MachineError& error) {
      warn(error.what());
      file.reset();
      return MakeHeapBlock(layout);
    }
  };
  Dataset dataset = load(make_block);
  if (!file) return dataset;
  try {
    file->Finish(dataset);
  } catch (const MachineError& error) {
    warn(error.what());
  }
  return dataset;
}

}  // namespace layernas::trainer
