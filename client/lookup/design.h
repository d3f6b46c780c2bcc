// Chooses the architectures to measure for a cost table.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/spec/resolve.h"
#include "layernas/v1/spec.pb.h"

namespace layernas::client {

struct DesignPoint {
  spec::Choices choices;
  // Not used in the fit, to determine the prediction error.
  bool held_out = false;
};

// Draws `fitted` architectures, in which all options of a layer occur equally often (within one),
// and `held_out` architectures drawn uniformly from the space. All are different. They come in
// random order, so that a drift of the machine affects both groups alike. The same seed gives the
// same design. INVALID_ARGUMENT if the space has too few architectures, or a layer has more options
// than `fitted`.
absl::StatusOr<std::vector<DesignPoint>> DrawDesign(const v1::Space& space, int fitted, int held_out,
                                                    std::uint32_t seed);

}  // namespace layernas::client
