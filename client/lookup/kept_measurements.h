// Measurements that outlive an interruption.
#pragma once

#include <cstddef>
#include <fstream>
#include <functional>
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
  // Creates the file, or continues it if its measurements depended on the same: `asked`. A file of other measurements
  // is set aside: renamed to `path`.old, or .old2, … if that exists. One that was set aside and answers `asked` is
  // taken up again. Skips invalid lines, such as a crash leaves. UNKNOWN if the file can't be written or renamed.
  static absl::StatusOr<KeptMeasurements> Open(const std::string& path, const nlohmann::json& asked);

  std::size_t count() const { return known_.size(); }
  // Null where it was not measured.
  const Metrics* Find(const std::string& architecture) const;
  // UNKNOWN if it can't be written: it is not kept then. Replaces what was kept of the same architecture.
  absl::Status Add(const std::string& architecture, const Metrics& metrics);
  // Sets the file aside and starts with those that were set aside, answer what is asked and have this value of the
  // metric; without any if there are none. UNKNOWN if it can't.
  absl::Status TakeUp(const std::string& metric, double value);
  // What the file of other measurements is called now; empty if there was none.
  const std::string& set_aside() const { return set_aside_; }
  // Removes the file.
  void Remove();

 private:
  KeptMeasurements(std::string path, std::string asked) : path_(std::move(path)), asked_(std::move(asked)) {}

  // Reads `path` if it answers what is asked.
  void Read();
  // Renames to `path` the first file set aside that answers what is asked and that `fits` is true of.
  absl::Status FindAside(const std::function<bool(const KeptMeasurements& aside)>& fits);
  void Take(const nlohmann::json& line);
  absl::Status SetAside();
  absl::Status Start();
  // The error that the last write to the file left; OK if it left none.
  absl::Status Written();

  std::string path_;
  // The file's first line.
  std::string asked_;
  std::string set_aside_;
  std::ofstream out_;
  std::map<std::string, Metrics> known_;
};

}  // namespace layernas::client
