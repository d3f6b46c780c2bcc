// The file of `layernas measure lut`: the cost of each option on one machine, and the prediction
// error.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct CostTable {
  // Name of the cost metric.
  std::string metric;
  // Has this cost in space.base_costs and in the costs of every option.
  v1::Space space;
  // The settings of the measurement.
  v1::Measurement measure;
  // For readers: the prediction error, the machine and the networks.
  nlohmann::ordered_json notes = nlohmann::ordered_json::object();
};

// Replaces an existing file atomically.
absl::Status WriteCostTable(const std::string& path, const CostTable& table);
// Reads at most 16 MiB. Errors do not name the file.
absl::StatusOr<CostTable> ReadCostTable(const std::string& path);

// Writes the costs of the table into the options of the spec, and keeps costs of other metrics. The
// spec may have fewer options than the table. INVALID_ARGUMENT, with the spec unchanged, if the
// table is for another cost, space or measurement, or if the spec already has this cost.
absl::Status ApplyCostTable(const CostTable& table, v1::SearchSpec& spec);

}  // namespace layernas::client
