// The file of a data set in the cache folder: how it is made, continued and read. No torch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "worker/trainer/dataset.h"

namespace layernas::trainer {

class FileDescriptor;

// What a file is of. The stamp changes whenever a source file does.
struct DatasetIdentity {
  std::string key;
  std::uint64_t stamp = 0;
};

// Maps the data set in the file into memory. Returns nothing if there is no file or it is of something else. Throws
// std::exception if the file is damaged. Calls `tick` while it reads the file.
std::optional<Dataset> OpenDatasetFile(const std::filesystem::path& path, const DatasetIdentity& identity,
                                       const Tick& tick = nullptr);

// A file that gets its name when it is complete. Until then it is PATH.tmp, and a process that ends before, in whatever
// way, leaves it behind: the next one continues where it stopped, unless the machine was started again meanwhile (what
// was in memory only would be missing). The caller holds a lock on the path. If the object is destroyed before Finish,
// as by an exception, the file is removed.
class NewDatasetFile {
 public:
  NewDatasetFile(std::filesystem::path path, const DatasetIdentity& identity);
  ~NewDatasetFile();
  NewDatasetFile(const NewDatasetFile&) = delete;
  NewDatasetFile& operator=(const NewDatasetFile&) = delete;

  // Reserves the room on the disk and maps it; throws MachineError if there is none. The states of the block say which
  // images are there already. Calls `tick` meanwhile.
  LoadBlock Allocate(const DatasetLayout& layout, const Tick& tick = nullptr);

  // Gives the file its name. `dataset` is what LoadDataset made in the block; it may be smaller. Throws MachineError.
  void Finish(const Dataset& dataset);

 private:
  const std::filesystem::path path_;
  const DatasetIdentity identity_;
  const std::string unfinished_;
  std::unique_ptr<FileDescriptor> file_;
  std::shared_ptr<std::uint8_t> memory_;
  std::size_t bytes_ = 0;
  bool finished_ = false;
};

}  // namespace layernas::trainer
