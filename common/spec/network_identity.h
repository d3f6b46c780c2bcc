// Tells which architectures of a space are one and the same network, where the space's blocks are ours.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "layernas/v1/spec.pb.h"

namespace layernas::spec {

// Returns a text that two architectures of the space share only if they are the same network
// (common/network/canonical.h); empty for an architecture that cannot be planned. `choices`: one index per layer, each
// below that layer's number of options. Takes about 100 µs for one cell. Safe to call from any thread.
using NetworkIdentity = std::function<std::string(std::span<const std::uint16_t> choices)>;

// Returns null where no two architectures can be expected to be the same network: in spaces without cells, and in those
// whose default architecture the shipped trainer could not build or which would take too long to compare.
NetworkIdentity MakeNetworkIdentity(const v1::Space& space);

}  // namespace layernas::spec
