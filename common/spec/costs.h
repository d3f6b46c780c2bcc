// Costs that are known per layer; used by the checks in this directory.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

struct CostBounds {
  double cheapest = 0;
  double dearest = 0;
};

// Writes the counted cost of each option into the spec and clears objective.counted. If the status
// is not OK, the spec is unchanged, and the message is for the author of the spec.
absl::Status CountCosts(v1::SearchSpec& spec);

// Returns nothing if the cost of the objective is not known per layer.
std::optional<CostBounds> BoundCosts(const v1::SearchSpec& spec);

}  // namespace layernas::spec
