// What all peers know: the space, the target, and the results so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "common/base/random.h"
#include "controller/core/architecture.h"
#include "controller/core/space.h"

namespace layernas::bench {

// Random trainings before the first model is fitted.
inline constexpr std::size_t kInitialDesign = 10;

class Trials {
 public:
  Trials(const core::Space& space, double target, std::uint64_t seed);

  void Add(const core::Architecture& architecture, double reward, double cost);

  const core::Space& space() const { return space_; }
  double target() const { return target_; }
  std::size_t size() const { return architectures_.size(); }
  // In the order of Add().
  const std::vector<core::Architecture>& architectures() const { return architectures_; }
  const std::vector<double>& rewards() const { return rewards_; }
  const std::vector<double>& costs() const { return costs_; }
  bool MeetsTarget(std::size_t trial) const;
  // Returns the trials that meet the target, best reward first.
  std::vector<std::size_t> Ranked() const;

  // Returns whether the architecture was not trained yet and is not known to exceed the target.
  bool MayTrain(const core::Architecture& architecture) const;
  // Returns all architectures that MayTrain() accepts. Only for spaces that IsSmall().
  std::vector<core::Architecture> AllToTrain() const;
  // Whether all architectures can be listed.
  bool IsSmall() const;
  // Draws uniformly from the architectures that MayTrain() accepts. Returns nothing if there is none,
  // or, in a space that is not small, if many draws found none.
  std::optional<core::Architecture> DrawToTrain();
  // Returns the architectures that differ in one layer.
  std::vector<core::Architecture> Neighbours(const core::Architecture& architecture) const;
  RandomStream& random() { return random_; }

 private:
  const core::Space& space_;
  const double target_;
  RandomStream random_;
  std::vector<core::Architecture> architectures_;
  std::vector<double> rewards_;
  std::vector<double> costs_;
  std::unordered_set<core::Architecture, core::ArchitectureHash> trained_;
};

}  // namespace layernas::bench
