// Files of data sets in the cache folder: how they are made, continued and read. Does not depend on
// torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "worker/trainer/dataset.h"

namespace layernas::trainer {

class FileDescriptor;

// Identifies the contents of a file. The stamp changes whenever a source file does.
struct DatasetIdentity {
  std::string key;
  std::uint64_t stamp = 0;
};

// Maps the data set in the file into memory. Returns nothing if the file does not exist or holds
// something else. Throws std::exception if the file is damaged. Calls `tick` while it reads the
// file.
std::optional<Dataset> OpenDatasetFile(const std::filesystem::path& path, const DatasetIdentity& identity,
                                       const Tick& tick = nullptr);

// A file that gets its name when it is complete. Until then it is PATH.tmp. A process that ends
// before, in whatever way, leaves that file behind, and the next one continues it. It is not
// continued if the machine was restarted meanwhile, because data that was only in memory would be
// missing. The caller must hold a lock on the path. If the object is destroyed before Finish(), for
// example by an exception, the file is removed.
class NewDatasetFile {
 public:
  NewDatasetFile(std::filesystem::path path, const DatasetIdentity& identity);
  ~NewDatasetFile();
  NewDatasetFile(const NewDatasetFile&) = delete;
  NewDatasetFile& operator=(const NewDatasetFile&) = delete;

  // Returns the size of the file until it is finished. Then it is slightly smaller.
  static std::size_t Bytes(const DatasetLayout& layout);

  // Reserves the disk space and maps it. Throws MachineError if there is not enough. The states of
  // the block say which images are already there. Calls `tick` meanwhile.
  LoadBlock Allocate(const DatasetLayout& layout, const Tick& tick = nullptr);

  // Gives the file its name. `dataset` is the result of LoadDataset() in the block; it may be
  // smaller than the block. Throws MachineError.
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
