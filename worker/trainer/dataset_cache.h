// Data sets that are made once and used many times: by one process after another, and by all of a machine at once.
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

// Keeps the last few data sets of this process. Each is memory that is mapped from a file in the cache folder, so that
// the processes of a machine share it; the first that needs it makes the file, and the others wait for that. A file
// that is damaged, or whose sources have other sizes or times now, is made anew. Where there can be no file (a full
// disk, a folder that cannot be written), the data set is in this process's own memory, and the log says why. Not
// thread-safe.
class DatasetCache {
 public:
  DatasetCache(std::filesystem::path data_dir, CacheOptions options, LogLine log);

  // As LoadDataset. `on_loading` is called with the number of images that are there (0 of 0 while that is not known) at
  // the beginning, at the end of loading, and about once a second in between: while the source files are looked at,
  // while a file in the cache folder is checked, and while another process loads the data set. Never by two threads at
  // once. Failures are not kept. The sizes and times of the source files are looked at in each call: if they changed
  // since the data set was loaded, it is loaded again, and the log says so.
  std::shared_ptr<const Dataset> Get(const DataSettings& settings, const LoadCallback& on_loading = nullptr);

 private:
  struct Entry {
    std::string key;
    // Of the source files, as they were before they were read.
    std::uint64_t stamp = 0;
    std::shared_ptr<const Dataset> dataset;
  };

  class LoadingReport;

  Dataset Load(const DataSettings& settings, const std::string& key, std::uint64_t stamp, LoadingReport& report) const;

  const std::filesystem::path data_dir_;
  const CacheOptions options_;
  const LogLine log_;
  // Most recently used first.
  std::vector<Entry> entries_;
};

}  // namespace layernas::trainer
