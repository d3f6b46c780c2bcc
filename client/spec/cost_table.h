// The file that `layernas measure lut` writes: what each option costs on one machine, and how far that is off.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct CostTable {
  // Name of the cost.
  std::string metric;
  // With this cost in space.base_costs and in the costs of every option.
  v1::Space space;
  // What it was measured with.
  v1::Measurement measure;
  // For people: how far it is off, on which machine it was measured, the networks.
  nlohmann::ordered_json notes = nlohmann::ordered_json::object();
};

// In one step, in place of an older one.
absl::Status WriteCostTable(const std::string& path, const CostTable& table);
// At most 16 MiB. Errors don't name the file.
absl::StatusOr<CostTable> ReadCostTable(const std::string& path);

// Writes the table's costs into the spec's options, as if its author had; what the spec has of other metrics stays.
// Nothing is written where the status is not OK: the table is of another cost, space or way to measure, or the spec has
// costs of its own. The spec may have fewer options than the table.
absl::Status ApplyCostTable(const CostTable& table, v1::SearchSpec& spec);

}  // namespace layernas::client
