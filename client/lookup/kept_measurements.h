// Measurements that survive an interruption.
#pragma once

#include <cstddef>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/process/fd.h"
#include "worker/evaluator/evaluator.h"

namespace layernas::client {

// Keeps measurements, one per line, in a file next to the table until the table is written. An
// interrupted measurement of hours resumes from it, also with another metric. Networks that cannot
// be built are not kept, because finding that out again is cheap. Not thread-safe.
class KeptMeasurements {
 public:
  // Creates the file, or continues it if its measurements belong to the same `asked`. A file of
  // other measurements is set aside: renamed to `path`.old, or to .old2, … if that exists. A file
  // that was set aside and matches `asked` is used again. Skips invalid lines, such as a crash
  // leaves. UNKNOWN if the file cannot be written or renamed, FAILED_PRECONDITION if another object
  // or process uses it.
  static absl::StatusOr<KeptMeasurements> Open(const std::string& path, const nlohmann::json& asked);

  std::size_t count() const { return known_.size(); }
  // Returns null if the architecture was not measured.
  const Metrics* Find(const std::string& architecture) const;
  // Replaces an earlier measurement of the same architecture. UNKNOWN if the file cannot be
  // written; the measurement is then not kept.
  absl::Status Add(const std::string& architecture, const Metrics& metrics);
  // Sets the file aside. Continues with a file that was set aside earlier, matches `asked` and has
  // this value of the metric, or starts an empty file if there is none. UNKNOWN if that fails.
  absl::Status TakeUp(const std::string& metric, double value);
  // New name of the file that was set aside; empty if there was none.
  const std::string& set_aside() const { return set_aside_; }
  const std::string& path() const { return path_; }
  // Removes the file.
  void Remove();

 private:
  KeptMeasurements(std::string path, std::string asked) : path_(std::move(path)), asked_(std::move(asked)) {}

  // Reads `path` if it matches `asked`.
  void Read();
  // Renames the first file that was set aside, matches `asked` and satisfies `fits` to `path`.
  absl::Status FindAside(const std::function<bool(const KeptMeasurements& aside)>& fits);
  void Take(const nlohmann::json& line);
  absl::Status SetAside();
  absl::Status Start();
  // Keeps others out of the file at `path`, which is created if it does not exist.
  absl::Status Lock();
  // Returns the error of the last write to the file, or OK.
  absl::Status Written();

  std::string path_;
  // First line of the file.
  std::string asked_;
  std::string set_aside_;
  // Holds the lock of the file.
  Fd lock_;
  std::ofstream out_;
  std::map<std::string, Metrics> known_;
};

}  // namespace layernas::client
