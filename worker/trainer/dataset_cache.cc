#include "worker/trainer/dataset_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <system_error>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

namespace fs = std::filesystem;

// To be raised whenever the same files and settings give other bytes than before.
constexpr int kVersion = 2;
// A line of JSON, filled up with blanks; the block follows. Whole pages, so that the block is aligned.
constexpr std::size_t kHeaderBytes = 16384;
constexpr std::chrono::seconds kLogInterval{10};

std::string DataKey(const DataSettings& settings, const fs::path& data_dir) {
  std::ostringstream key;
  key << settings.dataset << ' ' << settings.input.channels << 'x' << settings.input.height << 'x'
      << settings.input.width << " seed " << settings.data_seed << " train " << settings.train_examples.value_or(0)
      << " holdout " << settings.validation_examples.value_or(0)
      << (settings.holdout == Holdout::kTest ? " test" : " validation")
      << (settings.with_validation ? " with validation" : "");
  std::error_code error;
  if (settings.dataset != "shapes10") key << " in " << fs::absolute(data_dir / settings.folder, error).string();
  return key.str();
}

// Changes whenever a source file does.
std::uint64_t SourceStamp(const DataSettings& settings, const fs::path& data_dir) {
  std::uint64_t stamp = HashText("");
  for (const fs::path& path : DatasetFiles(settings, data_dir)) {
    struct stat info {};
    std::ostringstream text;
    text << path.native() << '\n';
    if (stat(path.c_str(), &info) == 0) {
      text << info.st_size << ' ' << info.st_mtim.tv_sec << ' ' << info.st_mtim.tv_nsec << '\n';
    }
    stamp = HashText(text.str(), stamp);
  }
  return stamp;
}

