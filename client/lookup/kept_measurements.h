// Measurements that outlive an interruption.
#pragma once

#include <cstddef>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas::client {

// What was measured, line by line in a file beside the table until that is written, so that an interrupted measurement
// of hours goes on where it was, or with another metric. Of what can't be built nothing is kept: it costs little to
// find out again. Not thread-safe.
class KeptMeasurements {
 public:
  // Makes the file, or goes on with it where it is of measurements that depended on the same: `asked`. A file of other
  // measurements is renamed, in place of what was renamed before. Lines that make no sense, as a crash may leave one,
  // are left out. UNKNOWN if it can't be written.
  static absl::StatusOr<KeptMeasurements> Open(const std::string& path, const nlohmann::json& asked);

  std::size_t count() const { return known_.size(); }
  // Null where it was not measured.
  const Metrics* Find(const std::string& architecture) const;
  // UNKNOWN if it can't be written: it is not kept then. Replaces what was kept of the same architecture.
  absl::Status Add(const std::string& architecture, const Metrics& metrics);
  // What a file of other measurements is called now; empty where there was none.
  const std::string& set_aside() const { return set_aside_; }
  // Removes the file.
  void Remove();

 private:
  explicit KeptMeasurements(std::string path) : path_(std::move(path)) {}

  void Take(const nlohmann::json& line);
  // The error that the last write to the file left; OK if it left none.
  absl::Status Written();

  std::string path_;
  std::string set_aside_;
  std::ofstream out_;
  std::map<std::string, Metrics> known_;
};

}  // namespace layernas::client
