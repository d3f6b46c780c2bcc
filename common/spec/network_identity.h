// Finds architectures of a space that are the same network, for the blocks of the shipped trainer.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// Returns a text that two architectures of the space share only if they are the same network
// (common/network/canonical.h). Empty for an architecture that cannot be planned. `choices`: one
// index per layer, each below the number of options of the layer. Takes about 100 µs for one cell.
// Thread-safe.
using NetworkIdentity = std::function<std::string(std::span<const std::uint16_t> choices)>;

// Returns null if no architectures of the space are expected to be the same network: spaces without
// cells, spaces whose default architecture the shipped trainer cannot build, and spaces with
// options so large that some architecture would take too long to compare or to plan.
NetworkIdentity MakeNetworkIdentity(const v1::Space& space);

}  // namespace layernas::spec
