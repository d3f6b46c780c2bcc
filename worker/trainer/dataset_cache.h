// A cache of data sets. Each is made once and used many times: by successive processes, and by all
// processes of a machine at the same time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "worker/trainer/cache_folder.h"
#include "worker/trainer/dataset.h"
#include "worker/trainer/request.h"

namespace layernas::trainer {

// Keeps the most recently used data sets of this process. Each is mapped into memory from a file in
// the cache folder, so that the processes of a machine share it. The first process that needs a
// file makes it, and the others wait for that. A file is made again if it is damaged, or if its
// source files have other sizes or times. Before a file is written, the least recently used ones
// that nobody is writing are removed, so that all together stay within the limit. If a file is
// impossible (because it has no room within the limit, the disk is full, or the folder is not
// writable or not private), the data set is in the memory of this process, and the log says why. Not
// thread-safe.
class DatasetCache {
 public:
  DatasetCache(std::filesystem::path data_dir, CacheOptions options, LogLine log);

  // Returns the data set as LoadDataset() does. `on_loading` is called with the number of images
  // that are there (0 of 0 while it is unknown): at the beginning, at the end of loading, and about
  // once a second in between. That includes the time in which source files or a file of the cache
  // folder are checked, or another process loads the data set. It is never called by two threads at
  // once. Failures are not cached. Each call checks the sizes and times of the source files. If
  // they have changed since the data set was loaded, it is loaded again, and the log says so. Throws
  // MachineError if the memory is too small for the data set, because no architecture is to blame.
  std::shared_ptr<const Dataset> Get(const DataSettings& settings, const LoadCallback& on_loading = nullptr);

 private:
  struct Entry {
    std::string key;
    // The stamp of the source files before they were read.
    std::uint64_t stamp = 0;
    std::shared_ptr<const Dataset> dataset;
  };

  class LoadingReport;

  std::shared_ptr<const Dataset> Get(const DataSettings& settings, const std::string& key, LoadingReport& report);
  Dataset Load(const DataSettings& settings, const std::string& key, std::uint64_t stamp, LoadingReport& report) const;

  const std::filesystem::path data_dir_;
  const CacheOptions options_;
  const LogLine log_;
  // Most recently used first.
  std::vector<Entry> entries_;
};

}  // namespace layernas::trainer
