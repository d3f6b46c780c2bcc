#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "benchmarks/peers/peer.h"
#include "benchmarks/peers/surrogate.h"
#include "benchmarks/peers/trials.h"

namespace layernas::bench {

// Bayesian optimisation: after a random initial design, each proposal maximises the expected
// improvement of the reward (Jones et al. 1998), times the probability that the cost meets the target
// if the cost is only measured (Gardner et al. 2014, "Bayesian Optimization with Inequality
// Constraints"). In a small space, over all architectures; otherwise by local search from the best
// trials and the best of random draws (Hutter et al. 2011, section 4.3).
class ModelSearch final : public Peer {
 public:
  // `cost` models the logarithm of the cost; null if the space knows costs.
  ModelSearch(Trials trials, std::unique_ptr<Surrogate> reward, std::unique_ptr<Surrogate> cost)
      : trials_(std::move(trials)), reward_(std::move(reward)), cost_(std::move(cost)) {}
  std::optional<core::Architecture> Propose() override;
  void Observe(const core::Architecture& architecture, double reward, double cost) override;

 private:
  void Fit();
  Eigen::VectorXd Acquisition(const std::vector<core::Architecture>& architectures) const;
  // Returns the untrained architecture with the highest acquisition that the local search finds.
  std::optional<core::Architecture> Climb();

  Trials trials_;
  std::unique_ptr<Surrogate> reward_;
  std::unique_ptr<Surrogate> cost_;
  // The best standardised reward that meets the target, if there is one.
  std::optional<double> best_;
  // The standardised logarithm of the target.
  double limit_ = 0;
};

}  // namespace layernas::bench
