// What architectures can cost where that is known per layer; for the checks of this folder.
#pragma once

#include <optional>

#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

struct CostBounds {
  double cheapest = 0;
  double dearest = 0;
};

// Nothing where the objective's cost is not known per layer.
std::optional<CostBounds> BoundCosts(const v1::SearchSpec& spec);

}  // namespace layernas::spec
