#pragma once

#include <optional>
#include <vector>

#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/trials.h"

namespace layernas::bench {

// Local search: trains the neighbours of the best architecture found since the last start, in random
// order, and moves as soon as one is better. Starts again at random where none is. White et al. 2021,
// "Exploring the Loss Landscape in Neural Architecture Search" (the variant "query until lower").
class LocalSearch final : public Peer {
 public:
  explicit LocalSearch(Trials trials) : trials_(std::move(trials)) {}
  std::optional<core::Architecture> Propose() override;
  void Observe(const core::Architecture& architecture, double reward, double cost) override;

 private:
  Trials trials_;
  // Where it stands. An architecture that exceeds the target is worse than any that does not, and
  // better the less it exceeds it.
  struct Place {
    bool meets_target = false;
    double value = 0;
    bool operator<(const Place& other) const {
      return meets_target != other.meets_target ? other.meets_target : value < other.value;
    }
  };
  std::optional<Place> place_;
  // Untrained neighbours, in the order in which they are tried from the back.
  std::vector<core::Architecture> waiting_;
};

}  // namespace layernas::bench
