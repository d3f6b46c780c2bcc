// Which architectures to measure for a table of costs.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/spec/resolve.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct DesignPoint {
  spec::Choices choices;
  // Kept from the fit, to see how well it predicts.
  bool held_out = false;
};

// `fitted` architectures, in which the options of a layer stand equally often (give or take one), and `held_out`
// others drawn uniformly from the space; all differ, and they come in random order, so that whatever drifts on the
// machine hits both alike. The same seed gives the same design. INVALID_ARGUMENT where the space has too few
// architectures, or a layer more options than `fitted`.
absl::StatusOr<std::vector<DesignPoint>> DrawDesign(const v1::Space& space, int fitted, int held_out,
                                                    std::uint32_t seed);

}  // namespace layernas::client
