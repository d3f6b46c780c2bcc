// What architectures can cost where that is known per layer; for the checks of this folder.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

struct CostBounds {
  double cheapest = 0;
  double dearest = 0;
};

// Writes the counted cost of each option into the spec, which then no longer asks for it (objective.counted). Nothing
// is written where the status, whose message is for the spec's author, is not OK.
absl::Status CountCosts(v1::SearchSpec& spec);

// Nothing where the objective's cost is not known per layer.
std::optional<CostBounds> BoundCosts(const v1::SearchSpec& spec);

}  // namespace layernas::spec
