// Measurements that outlive an interruption.
#pragma once

#include <cstddef>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "worker/evaluator/evaluator.h"

namespace layernas::client {

// What was measured, line by line in a file beside the table until that is written, so that an interrupted measurement
// of hours goes on where it was. Of what can't be built nothing is kept: it costs little to find out again. Not
// thread-safe.
class KeptMeasurements {
 public:
  // Makes the file, or goes on with it where it is of measurements that depended on the same: `asked`. Lines that make
  // no sense, as a crash may leave one, are left out. INVALID_ARGUMENT if it can't be written.
  static absl::StatusOr<KeptMeasurements> Open(const std::string& path, const nlohmann::json& asked);

  std::size_t count() const { return known_.size(); }
  // Null where it was not measured.
  const Metrics* Find(const std::string& architecture) const;
  void Add(const std::string& architecture, const Metrics& metrics);
  // Removes the file.
  void Remove();

 private:
  explicit KeptMeasurements(std::string path) : path_(std::move(path)) {}

  void Take(const nlohmann::json& line);

  std::string path_;
  std::ofstream out_;
  std::map<std::string, Metrics> known_;
};

}  // namespace layernas::client
