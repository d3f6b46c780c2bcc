// The architectures of a space that a strategy wants. If the cost is known per layer, these are the
// architectures whose cost meets a limit. If the cost is only measured, these are all
// architectures. They are found without visiting the others, so finding a few among 10^11 takes
// milliseconds.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "controller/core/architecture.h"
#include "controller/core/architecture_index.h"
#include "controller/core/space.h"

namespace layernas::core {

// Returns the highest of the targets, or infinity if there are none.
double HighestTarget(std::span<const double> targets);

// Enumerates the wanted architectures in lexicographic order. This is a depth-first search that
// leaves a branch as soon as the cheapest options of the remaining layers exceed the limit.
// Immutable; any thread may read it.
class WithinLimit {
 public:
  // `space` must outlive this object. `limit` may be infinite.
  WithinLimit(const Space& space, double limit);
  // Uses the same space with another limit. The costs are shared, so hundreds of limits take no
  // more memory than one.
  WithinLimit(const WithinLimit& other, double limit);
  // Not copyable because other objects refer to it.
  WithinLimit(const WithinLimit&) = delete;
  WithinLimit& operator=(const WithinLimit&) = delete;

  // Returns whether the architecture is wanted: its Space::Cost() meets the limit
  // (common/base/cost_limit.h).
  bool Contains(const Architecture& architecture) const;
  // Returns whether every architecture of the space is wanted.
  bool IsEverything() const { return everything_; }

  // Returns the first wanted architecture, or none if nothing is wanted.
  std::optional<Architecture> First() const;
  // Returns the first wanted architecture after the given one, or none after the last. The given
  // one need not be wanted. O(layers * options).
  std::optional<Architecture> Next(Architecture architecture) const;
  // Returns the exact number of wanted architectures, or none if it is above `most`. O(most *
  // layers).
  std::optional<std::size_t> CountUpTo(std::size_t most) const;
  // Calls visit(architecture) for each wanted architecture, until it returns false.
  template <typename Visit>
  void ForEach(Visit visit) const;

  const Space& space() const { return space_; }
  double limit() const { return limit_; }
  // [layer][option]; 0 if the cost is only measured.
  const std::vector<std::vector<double>>& costs() const { return table_->costs; }
  // Returns the minimum cost of the layers from `layer` on; 0 after the last layer.
  double CheapestFrom(std::size_t layer) const { return table_->cheapest_from[layer]; }
  // Returns whether a wanted architecture begins with layers 0 … `layer` that cost `sum`, including
  // the base cost.
  bool CanGoOn(double sum, std::size_t layer) const {
    return sum + table_->cheapest_from[layer + 1] <= (layer + 1 == costs().size() ? bound_ : loose_bound_);
  }

 private:
  // The data that does not depend on the limit.
  struct Table {
    explicit Table(const Space& space);

    std::vector<std::vector<double>> costs;
    std::vector<double> cheapest_from;
    // [layer][option]: the minimum cost of this option and the later ones.
    std::vector<std::vector<double>> cheapest_option_from;
    // Maximum cost of all architectures.
    double dearest = 0;
  };

  WithinLimit(const Space& space, std::shared_ptr<const Table> table, double limit);

  // Moves to the first wanted architecture with the given layers before `layer` and an option of at
  // least `option` there, or to a later one. `sums[l]`, for l up to `layer`, is the cost of the
  // base and of the layers before l. Returns false if there is none.
  bool Seek(Architecture& architecture, std::vector<double>& sums, std::size_t layer, std::size_t option) const;

  const Space& space_;
  double limit_;
  // The highest wanted cost, and the same with a margin for sums that are added in another order.
  double bound_ = 0;
  double loose_bound_ = 0;
  bool everything_ = false;
  std::shared_ptr<const Table> table_;
};

template <typename Visit>
void WithinLimit::ForEach(Visit visit) const {
  Architecture architecture(costs().size(), 0);
  std::vector<double> sums(costs().size() + 1, space_.base_cost);
  for (bool any = Seek(architecture, sums, 0, 0); any;) {
    if (!visit(architecture)) return;
    const std::size_t last = costs().size() - 1;
    any = Seek(architecture, sums, last, std::size_t{architecture[last]} + 1);
  }
}

// Finds the first wanted architecture that has not been seen, if any. The set of seen architectures
// only grows, so this only moves forward: it visits each architecture once. Not thread-safe.
class FirstUnseen {
 public:
  // `wanted` must outlive this object.
  explicit FirstUnseen(const WithinLimit& wanted) : wanted_(&wanted), at_(wanted.First()) {}

  // Call it after `seen` has grown. `seen` must always be the same set.
  void Update(const ArchitectureIndex& seen) {
    while (at_ && seen.Contains(*at_)) at_ = wanted_->Next(*std::move(at_));
  }
  // Returns the first unseen architecture as of the last Update(), or none if all were seen.
  const std::optional<Architecture>& get() const { return at_; }

 private:
  const WithinLimit* wanted_;
  std::optional<Architecture> at_;
};

// Wanted architectures are counted exactly up to this number.
inline constexpr std::size_t kMaxCounted = 100'000;

// Returns how many of `size` wanted architectures are left after `tried` of them; at least 1. If
// there are too many to count, `size` is none and the result is an estimate.
std::size_t CountLeft(const Space& space, std::optional<std::size_t> size, std::size_t tried);

// Returns the text for Supply::reason after all `tried` architectures within the highest target
// were tried.
std::string WhyNothingIsLeft(const Space& space, std::span<const double> targets, std::size_t tried);

}  // namespace layernas::core
