#pragma once

#include <Eigen/Core>
#include <deque>
#include <optional>
#include <vector>

#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/trials.h"

namespace layernas::bench {

// An ensemble of neural networks with independent Thompson sampling over mutations of the best trials:
// BANANAS (White et al. 2021) with a one-hot code instead of its path code, which describes cells. As
// there, a random initial design of ten, then ten proposals per fit. If the cost is only measured, a
// second ensemble predicts its logarithm, and samples above the target are dropped.
class Bananas final : public Peer {
 public:
  explicit Bananas(Trials trials) : trials_(std::move(trials)) {}
  std::optional<core::Architecture> Propose() override;
  void Observe(const core::Architecture& architecture, double reward, double cost) override;

 private:
  void ProposeBatch();
  std::vector<core::Architecture> Mutations();

  Trials trials_;
  std::deque<core::Architecture> batch_;
};

}  // namespace layernas::bench