// A file mapped into memory as a whole; unmapped with the last that holds it.
std::shared_ptr<std::uint8_t> Map(int fd, std::size_t bytes, int protection) {
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw MachineError(std::string("cannot map it: ") + std::strerror(errno));
  return {static_cast<std::uint8_t*>(memory), [bytes](std::uint8_t* first) { munmap(first, bytes); }};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string MakeHeader(const std::string& key, std::uint64_t stamp, const DatasetLayout& layout,
                       const Dataset& dataset) {
  const nlohmann::json content = {{"version", kVersion},
                                  {"key", key},
                                  {"stamp", stamp},
                                  {"shape", {layout.shape.channels, layout.shape.height, layout.shape.width}},
                                  {"train", layout.train},
                                  {"holdout", layout.holdout},
                                  {"validation", layout.validation},
                                  {"classes", layout.classes},
                                  {"mean", dataset.mean},
                                  {"deviation", dataset.deviation},
                                  {"checksum", dataset.checksum},
                                  {"notes", dataset.notes}};
  const std::string text = content.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return nlohmann::json{{"content", content}, {"crc32", Checksum(text.data(), text.size())}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Throws std::exception for anything that MakeHeader did not write.
nlohmann::json ReadHeader(const std::uint8_t* bytes) {
  const nlohmann::json header = nlohmann::json::parse(bytes, bytes + kHeaderBytes);
  const nlohmann::json content = header.at("content");
  const std::string text = content.dump();
  if (header.at("crc32") != Checksum(text.data(), text.size())) throw MachineError("its header is damaged");
  return content;
}

// The data set in the file; nothing where there is no file, or one of other sources. Throws std::exception where it is
// damaged.
std::optional<Dataset> OpenFile(const fs::path& path, const std::string& key, std::uint64_t stamp) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return std::nullopt;
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || info.st_size <= static_cast<off_t>(kHeaderBytes)) {
    throw MachineError("it is cut short");
  }
  const auto bytes = static_cast<std::size_t>(info.st_size);
  const std::shared_ptr<const std::uint8_t> memory = Map(file.get(), bytes, PROT_READ);
  const nlohmann::json content = ReadHeader(memory.get());
  if (content.at("version") != kVersion || content.at("key") != key || content.at("stamp") != stamp) {
    return std::nullopt;
  }
  const nlohmann::json& shape = content.at("shape");
  const DatasetLayout layout = {{shape.at(0).get<int>(), shape.at(1).get<int>(), shape.at(2).get<int>()},
                                content.at("train").get<std::size_t>(),
                                content.at("holdout").get<std::size_t>(),
                                content.at("validation").get<std::size_t>(),
                                content.at("classes").get<int>()};
  const std::shared_ptr<const std::uint8_t> block(memory, memory.get() + kHeaderBytes);
  if (bytes - kHeaderBytes != layout.block_bytes()) throw MachineError("it is cut short");
  if (content.at("checksum") != Checksum(block.get(), layout.block_bytes())) throw MachineError("it is damaged");
  Dataset dataset = ViewDataset(layout, block, content.at("mean").get<std::vector<float>>(),
                                content.at("deviation").get<std::vector<float>>());
  dataset.checksum = content.at("checksum").get<std::uint32_t>();
  dataset.notes = content.at("notes").get<std::vector<std::string>>();
  return dataset;
}

// A file that gets its name only when it is whole.
class NewFile {
 public:
  explicit NewFile(fs::path path) : path_(std::move(path)), unfinished_(path_.string() + ".tmp") {}
  ~NewFile() {
    if (!finished_ && memory_ != nullptr) unlink(unfinished_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Throws MachineError where there is no room.
  std::shared_ptr<std::uint8_t> Allocate(std::size_t block_bytes) {
    const Descriptor file(open(unfinished_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (file.get() < 0) throw MachineError("cannot write " + unfinished_ + ": " + std::strerror(errno));
    bytes_ = kHeaderBytes + block_bytes;
    int error = 0;
    // All of it at once: a disk that is full would otherwise show when the memory is written, and kill the process.
    do error = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes_));
    while (error == EINTR);
    if (error != 0) {
      unlink(unfinished_.c_str());
      throw MachineError("cannot write " + std::to_string(bytes_) + " bytes to " + unfinished_ + ": " +
                         std::strerror(error));
    }
    memory_ = Map(file.get(), bytes_, PROT_READ | PROT_WRITE);
    return {memory_, memory_.get() + kHeaderBytes};
  }

  // No sync: what a power cut leaves unwritten, the checksum finds.
  void Finish(std::string header) {
    if (header.size() >= kHeaderBytes) throw MachineError("the name of the data set is too long");
    header.resize(kHeaderBytes - 1, ' ');
    header += '\n';
    std::memcpy(memory_.get(), header.data(), kHeaderBytes);
    mprotect(memory_.get(), bytes_, PROT_READ);
    if (rename(unfinished_.c_str(), path_.c_str()) != 0) {
      throw MachineError("cannot rename " + unfinished_ + ": " + std::strerror(errno));
    }
    finished_ = true;
  }

 private:
  const fs::path path_;
  const std::string unfinished_;
  std::size_t bytes_ = 0;
  std::shared_ptr<std::uint8_t> memory_;
  bool finished_ = false;
};

}  // namespace

DatasetCache::DatasetCache(fs::path data_dir, CacheOptions options, LogLine log)
    : data_dir_(std::move(data_dir)), options_(std::move(options)), log_(std::move(log)) {}

std::shared_ptr<const Dataset> DatasetCache::Get(const DataSettings& settings) {
  // Enough for the searches that share a fleet, and a bound on memory.
  constexpr std::size_t kMaxEntries = 3;
  const std::string key = DataKey(settings, data_dir_);
  const std::uint64_t stamp = SourceStamp(settings, data_dir_);
  auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found != entries_.end() && found->stamp != stamp) {
    log_("warning: the files of the data set have changed since it was loaded: loading " + key + " again");
    entries_.erase(found);
    found = entries_.end();
  }
  if (found != entries_.end()) {
    std::rotate(entries_.begin(), found, found + 1);
  } else {
    auto dataset = std::make_shared<const Dataset>(Load(settings, key, stamp));
    if (entries_.size() == kMaxEntries) entries_.pop_back();
    entries_.insert(entries_.begin(), {key, stamp, std::move(dataset)});
  }
  return entries_.front().dataset;
}

Dataset DatasetCache::Load(const DataSettings& settings, const std::string& key, std::uint64_t stamp) const {
  using Clock = std::chrono::steady_clock;
  // What is said is quoted where the evaluation does not end in time.
  const auto say_progress = [this, said = Clock::now(), &key](std::size_t done, std::size_t images) mutable {
    if (Clock::now() - said < kLogInterval) return;
    said = Clock::now();
    log_("loading " + key + ": " + std::to_string(done) + " of " + std::to_string(images) + " images");
  };
  if (options_.folder.empty()) return LoadDataset(settings, data_dir_, MakeHeapBlock, say_progress);

  const std::string name = CacheFileName(key);
  const fs::path path = options_.folder / name;
  const auto warn = [&](const std::string& what) {
    log_("the data set is not shared with this machine's other trainers: " + what);
  };
  const auto open_file = [&]() -> std::optional<Dataset> {
    try {
      std::optional<Dataset> dataset = OpenFile(path, key, stamp);
      if (dataset) Touch(path);
      return dataset;
    } catch (const std::exception& error) {
      log_("the data set in " + path.string() + " is made anew: " + error.what());
      return std::nullopt;
    }
  };
  std::optional<FileLock> lock;
  try {
    MakePrivateFolder(options_.folder);
    lock.emplace(path.string() + ".lock", [&] { log_("waiting for another trainer to load " + key); });
  } catch (const MachineError& error) {
    warn(error.what());
    return LoadDataset(settings, data_dir_, MakeHeapBlock, say_progress);
  }
  if (std::optional<Dataset> dataset = open_file()) return *std::move(dataset);

  std::optional<NewFile> file(path);
  DatasetLayout layout;
  const auto make_block = [&](const DatasetLayout& wanted) {
    layout = wanted;
    try {
      return file->Allocate(layout.block_bytes());
    } catch (const MachineError& error) {
      warn(error.what());
      file.reset();
      return MakeHeapBlock(layout);
    }
  };
  Dataset dataset = LoadDataset(settings, data_dir_, make_block, say_progress);
  if (!file) return dataset;
  try {
    file->Finish(MakeHeader(key, stamp, layout, dataset));
    ShrinkFolder(options_, name);
  } catch (const MachineError& error) {
    warn(error.what());
  }
  return dataset;
}

}  // namespace layernas::trainer
