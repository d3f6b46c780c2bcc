// Plans the architectures of a space as graphs of the shipped trainer's blocks.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/network/graph.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// Immutable and thread-safe.
class ArchitecturePlanner {
 public:
  explicit ArchitecturePlanner(const v1::Space& space);

  // `choices`: one index per layer, each below the number of options of the layer.
  // INVALID_ARGUMENT, with the layer or field, if the shipped trainer cannot build the
  // architecture.
  absl::StatusOr<network::Graph> Plan(std::span<const std::uint16_t> choices) const;

  // By layer and option.
  const std::vector<std::vector<nlohmann::json>>& options() const { return options_; }

 private:
  nlohmann::json network_;
  std::vector<std::vector<nlohmann::json>> options_;
};

}  // namespace layernas::spec
