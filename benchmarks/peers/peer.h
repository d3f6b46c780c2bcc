// Optimisers of the literature to compare layernas with, each in its plain form. They know one target,
// and are all helped in the same way: none trains an architecture twice, or one whose cost is known to
// exceed the target.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/space.h"

namespace layernas::bench {

// Not thread-safe.
class Peer {
 public:
  virtual ~Peer() = default;
  // Returns the next architecture to train. Returns nothing if none is left, as far as the peer can
  // find out.
  virtual std::optional<core::Architecture> Propose() = 0;
  // Takes the result of the last proposal. The reward is better if it is larger.
  virtual void Observe(const core::Architecture& architecture, double reward, double cost) = 0;
};

// Returns the names that MakePeer() accepts.
std::vector<std::string> PeerNames();

// Returns null if there is no peer with this name. `space` must outlive the peer; if its cost is
// known per layer, the peer uses this.
std::unique_ptr<Peer> MakePeer(const std::string& name, const core::Space& space, double target, std::uint64_t seed);

}  // namespace layernas::bench
